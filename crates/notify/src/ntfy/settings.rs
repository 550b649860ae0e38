//! `[notify.ntfy]`, as text and checked.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{Secret, Templates, secret::one_of};

/// `[notify.ntfy]`: set up when a server is named.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NtfySettings {
    /// The root of the server: `https://ntfy.example.org/`.
    pub url: String,
    /// An access token; none means nobody in particular.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// A file that holds it and nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// Authorities (PEM) to trust instead of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// How long the server may take for all of it, 1 to 60 seconds.
    #[serde(default = "timeout_s")]
    pub timeout_s: u16,
}

/// How the server is reached. See [`NtfySettings`] for the meaning of each.
#[derive(Debug, Clone)]
pub struct Ntfy {
    pub(crate) url: Url,
    pub(crate) token: Option<Secret>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) timeout: Duration,
    pub(crate) templates: Templates,
}

impl NtfySettings {
    /// Reads the file that is named; `None` when something is wrong, which is in `problems` then.
    pub(crate) fn check(self, problems: &mut Vec<String>) -> Option<Ntfy> {
        let mut wrong = |problem: String| problems.push(format!("notify.ntfy.{problem}"));
        let token = one_of("token", self.token, self.token_file.as_deref(), &mut wrong);
        if !(1..=60).contains(&self.timeout_s) {
            wrong(format!("timeout_s is {}; take 1 to 60 seconds", self.timeout_s));
        }
        let url = Url::parse(&self.url).ok().filter(|url| {
            let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
            is_web && url.username().is_empty() && url.password().is_none()
        });
        let Some(url) = url else {
            wrong("url is no web address without a login; write https://ntfy.example.org/".into());
            return None;
        };
        // Whoever reads along would have the token.
        let local = url.host_str().is_some_and(crate::config::is_loopback);
        if token.is_some() && url.scheme() == "http" && !local {
            wrong("url: the token would leave this machine in the clear; write https://".into());
        }
        let timeout = Duration::from_secs(self.timeout_s.into());
        Some(Ntfy { url, token, ca_file: self.ca_file, timeout, templates: Templates::default() })
    }
}

fn timeout_s() -> u16 {
    10
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Ntfy, String> {
        let mut problems = Vec::new();
        let checked = toml::from_str::<NtfySettings>(text).unwrap().check(&mut problems);
        checked.filter(|_| problems.is_empty()).ok_or(problems.join("\n"))
    }

    #[test]
    fn a_token_does_not_leave_the_machine_in_the_clear() {
        let said = check("url = 'http://ntfy.example.org'\ntoken = 'tk_s3cret'").unwrap_err();
        assert!(said.contains("in the clear") && !said.contains("s3cret"), "{said}");
        for url in ["http://127.0.0.1:8080/", "http://localhost", "https://ntfy.example.org"] {
            assert!(check(&format!("url = '{url}'\ntoken = 'tk_s3cret'")).is_ok(), "{url}");
        }
        assert!(check("url = 'http://ntfy.example.org'").is_ok());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_key() {
        for (text, key) in [
            ("url = 'ntfy.example.org'", "notify.ntfy.url"),
            ("url = 'https://u:p@ntfy.example.org'", "notify.ntfy.url"),
            ("url = 'https://h'\ntimeout_s = 61", "notify.ntfy.timeout_s"),
            ("url = 'https://h'\ntoken_file = '/nowhere/t'", "notify.ntfy.token_file /nowhere/t"),
        ] {
            let said = check(text).unwrap_err();
            assert!(said.contains(key), "{said}");
        }
    }
}
