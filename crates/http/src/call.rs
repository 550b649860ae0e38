//! Requests to other people's servers: one connection each, the answer bounded in head, body and
//! time, no redirects, no cookies, no compression. [`Reach`] says which machines may be called.

mod reach;
mod tls;

use std::{net::SocketAddr, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::{
    Request,
    body::Incoming,
    client::conn::http1,
    header::{HOST, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::TlsConnector;
use url::{Host, Url};

pub use hyper::{
    HeaderMap, Method, StatusCode,
    header::{self, HeaderName, HeaderValue},
};
pub use reach::Reach;
pub use tls::{Identity, Trusted, connector, connector_as, trusted};

/// Calls servers.
#[derive(Clone)]
pub struct Caller {
    tls: TlsConnector,
    reach: Reach,
    patience: Duration,
}

/// What a server answered: its head, and a body that is read on demand.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers, 100 and 64 KiB at most.
    pub headers: HeaderMap,
    body: Incoming,
    deadline: Instant,
    _driver: Driver,
}

/// Why there is no answer, one line; names the host and nothing behind it, as a path may be a
/// secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// It may not be called, now or later.
    #[error("{0}")]
    Forbidden(String),
    /// It cannot be reached, broke off, was too slow or does not speak HTTP.
    #[error("{0}")]
    Away(String),
}

impl Caller {
    /// One that gives a server so long for all of it: name, connection, TLS and answer.
    pub fn new(trusted: Trusted, reach: Reach, patience: Duration) -> Caller {
        Caller { tls: connector(trusted), reach, patience }
    }

    /// Asks once. The URL is http or https; a login in it is not used.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Reply, CallError> {
        let deadline = Instant::now() + self.patience;
        let at = shown(url);
        let late = |_| {
            let seconds = self.patience.as_secs_f32();
            CallError::Away(format!("{at}: no answer within {seconds} s"))
        };
        let asking = async {
            let stream = self.connect(url, &at).await?;
            let request = request(method, url, headers, body)
                .map_err(|error| CallError::Forbidden(format!("{at}: no request: {error}")))?;
            let mut http = http1::Builder::new();
            http.max_buf_size(HEAD_BYTES_MAX).max_headers(HEADERS_MAX);
            let broke = |error: hyper::Error| CallError::Away(broken(&at, &error));
            let (mut sender, connection) =
                http.handshake(TokioIo::new(stream)).await.map_err(broke)?;
            let driver = Driver(tokio::spawn(async move { drop(connection.await) }));
            let answer = sender.send_request(request).await.map_err(broke)?;
            let (head, body) = answer.into_parts();
            let (status, headers) = (head.status, head.headers);
            Ok(Reply { status, headers, body, deadline, _driver: driver })
        };
        timeout_at(deadline, asking).await.map_err(late)?
    }

    async fn connect(&self, url: &Url, at: &str) -> Result<Box<dyn Stream>, CallError> {
        let port = url.port_or_known_default().unwrap_or_default();
        let stream = match url.host() {
            Some(Host::Domain(name)) => self.connect_by_name(name, port, at).await?,
            Some(Host::Ipv4(ip)) => self.connect_to(&[(ip, port).into()], at).await?,
            Some(Host::Ipv6(ip)) => self.connect_to(&[(ip, port).into()], at).await?,
            None => return Err(CallError::Forbidden(format!("{at}: there is no host"))),
        };
        if url.scheme() != "https" {
            return Ok(Box::new(stream));
        }
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            CallError::Forbidden(format!("{at}: the name cannot be in a certificate"))
        })?;
        match self.tls.connect(name, stream).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(CallError::Away(format!("{at}: TLS: {error}"))),
        }
    }

    async fn connect_by_name(
        &self,
        name: &str,
        port: u16,
        at: &str,
    ) -> Result<TcpStream, CallError> {
        let found = lookup_host((name, port)).await;
        let found = found.map_err(|error| CallError::Away(format!("{at}: {error}")))?;
        let addresses: Vec<SocketAddr> = found.take(ADDRESSES_MAX).collect();
        self.connect_to(&addresses, at).await
    }

    /// The address that is judged is the one that is connected to: a name that means another
    /// machine a moment later gains nothing.
    async fn connect_to(&self, addresses: &[SocketAddr], at: &str) -> Result<TcpStream, CallError> {
        let mut last = CallError::Away(format!("{at}: the name has no address"));
        let share = self.patience / u32::try_from(addresses.len().max(1)).unwrap_or(1);
        for address in addresses {
            if !self.reach.includes(address.ip()) {
                last = CallError::Forbidden(format!(
                    "{at} is {}, which is not on the public internet",
                    address.ip()
                ));
                continue;
            }
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // One small request: there is nothing to gather.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => {
                    last = CallError::Away(format!("{at} cannot be connected to: {error}"));
                }
                Err(_) => last = CallError::Away(format!("{at} cannot be connected to in time")),
            }
        }
        Err(last)
    }
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Caller { reach, patience, .. } = self;
        f.debug_struct("Caller").field("reach", reach).field("patience", patience).finish()
    }
}

impl Reply {
    /// The body; what comes after so many bytes, or after the caller's patience, is left out.
    pub async fn beginning(mut self, bytes_max: usize) -> Bytes {
        let mut read = BytesMut::new();
        let reading = async {
            while let Some(Ok(frame)) = self.body.frame().await {
                let data = frame.into_data().unwrap_or_default();
                let room = bytes_max - read.len();
                read.extend_from_slice(&data[..data.len().min(room)]);
                if read.len() >= bytes_max {
                    break;
                }
            }
        };
        // Whatever there is by then is what there is.
        let _ = timeout_at(self.deadline, reading).await;
        read.freeze()
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The connection's own task; gone with the answer.
#[derive(Debug)]
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

fn request(
    method: Method,
    url: &Url,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    };
    let mut request = Request::builder().method(method).uri(target).body(Full::new(body))?;
    *request.headers_mut() = headers;
    request.headers_mut().insert(HOST, HeaderValue::from_str(&host)?);
    let agent = HeaderValue::from_static(concat!("tubepost/", env!("CARGO_PKG_VERSION")));
    request.headers_mut().insert(USER_AGENT, agent);
    Ok(request)
}

/// Scheme, host and port.
fn shown(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}

fn broken(at: &str, error: &hyper::Error) -> String {
    match error.is_parse() {
        true => format!("{at}: what answers there is no HTTP, or has too large a head: {error}"),
        false => format!("{at}: the connection broke: {error}"),
    }
}

const HEAD_BYTES_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 100;
const ADDRESSES_MAX: usize = 4;
