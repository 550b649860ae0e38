//! An address to listen on.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
};

/// `HOST:PORT`. The host is a name or an IP address; port 0 lets the system choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListenAddress {
    host: String,
    port: u16,
}

impl ListenAddress {
    /// Checks the form only; a name is looked up by [`ListenAddress::resolve`].
    pub(crate) fn parse(text: &str) -> Result<ListenAddress, String> {
        let fault = || "is not an address: expected HOST:PORT such as 127.0.0.1:5672".to_owned();
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(ListenAddress { host: address.ip().to_string(), port: address.port() });
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(fault)?;
        let port = port.parse().map_err(|_| fault())?;
        let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if host.is_empty() || !host.chars().all(name) {
            return Err(fault());
        }
        Ok(ListenAddress { host: host.to_owned(), port })
    }

    /// The socket addresses the host stands for, at least one.
    ///
    /// # Errors
    /// The name cannot be looked up.
    pub(crate) fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        if let Ok(ip) = self.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, self.port)]);
        }
        let found: Vec<SocketAddr> = (self.host.as_str(), self.port).to_socket_addrs()?.collect();
        match found.is_empty() {
            true => Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address")),
            false => Ok(found),
        }
    }

    /// Where a program on this machine connects to reach a listener on this address.
    pub(crate) fn local_authority(&self) -> String {
        match self.host.parse::<IpAddr>() {
            Ok(ip) => local(SocketAddr::new(ip, self.port)).to_string(),
            Err(_) => self.to_string(),
        }
    }
}

/// Some addresses, or none: `HOST:PORT`, with commas between several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListenAddresses(pub(crate) Vec<ListenAddress>);

impl ListenAddresses {
    /// Checks the form only. An empty text, or `off`, is none.
    pub(crate) fn parse(text: &str) -> Result<ListenAddresses, String> {
        if matches!(text.trim(), "" | "off") {
            return Ok(ListenAddresses(Vec::new()));
        }
        let addresses = text.split(',').map(|text| ListenAddress::parse(text.trim()));
        Ok(ListenAddresses(addresses.collect::<Result<_, _>>()?))
    }
}

/// The address to connect to for a listener bound to `bound`: loopback for the wildcard address.
pub(crate) fn local(bound: SocketAddr) -> SocketAddr {
    match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => ([127, 0, 0, 1], bound.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => {
            SocketAddr::new(std::net::Ipv6Addr::LOCALHOST.into(), bound.port())
        }
        _ => bound,
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_with_a_port_are_taken() {
        for text in ["127.0.0.1:5672", "[::1]:0", "localhost:15672", "mq-1.example.org:1"] {
            assert_eq!(ListenAddress::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn several_addresses_have_commas_between_them_and_none_is_none() {
        let parsed = ListenAddresses::parse("127.0.0.1:1, [::1]:2").unwrap();
        let texts: Vec<String> = parsed.0.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["127.0.0.1:1", "[::1]:2"]);
        for none in ["", " ", "off"] {
            assert_eq!(ListenAddresses::parse(none).unwrap().0, []);
        }
        assert!(ListenAddresses::parse("127.0.0.1:1,").is_err());
    }

    #[test]
    fn what_is_not_host_and_port_is_refused_with_an_example() {
        for text in ["", "x", "5672", "127.0.0.1", ":5672", "a b:1", "h:70000", "::1:5672"] {
            let error = ListenAddress::parse(text).unwrap_err();
            assert!(error.contains("127.0.0.1:5672"), "{text}: {error}");
        }
    }

    #[test]
    fn a_wildcard_listener_is_reached_by_loopback() {
        assert_eq!(ListenAddress::parse("0.0.0.0:9").unwrap().local_authority(), "127.0.0.1:9");
        assert_eq!(ListenAddress::parse("[::]:9").unwrap().local_authority(), "[::1]:9");
        assert_eq!(ListenAddress::parse("10.1.2.3:9").unwrap().local_authority(), "10.1.2.3:9");
    }
}
