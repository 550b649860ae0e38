//! Where the bus is.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::{Error, amqp10::Dialect};

/// `amqp://user:password@host:port/vhost` or `amqps://…`, as RabbitMQ's URI specification has
/// it: parts are percent-encoded; the port defaults to 5672 (amqps: 5671); no user means
/// `guest`/`guest`; no virtual host means `/`, and `amqp://host/` means the one with the empty
/// name. Of the query these are used: `heartbeat` (seconds); with amqps `cacertfile` (PEM; the
/// authorities to trust instead of the system's), `certfile` and `keyfile` (PEM; the certificate to
/// show) and `auth_mechanism=external` (log in by that certificate instead of user and password).
/// Keys that would weaken or change who is trusted are refused, others are left to other clients.
///
/// Display and Debug mask the password. Cheap to clone.
///
/// ```
/// let bus: client::BusUrl = "amqp://ada:s3cret@[::1]/%2Fpubsub".parse()?;
/// assert_eq!(bus.to_string(), "amqp://ada:***@[::1]:5672/%2Fpubsub");
/// assert_eq!(bus.vhost(), "/pubsub");
/// # Ok::<(), client::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct BusUrl(Arc<Parts>);

#[derive(Clone, PartialEq, Eq)]
struct Parts {
    protocol: Protocol,
    tls: bool,
    user: String,
    password: String,
    host: String,
    port: u16,
    vhost: String,
    options: Options,
}

/// Which AMQP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// 0-9-1, with RabbitMQ's extensions: `amqp://`, `amqps://`.
    #[default]
    Amqp091,
    /// 1.0: `amqp10://`, `amqps10://`.
    Amqp10,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Amqp091 => "AMQP 0-9-1",
            Protocol::Amqp10 => "AMQP 1.0",
        })
    }
}

/// What the query says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Options {
    heartbeat_s: Option<u16>,
    authorities: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    external: bool,
    dialect: Option<Dialect>,
}

impl BusUrl {
    /// Which AMQP is spoken.
    pub fn protocol(&self) -> Protocol {
        self.0.protocol
    }

    /// Whether the connection is encrypted and the broker's certificate verified (`amqps`).
    pub fn is_tls(&self) -> bool {
        self.0.tls
    }

    /// Who logs in.
    pub fn user(&self) -> &str {
        &self.0.user
    }

    /// The secret that goes with the user. Not for a log: Display masks it.
    pub fn password(&self) -> &str {
        &self.0.password
    }

    /// The host's name or address, IPv6 without brackets.
    pub fn host(&self) -> &str {
        &self.0.host
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// The virtual host, decoded.
    pub fn vhost(&self) -> &str {
        &self.0.vhost
    }

    /// The same bus for another user, who logs in by password.
    #[must_use]
    pub fn with_login(&self, user: &str, password: &str) -> BusUrl {
        let mut parts = (*self.0).clone();
        parts.options.external = false;
        (parts.user, parts.password) = (user.to_owned(), password.to_owned());
        BusUrl(Arc::new(parts))
    }

    pub(crate) fn heartbeat_s(&self) -> Option<u16> {
        self.0.options.heartbeat_s
    }

    /// Whose addresses are used with AMQP 1.0, when the broker is not to be asked.
    pub(crate) fn dialect(&self) -> Option<Dialect> {
        self.0.options.dialect
    }

    /// The PEM file of the certificate authorities to trust.
    pub(crate) fn authorities(&self) -> Option<&Path> {
        self.0.options.authorities.as_deref()
    }

    /// The PEM files of the certificate to show, and of its key.
    pub(crate) fn certificate(&self) -> Option<(&Path, &Path)> {
        let options = &self.0.options;
        options.certificate.as_deref().zip(options.key.as_deref())
    }

    /// Whether the certificate is the login.
    pub fn is_external(&self) -> bool {
        self.0.options.external
    }
}

impl Default for BusUrl {
    /// The local broker: `amqp://guest:guest@127.0.0.1:5672/%2F`.
    fn default() -> BusUrl {
        BusUrl(Arc::new(Parts {
            protocol: Protocol::Amqp091,
            tls: false,
            user: "guest".to_owned(),
            password: "guest".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: PORT,
            vhost: "/".to_owned(),
            options: Options::default(),
        }))
    }
}

impl FromStr for BusUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<BusUrl, Error> {
        parse(text).map_err(|reason| Error::Url { text: masked(text), reason })
    }
}

fn parse(text: &str) -> Result<BusUrl, String> {
    let (scheme, rest) =
        text.split_once("://").ok_or("it has no scheme such as amqp:// or amqps://")?;
    let (protocol, tls) = match scheme.to_ascii_lowercase().as_str() {
        "amqp" => (Protocol::Amqp091, false),
        "amqps" => (Protocol::Amqp091, true),
        "amqp10" => (Protocol::Amqp10, false),
        "amqps10" => (Protocol::Amqp10, true),
        other => {
            return Err(format!("its scheme is '{other}', not amqp, amqps, amqp10 or amqps10"));
        }
    };
    if rest.contains('#') {
        return Err("it has a '#'; inside a name or password that is written %23".to_owned());
    }
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, Some(query)),
        None => (rest, None),
    };
    let (authority, vhost) = match rest.split_once('/') {
        None => (rest, "/".to_owned()),
        Some((_, vhost)) if vhost.contains('/') => {
            let mend = "a '/' in the virtual host's name is written %2F";
            return Err(format!("its virtual host is '{vhost}'; {mend}"));
        }
        Some((authority, vhost)) => (authority, decode(vhost, "virtual host")?),
    };
    let (user, password, address) = match authority.rsplit_once('@') {
        None => ("guest".to_owned(), "guest".to_owned(), authority),
        Some((login, address)) => {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            (decode(user, "user")?, decode(password, "password")?, address)
        }
    };
    let (host, port) = host_and_port(address)?;
    let options = Options::parse(query.unwrap_or_default())?;
    options.check(tls)?;
    Ok(BusUrl(Arc::new(Parts {
        protocol,
        tls,
        user,
        password,
        host: if host.is_empty() { BusUrl::default().host().to_owned() } else { host },
        port: port.unwrap_or(if tls { PORT_TLS } else { PORT }),
        vhost,
        options,
    })))
}

fn host_and_port(address: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = if let Some(rest) = address.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("its IPv6 address has no closing ']'")?;
        host.parse::<std::net::Ipv6Addr>()
            .map_err(|_| format!("'{host}' is not an IPv6 address"))?;
        let port = match rest.strip_prefix(':') {
            Some(port) => Some(port),
            None if rest.is_empty() => None,
            None => return Err(format!("after the IPv6 address comes '{rest}', not ':port'")),
        };
        (host.to_owned(), port)
    } else {
        match address.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err(format!("an IPv6 address is written in brackets: [{address}]"));
            }
            Some((host, port)) => (decode(host, "host")?, Some(port)),
            None => (decode(address, "host")?, None),
        }
    };
    if host.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("its host has white space or a control character".to_owned());
    }
    match port {
        None | Some("") => Ok((host, None)),
        Some(port) => match port.parse::<u16>() {
            Ok(number) if number > 0 => Ok((host, Some(number))),
            _ => Err(format!("its port is '{port}', not a number from 1 to 65535")),
        },
    }
}

impl Options {
    fn parse(query: &str) -> Result<Options, String> {
        let mut options = Options::default();
        for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match key {
                "heartbeat" => match value.parse() {
                    Ok(seconds) => options.heartbeat_s = Some(seconds),
                    Err(_) => {
                        return Err(format!(
                            "its heartbeat is '{value}', not seconds from 0 to 65535"
                        ));
                    }
                },
                "cacertfile" => options.authorities = Some(decode(value, key)?.into()),
                "certfile" => options.certificate = Some(decode(value, key)?.into()),
                "keyfile" => options.key = Some(decode(value, key)?.into()),
                "auth_mechanism" => match value.to_ascii_lowercase().as_str() {
                    "external" => options.external = true,
                    "plain" => options.external = false,
                    _ => {
                        return Err(format!(
                            "its auth_mechanism is '{value}'; known are plain and external"
                        ));
                    }
                },
                "addresses" => options.dialect = Some(value.parse()?),
                "verify" if value != "verify_peer" => {
                    return Err("it has 'verify': the broker's certificate is always verified; name its authority with cacertfile=FILE".to_owned());
                }
                _ => {}
            }
        }
        Ok(options)
    }

    fn check(&self, tls: bool) -> Result<(), String> {
        let files = [
            ("cacertfile", &self.authorities),
            ("certfile", &self.certificate),
            ("keyfile", &self.key),
        ];
        match files.iter().find(|(_, file)| file.is_some()) {
            Some((name, _)) if !tls => {
                return Err(format!("it names a {name} without TLS; write amqps://"));
            }
            _ => {}
        }
        match (&self.certificate, &self.key) {
            (Some(_), None) => Err("it has a 'certfile' and no 'keyfile'; name both".to_owned()),
            (None, Some(_)) => Err("it has a 'keyfile' and no 'certfile'; name both".to_owned()),
            (None, None) if self.external => Err("it logs in by certificate (auth_mechanism=external) and shows none; name a certfile and its keyfile".to_owned()),
            _ => Ok(()),
        }
    }
}

fn decode(text: &str, part: &str) -> Result<String, String> {
    // A lone '%' would pass through undecoded and be found only as a refused login.
    let bytes = text.as_bytes();
    for (at, _) in text.match_indices('%') {
        let digits = bytes.get(at + 1..at + 3).unwrap_or_default();
        if digits.len() != 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(format!("its {part} has a '%' without two hex digits; '%' is written %25"));
        }
    }
    let decoded = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| format!("its {part} is not UTF-8 when percent-decoded"))?;
    // AMQP 0-9-1 §4.2.5.3: a virtual host is a short string.
    if decoded.len() > 255 {
        return Err(format!("its {part} has {} bytes, more than 255", decoded.len()));
    }
    Ok(decoded.into_owned())
}

/// Hides everything that could be a password in a text that is not a URL.
fn masked(text: &str) -> String {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), text),
    };
    match rest.rsplit_once('@') {
        Some((login, rest)) => {
            let user = login.split_once(':').map_or("", |(user, _)| user);
            format!("{scheme}{user}:***@{rest}")
        }
        None => text.to_owned(),
    }
}

impl fmt::Display for BusUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match (self.protocol(), self.is_tls()) {
            (Protocol::Amqp091, false) => "amqp",
            (Protocol::Amqp091, true) => "amqps",
            (Protocol::Amqp10, false) => "amqp10",
            (Protocol::Amqp10, true) => "amqps10",
        };
        let user = utf8_percent_encode(self.user(), UNRESERVED);
        let vhost = utf8_percent_encode(self.vhost(), UNRESERVED);
        write!(f, "{scheme}://{user}:***@")?;
        match self.host().contains(':') {
            true => write!(f, "[{}]", self.host())?,
            false => f.write_str(self.host())?,
        }
        write!(f, ":{}/{vhost}", self.port())
    }
}

impl fmt::Debug for BusUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const PORT: u16 = 5672;
const PORT_TLS: u16 = 5671;
/// RFC 3986 §2.3.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    fn bus(text: &str) -> BusUrl {
        text.parse().unwrap()
    }

    #[test]
    fn the_parts_of_the_uri_specification_are_understood() {
        // RabbitMQ: URI specification, appendix A.
        for (text, user, password, host, port, vhost) in [
            ("amqp://user:pass@host:10000/vhost", "user", "pass", "host", 10000, "vhost"),
            (
                "amqp://user%61:%61pass@ho%61st:10000/v%2fhost",
                "usera",
                "apass",
                "hoast",
                10000,
                "v/host",
            ),
            ("amqp://", "guest", "guest", "127.0.0.1", 5672, "/"),
            ("amqp://:@/", "", "", "127.0.0.1", 5672, ""),
            ("amqp://user@", "user", "", "127.0.0.1", 5672, "/"),
            ("amqp://host", "guest", "guest", "host", 5672, "/"),
            ("amqp://:10000", "guest", "guest", "127.0.0.1", 10000, "/"),
            ("amqp:///vhost", "guest", "guest", "127.0.0.1", 5672, "vhost"),
            ("amqp://host/", "guest", "guest", "host", 5672, ""),
            ("amqp://host/%2F", "guest", "guest", "host", 5672, "/"),
            ("amqp://[::1]", "guest", "guest", "::1", 5672, "/"),
            ("amqps://u:p%40ss@[fe80::1]:99/a", "u", "p@ss", "fe80::1", 99, "a"),
            ("AMQPS://h", "guest", "guest", "h", 5671, "/"),
            (
                "amqp://?connection_attempts=3&retry_delay=5",
                "guest",
                "guest",
                "127.0.0.1",
                5672,
                "/",
            ),
        ] {
            let bus = bus(text);
            assert_eq!((bus.user(), bus.password()), (user, password), "{text}");
            assert_eq!((bus.host(), bus.port(), bus.vhost()), (host, port, vhost), "{text}");
        }
        assert_eq!(bus("amqp://h?heartbeat=7").heartbeat_s(), Some(7));
        let certified = "amqps://h?certfile=%2Fa.pem&keyfile=b.pem&auth_mechanism=EXTERNAL";
        let shown = bus(certified);
        assert_eq!(shown.certificate(), Some((Path::new("/a.pem"), Path::new("b.pem"))));
        assert!(shown.is_external() && !bus("amqps://h?auth_mechanism=plain").is_external());
    }

    #[test]
    fn what_is_shown_parses_again_and_hides_the_password() {
        for text in ["amqp://a:s3cret@h", "amqps://a%3A:s3cret@[::1]:7/v%2Fx", "amqp://h/"] {
            let shown = format!("{} {:?}", bus(text), bus(text));
            assert!(!shown.contains("s3cret"), "{shown}");
            let again = bus(&bus(text).to_string());
            assert_eq!(again.vhost(), bus(text).vhost());
            assert_eq!((again.user(), again.port()), (bus(text).user(), bus(text).port()));
        }
        assert_eq!(BusUrl::default().to_string(), "amqp://guest:***@127.0.0.1:5672/%2F");
    }

    #[test]
    fn what_is_not_a_bus_is_refused_with_the_mend_and_without_the_password() {
        for (text, reason) in [
            ("u:s3cret@localhost", "no scheme"),
            ("http://u:s3cret@h", "scheme is 'http'"),
            ("amqp://u:s3cret@h:port", "'port'"),
            ("amqp://u:s3cret@h:0", "1 to 65535"),
            ("amqp://u:s3cret@h:70000", "1 to 65535"),
            ("amqp://u:s3cret@h//", "%2F"),
            ("amqp://u:s3cret@::1", "brackets"),
            ("amqp://u:s3cret@[::1", "closing"),
            ("amqp://u:s3cret@[::x]", "not an IPv6"),
            ("amqp://u:s3cret%@h", "%25"),
            ("amqp://u:s3cret%ff@h", "not UTF-8"),
            ("amqp://u:s3cret#@h", "%23"),
            ("amqp://u:s3cret@h?heartbeat=often", "'often'"),
            ("amqps://u:s3cret@h?verify=verify_none", "cacertfile"),
            ("amqps://u:s3cret@h?certfile=a.pem", "'keyfile'"),
            ("amqps://u:s3cret@h?keyfile=a.pem", "'certfile'"),
            ("amqp://u:s3cret@h?certfile=a.pem&keyfile=b.pem", "amqps://"),
            ("amqps://h?auth_mechanism=external", "certfile"),
            ("amqps://h?auth_mechanism=anonymous", "'anonymous'"),
            ("amqp://u:s3cret@h?cacertfile=a.pem", "amqps://"),
        ] {
            let error = text.parse::<BusUrl>().unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
