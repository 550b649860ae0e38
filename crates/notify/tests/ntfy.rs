//! ntfy's publish API against a server of the test: neither Debian nor PyPI has ntfy's own, so what
//! is checked is its documentation ("Publish as JSON", "Authentication", "Limitations").

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod web_server;

use notify::{Destination, Failure, NtfyPublisher};
use web_server::{WebServer, config, notice};

fn publisher(port: u16, more: &str) -> NtfyPublisher {
    let text = format!("[ntfy]\nurl = 'http://127.0.0.1:{port}/'\ntimeout_s = 2\n{more}");
    NtfyPublisher::new(&config(&text).ntfy.unwrap()).unwrap()
}

#[tokio::test]
async fn a_notice_is_published_as_json_at_the_root_with_the_token() {
    let mut server = WebServer::start(|_| (200, Vec::new(), "{}".to_owned())).await;
    let publisher = publisher(server.port, "token = 'tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2'");
    let notice = notice("ntfy:ada-9f27c1");
    publisher.deliver(&notice).await.unwrap();
    let asked = server.asked().await;
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", "/"));
    assert_eq!(asked.header("authorization"), "Bearer tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2");
    let body = asked.json();
    assert_eq!(body["topic"], "ada-9f27c1");
    assert_eq!((&body["priority"], &body["tags"][0]), (&4.into(), &"warning".into()));
    assert_eq!(body["click"], "https://git.example.org/kernel/c/1f2e3d");
    assert_eq!(body["sequence_id"], notice.key().to_string());
    assert!(!format!("{publisher:?}").contains("tk_"));
}

#[tokio::test]
async fn the_servers_answers_are_its_own_or_the_topics() {
    let answer = |status: u16, more: Option<&'static str>| {
        let headers = more.map(|wait| ("retry-after", wait.to_owned())).into_iter().collect();
        (status, headers, r#"{"code":42900,"http":429,"error":"limit reached"}"#.to_owned())
    };
    for (status, away) in [
        (401, true),
        (404, true),
        (429, true),
        (500, true),
        (507, true),
        (400, false),
        (403, false),
        (413, false),
    ] {
        let server = WebServer::start(move |_| answer(status, None)).await;
        let failure = publisher(server.port, "").deliver(&notice("ntfy:ada")).await.unwrap_err();
        assert_eq!(matches!(failure, Failure::Away(_)), away, "{status}: {failure:?}");
        assert_eq!(matches!(failure, Failure::Refused(_)), !away, "{status}: {failure:?}");
        assert!(failure.to_string().contains("limit reached"), "{failure}");
    }
    let mut server = WebServer::start(move |_| answer(429, Some("60"))).await;
    let publisher = publisher(server.port, "");
    assert!(publisher.deliver(&notice("ntfy:ada")).await.is_err());
    server.asked().await;
    let failure = publisher.deliver(&notice("ntfy:grace")).await.unwrap_err();
    assert!(matches!(failure, Failure::Away(_)) && server.is_quiet(), "{failure:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_away() {
    let port = WebServer::start(|_| (200, Vec::new(), String::new())).await.port;
    let failure = publisher(port, "").deliver(&notice("ntfy:ada")).await.unwrap_err();
    assert!(matches!(failure, Failure::Away(_)), "{failure:?}");
}
