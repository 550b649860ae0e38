//! `[notify.matrix]`, as text and checked.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{Secret, Templates, secret::one_of};

/// `[notify.matrix]`: set up when a homeserver is named.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MatrixSettings {
    /// Where the homeserver's client API is: `https://matrix.example.org/`.
    pub url: String,
    /// An access token; or else a user and a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// A file that holds it and nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// Who logs in, by name or whole: `tubepost`, `@tubepost:example.org`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The user's password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// A file that holds it and nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The device that a login is for: the same each time, another for each notifier.
    #[serde(default = "device")]
    pub device: String,
    /// Whether a homeserver on another machine may be called without TLS.
    #[serde(default)]
    pub plain_http: bool,
    /// Authorities (PEM) to trust instead of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// How long the homeserver may take for an answer, 1 to 60 seconds.
    #[serde(default = "timeout_s")]
    pub timeout_s: u16,
}

/// How the homeserver is reached. See [`MatrixSettings`] for the meaning of each.
#[derive(Debug, Clone)]
pub struct Matrix {
    pub(crate) url: Url,
    pub(crate) login: Login,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) timeout: Duration,
    pub(crate) templates: Templates,
}

/// Who it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Login {
    /// Whose token that is.
    Token(Secret),
    /// A user, by password.
    Password { user: String, password: Secret, device: String },
}

impl MatrixSettings {
    /// Reads the files that are named; `None` when something is wrong, which is in `problems` then.
    pub(crate) fn check(self, problems: &mut Vec<String>) -> Option<Matrix> {
        let before = problems.len();
        let mut wrong = |problem: String| problems.push(format!("notify.matrix.{problem}"));
        let token = one_of("token", self.token, self.token_file.as_deref(), &mut wrong);
        let password = one_of("password", self.password, self.password_file.as_deref(), &mut wrong);
        if !(1..=60).contains(&self.timeout_s) {
            wrong(format!("timeout_s is {}; take 1 to 60 seconds", self.timeout_s));
        }
        let is_word = |text: &str| !text.is_empty() && !text.contains(char::is_control);
        if !is_word(&self.device) {
            wrong("device is no name".to_owned());
        }
        let login = match (token, self.user, password) {
            (Some(token), None, None) => Some(Login::Token(token)),
            (None, Some(user), Some(password)) if is_word(&user) => {
                Some(Login::Password { user, password, device: self.device })
            }
            (Some(_), ..) => {
                wrong("token and user or password are both set; keep one way".to_owned());
                None
            }
            (None, Some(_), None) => {
                wrong("user is set, but there is no password; set password_file".to_owned());
                None
            }
            (None, ..) => {
                wrong("token_file is missing; name a file with an access token".to_owned());
                None
            }
        };
        let url = Url::parse(&self.url).ok().filter(|url| {
            let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
            let is_bare = url.username().is_empty() && url.password().is_none();
            is_web && is_bare && url.query().is_none() && url.fragment().is_none()
        });
        let Some(url) = url else {
            wrong(
                "url is no web address without a login; write https://matrix.example.org/".into(),
            );
            return None;
        };
        // Whoever reads along would have the token.
        let local = url.host_str().is_some_and(crate::config::is_loopback);
        if url.scheme() == "http" && !local && !self.plain_http {
            wrong(
                "url: the login would leave this machine in the clear; write https://, or allow \
                 it with plain_http = true"
                    .to_owned(),
            );
        }
        let timeout = Duration::from_secs(self.timeout_s.into());
        let matrix = Matrix {
            url,
            login: login?,
            ca_file: self.ca_file,
            timeout,
            templates: Templates::default(),
        };
        (problems.len() == before).then_some(matrix)
    }
}

fn device() -> String {
    "TUBEPOST".to_owned()
}

fn timeout_s() -> u16 {
    20
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Matrix, String> {
        let mut problems = Vec::new();
        let checked = toml::from_str::<MatrixSettings>(text).unwrap().check(&mut problems);
        checked.filter(|_| problems.is_empty()).ok_or(problems.join("\n"))
    }

    #[test]
    fn a_token_or_a_login_and_neither_in_the_clear() {
        let matrix = check("url = 'https://matrix.example.org'\ntoken = 'syt_s3cret'").unwrap();
        assert!(matches!(matrix.login, Login::Token(_)) && matrix.timeout.as_secs() == 20);
        assert!(!format!("{matrix:?}").contains("s3cret"));
        let login = "user = 'tubepost'\npassword = 's3cret'";
        let matrix = check(&format!("url = 'https://h'\n{login}")).unwrap();
        assert!(matches!(matrix.login, Login::Password { device, .. } if device == "TUBEPOST"));

        let clear = "url = 'http://matrix.example.org'\ntoken = 's3cret'";
        let said = check(clear).unwrap_err();
        assert!(said.contains("in the clear") && !said.contains("s3cret"), "{said}");
        assert!(check(&format!("{clear}\nplain_http = true")).is_ok());
        assert!(check("url = 'http://127.0.0.1:8008'\ntoken = 't'").is_ok());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_key() {
        for (text, key) in [
            ("url = 'matrix.example.org'\ntoken = 't'", "notify.matrix.url"),
            ("url = 'https://u:p@h'\ntoken = 't'", "notify.matrix.url"),
            ("url = 'https://h'", "notify.matrix.token_file is missing"),
            ("url = 'https://h'\nuser = 'u'", "notify.matrix.user"),
            ("url = 'https://h'\npassword = 'p'", "notify.matrix.token_file"),
            ("url = 'https://h'\ntoken = 't'\nuser = 'u'", "keep one way"),
            ("url = 'https://h'\ntoken = 't'\ntimeout_s = 61", "notify.matrix.timeout_s"),
            ("url = 'https://h'\ntoken = 't'\ndevice = ''", "notify.matrix.device"),
            ("url = 'https://h'\ntoken_file = '/nowhere/t'", "token_file /nowhere/t"),
        ] {
            let said = check(text).unwrap_err();
            assert!(said.contains(key), "{text}: {said}");
        }
    }
}
