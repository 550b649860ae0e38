//! Which host a request is for.

use axum::http::{HeaderMap, Uri, header};

/// The host that a request names, with its port.
pub fn host_of<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    // An absolute address goes before the header (RFC 9112 §3.2.2).
    match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers.get(header::HOST).and_then(|host| host.to_str().ok()),
    }
}

/// `[::1]:80` → `[::1]`, `localhost:80` → `localhost`.
pub fn host_name(host: &str) -> &str {
    match host.rfind(':') {
        Some(colon) if !host.ends_with(']') => host.get(..colon).unwrap_or(host),
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_what_stands_before_its_port() {
        let hosts = ["[::1]:80", "[::1]", "localhost:80", "localhost", ""];
        assert_eq!(hosts.map(host_name), ["[::1]", "[::1]", "localhost", "localhost", ""]);
        let headers = HeaderMap::from_iter([(header::HOST, "a:1".parse().unwrap())]);
        assert_eq!(host_of(&"/x".parse().unwrap(), &headers), Some("a:1"));
        assert_eq!(host_of(&"http://b:2/x".parse().unwrap(), &headers), Some("b:2"));
    }
}
