//! Whose pages may open a WebSocket here. Browsers ask no server beforehand, and send what a login
//! is remembered by; but they say from which site the page is (RFC 6455 §10.2), and programs
//! usually say nothing.

use std::{collections::BTreeSet, fmt, net::IpAddr};

use axum::http::{HeaderMap, Uri, header};

use crate::{Peer, host_name, host_of};

/// The origins of the pages that are let in besides one's own: `https://app.example.org`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    listed: BTreeSet<String>,
    /// Any page whatsoever.
    any: bool,
}

/// A page that is not let in, by its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Foreign(pub(crate) String);

impl Origins {
    /// Reads a list with commas between: origins as browsers say them, or `*` for any. Nothing but
    /// one's own pages when it is empty.
    ///
    /// # Errors
    /// Which of them is no origin; reads behind the quoted text: `is not …: expected …`.
    pub fn parse(text: &str) -> Result<Origins, String> {
        let mut origins = Origins::default();
        for origin in text.split(',').map(str::trim).filter(|origin| !origin.is_empty()) {
            match origin {
                "*" => origins.any = true,
                _ => drop(origins.listed.insert(normal(origin)?)),
            }
        }
        Ok(origins)
    }

    /// Whether the page behind a request, if there is one, may open a WebSocket.
    pub(crate) fn check(&self, uri: &Uri, headers: &HeaderMap, peer: Peer) -> Result<(), Foreign> {
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
        let foreign = || Err(Foreign(String::from_utf8_lossy(origin.as_bytes()).into_owned()));
        let Ok(origin) = origin.to_str().map(str::to_ascii_lowercase) else { return foreign() };
        let host = host_of(uri, headers).unwrap_or_default();
        match self.any || self.listed.contains(&origin) || is_own(&origin, host, peer) {
            true => Ok(()),
            false => foreign(),
        }
    }
}

/// A page of this very host and port. From this machine only by number or as `localhost`: a
/// stranger may let a name of their own lead here (DNS rebinding), and here guest may log in.
fn is_own(origin: &str, host: &str, peer: Peer) -> bool {
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    if !authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host)) {
        return false;
    }
    let is_near = peer.0.is_none_or(|peer| peer.ip().to_canonical().is_loopback());
    let name = host_name(host).trim_matches(['[', ']']);
    !is_near || name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

/// As a browser writes it: in small letters, without the port that goes without saying.
fn normal(origin: &str) -> Result<String, String> {
    let fault = || "is not an origin: expected one such as https://app.example.org".to_owned();
    let origin = origin.to_ascii_lowercase();
    let (scheme, authority) = origin.split_once("://").ok_or_else(fault)?;
    let authority = match scheme {
        "http" => authority.strip_suffix(":80").unwrap_or(authority),
        "https" => authority.strip_suffix(":443").unwrap_or(authority),
        _ => authority,
    };
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | '?' | '#' | '@' | '*');
    match !scheme.is_empty() && !authority.is_empty() && authority.chars().all(is_plain) {
        true => Ok(format!("{scheme}://{authority}")),
        false => Err(fault()),
    }
}

impl fmt::Display for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let any = self.any.then_some("*");
        let all: Vec<&str> =
            any.into_iter().chain(self.listed.iter().map(String::as_str)).collect();
        f.write_str(&all.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_let_in(listed: &str, origin: &str, host: &str, peer: &str) -> bool {
        let headers = [(header::HOST, host), (header::ORIGIN, origin)];
        let headers = headers.into_iter().filter(|(_, value)| !value.is_empty());
        let headers = headers.map(|(name, value)| (name, value.parse().unwrap())).collect();
        let peer = Peer(Some(peer.parse().unwrap()));
        Origins::parse(listed).unwrap().check(&"/amqp".parse().unwrap(), &headers, peer).is_ok()
    }

    #[test]
    fn programs_and_ones_own_pages_are_let_in_and_no_others() {
        let near = "127.0.0.1:50000";
        for (origin, host) in [
            ("", "localhost:15670"),
            ("http://localhost:15670", "localhost:15670"),
            ("http://LocalHost:15670", "localhost:15670"),
            ("http://127.0.0.1:15670", "127.0.0.1:15670"),
            ("http://[::1]:15670", "[::1]:15670"),
            ("https://10.0.0.1", "10.0.0.1"),
        ] {
            assert!(is_let_in("", origin, host, near), "{origin} at {host}");
        }
        for (origin, host) in [
            ("http://evil.example", "localhost:15670"),
            ("http://localhost:3000", "localhost:15670"),
            ("http://localhost", "localhost:15670"),
            ("http://127.0.0.1:15670", "localhost:15670"),
            ("null", "localhost:15670"),
            ("file://", "localhost:15670"),
            ("localhost:15670", "localhost:15670"),
            ("http://localhost:15670.evil.example", "localhost:15670"),
        ] {
            assert!(!is_let_in("", origin, host, near), "{origin} at {host}");
        }
    }

    #[test]
    fn a_strangers_name_that_leads_to_this_machine_is_not_ones_own() {
        let (origin, host) = ("http://evil.example:15670", "evil.example:15670");
        assert!(!is_let_in("", origin, host, "127.0.0.1:50000"));
        assert!(!is_let_in("", origin, host, "[::ffff:127.0.0.1]:50000"));
        // Elsewhere it has nothing that it would not have of its own.
        assert!(is_let_in("", origin, host, "192.0.2.1:50000"));
        assert!(is_let_in("http://evil.example:15670", origin, host, "127.0.0.1:50000"));
    }

    #[test]
    fn listed_pages_are_let_in_however_they_were_written() {
        let listed = "https://App.example.org:443, http://localhost:3000";
        for origin in ["https://app.example.org", "http://localhost:3000"] {
            assert!(is_let_in(listed, origin, "localhost:15670", "127.0.0.1:1"), "{origin}");
        }
        for origin in ["http://app.example.org", "https://app.example.org:444", "null"] {
            assert!(!is_let_in(listed, origin, "localhost:15670", "127.0.0.1:1"), "{origin}");
        }
        assert!(is_let_in("*", "null", "localhost:15670", "127.0.0.1:1"));
    }

    #[test]
    fn what_is_no_origin_is_refused_with_an_example() {
        for text in
            ["app.example.org", "https://", "https://a/b", "https://a/", "://a", "https://*.a"]
        {
            let error = Origins::parse(text).unwrap_err();
            assert!(error.contains("https://app.example.org"), "{text}: {error}");
        }
        assert_eq!(Origins::parse("").unwrap(), Origins::default());
        assert_eq!(Origins::parse(" http://a:80 ,*").unwrap().to_string(), "*,http://a");
    }
}
