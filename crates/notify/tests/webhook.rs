//! Webhooks against real HTTP servers: signed, in each shape; and against hostile ones.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may fail and say why")]

mod web_server;

use std::{
    io::Write,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use notify::{Destination, Failure, Place, Webhook, Webhooks};
use web_server::{Answer, End, WebServer, config, notice, raw};

fn webhook(more: &str) -> Webhook {
    let text = format!("[webhook]\nsecret = '0123456789abcdef'\n{more}");
    config(&text).webhook.unwrap()
}

/// Ones that may call this machine, as all servers of the tests are on it.
fn local(more: &str) -> Webhooks {
    Webhooks::new(&webhook(&format!("private_addresses = true\n{more}"))).unwrap()
}

fn ok() -> Answer {
    (204, Vec::new(), String::new())
}

/// A stranger's HMAC: OpenSSL's.
fn openssl_hmac(key: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut child = Command::new("openssl")
        .args(["dgst", "-sha256", "-mac", "HMAC", "-macopt", &format!("hexkey:{hex}"), "-binary"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .inspect_err(|error| eprintln!("skipped: openssl cannot be run: {error}"))
        .ok()?;
    child.stdin.take().unwrap().write_all(data).unwrap();
    Some(child.wait_with_output().unwrap().stdout)
}

#[tokio::test]
async fn a_webhook_is_a_signed_cloud_event() {
    let mut server = WebServer::start(|_| ok()).await;
    let to = format!("webhook:http://127.0.0.1:{}/hook?who=ada", server.port);
    let notice = notice(&to);
    local("").deliver(&notice).await.unwrap();

    let asked = server.asked().await;
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", "/hook?who=ada"));
    assert_eq!(asked.header("host"), format!("127.0.0.1:{}", server.port));
    let pairs = asked.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let events = event::Event::from_http(pairs, asked.body.clone()).unwrap();
    assert_eq!((events[0].id.as_str(), &events[0].body), (&*notice.event.id, &notice.event.body));

    let id = asked.header("webhook-id");
    assert_eq!(id, notice.key().to_string());
    let seconds: i64 = asked.header("webhook-timestamp").parse().unwrap();
    assert!((jiff::Timestamp::now().as_second() - seconds).abs() < 60);
    let place: Place = to.parse().unwrap();
    let secret = webhook("").secret_of(&place);
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let signed = [format!("{id}.{seconds}.").as_bytes(), &asked.body].concat();
    if let Some(tag) = openssl_hmac(&key, &signed) {
        assert_eq!(asked.header("webhook-signature"), format!("v1,{}", STANDARD.encode(tag)));
    }
}

#[tokio::test]
async fn a_chat_gets_its_own_shape() {
    let mut server = WebServer::start(|_| (200, Vec::new(), "ok".to_owned())).await;
    let webhooks = local("");
    for (shape, key) in [("slack", "text"), ("mattermost", "text"), ("discord", "content")] {
        let to = format!("webhook:{shape}+http://127.0.0.1:{}/{shape}", server.port);
        webhooks.deliver(&notice(&to)).await.unwrap();
        let asked = server.asked().await;
        assert_eq!(asked.header("content-type"), "application/json");
        let text = asked.json()[key].as_str().unwrap().replace('\\', "");
        assert!(text.contains("ada pushed to kernel (main)"), "{shape}: {text}");
        assert!(
            text.trim_end_matches('>').ends_with("https://git.example.org/kernel/c/1f2e3d"),
            "{shape}: {text}"
        );
    }
}

#[tokio::test]
async fn each_answer_means_what_it_means() {
    let mut server = WebServer::start(|path| {
        let status = path.trim_start_matches('/').parse().unwrap();
        (status, Vec::new(), "no\r\n\u{1b}[31mway".to_owned())
    })
    .await;
    let webhooks = local("");
    for (status, meaning) in [
        (400, "refused"),
        (404, "bounced"),
        (410, "bounced"),
        (408, "deferred"),
        (425, "deferred"),
        (429, "deferred"),
        (500, "deferred"),
        (503, "deferred"),
        (302, "refused"),
    ] {
        let to = format!("webhook:http://127.0.0.1:{}/{status}", server.port);
        let failure = webhooks.deliver(&notice(&to)).await.unwrap_err();
        let is = match failure {
            Failure::Deferred(_) => "deferred",
            Failure::Refused(_) => "refused",
            Failure::Bounced(_) => "bounced",
            Failure::Away(_) => "away",
        };
        assert_eq!(is, meaning, "{status}: {failure:?}");
        assert!(!failure.to_string().contains(char::is_control));
        // The path is a secret.
        assert!(!failure.to_string().contains(&format!("/{status}")), "{failure}");
        server.asked().await;
    }
}

#[tokio::test]
async fn who_asks_to_wait_is_left_alone_and_others_are_not() {
    let mut server = WebServer::start(|path| match path {
        "/busy" => (429, vec![("retry-after", "600".to_owned())], String::new()),
        _ => ok(),
    })
    .await;
    let webhooks = local("");
    let to = |path| notice(&format!("webhook:http://127.0.0.1:{}{path}", server.port));
    let (busy, other) = (to("/busy"), to("/other"));
    let failure = webhooks.deliver(&busy).await.unwrap_err();
    assert!(matches!(failure, Failure::Deferred(_)), "{failure:?}");
    server.asked().await;
    let failure = webhooks.deliver(&busy).await.unwrap_err();
    assert!(failure.to_string().contains("left alone for 600 s"), "{failure}");
    assert!(server.is_quiet(), "it was not asked again");
    webhooks.deliver(&other).await.unwrap();
}

#[tokio::test]
async fn this_machine_and_its_network_are_not_called_unless_allowed() {
    let mut server = WebServer::start(|_| ok()).await;
    let webhooks = Webhooks::new(&webhook("")).unwrap();
    let port = server.port;
    // The last is a name: what it means is judged, not how it is written.
    for host in [
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "0x7f.1",
        "0",
        "169.254.169.254",
        "10.0.0.1",
        "localhost",
    ] {
        let failure =
            webhooks.deliver(&notice(&format!("webhook:http://{host}:{port}/"))).await.unwrap_err();
        let said = failure.to_string();
        assert!(matches!(failure, Failure::Refused(_)), "{host}: {failure:?}");
        assert!(said.contains("not on the public internet"), "{host}: {said}");
        assert!(said.contains("notify.webhook.private_addresses"), "{host}: {said}");
    }
    assert!(server.is_quiet());
}

#[tokio::test]
async fn redirects_are_followed_as_many_as_allowed_with_the_same_body() {
    let mut server = WebServer::start(|path| match path {
        "/a" => (308, vec![("location", "/b".to_owned())], String::new()),
        "/b" => (307, vec![("location", "c?d".to_owned())], String::new()),
        "/loop" => (307, vec![("location", "/loop".to_owned())], String::new()),
        "/file" => (307, vec![("location", "file:///etc/passwd".to_owned())], String::new()),
        "/away" => (303, vec![("location", "/b".to_owned())], String::new()),
        _ => ok(),
    })
    .await;
    let to = |path| notice(&format!("webhook:http://127.0.0.1:{}{path}", server.port));
    let (a, rest) = (to("/a"), ["/loop", "/file", "/away"].map(to));
    let failure = local("").deliver(&a).await.unwrap_err();
    assert!(failure.to_string().contains("leads elsewhere"), "{failure}");
    server.asked().await;

    let webhooks = local("redirects_max = 2");
    webhooks.deliver(&a).await.unwrap();
    let (first, _, last) = (server.asked().await, server.asked().await, server.asked().await);
    assert_eq!((last.method.as_str(), last.target.as_str()), ("POST", "/c?d"));
    assert_eq!(first.body, last.body);
    for notice in rest {
        let failure = webhooks.deliver(&notice).await.unwrap_err();
        assert!(matches!(failure, Failure::Refused(_)), "{failure:?}");
    }
}

#[tokio::test]
async fn a_redirect_does_not_lead_into_the_network() {
    // A public host cannot be had in a test; what it would lead to goes the same way.
    let server = WebServer::start(|_| ok()).await;
    let webhooks = Webhooks::new(&webhook("redirects_max = 5")).unwrap();
    let to = format!("webhook:http://127.0.0.1:{}/", server.port);
    assert!(matches!(webhooks.deliver(&notice(&to)).await, Err(Failure::Refused(_))));
}

#[tokio::test]
async fn a_hostile_server_harms_only_itself_and_not_for_long() {
    let huge = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(200_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(5_000));
    let drip = Duration::from_millis(50);
    let endless = "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n";
    let cases = [
        ("huge header", huge.clone(), End::Hang),
        ("many headers", many, End::Hang),
        ("not HTTP", "220 mail.example.org ESMTP\r\n".to_owned(), End::Hang),
        ("nothing", String::new(), End::Close),
        ("silence", String::new(), End::Hang),
        ("half a head", "HTTP/1.1 200 O".to_owned(), End::Close),
        ("dripping head", "HTTP/1.1 200 OK\r\n".to_owned(), End::Repeat("X: y\r\n", drip)),
        ("endless 1xx", String::new(), End::Repeat("HTTP/1.1 100 Continue\r\n\r\n", drip)),
        ("endless body", endless.to_owned(), End::Repeat("5\r\nhello\r\n", Duration::ZERO)),
        ("dripping body", endless.to_owned(), End::Repeat("1\r\nx\r\n", drip)),
    ];
    let webhooks = local("timeout_s = 1");
    let begun = Instant::now();
    let tries = cases.into_iter().map(|(case, bytes, end)| {
        let webhooks = &webhooks;
        async move {
            let (address, task) = raw(bytes.into_bytes(), end).await;
            let notice = notice(&format!("webhook:http://{address}/s3cret"));
            let failure = webhooks.deliver(&notice).await.unwrap_err();
            assert!(matches!(failure, Failure::Deferred(_)), "{case}: {failure:?}");
            assert!(failure.to_string().len() < 600, "{case}: {failure}");
            assert!(!failure.to_string().contains("s3cret"), "{case}: {failure}");
            task.abort();
        }
    });
    futures_util::future::join_all(tries).await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());

    // Taken is taken, whatever follows.
    let taken = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
    let (address, task) = raw(taken.into_bytes(), End::Repeat("1\r\nx\r\n", drip)).await;
    webhooks.deliver(&notice(&format!("webhook:http://{address}/"))).await.unwrap();
    task.abort();
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_defers_and_one_that_the_operator_named_is_trusted() {
    let directory = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, made.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let tls = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(tls));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    });
    let notice = notice(&format!("webhook:https://localhost:{port}/"));
    let failure = local("").deliver(&notice).await.unwrap_err();
    assert!(matches!(&failure, Failure::Deferred(why) if why.contains("TLS")), "{failure:?}");
    local(&format!("ca_file = '{}'", ca.display())).deliver(&notice).await.unwrap();
    task.abort();
}
