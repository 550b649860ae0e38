//! The web servers of the tests: one that answers as the test says and keeps what it was asked, and
//! one that speaks whatever bytes the test gives it. Both on loopback, and gone with the test.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use event::{Description, Event, Severity};
use jiff::Timestamp;
use notify::{Notice, Reason};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};

/// What the server was asked.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// An answer: status, headers, body.
pub(crate) type Answer = (u16, Vec<(&'static str, String)>, String);

type Answers = dyn Fn(&str) -> Answer + Send + Sync;

/// A real HTTP server.
pub(crate) struct WebServer {
    pub(crate) port: u16,
    asked: mpsc::UnboundedReceiver<Asked>,
    task: JoinHandle<()>,
}

impl WebServer {
    /// One that answers by the path.
    pub(crate) async fn start(
        answer: impl Fn(&str) -> Answer + Send + Sync + 'static,
    ) -> WebServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, asked) = mpsc::unbounded_channel();
        let answer: Arc<Answers> = Arc::new(answer);
        let router = Router::new().fallback(handle).with_state((answer, sender));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        WebServer { port, asked, task }
    }

    /// The next request.
    pub(crate) async fn asked(&mut self) -> Asked {
        timeout(Duration::from_secs(20), self.asked.recv()).await.expect("a request").unwrap()
    }

    /// Whether everything that was asked was looked at.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.asked.try_recv().is_err()
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn handle(
    State((answer, sender)): State<(Arc<Answers>, mpsc::UnboundedSender<Asked>)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let target = uri.to_string();
    let (status, more, text) = answer(uri.path());
    let _ = sender.send(Asked { method, target, headers, body });
    let mut response = (StatusCode::from_u16(status).unwrap(), text).into_response();
    for (name, value) in more {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

/// A server of bytes: each connection gets them, once something was asked; then `end` says what
/// happens.
pub(crate) async fn raw(bytes: Vec<u8>, end: End) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(speak(stream, bytes.clone(), end));
        }
    });
    (address, task)
}

/// What a raw server does after its bytes.
#[derive(Clone, Copy)]
pub(crate) enum End {
    Close,
    Hang,
    /// The last bytes again and again.
    Repeat(&'static str, Duration),
}

async fn speak(mut stream: TcpStream, bytes: Vec<u8>, end: End) {
    let mut asked = [0; 16];
    let _ = stream.read(&mut asked).await;
    if stream.write_all(&bytes).await.is_err() {
        return;
    }
    match end {
        End::Close => {}
        End::Hang => std::future::pending().await,
        End::Repeat(text, pause) => {
            while stream.write_all(text.as_bytes()).await.is_ok() {
                tokio::time::sleep(pause).await; // tidy: the peer that drips
            }
        }
    }
}

/// An event that somebody is told of.
pub(crate) fn notice(to: &str) -> Notice {
    let topic = "org.example.git.receive".parse().unwrap();
    let mut event = Event::new(topic, serde_json::json!({"agent": "ada", "ö": 1})).unwrap();
    event.id = "0199d0c4-7b1e-7000-8000-00000000002a".to_owned();
    Notice {
        event: Arc::new(event),
        description: Arc::new(Description {
            summary: "ada pushed to kernel (main): fix the scheduler".to_owned(),
            link: Some("https://git.example.org/kernel/c/1f2e3d".to_owned()),
            icon: None,
            app: "git".to_owned(),
            agent: Some("ada".to_owned()),
            people: vec!["ada".to_owned()],
            packages: vec!["kernel".to_owned()],
            object: Some("git/kernel".to_owned()),
            objects: vec!["git/kernel".to_owned()],
            text: Some("fix the scheduler".to_owned()),
            patch: None,
            severity: Severity::Warning,
            schema: Some("git.receive".to_owned()),
        }),
        more: Vec::new(),
        to: to.parse().unwrap(),
        reasons: vec![Reason {
            subscription: "kernel".to_owned(),
            pattern: "#".to_owned(),
            rule: None,
        }],
        received_at: Timestamp::now(),
    }
}

/// The configuration, with mail as it always has.
pub(crate) fn config(text: &str) -> notify::Config {
    let text = format!("[mail]\nfrom = 'tubepost@example.org'\n{text}");
    toml::from_str::<notify::Settings>(&text).unwrap().check().unwrap().unwrap()
}
