//! `http://user:password@host:port/path` or `https://…`: where something is served that commands
//! ask for. `?cacertfile=FILE` names the authorities to trust instead of the system's.

use std::{fmt, path::PathBuf, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use percent_encoding::percent_decode_str;
use url::{Host, Url};

/// Such an address. Debug and Display leave the login out.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct HttpUrl {
    tls: bool,
    host: String,
    port: u16,
    port_named: bool,
    path: String,
    login: Option<Login>,
    authorities: Option<PathBuf>,
}

/// Who asks.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Login {
    /// Their name.
    pub(crate) user: String,
    password: String,
}

impl Login {
    /// The broker's own account of this machine.
    pub(crate) fn guest() -> Login {
        Login { user: "guest".to_owned(), password: "guest".to_owned() }
    }

    /// The `Authorization` header (RFC 7617 §2).
    pub(crate) fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.user, self.password)))
    }
}

impl HttpUrl {
    /// Whether the connection is encrypted and the server's certificate verified.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls
    }

    /// The host's name or address, IPv6 without brackets.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Whether the port was in the text.
    pub(crate) fn is_port_named(&self) -> bool {
        self.port_named
    }

    /// The path, without slashes at its end: empty, or it begins with one.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Another path at the same place.
    pub(crate) fn with_path(mut self, path: &str) -> HttpUrl {
        path.clone_into(&mut self.path);
        self
    }

    /// Who asks, where the text says it.
    pub(crate) fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }

    /// The PEM file of the authorities to trust.
    pub(crate) fn authorities(&self) -> Option<&PathBuf> {
        self.authorities.as_ref()
    }

    /// The `Host` header (RFC 9110 §7.2).
    pub(crate) fn authority(&self) -> String {
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

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({:?})", self.user)
    }
}

impl FromStr for HttpUrl {
    type Err = String;

    // No reason quotes the text: a password may be in it.
    fn from_str(text: &str) -> Result<HttpUrl, String> {
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
        let port_named = url.port().is_some();
        let port = url.port_or_known_default().unwrap_or_default();
        let (login, authorities) = (login(&url)?, authorities(&url, tls)?);
        let path = url.path().trim_end_matches('/').to_owned();
        Ok(HttpUrl { tls, host, port, port_named, path, login, authorities })
    }
}

fn login(url: &Url) -> Result<Option<Login>, String> {
    let decoded = |text: &str| {
        let text = percent_decode_str(text).decode_utf8();
        text.map(String::from).map_err(|_| "its user or password is not UTF-8".to_owned())
    };
    let user = decoded(url.username())?;
    let password = url.password().map(decoded).transpose()?;
    // RFC 7617 §2: a colon would end the user's name.
    match (user.as_str(), password) {
        ("", None) => Ok(None),
        ("", Some(_)) => Err("it has a password and no user".to_owned()),
        (_, None) => Err("it has a user and no password".to_owned()),
        (name, Some(_)) if name.contains(':') => Err("its user has a ':'".to_owned()),
        (_, Some(password)) => Ok(Some(Login { user, password })),
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
            let refused = text.parse::<HttpUrl>().unwrap_err();
            assert_eq!(refused, reason, "{text}");
            assert!(!refused.contains("s3cret"), "{refused}");
        }
    }

    #[test]
    fn a_login_is_encoded_as_basic_and_shown_to_nobody() {
        let url: HttpUrl = "http://Aladdin:open%20sesame@h/a/".parse().unwrap();
        let login = url.login().unwrap();
        assert_eq!(login.basic(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(format!("{url} {url:?} {login:?}"), "http://h/a http://h/a Login(\"Aladdin\")");
    }

    #[test]
    fn an_authority_of_ones_own_is_a_file() {
        let url: HttpUrl = "https://h?cacertfile=/etc/my%20ca.pem".parse().unwrap();
        assert_eq!(url.authorities(), Some(&PathBuf::from("/etc/my ca.pem")));
    }
}
