//! Events by HTTP where there is no bus to take them. What a bus takes is tested with one.

use std::net::TcpListener;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use web::Options;

use crate::site::Site;

async fn post(site: &Site, more: &str, body: &str) -> String {
    let mut socket = TcpStream::connect(site.address()).await.unwrap();
    let request = format!(
        "POST /events HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n{more}\r\n{body}",
        site.address(),
        body.len(),
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

/// guest:guest
const LOGIN: &str = "authorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\ncontent-type: application/json\r\n";
const EVENT: &str = "{\"topic\": \"org.example.hello\", \"body\": {}}";

#[tokio::test]
async fn a_bus_that_is_away_is_said_with_when_to_come_again() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let publishing = Some(format!("amqp://x:secret@{nobody}").parse().unwrap());
    let site = Site::start(Options { publishing, ..Options::default() }).await;
    let answer = post(&site, LOGIN, EVENT).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 5"), "{answer}");
    assert!(answer.contains(&nobody.to_string()) && !answer.contains("secret"), "{answer}");
    // What is wrong with an event is said whether the bus is there or not.
    let answer = post(&site, LOGIN, "{\"topic\": \"org.example.git.receive\", \"body\": {}}").await;
    assert!(
        answer.starts_with("HTTP/1.1 422 ") && answer.contains("\"reasons\":[\"$: "),
        "{answer}"
    );
    let answer = post(&site, "content-type: application/json\r\n", EVENT).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    site.stop().await;
}

#[tokio::test]
async fn without_a_bus_nothing_is_published() {
    let site = Site::start(Options::default()).await;
    let answer = post(&site, LOGIN, EVENT).await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    site.stop().await;
}
