//! `[notify.webhook]`, as text and checked.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Secret, Templates, secret::one_of};

/// `[notify.webhook]`: set up when there is a secret.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// What signatures are made from, 16 bytes at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// A file that holds it and nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// Authorities (PEM) to trust instead of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Whether machines that are not on the public internet may be called.
    #[serde(default)]
    pub private_addresses: bool,
    /// How many redirects are followed, 0 to 5.
    #[serde(default)]
    pub redirects_max: u8,
    /// How long a server may take for all of it, 1 to 60 seconds.
    #[serde(default = "timeout_s")]
    pub timeout_s: u16,
}

/// How webhooks are called. See [`WebhookSettings`] for the meaning of each.
#[derive(Debug, Clone)]
pub struct Webhook {
    pub(crate) secret: Secret,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) private_addresses: bool,
    pub(crate) redirects_max: u8,
    pub(crate) timeout: Duration,
    pub(crate) templates: Templates,
}

impl WebhookSettings {
    /// Reads the file that is named; `None` when something is wrong, which is in `problems` then.
    pub(crate) fn check(self, problems: &mut Vec<String>) -> Option<Webhook> {
        let before = problems.len();
        let mut wrong = |problem: String| problems.push(format!("notify.webhook.{problem}"));
        let secret = one_of("secret", self.secret, self.secret_file.as_deref(), &mut wrong);
        if secret.as_ref().is_some_and(|secret| secret.expose().len() < SECRET_BYTES_MIN) {
            wrong(format!(
                "secret has less than {SECRET_BYTES_MIN} bytes; make one with openssl rand -hex 32"
            ));
        }
        if self.redirects_max > 5 {
            wrong(format!("redirects_max is {}; take 0 to 5", self.redirects_max));
        }
        if !(1..=60).contains(&self.timeout_s) {
            wrong(format!("timeout_s is {}; take 1 to 60 seconds", self.timeout_s));
        }
        if secret.is_none() && problems.len() == before {
            problems.push(
                "notify.webhook.secret_file is missing; name a file with what openssl rand -hex 32 \
                 says"
                    .to_owned(),
            );
        }
        Some(Webhook {
            secret: secret?,
            ca_file: self.ca_file,
            private_addresses: self.private_addresses,
            redirects_max: self.redirects_max,
            timeout: Duration::from_secs(self.timeout_s.into()),
            templates: Templates::default(),
        })
    }
}

fn timeout_s() -> u16 {
    10
}

const SECRET_BYTES_MIN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Webhook, String> {
        let mut problems = Vec::new();
        let checked = toml::from_str::<WebhookSettings>(text).unwrap().check(&mut problems);
        checked.filter(|_| problems.is_empty()).ok_or(problems.join("\n"))
    }

    #[test]
    fn defaults_are_safe() {
        let webhook = check("secret = '0123456789abcdef'").unwrap();
        assert!(!webhook.private_addresses && webhook.redirects_max == 0);
        assert_eq!(webhook.timeout.as_secs(), 10);
        assert!(!format!("{webhook:?}").contains("0123456789abcdef"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_key_and_without_the_secret() {
        let said = check("secret = 'hunter2'\nredirects_max = 6\ntimeout_s = 0").unwrap_err();
        for key in ["secret has less", "redirects_max", "timeout_s"] {
            assert!(said.contains(&format!("notify.webhook.{key}")), "{said}");
        }
        assert!(!said.contains("hunter2"), "{said}");
        let said = check("").unwrap_err();
        assert!(said.contains("secret_file is missing"), "{said}");
        let said = check("secret_file = '/nowhere/secret'").unwrap_err();
        assert!(said.contains("/nowhere/secret"), "{said}");
        let said = check("secret = '0123456789abcdef'\nsecret_file = 'x'").unwrap_err();
        assert!(said.contains("secret_file"), "{said}");
    }
}
