//! `[notify.irc]`, as text and checked.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use url::Url;

use super::address;
use crate::{Secret, Templates, secret::one_of};

/// `[notify.irc]`: set up when a server is named.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct IrcSettings {
    /// The server: `ircs://irc.example.org`, by TLS on port 6697, or `irc://`, without on 6667.
    pub url: String,
    /// How it is called there; when that is in use, with underscores behind it.
    #[serde(default = "nick")]
    pub nick: String,
    /// The account to log in to by SASL PLAIN; default the nick.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The account's password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// A file that holds it and nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// A certificate (PEM) to log in with by SASL EXTERNAL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_file: Option<PathBuf>,
    /// Its key (PEM).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Authorities (PEM) to trust instead of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// How many lines may go at once, 1 to 100.
    #[serde(default = "burst_lines")]
    pub burst_lines: u8,
    /// After them, how long from line to line, up to 10,000 milliseconds.
    #[serde(default = "line_pause_ms")]
    pub line_pause_ms: u16,
    /// How long the server may take to be ready, and for each answer, 1 to 120 seconds.
    #[serde(default = "timeout_s")]
    pub timeout_s: u16,
}

/// How the server is reached. See [`IrcSettings`] for the meaning of each.
#[derive(Debug, Clone)]
pub struct Irc {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: bool,
    pub(crate) nick: String,
    pub(crate) login: Login,
    pub(crate) certificate: Option<(PathBuf, PathBuf)>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) burst_lines: u8,
    pub(crate) line_pause: Duration,
    pub(crate) timeout: Duration,
    pub(crate) templates: Templates,
}

/// Who it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Login {
    /// Nobody in particular.
    None,
    /// SASL PLAIN.
    Plain { account: String, password: Secret },
    /// SASL EXTERNAL: whose certificate it is.
    External,
}

impl Login {
    /// The mechanism's name.
    pub(crate) fn mechanism(&self) -> &'static str {
        match self {
            Login::None => "",
            Login::Plain { .. } => "PLAIN",
            Login::External => "EXTERNAL",
        }
    }
}

impl IrcSettings {
    /// Reads the file that is named; `None` when something is wrong, which is in `problems` then.
    pub(crate) fn check(self, problems: &mut Vec<String>) -> Option<Irc> {
        let mut wrong = |problem: String| problems.push(format!("notify.irc.{problem}"));
        let password = one_of("password", self.password, self.password_file.as_deref(), &mut wrong);
        let is_nick = address::check(&self.nick).is_ok() && !address::is_channel(&self.nick);
        if !is_nick || self.nick.len() > NICK_BYTES_MAX {
            wrong(format!("nick '{}' is none of up to {NICK_BYTES_MAX} letters", self.nick));
        }
        if !(1..=100).contains(&self.burst_lines) {
            wrong(format!("burst_lines is {}; take 1 to 100", self.burst_lines));
        }
        if self.line_pause_ms > 10_000 {
            wrong(format!("line_pause_ms is {}; take 10000 at most", self.line_pause_ms));
        }
        if !(1..=120).contains(&self.timeout_s) {
            wrong(format!("timeout_s is {}; take 1 to 120 seconds", self.timeout_s));
        }
        let certificate = match (self.certificate_file, self.key_file) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => {
                wrong("certificate_file and key_file go together; set both or neither".to_owned());
                None
            }
        };
        let account = self.account.unwrap_or_else(|| self.nick.clone());
        if account.is_empty() || account.contains(char::is_control) {
            wrong("account is no name".to_owned());
        }
        let login = match (password, &certificate) {
            (Some(_), Some(_)) => {
                wrong("password and certificate_file are both set; keep one".to_owned());
                Login::None
            }
            (Some(password), None) => Login::Plain { account, password },
            (None, Some(_)) => Login::External,
            (None, None) => Login::None,
        };
        let Some((host, port, tls)) = server(&self.url) else {
            wrong(
                "url is no IRC server without a login and a path; write ircs://irc.example.org"
                    .to_owned(),
            );
            return None;
        };
        if !tls && certificate.is_some() {
            wrong("url: a certificate is shown by TLS only; write ircs://".to_owned());
        }
        // Whoever reads along would have the password.
        if !tls && login != Login::None && !crate::config::is_loopback(&host) {
            wrong("url: the password would leave this machine in the clear; write ircs://".into());
        }
        Some(Irc {
            host,
            port,
            tls,
            nick: self.nick,
            login,
            certificate,
            ca_file: self.ca_file,
            burst_lines: self.burst_lines,
            line_pause: Duration::from_millis(self.line_pause_ms.into()),
            timeout: Duration::from_secs(self.timeout_s.into()),
            templates: Templates::default(),
        })
    }
}

/// Host, port, and whether by TLS.
fn server(url: &str) -> Option<(String, u16, bool)> {
    let url = Url::parse(url).ok()?;
    let tls = match url.scheme() {
        "ircs" => true,
        "irc" => false,
        _ => return None,
    };
    let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
    let bare = url.username().is_empty()
        && url.password().is_none()
        && matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none();
    let port = url.port().unwrap_or(if tls { 6697 } else { 6667 });
    (bare && !host.is_empty() && port > 0).then_some((host, port, tls))
}

fn nick() -> String {
    "tubepost".to_owned()
}

fn burst_lines() -> u8 {
    5
}

// RFC 1459 §8.10: a line costs two seconds, and ten seconds may be owed.
fn line_pause_ms() -> u16 {
    2000
}

fn timeout_s() -> u16 {
    30
}

pub(crate) const NICK_BYTES_MAX: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Irc, String> {
        let mut problems = Vec::new();
        let checked = toml::from_str::<IrcSettings>(text).unwrap().check(&mut problems);
        checked.filter(|_| problems.is_empty()).ok_or(problems.join("\n"))
    }

    #[test]
    fn a_server_is_all_it_takes_and_tls_has_its_own_port() {
        let irc = check("url = 'ircs://irc.example.org'").unwrap();
        assert_eq!((irc.host.as_str(), irc.port, irc.tls), ("irc.example.org", 6697, true));
        assert_eq!((irc.nick.as_str(), irc.login), ("tubepost", Login::None));
        let irc = check("url = 'irc://[::1]:7000/'").unwrap();
        assert_eq!((irc.host.as_str(), irc.port, irc.tls), ("::1", 7000, false));
        assert_eq!(check("url = 'irc://h'").unwrap().port, 6667);
    }

    #[test]
    fn a_password_does_not_leave_the_machine_in_the_clear_and_is_not_shown() {
        let said = check("url = 'irc://irc.example.org'\npassword = 's3cret'").unwrap_err();
        assert!(said.contains("in the clear") && !said.contains("s3cret"), "{said}");
        for url in ["irc://127.0.0.1", "ircs://irc.example.org"] {
            let irc = check(&format!("url = '{url}'\npassword = 's3cret'\naccount = 'a'")).unwrap();
            assert!(matches!(&irc.login, Login::Plain { account, .. } if account == "a"));
            assert!(!format!("{irc:?}").contains("s3cret"));
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_key() {
        for (text, key) in [
            ("url = 'irc.example.org'", "notify.irc.url"),
            ("url = 'https://irc.example.org'", "notify.irc.url"),
            ("url = 'ircs://u:p@irc.example.org'", "notify.irc.url"),
            ("url = 'ircs://irc.example.org/#c'", "notify.irc.url"),
            ("url = 'ircs://h'\nnick = '#a'", "notify.irc.nick"),
            ("url = 'ircs://h'\nnick = 'a b'", "notify.irc.nick"),
            ("url = 'ircs://h'\nburst_lines = 0", "notify.irc.burst_lines"),
            ("url = 'ircs://h'\nline_pause_ms = 10001", "notify.irc.line_pause_ms"),
            ("url = 'ircs://h'\ntimeout_s = 0", "notify.irc.timeout_s"),
            ("url = 'ircs://h'\nkey_file = 'k'", "notify.irc.certificate_file"),
            ("url = 'irc://h'\nkey_file = 'k'\ncertificate_file = 'c'", "notify.irc.url"),
            (
                "url = 'ircs://h'\npassword = 'p'\nkey_file = 'k'\ncertificate_file = 'c'",
                "keep one",
            ),
            ("url = 'ircs://h'\npassword_file = '/nowhere/p'", "password_file /nowhere/p"),
        ] {
            let said = check(text).unwrap_err();
            assert!(said.contains(key), "{text}: {said}");
        }
    }
}
