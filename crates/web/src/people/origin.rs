//! From whose page, over what, and from where a request comes.

use std::net::IpAddr;

use axum::http::{HeaderMap, Method, Uri, header, request::Parts};
use http_door::{Peer, host_name, host_of};

/// Whether a request that may change something comes from a page of this very server, or from a
/// program. Browsers say whose page it is; programs usually say nothing.
pub(crate) fn is_own_page(uri: &Uri, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    // Browsers that say this say it of every request, and no page can make them say otherwise; over
    // plain HTTP they say it only of this machine.
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let origin = origin.to_str().unwrap_or_default();
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let host = host_of(uri, headers).unwrap_or_default();
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

/// Whether it only asks.
pub(crate) fn is_safe(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

/// Whether the browser speaks TLS, to a proxy in front: it says so, or the request is for the host
/// of an `https://` page URL.
pub(crate) fn is_over_tls(head: &Parts, page_url: Option<&str>) -> bool {
    let proto = head.headers.get("x-forwarded-proto").and_then(|it| it.to_str().ok());
    if proto.is_some_and(|proto| proto.eq_ignore_ascii_case("https")) {
        return true;
    }
    let host = host_of(&head.uri, &head.headers).map(host_name).unwrap_or_default();
    let page = page_url.and_then(|url| url::Url::parse(url).ok());
    page.is_some_and(|page| {
        page.scheme() == "https" && page.host_str().is_some_and(|it| it.eq_ignore_ascii_case(host))
    })
}

/// The address at the other end of the socket, and whether more is between: a proxy says that it
/// hands on; or the name asked for is not this machine's own, which a stranger may have let lead
/// here (DNS rebinding).
pub(crate) fn peer(head: &Parts) -> (Option<IpAddr>, bool) {
    let peer = head.extensions.get::<Peer>().and_then(|peer| peer.0).map(|peer| peer.ip());
    let said = ["x-forwarded-for", "forwarded", "x-forwarded-host", "x-real-ip", "via"];
    let is_handed_on = said.iter().any(|name| head.headers.contains_key(*name));
    let host = host_of(&head.uri, &head.headers).map(host_name).unwrap_or_default();
    let number = host.trim_matches(['[', ']']).parse::<IpAddr>();
    let is_own_name = host.eq_ignore_ascii_case("localhost")
        || number.is_ok_and(|number| number.to_canonical().is_loopback());
    (peer, is_handed_on || !is_own_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(pairs: &[(&'static str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "bus.example.org".parse().unwrap());
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        is_own_page(&"/me".parse().unwrap(), &headers)
    }

    #[test]
    fn only_programs_and_own_pages_may_change_anything() {
        assert!(own(&[]));
        assert!(own(&[("origin", "https://bus.example.org"), ("sec-fetch-site", "same-origin")]));
        for origin in ["https://evil.example", "null", "https://bus.example.org.evil.example"] {
            assert!(!own(&[("origin", origin)]), "{origin}");
        }
        assert!(own(&[("origin", "null"), ("sec-fetch-site", "same-origin")]));
        assert!(!own(&[("sec-fetch-site", "cross-site")]));
        assert!(!own(&[("sec-fetch-site", "same-site")]), "a neighbour's page");
    }

    #[test]
    fn who_asks_for_another_name_or_comes_by_a_proxy_may_be_anywhere() {
        let is_far = |pairs: &[(&'static str, &str)]| {
            let mut request = axum::http::Request::builder().uri("/sign-in");
            for (name, value) in pairs {
                request = request.header(*name, *value);
            }
            peer(&request.body(()).unwrap().into_parts().0).1
        };
        for host in ["localhost:15670", "127.0.0.1", "[::1]:80", "[::ffff:127.0.0.1]"] {
            assert!(!is_far(&[("host", host)]), "{host}");
        }
        for host in ["evil.example:15670", "localhost.evil.example", "192.0.2.1", ""] {
            assert!(is_far(&[("host", host)]), "{host}");
        }
        assert!(is_far(&[("host", "localhost"), ("x-forwarded-for", "192.0.2.1")]));
    }

    #[test]
    fn tls_is_what_the_proxy_says_or_the_page_url() {
        let head = |pairs: &[(&'static str, &str)]| {
            let mut request = axum::http::Request::builder().uri("/me");
            for (name, value) in pairs {
                request = request.header(*name, *value);
            }
            request.body(()).unwrap().into_parts().0
        };
        let page = Some("https://bus.example.org/");
        assert!(is_over_tls(&head(&[("host", "bus.example.org")]), page));
        assert!(is_over_tls(&head(&[("host", "x"), ("x-forwarded-proto", "https")]), None));
        assert!(!is_over_tls(&head(&[("host", "localhost:15670")]), page));
        assert!(!is_over_tls(&head(&[("host", "bus.example.org")]), None));
    }
}
