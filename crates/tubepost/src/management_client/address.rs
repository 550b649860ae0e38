//! Where a management API is: a socket of this machine, or a URL with a login.

use std::{fmt, path::PathBuf, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use percent_encoding::percent_decode_str;
use url::{Host, Url};

/// Where it is.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    /// A socket that Tubepost makes in its data directory: who may open it is an administrator.
    Socket(PathBuf),
    /// Any other place.
    Url(ManagementUrl),
}

/// `http://user:password@host:port/prefix` or `https://…`. No user means `guest`/`guest`; the port
/// is 80 or 443 if none is named; a path is what stands before `/api`. `?cacertfile=FILE` names the
/// authorities to trust instead of the system's. Debug and Display leave the login out.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ManagementUrl {
    tls: bool,
    host: String,
    port: u16,
    port_named: bool,
    prefix: String,
    login: Login,
    authorities: Option<PathBuf>,
}

/// Who asks.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Login {
    /// Their name.
    pub(crate) user: String,
    password: String,
}

impl Address {
    /// What stands before `/api`.
    pub(super) fn prefix(&self) -> &str {
        match self {
            Address::Socket(_) => "",
            Address::Url(url) => &url.prefix,
        }
    }

    /// The `Host` header (RFC 9110 §7.2).
    pub(super) fn host_header(&self) -> String {
        match self {
            Address::Socket(_) => "localhost".to_owned(),
            Address::Url(url) => url.authority(),
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
            Address::Url(url) => url.fmt(f),
        }
    }
}

impl Login {
    /// The `Authorization` header (RFC 7617 §2).
    pub(super) fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.user, self.password)))
    }
}

impl ManagementUrl {
    /// Whether the connection is encrypted and the server's certificate verified.
    pub(super) fn is_tls(&self) -> bool {
        self.tls
    }

    /// The host's name or address, IPv6 without brackets.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Whether the port was in the text.
    pub(super) fn is_port_named(&self) -> bool {
        self.port_named
    }

    /// The PEM file of the authorities to trust.
    pub(super) fn authorities(&self) -> Option<&PathBuf> {
        self.authorities.as_ref()
    }

    fn authority(&self) -> String {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        match self.port_named {
            true => format!("{host}:{}", self.port),
            false => host,
        }
    }
}

impl fmt::Display for ManagementUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.prefix)
    }
}

impl fmt::Debug for ManagementUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({:?})", self.user)
    }
}

impl FromStr for ManagementUrl {
    type Err = String;

    // No reason quotes the text: a password may be in it.
    fn from_str(text: &str) -> Result<ManagementUrl, String> {
        let url = Url::parse(text).map_err(|error| error.to_string())?;
        let tls = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err("its scheme is neither http nor https".to_owned()),
        };
        if url.fragment().is_some() {
            return Err("it has a '#'; inside a password that is written %23".to_owned());
        }
        let host = match url.host() {
            Some(Host::Ipv6(ip)) => ip.to_string(),
            Some(host) => host.to_string(),
            None => return Err("it has no host".to_owned()),
        };
        let prefix = url.path().trim_end_matches('/');
        let prefix = prefix.strip_suffix("/api").unwrap_or(prefix).trim_end_matches('/');
        let port_named = url.port().is_some();
        let port = url.port_or_known_default().unwrap_or_default();
        let (login, authorities) = (login(&url)?, authorities(&url, tls)?);
        let prefix = prefix.to_owned();
        Ok(ManagementUrl { tls, host, port, port_named, prefix, login, authorities })
    }
}

fn login(url: &Url) -> Result<Login, String> {
    let decoded = |text: &str| {
        let text = percent_decode_str(text).decode_utf8();
        text.map(String::from).map_err(|_| "its user or password is not UTF-8".to_owned())
    };
    let user = decoded(url.username())?;
    let password = url.password().map(decoded).transpose()?;
    // RFC 7617 §2: a colon would end the user's name.
    match (user.as_str(), password) {
        ("", None) => Ok(Login { user: "guest".to_owned(), password: "guest".to_owned() }),
        ("", Some(_)) => Err("it has a password and no user".to_owned()),
        (_, None) => Err("it has a user and no password".to_owned()),
        (name, Some(_)) if name.contains(':') => Err("its user has a ':'".to_owned()),
        (_, Some(password)) => Ok(Login { user, password }),
    }
}

fn authorities(url: &Url, tls: bool) -> Result<Option<PathBuf>, String> {
    let mut file = None;
    for (key, value) in url.query_pairs() {
        match key.as_ref() {
            "cacertfile" if tls => file = Some(PathBuf::from(value.into_owned())),
            "cacertfile" => return Err("cacertfile is for https".to_owned()),
            _ => return Err("of a query it may have cacertfile only".to_owned()),
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> ManagementUrl {
        text.parse().unwrap()
    }

    fn of(text: &str) -> (String, u16, String, String, String) {
        let url = url(text);
        let login = (url.login.user.clone(), url.login.password.clone());
        (url.host.clone(), url.port, url.prefix.clone(), login.0, login.1)
    }

    #[test]
    fn host_port_prefix_and_login_are_taken_from_a_url() {
        for (text, host, port, prefix, user, password) in [
            ("http://ada:s3cret@mq:15672", "mq", 15672, "", "ada", "s3cret"),
            ("http://127.0.0.1:15672/", "127.0.0.1", 15672, "", "guest", "guest"),
            ("https://mq.example.org", "mq.example.org", 443, "", "guest", "guest"),
            ("http://mq.example.org/api/", "mq.example.org", 80, "", "guest", "guest"),
            ("https://a:b@h/rabbit/api", "h", 443, "/rabbit", "a", "b"),
            ("https://a:b@h/rabbit/", "h", 443, "/rabbit", "a", "b"),
            ("http://a%40b:p%2F%23%C3%BC@[::1]:1", "::1", 1, "", "a@b", "p/#ü"),
            ("http://ada:s@3@h", "h", 80, "", "ada", "s@3"),
        ] {
            let expected = (host.into(), port, prefix.into(), user.into(), password.into());
            assert_eq!(of(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_password() {
        for (text, reason) in [
            ("mq:15672", "its scheme is neither http nor https"),
            ("amqp://mq", "its scheme is neither http nor https"),
            ("http://", "empty host"),
            ("http://ada:s3cret@mq:port", "invalid port number"),
            ("http://ada@mq", "it has a user and no password"),
            ("http://ada:@mq", "it has a user and no password"),
            ("http://:s3cret@mq", "it has a password and no user"),
            ("http://a%3Ab:s3cret@mq", "its user has a ':'"),
            ("http://ada:s3cret@mq/#x", "it has a '#'; inside a password that is written %23"),
            ("http://mq?cacertfile=x", "cacertfile is for https"),
            ("https://mq?verify=none", "of a query it may have cacertfile only"),
        ] {
            let refused = text.parse::<ManagementUrl>().unwrap_err();
            assert_eq!(refused, reason, "{text}");
            assert!(!refused.contains("s3cret"), "{refused}");
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
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?} {:?}", url.login), format!("{shown} Login(\"ada\")"));
        }
    }

    #[test]
    fn a_login_is_encoded_as_basic() {
        let url = url("http://Aladdin:open%20sesame@h");
        assert_eq!(url.login.basic(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }

    #[test]
    fn an_authority_of_ones_own_is_a_file() {
        let url = url("https://h?cacertfile=/etc/my%20ca.pem");
        assert_eq!(url.authorities(), Some(&PathBuf::from("/etc/my ca.pem")));
    }
}
