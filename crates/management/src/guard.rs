//! What every request passes before a handler sees it: the right name, no foreign page behind it, a
//! login, a body that is not too long and not too slow; and then a thread that may take its time.

use std::{net::SocketAddr, sync::Arc};

use auth::{Peer, Secret};
use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http_door::{host_name, host_of};
use tokio::time::timeout;

use crate::{
    answer::{Answer, Outcome, PROTECTION, empty},
    call::Call,
    caller::Caller,
    limits::{BODY_BYTES_MAX, REQUEST_BODY_WAIT},
    query::{Query, shortened},
    refusal::Refusal,
    route::{self, Found},
    serve::is_loopback,
    site::Site,
};

/// By which door somebody came.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Door {
    /// TCP: they have to log in.
    Tcp {
        /// Where the listener is.
        address: SocketAddr,
        /// From where they come.
        peer: SocketAddr,
    },
    /// The socket in the data directory: it is the owner.
    Socket,
}

/// Answers a request.
pub(crate) async fn answer(site: Arc<Site>, door: Door, request: Request) -> Response {
    let is_head = request.method() == Method::HEAD;
    let mut response = match handle(site, door, request).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    };
    if is_head {
        *response.body_mut() = Body::empty();
    }
    let headers = response.headers_mut();
    for (name, value) in PROTECTION {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn handle(site: Arc<Site>, door: Door, request: Request) -> Result<Response, Refusal> {
    if let Door::Tcp { address, .. } = door {
        check_host(address, request.uri(), request.headers())?;
        // Whose pages may do that it asks for itself, and who they are as on any connection.
        if let Some(websockets) = &site.setup.websockets
            && websockets.are_at(request.uri().path())
        {
            return Ok(websockets.answer(request));
        }
    }
    let (head, body) = request.into_parts();
    check_origin(&head.method, &head.uri, &head.headers)?;
    let path = head.uri.path();
    let query = Query::parse(head.uri.query().unwrap_or_default());
    let (handler, places) = match route::find(&head.method, path) {
        Found::Open(handler) => {
            // Prometheus asks for these without a login, on this machine.
            let is_open = matches!(door, Door::Tcp { address, .. } if is_loopback(address));
            if is_open {
                let caller = Caller::owner(site.broker.new_connection());
                return run(site, caller, handler, Vec::new(), query, head.headers, Bytes::new())
                    .await;
            }
            (handler, Vec::new())
        }
        Found::Handler(handler, places) => (handler, places),
        Found::Options(allowed) => {
            let mut response = empty(StatusCode::OK);
            allow(&mut response, &allowed);
            return Ok(response);
        }
        Found::Method(allowed) => {
            let mut response = Refusal::method(&allowed).into_response();
            allow(&mut response, &allowed);
            return Ok(response);
        }
        Found::Elsewhere => {
            let pages = site.setup.pages.clone().unwrap_or_else(|| "/api/overview".to_owned());
            return Ok(Answer::Elsewhere(pages).into_response());
        }
        Found::Nothing => {
            return Err(Refusal::no_object(format!(
                "Not Found: nothing is at {}; the API is under /api/",
                shortened(path)
            )));
        }
    };
    let caller = caller(&site, door, &head.headers).await?;
    site.broker.authority().authorize(
        &caller.identity,
        broker::authorize::Action::Manage,
        &broker::authorize::Resource::Broker,
    )?;
    let body = read(body, &head.headers).await?;
    run(site, caller, handler, places, query, head.headers, body).await
}

async fn run(
    site: Arc<Site>,
    caller: Caller,
    handler: route::Handler,
    places: Vec<String>,
    query: Query,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let turn = site.requests.clone().acquire_owned().await;
    let call = Call { site, caller, places, query, headers, body };
    let done: Result<Outcome, _> = tokio::task::spawn_blocking(move || {
        let outcome = handler(&call);
        drop(turn);
        outcome
    })
    .await;
    match done {
        Ok(outcome) => outcome.map(Answer::into_response),
        Err(error) => {
            tracing::error!(%error, "a request to the HTTP API failed");
            Err(Refusal::internal("the request failed; the server's log says why"))
        }
    }
}

fn allow(response: &mut Response, allowed: &str) {
    if let Ok(allowed) = HeaderValue::from_str(allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
}

/// DNS rebinding: a stranger's page may resolve its own name to 127.0.0.1 and then log in as guest,
/// but it cannot change the name that its browser sends.
fn check_host(
    address: SocketAddr,
    uri: &axum::http::Uri,
    headers: &HeaderMap,
) -> Result<(), Refusal> {
    if !is_loopback(address) {
        return Ok(());
    }
    let Some(host) = host_of(uri, headers) else {
        return Err(Refusal::bad_request("the request names no host (RFC 9112 §3.2)"));
    };
    let name = host_name(host).trim_matches(['[', ']']).to_ascii_lowercase();
    let is_ours = name == "localhost"
        || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.to_canonical().is_loopback());
    match is_ours {
        true => Ok(()),
        false => Err(Refusal::forbidden(format!(
            "Tubepost does not answer to the name '{}' here: it listens on loopback only; use \
             http://{address}/",
            shortened(host)
        ))),
    }
}

/// Cross-site request forgery: a browser says from whose page a request comes that changes
/// something.
fn check_origin(
    method: &Method,
    uri: &axum::http::Uri,
    headers: &HeaderMap,
) -> Result<(), Refusal> {
    if [Method::GET, Method::HEAD, Method::OPTIONS].contains(method) {
        return Ok(());
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is_cross_site = text("sec-fetch-site").is_some_and(|site| site == "cross-site");
    let is_foreign = text("origin").is_some_and(|origin| {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        authority.is_none() || authority != host_of(uri, headers)
    });
    match is_cross_site || is_foreign {
        false => Ok(()),
        true => Err(Refusal::forbidden(
            "the request comes from another site's page; make it from a program, or from here",
        )),
    }
}

async fn caller(site: &Arc<Site>, door: Door, headers: &HeaderMap) -> Result<Caller, Refusal> {
    let Door::Tcp { peer, .. } = door else {
        return Ok(Caller::owner(site.broker.new_connection()));
    };
    let login = headers.get(header::AUTHORIZATION).and_then(basic);
    let Some((name, password)) = login else { return Err(Refusal::login_failed()) };
    let user = verify(site, &name, password, Peer::from(peer.ip())).await;
    site.count_login(user.is_some());
    let user = user.ok_or_else(Refusal::login_failed)?;
    // As for a connection: the next of a deleted user's name does not have what that one had.
    let departed = site.users.departed();
    if departed.contains(&user.name) {
        let (broker, users) = (site.broker.clone(), site.users.clone());
        let forget = move || server::forget_departed(&broker, &users);
        tokio::task::spawn_blocking(forget)
            .await
            .map_err(|_| Refusal::internal("the login could not be checked"))??;
    }
    Ok(Caller::of_user(&user, site.broker.new_connection()))
}

async fn verify(site: &Arc<Site>, name: &str, password: Secret, peer: Peer) -> Option<auth::User> {
    let verdict = match site.users.verify_at_once(name, &password, peer) {
        Some(verdict) => verdict,
        None => {
            let _turn = site.logins.acquire().await.ok()?;
            let (users, name) = (site.users.clone(), name.to_owned());
            let verify = move || users.verify(&name, &password, peer);
            tokio::task::spawn_blocking(verify).await.ok()?
        }
    };
    verdict.inspect_err(|refused| tracing::warn!(%refused, "the HTTP API")).ok()
}

/// RFC 7617.
fn basic(value: &HeaderValue) -> Option<(String, Secret)> {
    let (scheme, code) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(BASE64_STANDARD.decode(code.trim()).ok()?).ok()?;
    let (name, password) = pair.split_once(':')?;
    Some((name.to_owned(), Secret::new(password)))
}

async fn read(body: Body, headers: &HeaderMap) -> Result<Bytes, Refusal> {
    let too_large =
        || Refusal::too_large(format!("the body has more than {BODY_BYTES_MAX} bytes, the most"));
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok());
    let announced: Option<u64> = announced.and_then(|it| it.parse().ok());
    if announced.is_some_and(|bytes| bytes > BODY_BYTES_MAX as u64) {
        return Err(too_large());
    }
    match timeout(REQUEST_BODY_WAIT, axum::body::to_bytes(body, BODY_BYTES_MAX)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        // Too long, or cut off: who cut it off reads no answer.
        Ok(Err(_)) => Err(too_large()),
        Err(_) => Err(Refusal::too_slow(format!(
            "the body was not here within {} s",
            REQUEST_BODY_WAIT.as_secs()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            (name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap())
        });
        pairs.collect()
    }

    fn uri() -> axum::http::Uri {
        "/api/overview".parse().unwrap()
    }

    #[test]
    fn on_loopback_only_loopbacks_names_are_answered_to() {
        let check = |address: &str, host: &str| {
            check_host(address.parse().unwrap(), &uri(), &headers(&[("host", host)])).is_ok()
        };
        for host in ["localhost:15672", "LocalHost", "127.0.0.1:1", "[::1]:1", "127.9.9.9"] {
            assert!(check("127.0.0.1:1", host), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "10.0.0.1:15672", ""] {
            assert!(!check("127.0.0.1:1", host), "{host}");
        }
        assert!(check("10.0.0.1:1", "mq.example.org"));
        assert!(check_host("127.0.0.1:1".parse().unwrap(), &uri(), &HeaderMap::new()).is_err());
    }

    #[test]
    fn a_foreign_page_may_not_change_anything() {
        let check = |method: Method, pairs: &[(&str, &str)]| {
            let pairs = [&[("host", "localhost:15672")], pairs].concat();
            check_origin(&method, &uri(), &headers(&pairs)).is_ok()
        };
        assert!(check(Method::POST, &[]), "a program has no origin");
        assert!(check(Method::POST, &[("origin", "http://localhost:15672")]));
        assert!(!check(Method::POST, &[("origin", "http://evil.example")]));
        assert!(!check(Method::DELETE, &[("origin", "null")]));
        assert!(!check(Method::PUT, &[("sec-fetch-site", "cross-site")]));
        assert!(check(Method::GET, &[("origin", "http://evil.example")]), "it cannot read it");
    }

    #[test]
    fn a_login_is_read_as_the_standard_writes_it() {
        let read = |text: &str| {
            let pair = basic(&HeaderValue::from_str(text).unwrap())?;
            Some((pair.0, pair.1.expose().to_owned()))
        };
        // RFC 7617 §2.
        let aladdin = ("Aladdin".to_owned(), "open sesame".to_owned());
        assert_eq!(read("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), Some(aladdin));
        for text in ["", "Basic", "Basic !", "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Basic QQ=="] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
