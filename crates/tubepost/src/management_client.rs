//! A client of the management API: RabbitMQ's HTTP API, which Tubepost serves as well. Knows its
//! paths, its logins and its way to refuse; nothing of what the commands show.
//!
//! Each call has a connection of its own: commands make few, and none is left half-read.

mod address;
mod endpoint;
mod error;
mod refusal;
mod transport;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    client::conn::http1,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::time::timeout;

pub(crate) use self::{
    address::{Address, ManagementUrl},
    endpoint::{Destination, Endpoint, Policies},
    error::Error,
};
use self::{refusal::Refusal, transport::connect};

/// The client of one API.
#[derive(Debug)]
pub(crate) struct Client {
    address: Address,
    answer_bytes_max: usize,
}

/// What a PUT did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// There was none before.
    Created,
    /// There was one; it is now as asked.
    Updated,
}

/// What a health check says.
#[derive(Debug)]
pub(crate) enum Health {
    /// All is well.
    Good,
    /// It is not: the API's object.
    Bad(Value),
    /// The API has no such check.
    Unknown,
}

impl Client {
    /// A client; nothing is connected yet.
    pub(crate) fn new(address: Address) -> Client {
        Client { address, answer_bytes_max: ANSWER_BYTES_MAX }
    }

    /// What is there.
    ///
    /// # Errors
    /// The API is not reached, or refuses.
    pub(crate) async fn get(&self, endpoint: &Endpoint) -> Result<Value, Error> {
        let answer = self.call(Method::GET, endpoint, None, None).await?;
        self.accept(endpoint, &answer)?;
        self.parsed(&answer)
    }

    /// As [`Client::get`], of a list.
    ///
    /// # Errors
    /// As [`Client::get`]; also when it is none.
    pub(crate) async fn list(&self, endpoint: &Endpoint) -> Result<Vec<Value>, Error> {
        match self.get(endpoint).await? {
            Value::Array(objects) => Ok(objects),
            _ => Err(self.foreign("it has another form than RabbitMQ's")),
        }
    }

    /// As [`Client::get`]; `None` when there is no such thing.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn find(&self, endpoint: &Endpoint) -> Result<Option<Value>, Error> {
        match self.get(endpoint).await {
            Err(Error::Refused(refusal)) if refusal.is_not_found() => Ok(None),
            found => found.map(Some),
        }
    }

    /// What a check says; 503 is an answer here.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn check(&self, endpoint: &Endpoint) -> Result<Health, Error> {
        let answer = self.call(Method::GET, endpoint, None, None).await?;
        match answer.status {
            StatusCode::SERVICE_UNAVAILABLE => self.parsed(&answer).map(Health::Bad),
            StatusCode::NOT_FOUND => Ok(Health::Unknown),
            _ => self.accept(endpoint, &answer).map(|()| Health::Good),
        }
    }

    /// Makes it as the object says.
    ///
    /// # Errors
    /// The API is not reached, or refuses.
    pub(crate) async fn put(&self, endpoint: &Endpoint, body: &Value) -> Result<Written, Error> {
        let answer = self.call(Method::PUT, endpoint, Some(body), None).await?;
        self.accept(endpoint, &answer)?;
        Ok(match answer.status {
            StatusCode::CREATED => Written::Created,
            _ => Written::Updated,
        })
    }

    /// Does what the endpoint does; `Null` when nothing is answered.
    ///
    /// # Errors
    /// The API is not reached, or refuses.
    pub(crate) async fn post(&self, endpoint: &Endpoint, body: &Value) -> Result<Value, Error> {
        let answer = self.call(Method::POST, endpoint, Some(body), None).await?;
        self.accept(endpoint, &answer)?;
        match answer.body.is_empty() {
            true => Ok(Value::Null),
            false => self.parsed(&answer),
        }
    }

    /// Takes it away.
    ///
    /// # Errors
    /// The API is not reached, or refuses; there is no such thing.
    pub(crate) async fn delete(&self, endpoint: &Endpoint) -> Result<(), Error> {
        let answer = self.call(Method::DELETE, endpoint, None, None).await?;
        self.accept(endpoint, &answer)
    }

    /// Closes a connection, and tells its client why.
    ///
    /// # Errors
    /// As [`Client::delete`].
    pub(crate) async fn close(
        &self,
        connection: &Endpoint,
        reason: &HeaderValue,
    ) -> Result<(), Error> {
        let answer = self.call(Method::DELETE, connection, None, Some(reason)).await?;
        self.accept(connection, &answer)
    }

    async fn call(
        &self,
        method: Method,
        endpoint: &Endpoint,
        body: Option<&Value>,
        reason: Option<&HeaderValue>,
    ) -> Result<Answer, Error> {
        let request = self.request(method, endpoint, body, reason)?;
        let stream = connect(&self.address).await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(&error))?;
        let driver = tokio::spawn(connection);
        let answer = self.exchange(sender.send_request(request), endpoint.patience()).await;
        driver.abort();
        answer
    }

    async fn exchange(
        &self,
        answer: impl Future<Output = hyper::Result<Response<Incoming>>>,
        patience: Duration,
    ) -> Result<Answer, Error> {
        let late = |_| Error::Late { at: self.address.to_string(), seconds: patience.as_secs() };
        let answer = timeout(patience, answer).await.map_err(late)?;
        let (head, mut body) = answer.map_err(|error| self.broken(&error))?.into_parts();
        let mut read = BytesMut::new();
        while let Some(frame) = timeout(patience, body.frame()).await.map_err(late)? {
            let frame = frame.map_err(|error| self.broken(&error))?;
            read.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new()));
            if read.len() > self.answer_bytes_max {
                let max = self.answer_bytes_max;
                return Err(Error::Large { at: self.address.to_string(), max });
            }
        }
        Ok(Answer { status: head.status, headers: head.headers, body: read.freeze() })
    }

    fn request(
        &self,
        method: Method,
        endpoint: &Endpoint,
        body: Option<&Value>,
        reason: Option<&HeaderValue>,
    ) -> Result<Request<Full<Bytes>>, Error> {
        let target = format!("{}/api/{}", self.address.prefix(), endpoint.path());
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header(HOST, self.address.host_header())
            .header(USER_AGENT, concat!("tubepost/", env!("CARGO_PKG_VERSION")))
            // Where RabbitMQ answers nothing, it calls that nothing HTML.
            .header(ACCEPT, "application/json, */*;q=0.1")
            // RabbitMQ refuses a body of no type, and some of its paths also one that is absent.
            .header(CONTENT_TYPE, "application/json");
        if let Some(login) = self.address.login() {
            let mut login = HeaderValue::from_str(&login.basic())
                .map_err(|error| self.foreign(&error.to_string()))?;
            login.set_sensitive(true);
            request = request.header(AUTHORIZATION, login);
        }
        if let Some(reason) = reason {
            request = request.header(REASON, reason);
        }
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        request.body(Full::new(body)).map_err(|error| self.foreign(&error.to_string()))
    }

    fn accept(&self, endpoint: &Endpoint, answer: &Answer) -> Result<(), Error> {
        if answer.status.is_success() {
            return Ok(());
        }
        match serde_json::from_slice(&answer.body) {
            Ok(body) => {
                let user = self.address.login().map(|login| login.user.clone());
                Err(Refusal::new(endpoint, answer.status, &body, user).into())
            }
            Err(_) => Err(self.foreign(&format!(
                "it answered {} and {}",
                answer.status,
                answer.content_type()
            ))),
        }
    }

    fn parsed(&self, answer: &Answer) -> Result<Value, Error> {
        serde_json::from_slice(&answer.body)
            .map_err(|_| self.foreign(&format!("it answered {}", answer.content_type())))
    }

    fn broken(&self, error: &hyper::Error) -> Error {
        if error.is_parse() {
            return self.foreign("it does not speak HTTP");
        }
        let why = format!("the connection broke: {error}; try again, and see the server's log");
        Error::Unreachable { at: self.address.to_string(), why }
    }

    fn foreign(&self, what: &str) -> Error {
        Error::Foreign { at: self.address.to_string(), what: what.to_owned() }
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn content_type(&self) -> String {
        match self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) {
            Some(of) => format!("a body of type {of}"),
            None => "no type of body".to_owned(),
        }
    }
}

/// 100,000 queues with their statistics take about half.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;
const REASON: HeaderName = HeaderName::from_static("x-reason");

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::UnixListener,
    };

    use super::*;

    fn listening(directory: &tempfile::TempDir) -> (UnixListener, Client) {
        let path = directory.path().join("management.sock");
        (UnixListener::bind(&path).unwrap(), Client::new(Address::Socket(path)))
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_answers_is_given_up() {
        let directory = tempfile::tempdir().unwrap();
        let (_listener, client) = listening(&directory);
        let error = client.get(&Endpoint::overview()).await.unwrap_err().to_string();
        assert!(error.contains("no answer within 60 s"), "{error}");
        let error = client.get(&Endpoint::definitions(None)).await.unwrap_err().to_string();
        assert!(error.contains("no answer within 900 s"), "{error}");
    }

    #[tokio::test]
    async fn an_answer_is_read_up_to_the_limit_and_no_further() {
        let directory = tempfile::tempdir().unwrap();
        let (listener, mut client) = listening(&directory);
        let server = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await.unwrap());
                }
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n[1,2,3,44]";
                stream.write_all(answer).await.unwrap();
            }
        });
        for (max, fits) in [(11, true), (10, true), (9, false)] {
            client.answer_bytes_max = max;
            match client.list(&Endpoint::vhosts()).await {
                Ok(list) => assert!(fits && list.len() == 4, "{max}: {list:?}"),
                Err(error) => {
                    assert!(!fits, "{max}: {error}");
                    assert!(error.to_string().contains("more than 9 bytes"), "{error}");
                }
            }
        }
        server.abort();
    }
}
