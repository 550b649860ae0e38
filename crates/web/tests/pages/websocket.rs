//! WebSockets beside the pages: opened by those who may, and handed over.

use std::sync::Arc;

use bytes::Bytes;
use http_door::{Origins, Subprotocol, Takeover, WebSockets};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use web::Options;

use crate::{
    http::OnlyAda,
    site::{DEADLINE, Site},
};

/// Says everything back, from the first octet behind the request on.
#[derive(Debug)]
struct Echo;

impl Subprotocol for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }

    fn admit(&self) -> Option<Takeover> {
        Some(Box::new(|mut tcp: TcpStream, read: Bytes| {
            tokio::spawn(async move {
                tcp.write_all(&read).await.unwrap();
                let (mut from, mut to) = tcp.split();
                tokio::io::copy(&mut from, &mut to).await.unwrap();
            });
        }))
    }
}

fn options() -> Options {
    let websockets = WebSockets {
        paths: &["/echo"],
        origins: Origins::default(),
        origins_option: "the.option",
        subprotocol: Arc::new(Echo),
    };
    Options {
        login: Some(Arc::new(OnlyAda)),
        websockets: Some(websockets),
        connections_max: 1,
        ..Options::default()
    }
}

const OPENING: &str = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: echo\r\n\r\n";

#[tokio::test]
async fn a_socket_is_handed_over_with_all_that_came_and_takes_no_place_of_the_pages() {
    let site = Site::start(options()).await;
    let mut open = Vec::new();
    // More than the pages have places for.
    for _ in 0..3 {
        let mut socket = TcpStream::connect(site.address()).await.unwrap();
        let asked = format!("GET /echo HTTP/1.1\r\nhost: {}\r\n{OPENING}early", site.address());
        socket.write_all(asked.as_bytes()).await.unwrap();
        let mut answer = String::new();
        while !answer.ends_with("\r\n\r\nearly") {
            let mut octets = [0; 1024];
            let read = timeout(DEADLINE, socket.read(&mut octets)).await.unwrap().unwrap();
            assert!(read > 0, "{answer}");
            answer += std::str::from_utf8(&octets[..read]).unwrap();
        }
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        let agreed = "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        assert!(answer.contains(agreed), "{answer}");
        assert!(answer.contains("sec-websocket-protocol: echo"), "{answer}");
        socket.write_all(b"late").await.unwrap();
        let mut late = [0; 4];
        timeout(DEADLINE, socket.read_exact(&mut late)).await.unwrap().unwrap();
        assert_eq!(&late, b"late");
        open.push(socket);
    }
    // Who looks is not asked for a login there, but is everywhere else.
    assert_eq!(site.get("/echo").await.status, 426);
    assert_eq!(site.get("/").await.status, 401);
    let strange = site.request("GET", "/echo", &[("host", "evil.example")]).await;
    assert_eq!(strange.status, 421);
    // They do not hold up the end.
    site.stop().await;
    drop(open);
}

#[tokio::test]
async fn without_any_there_is_nothing_at_their_address() {
    let site = Site::start(Options::default()).await;
    assert_eq!(site.get("/echo").await.status, 404);
    site.stop().await;
}
