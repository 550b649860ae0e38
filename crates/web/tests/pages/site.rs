//! A site that is served for one test, and a plain HTTP client for it.

use std::{future::Future, pin::Pin, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use web::{Error, Feed, Login, Options};

/// Whatever a test waits for is there long before.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A login that lets nobody in.
#[derive(Debug)]
pub(crate) struct Nobody;

impl Login for Nobody {
    fn verify<'a>(
        &'a self,
        _user: &'a str,
        _password: &'a str,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        Box::pin(async { false })
    }
}

pub(crate) struct Site {
    pub(crate) feed: Feed,
    address: String,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), Error>>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

/// An open live stream.
pub(crate) struct Live {
    socket: TcpStream,
    read: String,
    /// The beginning of a character whose end is not here yet.
    cut: Vec<u8>,
}

impl Site {
    pub(crate) async fn start(options: Options) -> Site {
        Site::start_with(Feed::default(), options).await
    }

    pub(crate) async fn start_with(feed: Feed, options: Options) -> Site {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (stop, stopped) = oneshot::channel();
        let until = async { drop(stopped.await) };
        let served = tokio::spawn(web::serve(listener, feed.clone(), options, until));
        Site { feed, address, stop, served }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Stops it; it has to end by itself.
    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        timeout(DEADLINE, self.served).await.unwrap().unwrap().unwrap();
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[]).await
    }

    pub(crate) async fn request(&self, method: &str, path: &str, more: &[(&str, &str)]) -> Answer {
        answered(self.send(method, path, more).await).await
    }

    /// A request with a body.
    pub(crate) async fn post(
        &self,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let length = body.len().to_string();
        let more = [more, &[("content-length", length.as_str())]].concat();
        let mut socket = self.send(method, path, &more).await;
        let _ = socket.write_all(body.as_bytes()).await;
        answered(socket).await
    }

    async fn send(&self, method: &str, path: &str, more: &[(&str, &str)]) -> TcpStream {
        let mut request = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        if !more.iter().any(|(name, _)| *name == "host") {
            request += &format!("host: {}\r\n", self.address);
        }
        for (name, value) in more {
            request += &format!("{name}: {value}\r\n");
        }
        request += "\r\n";
        let mut socket = TcpStream::connect(&self.address).await.unwrap();
        let _ = socket.write_all(request.as_bytes()).await;
        socket
    }

    /// The address of the page's asset with this extension.
    pub(crate) async fn asset(&self, extension: &str) -> String {
        let page = self.get("/").await.body;
        let mut paths = page.split('"').filter(|text| text.starts_with("/assets/"));
        paths.rfind(|path| path.ends_with(extension)).unwrap().to_owned()
    }

    pub(crate) async fn live(&self, query: &str, last_event_id: Option<&str>) -> Live {
        let more: Vec<_> = last_event_id.map(|id| ("last-event-id", id)).into_iter().collect();
        let socket = self.send("GET", &format!("/events/stream{query}"), &more).await;
        let mut live = Live { socket, read: String::new(), cut: Vec::new() };
        assert!(live.until("\r\n\r\n").await.contains(" 200 "));
        live
    }
}

async fn answered(mut socket: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    // A refused request may be reset before all of it was sent.
    let _ = timeout(DEADLINE, socket.read_to_end(&mut bytes)).await.unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.get(9..12).and_then(|code| code.parse().ok()).unwrap_or_default();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (this, value) = line.split_once(':')?;
            this.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}
impl Live {
    /// What was read up to and with `text`.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.read.find(text) {
                let rest = self.read.split_off(at + text.len());
                return std::mem::replace(&mut self.read, rest);
            }
            assert!(self.more().await, "the stream ended before {text}: {}", self.read);
        }
    }

    /// Whether there was more.
    pub(crate) async fn more(&mut self) -> bool {
        let mut bytes = [0; 64 * 1024];
        let count = timeout(DEADLINE, self.socket.read(&mut bytes)).await.unwrap().unwrap();
        self.cut.extend_from_slice(&bytes[..count]);
        let whole = match std::str::from_utf8(&self.cut) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        let rest = self.cut.split_off(whole);
        let text = std::mem::replace(&mut self.cut, rest);
        self.read += std::str::from_utf8(&text).unwrap();
        count > 0
    }
}
