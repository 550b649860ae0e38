//! Where a management API is: a socket of this machine, or a URL with a login.

use std::{fmt, path::PathBuf, str::FromStr};

use crate::http_url::{HttpUrl, Login};

/// Where it is.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    /// A socket that Tubepost makes in its data directory: who may open it is an administrator.
    Socket(PathBuf),
    /// Any other place.
    Url(ManagementUrl),
}

/// A URL as [`HttpUrl`] has it; no user means `guest`/`guest`, and its path is what stands before
/// `/api`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ManagementUrl {
    url: HttpUrl,
    login: Login,
}

impl Address {
    /// What stands before `/api`.
    pub(super) fn prefix(&self) -> &str {
        match self {
            Address::Socket(_) => "",
            Address::Url(it) => it.url.path(),
        }
    }

    /// The `Host` header (RFC 9110 §7.2).
    pub(super) fn host_header(&self) -> String {
        match self {
            Address::Socket(_) => "localhost".to_owned(),
            Address::Url(it) => it.url.authority(),
        }
    }

    /// None on the socket.
    pub(super) fn login(&self) -> Option<&Login> {
        match self {
            Address::Socket(_) => None,
            Address::Url(url) => Some(&url.login),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Socket(path) => write!(f, "management socket {}", path.display()),
            Address::Url(it) => it.url.fmt(f),
        }
    }
}

impl ManagementUrl {
    /// What is connected to.
    pub(super) fn url(&self) -> &HttpUrl {
        &self.url
    }
}

impl FromStr for ManagementUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<ManagementUrl, String> {
        let url: HttpUrl = text.parse()?;
        let path = url.path();
        let prefix = path.strip_suffix("/api").unwrap_or(path).trim_end_matches('/').to_owned();
        let login = url.login().cloned().unwrap_or_else(Login::guest);
        Ok(ManagementUrl { url: url.with_path(&prefix), login })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> ManagementUrl {
        text.parse().unwrap()
    }

    #[test]
    fn host_port_prefix_and_login_are_taken_from_a_url() {
        for (text, host, port, prefix, user, basic) in [
            ("http://ada:s3cret@mq:15672", "mq", 15672, "", "ada", "YWRhOnMzY3JldA=="),
            ("http://127.0.0.1:15672/", "127.0.0.1", 15672, "", "guest", "Z3Vlc3Q6Z3Vlc3Q="),
            ("https://mq.example.org", "mq.example.org", 443, "", "guest", "Z3Vlc3Q6Z3Vlc3Q="),
            ("http://mq.example.org/api/", "mq.example.org", 80, "", "guest", "Z3Vlc3Q6Z3Vlc3Q="),
            ("https://a:b@h/rabbit/api", "h", 443, "/rabbit", "a", "YTpi"),
            ("https://a:b@h/rabbit/", "h", 443, "/rabbit", "a", "YTpi"),
            ("http://a%40b:p%2F%23%C3%BC@[::1]:1", "::1", 1, "", "a@b", "YUBiOnAvI8O8"),
            ("http://ada:s@3@h", "h", 80, "", "ada", "YWRhOnNAMw=="),
        ] {
            let found = url(text);
            let where_it_is = (found.url.host(), found.url.port(), found.url.path());
            assert_eq!(where_it_is, (host, port, prefix), "{text}");
            let login = (found.login.user.as_str(), found.login.basic());
            assert_eq!(login, (user, format!("Basic {basic}")), "{text}");
        }
    }

    #[test]
    fn it_is_shown_without_its_login() {
        for (text, shown) in [
            ("https://ada:s3cret@mq:15671/x/api", "https://mq:15671/x"),
            ("http://ada:s3cret@[::1]:15672", "http://[::1]:15672"),
            ("https://ada:s3cret@mq.example.org", "https://mq.example.org"),
        ] {
            let url = url(text);
            assert_eq!(Address::Url(url.clone()).to_string(), shown);
            assert!(!format!("{url:?}").contains("s3cret"));
        }
    }
}
