//! Asks another machine's registry: HTTP/1.1, one connection, bounded in size and time. Knows
//! nothing of schemas.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    client::conn::http1::{self, SendRequest},
    header::{ACCEPT, AUTHORIZATION, ETAG, HOST, HeaderValue, IF_NONE_MATCH, LOCATION, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

use crate::{http_transport, http_url::HttpUrl};

/// A conversation with one registry.
pub(super) struct Fetch<'a> {
    url: &'a HttpUrl,
    deadline: Instant,
    open: Option<Open>,
}

struct Open {
    sender: SendRequest<Empty<Bytes>>,
    driver: JoinHandle<()>,
}

/// What there is at a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// What was known already.
    Same,
    /// Something else.
    Other { etag: Option<String>, body: Bytes },
}

impl<'a> Fetch<'a> {
    /// One that is over at the deadline, whatever the other side does.
    pub(super) fn new(url: &'a HttpUrl, deadline: Instant) -> Fetch<'a> {
        Fetch { url, deadline, open: None }
    }

    /// What is at a path of the registry's host, at most so many bytes; asks with the tag of what
    /// is known.
    ///
    /// # Errors
    /// Why there is nothing.
    pub(super) async fn get(
        &mut self,
        path: &str,
        etag: Option<&str>,
        bytes_max: usize,
    ) -> Result<Found, Fault> {
        let is_fresh = self.open.as_ref().is_none_or(|open| open.sender.is_closed());
        let answer = match self.ask(path, etag, bytes_max).await {
            // The server may close an idle connection, or one with so many requests, at any time.
            Err(Fault::Broken(_)) if !is_fresh => {
                self.open = None;
                self.ask(path, etag, bytes_max).await
            }
            answer => answer,
        };
        if answer.is_err() {
            // Somebody else's answer may still be on it.
            self.open = None;
        }
        answer
    }

    async fn ask(
        &mut self,
        path: &str,
        etag: Option<&str>,
        bytes_max: usize,
    ) -> Result<Found, Fault> {
        let request = self.request(path, etag)?;
        let deadline = self.deadline;
        let late = |_| Fault::Away("no answer in time; see whether the server is busy".to_owned());
        let open = timeout_at(deadline, self.open()).await.map_err(late)??;
        let answer = timeout(ANSWER_WAIT, open.sender.send_request(request));
        let answer = timeout_at(deadline, answer).await.map_err(late)?.map_err(late)??;
        timeout_at(deadline, read(answer, path, bytes_max)).await.map_err(late)?
    }

    async fn open(&mut self) -> Result<&mut Open, Fault> {
        let open = match self.open.take() {
            Some(open) if !open.sender.is_closed() => open,
            _ => {
                let mend = "the pages of tubepost serve are on port 15670";
                let connecting =
                    timeout(http_transport::PATIENCE, http_transport::connect(self.url, mend));
                let late = |_| Fault::Away("no connection in time".to_owned());
                let stream = connecting.await.map_err(late)?.map_err(Fault::Away)?;
                let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
                let driver = tokio::spawn(async move { drop(connection.await) });
                Open { sender, driver }
            }
        };
        Ok(self.open.insert(open))
    }

    fn request(&self, path: &str, etag: Option<&str>) -> Result<Request<Empty<Bytes>>, Fault> {
        let mut request = Request::get(path)
            .header(HOST, self.url.authority())
            .header(USER_AGENT, concat!("tubepost/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "application/json");
        if let Some(login) = self.url.login() {
            let mut login = HeaderValue::from_str(&login.basic())
                .map_err(|error| Fault::Away(error.to_string()))?;
            login.set_sensitive(true);
            request = request.header(AUTHORIZATION, login);
        }
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        request.body(Empty::new()).map_err(|error| Fault::Away(error.to_string()))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

async fn read(answer: Response<Incoming>, path: &str, bytes_max: usize) -> Result<Found, Fault> {
    let (head, mut body) = answer.into_parts();
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    match head.status {
        StatusCode::OK => {}
        StatusCode::NOT_MODIFIED => return Ok(Found::Same),
        status => return Err(Fault::Answer(refusal(status, path, text(LOCATION)))),
    }
    let etag = text(ETAG).filter(|etag| etag.len() <= ETAG_BYTES_MAX).map(str::to_owned);
    let mut read = BytesMut::new();
    let late = |_| Fault::Answer(format!("{path} came to a halt"));
    while let Some(frame) = timeout(ANSWER_WAIT, body.frame()).await.map_err(late)? {
        let frame = frame?;
        let data = frame.data_ref().map_or(&[][..], |data| data);
        if read.len() + data.len() > bytes_max {
            return Err(Fault::Answer(format!("{path} has more than {bytes_max} bytes")));
        }
        read.extend_from_slice(data);
    }
    Ok(Found::Other { etag, body: read.freeze() })
}

fn refusal(status: StatusCode, path: &str, location: Option<&str>) -> String {
    let mend = match (status, location) {
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => {
            "write a user of that server into the address, https://USER:PASSWORD@HOST/schemas/"
                .to_owned()
        }
        (StatusCode::NOT_FOUND, _) => {
            "it is no registry; the address ends where /schemas.json is".to_owned()
        }
        (_, Some(location)) => {
            let shown: String = location.chars().filter(|c| !c.is_control()).take(200).collect();
            format!("name the address it leads to, {shown}")
        }
        _ => "see that server's log".to_owned(),
    };
    format!("{path}: answered {status}; {mend}")
}

/// Why there is nothing, one line with the mend.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// Nobody can be asked.
    #[error("{0}")]
    Away(String),
    /// The connection broke; a new one may be better.
    #[error("{0}")]
    Broken(String),
    /// The answer is no good.
    #[error("{0}")]
    Answer(String),
}

impl From<hyper::Error> for Fault {
    fn from(error: hyper::Error) -> Fault {
        match error.is_parse() {
            true => Fault::Away("it does not speak HTTP".to_owned()),
            false => Fault::Broken(format!("the connection broke: {error}")),
        }
    }
}

/// Until an answer begins, and between two pieces of it.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
const ETAG_BYTES_MAX: usize = 256;
