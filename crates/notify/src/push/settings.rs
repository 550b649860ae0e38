//! `[notify.push]`, as text and checked.

use std::{io, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::VapidKey;

/// `[notify.push]`: set up when somebody is named whom push services may write to.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PushSettings {
    /// Who answers for what is sent, for the push services: `mailto:ops@example.org` or a page.
    pub contact: String,
    /// The key that browsers are subscribed with; made when it is not there.
    pub key_file: PathBuf,
    /// Authorities (PEM) to trust instead of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Whether machines that are not on the public internet may be called.
    #[serde(default)]
    pub private_addresses: bool,
    /// How long a push service may take for all of it, 1 to 60 seconds.
    #[serde(default = "timeout_s")]
    pub timeout_s: u16,
}

/// How browsers are told. See [`PushSettings`] for the meaning of each.
#[derive(Debug, Clone)]
pub struct Push {
    pub(crate) contact: String,
    pub(crate) key_file: PathBuf,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) private_addresses: bool,
    pub(crate) timeout: Duration,
}

impl Push {
    /// The key, made when there is none.
    ///
    /// # Errors
    /// Its file, which is named, cannot be read or made, or holds no key.
    pub fn key(&self) -> io::Result<VapidKey> {
        let file = &self.key_file;
        VapidKey::in_file(file)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display())))
    }
}

impl PushSettings {
    /// `None` when something is wrong, which is in `problems` then.
    pub(crate) fn check(self, problems: &mut Vec<String>) -> Option<Push> {
        let before = problems.len();
        let mut wrong = |problem: &str| problems.push(format!("notify.push.{problem}"));
        let contact = self.contact.as_str();
        let is_plain = !contact.contains(|c: char| c.is_control() || c.is_whitespace());
        let is_known = ["mailto:", "https://"].iter().any(|scheme| {
            contact.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty() && rest.len() <= 500)
        });
        if !(is_plain && is_known) {
            wrong(
                "contact is no address that push services could write to; write \
                 mailto:ops@example.org, or https:// and a page",
            );
        }
        if !(1..=60).contains(&self.timeout_s) {
            wrong(&format!("timeout_s is {}; take 1 to 60 seconds", self.timeout_s));
        }
        (problems.len() == before).then(|| Push {
            contact: self.contact,
            key_file: self.key_file,
            ca_file: self.ca_file,
            private_addresses: self.private_addresses,
            timeout: Duration::from_secs(self.timeout_s.into()),
        })
    }
}

fn timeout_s() -> u16 {
    10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_with_its_key() {
        let check = |text: &str| {
            let mut problems = Vec::new();
            let text = format!("key_file = 'push.key'\n{text}");
            let checked = toml::from_str::<PushSettings>(&text).unwrap().check(&mut problems);
            checked.ok_or(problems.join("\n"))
        };
        let push = check("contact = 'mailto:ops@example.org'").unwrap();
        assert!(!push.private_addresses && push.timeout.as_secs() == 10);
        for contact in ["ops@example.org", "mailto:", "http://example.org", "mailto:a b"] {
            let said = check(&format!("contact = '{contact}'\ntimeout_s = 0")).unwrap_err();
            assert!(said.contains("notify.push.contact is no address"), "{said}");
            assert!(said.contains("notify.push.timeout_s is 0"), "{said}");
        }
    }
}
