//! WebSocket's opening handshake (RFC 6455 §4.2): whether a request may open one here, and its
//! socket for who speaks on it. Frames, and what is said in them, are for others.

use std::{fmt, sync::Arc};

use aws_lc_rs::digest;
use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, Method, StatusCode, Version, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::{
    Peer, Socket,
    origin::{Foreign, Origins},
    stall::Stall,
};

/// A protocol that is spoken over WebSockets.
pub trait Subprotocol: fmt::Debug + Send + Sync {
    /// What clients ask for: `amqp`.
    fn name(&self) -> &'static str;

    /// A place for one more connection; `None` when there is none left.
    fn admit(&self) -> Option<Takeover>;
}

/// Takes a socket over, and what the client sent behind its request. Dropped uncalled when the
/// client is gone before.
pub type Takeover = Box<dyn FnOnce(TcpStream, Bytes) + Send>;

/// Where WebSockets may be opened. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WebSockets {
    /// The paths at which they are.
    pub paths: &'static [&'static str],
    /// Whose pages are let in.
    pub origins: Origins,
    /// The option in which others are listed, to be told to those who are refused.
    pub origins_option: &'static str,
    /// What is spoken.
    pub subprotocol: Arc<dyn Subprotocol>,
}

impl WebSockets {
    /// Whether they are opened at this path.
    pub fn are_at(&self, path: &str) -> bool {
        self.paths.contains(&path)
    }

    /// Answers a request to one of the paths. Who may call the host by which name was looked at
    /// before; who they are the subprotocol asks.
    pub fn answer(&self, mut request: Request) -> Response {
        self.open(&mut request).unwrap_or_else(|refusal| {
            let peer = request.extensions().get::<Peer>().and_then(|peer| peer.0);
            tracing::info!(?peer, "no WebSocket: {refusal}");
            refusal.into_response()
        })
    }

    fn open(&self, request: &mut Request) -> Result<Response, Refusal> {
        let name = self.subprotocol.name();
        let headers = request.headers();
        if request.method() != Method::GET {
            return Err(Refusal::Method);
        }
        let asks = lists(headers, &header::CONNECTION, |it| it.eq_ignore_ascii_case("upgrade"))
            && lists(headers, &header::UPGRADE, |it| it.eq_ignore_ascii_case("websocket"));
        if !asks || request.version() < Version::HTTP_11 {
            return Err(Refusal::NotAsked(name));
        }
        if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|it| it != VERSION) {
            return Err(Refusal::Version);
        }
        let accept = accept_of(headers).ok_or(Refusal::Key)?;
        let peer = request.extensions().get().copied().unwrap_or(Peer(None));
        self.origins.check(request.uri(), headers, peer).map_err(|Foreign(origin)| {
            let origin = origin.chars().filter(|c| !c.is_control()).take(200).collect();
            Refusal::Foreign { origin, option: self.origins_option }
        })?;
        // A client that names none may be one of 0-9-1, which needs none: the octets say it all.
        let offered = headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL);
        if offered && !lists(headers, &header::SEC_WEBSOCKET_PROTOCOL, |it| it == name) {
            return Err(Refusal::Subprotocol(name));
        }
        let takeover = self.subprotocol.admit().ok_or(Refusal::Full)?;
        tokio::spawn(hand_over(hyper::upgrade::on(request), takeover));
        let opening = [
            (header::CONNECTION, "upgrade".to_owned()),
            (header::UPGRADE, "websocket".to_owned()),
            (header::SEC_WEBSOCKET_ACCEPT, accept),
        ];
        let agreed = offered.then_some([(header::SEC_WEBSOCKET_PROTOCOL, name)]);
        Ok(match agreed {
            Some(agreed) => (StatusCode::SWITCHING_PROTOCOLS, opening, agreed).into_response(),
            None => (StatusCode::SWITCHING_PROTOCOLS, opening).into_response(),
        })
    }
}

/// Waits until the answer is written.
async fn hand_over(upgrade: OnUpgrade, takeover: Takeover) {
    match upgrade.await {
        Ok(upgraded) => match tcp_of(upgraded) {
            Some((tcp, read)) => takeover(tcp, read),
            None => tracing::warn!("a WebSocket was not opened: it is not on a TCP socket"),
        },
        Err(error) => tracing::debug!(%error, "a WebSocket was not opened"),
    }
}

fn tcp_of(upgraded: Upgraded) -> Option<(TcpStream, Bytes)> {
    let parts = upgraded.downcast::<TokioIo<Stall<Socket>>>().ok()?;
    match parts.io.into_inner().into_inner() {
        Socket::Tcp(tcp) => Some((tcp, parts.read_buf)),
        Socket::Unix(_) => None,
    }
}

/// Whether a header that is a list has such an element.
fn lists(headers: &HeaderMap, name: &HeaderName, is_it: impl Fn(&str) -> bool) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|element| is_it(element.trim()))
}

/// RFC 6455 §4.2.2: shows that the request was read by somebody who knows what it asks.
fn accept_of(headers: &HeaderMap) -> Option<String> {
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?.as_bytes();
    if BASE64_STANDARD.decode(key).ok()?.len() != KEY_BYTES {
        return None;
    }
    let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key);
    hash.update(GUID);
    Some(BASE64_STANDARD.encode(hash.finish()))
}

/// RFC 6455 §1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// RFC 6455 §4.1.
const KEY_BYTES: usize = 16;

/// RFC 6455 §4.1.
const VERSION: &str = "13";

/// Why no WebSocket is opened, and the mend.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("a WebSocket is opened with GET")]
    Method,
    #[error(
        "this address is for WebSocket clients that speak {0}; the request asks for no WebSocket \
         (Upgrade: websocket). Connect a client to it by ws://, or a proxy that passes Upgrade on"
    )]
    NotAsked(&'static str),
    #[error("the WebSocket's version has to be {VERSION} (RFC 6455)")]
    Version,
    #[error("Sec-WebSocket-Key has to be 16 bytes in base64 (RFC 6455 §4.1)")]
    Key,
    #[error(
        "the client offers other subprotocols than '{0}', and that is what is spoken here; give it \
         '{0}' as its WebSocket's protocol"
    )]
    Subprotocol(&'static str),
    #[error("pages of '{origin}' may not connect here; list it in {option} if they should")]
    Foreign { origin: String, option: &'static str },
    #[error("there is no place for another connection now; come again")]
    Full,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self {
            Refusal::Method => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::NotAsked(_) | Refusal::Version => StatusCode::UPGRADE_REQUIRED,
            Refusal::Key | Refusal::Subprotocol(_) => StatusCode::BAD_REQUEST,
            Refusal::Foreign { .. } => StatusCode::FORBIDDEN,
            Refusal::Full => StatusCode::SERVICE_UNAVAILABLE,
        };
        let said = format!("{self}\n");
        match self {
            Refusal::Method => (status, [(header::ALLOW, "GET")], said).into_response(),
            Refusal::NotAsked(_) | Refusal::Version => {
                // RFC 9110 §15.5.22, RFC 6455 §4.4.
                let how = [
                    (header::CONNECTION, "upgrade"),
                    (header::UPGRADE, "websocket"),
                    (header::SEC_WEBSOCKET_VERSION, VERSION),
                ];
                (status, how, said).into_response()
            }
            Refusal::Full => (status, [(header::RETRY_AFTER, "10")], said).into_response(),
            _ => (status, said).into_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[derive(Debug)]
    struct Nobody;

    impl Subprotocol for Nobody {
        fn name(&self) -> &'static str {
            "amqp"
        }

        fn admit(&self) -> Option<Takeover> {
            None
        }
    }

    type Header = (&'static str, &'static str);

    /// What a client sends, with some of it otherwise: the status and the text.
    async fn answer(method: &str, others: &[Header]) -> (u16, String) {
        let usual = [
            ("host", "localhost:15670"),
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", "binary, amqp"),
        ];
        let mut request = Request::builder().method(method).uri("/amqp");
        for (name, value) in usual {
            let other = others.iter().find(|(it, _)| *it == name).map(|(_, other)| *other);
            let value = other.unwrap_or(value);
            request = if value.is_empty() { request } else { request.header(name, value) };
        }
        if let Some((name, value)) = others.iter().find(|(it, _)| *it == "origin") {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let websockets = WebSockets {
            paths: &["/amqp"],
            origins: Origins::default(),
            origins_option: "the.option",
            subprotocol: Arc::new(Nobody),
        };
        let response = websockets.answer(request);
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_request_is_said_with_the_mend() {
        let cases: [(&str, &[Header], u16, &str); 11] = [
            ("POST", &[], 405, "GET"),
            ("GET", &[("upgrade", "")], 426, "ws://"),
            ("GET", &[("connection", "close")], 426, "ws://"),
            ("GET", &[("upgrade", "h2c")], 426, "ws://"),
            ("GET", &[("sec-websocket-version", "8")], 426, "13"),
            ("GET", &[("sec-websocket-key", "")], 400, "16 bytes"),
            ("GET", &[("sec-websocket-key", "c2hvcnQ=")], 400, "16 bytes"),
            ("GET", &[("sec-websocket-protocol", "mqtt")], 400, "'amqp'"),
            ("GET", &[("sec-websocket-protocol", "amqps, AMQPWSB10")], 400, "'amqp'"),
            ("GET", &[("origin", "http://evil.example")], 403, "list it in the.option"),
            // All is well, but nobody is there.
            ("GET", &[], 503, "no place"),
        ];
        for (method, others, status, said) in cases {
            let (found, text) = answer(method, others).await;
            assert_eq!(found, status, "{method} {others:?}: {text}");
            assert!(text.contains(said), "{method} {others:?}: {text}");
        }
        assert_eq!(answer("GET", &[("sec-websocket-protocol", "")]).await.0, 503);
    }

    #[test]
    fn a_key_is_answered_as_the_standard_does() {
        let key = "dGhlIHNhbXBsZSBub25jZQ==".parse().unwrap();
        let headers = HeaderMap::from_iter([(header::SEC_WEBSOCKET_KEY, key)]);
        assert_eq!(accept_of(&headers).as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    }
}
