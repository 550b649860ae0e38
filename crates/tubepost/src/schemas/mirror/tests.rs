//! A copy against the pages that `serve` has, and against servers that answer what they should not.

use std::{collections::HashMap, fs, sync::Arc};

use event::Event;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::{
    config::Schemas,
    schemas::{live::Live, refresh_at_start, source::Source},
};

fn schema(name: &str, summary: &str) -> String {
    json!({
        "name": name, "version": 1, "title": "t", "description": "", "owner": "o",
        "topics": [format!("#.{name}")], "body": {}, "render": {"app": "t", "summary": summary},
        "examples": [{"topic": name, "body": {}, "expect": {}}],
    })
    .to_string()
}

fn said(registry: &Registry, topic: &str) -> String {
    registry.describe(&Event::new(topic.parse().unwrap(), json!({})).unwrap()).summary
}

/// The pages of a `serve`, until `stop`.
async fn pages(schemas: Registry, address: &str) -> (String, oneshot::Sender<()>) {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (stop, stopped) = oneshot::channel();
    let options = web::Options { schemas, ..web::Options::default() };
    let until = async { drop(stopped.await) };
    tokio::spawn(web::serve(listener, web::Feed::default(), options, until));
    (address, stop)
}

fn of(home: &TempDir, url: &str) -> Schemas {
    Schemas {
        sources: Source::parse_all(url).unwrap(),
        cache: home.path().join("cache"),
        refresh: Duration::from_secs(60),
    }
}

/// As a command starts: what it has, and what it said.
async fn begin(schemas: &Schemas) -> (Live, Vec<String>) {
    let (mut live, notices) = Live::begin(schemas).unwrap();
    let notices = notices.into_iter().chain(refresh_at_start(&mut live).await);
    let faults = notices.filter_map(|notice| match notice {
        Notice::Bad(fault) => Some(fault),
        _ => None,
    });
    let faults = faults.collect();
    (live, faults)
}

async fn refresh(live: &mut Live) -> Vec<Notice> {
    let [mirror] = &live.mirrors()[..] else { panic!("one registry") };
    let mut notices = mirror.refresh(Duration::from_secs(20)).await;
    notices.extend(live.look());
    notices
}

#[tokio::test]
async fn what_another_machine_serves_is_taken_over_and_outlives_it() {
    let home = tempfile::tempdir().unwrap();
    let mut theirs = Registry::builtin();
    theirs.add("door", &schema("door", "one")).unwrap();
    theirs.add("gate", &schema("gate", "two")).unwrap();
    let (address, stop) = pages(theirs.clone(), "127.0.0.1:0").await;
    let ours = of(&home, &format!("http://{address}/schemas/"));
    let (mut live, faults) = begin(&ours).await;
    assert_eq!(faults, Vec::<String>::new());
    let registry = live.registry().clone();
    assert_eq!((said(&registry, "door"), said(&registry, "gate")), ("one".into(), "two".into()));
    assert_eq!(refresh(&mut live).await, [], "304");

    let mut changed = Registry::builtin();
    changed.add("door", &schema("door", "three")).unwrap();
    theirs.replace(&changed);
    assert!(matches!(&refresh(&mut live).await[..], [Notice::Read(_)]));
    assert_eq!((said(&registry, "door"), said(&registry, "gate")), ("three".into(), "gate".into()));

    drop(stop);
    let told = refresh(&mut live).await;
    let [Notice::Bad(fault)] = &told[..] else { panic!("{told:?}") };
    assert!(fault.contains(&address) && fault.ends_with("kept of it stay in force"), "{fault}");
    assert_eq!(refresh(&mut live).await, [], "said once");
    // Asked a moment ago, so a new command does not ask at all; and later it asks in vain.
    let (later, faults) = begin(&ours).await;
    assert_eq!((said(later.registry(), "door"), faults.len()), ("three".into(), 0));
    let (later, faults) = begin(&Schemas { refresh: Duration::ZERO, ..ours.clone() }).await;
    assert_eq!((said(later.registry(), "door"), faults.len()), ("three".into(), 1));
    assert_eq!(said(&registry, "door"), "three");

    let (_, _stop) = pages(theirs, &address).await;
    assert!(matches!(&refresh(&mut live).await[..], [Notice::Well(_)]));
}

/// Answers each path with its bytes, and closes.
async fn answering(answers: HashMap<String, Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let path = requested(&mut stream).await;
            _ = stream.write_all(answers.get(&path).map_or(&b""[..], |answer| answer)).await;
        }
    });
    address
}

async fn requested(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { break };
        request.push(byte);
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    request.split(' ').nth(1).unwrap_or_default().to_owned()
}

fn ok(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").into()
}

fn list(entries: &[(&str, &str)]) -> String {
    let entry = |(name, text): &(&str, &str)| {
        json!({
            "name": name, "version": 1, "title": "t", "owner": "o", "topics": [], "wire_name": name,
            "deprecated": false, "path": "", "etag": content_tag(text.as_bytes()),
        })
    };
    let schemas: Vec<_> = entries.iter().map(entry).collect();
    json!({"count": schemas.len(), "schemas": schemas}).to_string()
}

#[tokio::test]
async fn a_broken_answer_never_replaces_a_good_one() {
    let (one, two) = (schema("door", "one"), schema("door", "two"));
    let broken = schema("door", "{{ broken");
    let huge = "x".repeat(LIST_BYTES_MAX + 1);
    let good_list = list(&[("door", &two)]);
    let cases: Vec<(&str, Vec<u8>, Vec<u8>, &str)> = vec![
        ("nothing", Vec::new(), ok(""), "connection broke"),
        ("not HTTP", b"* OK IMAP4\r\n".to_vec(), ok(""), "does not speak HTTP"),
        ("no JSON", ok("<html>"), ok(""), "it is no list of schemas"),
        (
            "not UTF-8",
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n\xff\xfe".to_vec(),
            ok(""),
            "no list",
        ),
        ("empty", ok("{\"count\":0,\"schemas\":[]}"), ok(""), "it lists no schema"),
        (
            "cut",
            ok(&good_list.replace("\"count\":1", "\"count\":2")),
            ok(""),
            "says that there are 2",
        ),
        ("too large", ok(&huge), ok(""), "has more than 8388608 bytes"),
        ("shorter than said", [&ok(&good_list)[..60], b"{"].concat(), ok(""), "connection broke"),
        (
            "an error",
            b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n".to_vec(),
            ok(""),
            "answered 500",
        ),
        (
            "elsewhere",
            b"HTTP/1.1 301 M\r\nlocation: https://new/\r\ncontent-length: 0\r\n\r\n".to_vec(),
            ok(""),
            "name the address it leads to, https://new/",
        ),
        (
            "a login",
            b"HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n".to_vec(),
            ok(""),
            "USER:PASSWORD",
        ),
        ("other file", ok(&good_list), ok(&one), "it is not what the list says"),
        (
            "no file",
            ok(&good_list),
            b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n".to_vec(),
            "404",
        ),
        ("bad schema", ok(&list(&[("door", &broken)])), ok(&broken), "$.render.summary"),
        (
            "other name",
            ok(&list(&[("door", &schema("gate", "x"))])),
            ok(&schema("gate", "x")),
            "its name is gate",
        ),
    ];
    for (what, list_answer, file_answer, reason) in cases {
        let home = tempfile::tempdir().unwrap();
        let good = [
            ("/schemas.json".to_owned(), ok(&list(&[("door", &one)]))),
            ("/schemas/door.json".to_owned(), ok(&one)),
        ];
        let address = answering(HashMap::from(good)).await;
        let (live, _) = begin(&of(&home, &format!("http://{address}/"))).await;
        assert_eq!(said(live.registry(), "door"), "one");
        // The same registry, which went bad: its copy is under its address.
        let bad = [
            ("/schemas.json".to_owned(), list_answer),
            ("/schemas/door.json".to_owned(), file_answer),
        ];
        let other = answering(HashMap::from(bad)).await;
        adopt(&home, &address, &other);
        let schemas = Schemas { refresh: Duration::ZERO, ..of(&home, &format!("http://{other}/")) };
        for _ in 0..2 {
            let (live, faults) = begin(&schemas).await;
            assert_eq!(said(live.registry(), "door"), "one", "{what}");
            assert!(faults.len() == 1 && faults[0].contains(reason), "{what}: {faults:?}");
        }
    }
}

/// Makes the copy of one address that of another.
fn adopt(home: &TempDir, from: &str, to: &str) {
    let (from, to) = (format!("http://{from}/schemas"), format!("http://{to}/schemas"));
    let file = |url: &str| {
        home.path().join(format!("cache/127-0-0-1-{:016x}.json", fnv_1a(url.as_bytes())))
    };
    let text = fs::read_to_string(file(&from)).unwrap();
    fs::write(file(&to), text.replace(&from, &to)).unwrap();
}

#[tokio::test]
async fn one_bad_schema_keeps_none_of_the_others_out() {
    let home = tempfile::tempdir().unwrap();
    let (door, gate) = (schema("door", "one"), schema("gate", "two"));
    let answers = [
        ("/x/schemas.json", ok(&list(&[("bad", "?"), ("door", &door), ("gate", &gate)]))),
        ("/x/schemas/bad.json", ok("?")),
        ("/x/schemas/door.json", ok(&door)),
        ("/x/schemas/gate.json", ok(&gate)),
    ];
    let answers = answers.map(|(path, answer)| (path.to_owned(), answer));
    let address = answering(HashMap::from(answers)).await;
    let (live, faults) = begin(&of(&home, &format!("http://{address}/x/schemas/"))).await;
    assert!(faults.len() == 1 && faults[0].contains("/x/schemas/bad.json"), "{faults:?}");
    assert_eq!(said(live.registry(), "door") + &said(live.registry(), "gate"), "onetwo");
}

#[tokio::test(start_paused = true)]
async fn who_never_answers_holds_nobody_up_for_long() {
    let home = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let began = Instant::now();
    let (_, faults) = begin(&of(&home, &url)).await;
    assert!(began.elapsed() <= FIRST_WAIT + Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(faults[0].contains("no answer in time"), "{faults:?}");
    assert!(faults[0].ends_with("there is no copy of it, so its events are said generically"));
}

#[tokio::test]
async fn a_damaged_copy_is_told_of_and_fetched_anew() {
    let home = tempfile::tempdir().unwrap();
    let mut theirs = Registry::builtin();
    theirs.add("door", &schema("door", "one")).unwrap();
    let (address, _stop) = pages(theirs, "127.0.0.1:0").await;
    let ours = of(&home, &format!("http://{address}/"));
    begin(&ours).await;
    let file = fs::read_dir(&ours.cache).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&file).unwrap();
    // Cut; and one byte of a schema changed, which only its tag can tell.
    let changed = text.replace("\\\"summary\\\":\\\"one\\\"", "\\\"summary\\\":\\\"0ne\\\"");
    assert_ne!(changed, text);
    for (damaged, told) in [(&text[..text.len() / 2], 1), (&changed, 0)] {
        fs::write(&file, damaged).unwrap();
        let (live, faults) = begin(&ours).await;
        assert_eq!(
            (said(live.registry(), "door"), faults.len()),
            ("one".into(), told),
            "{faults:?}"
        );
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
}

#[tokio::test]
async fn https_is_believed_by_its_authority_only() {
    let home = tempfile::tempdir().unwrap();
    let mut theirs = Registry::builtin();
    theirs.add("door", &schema("door", "one")).unwrap();
    let (plain, _stop) = pages(theirs, "127.0.0.1:0").await;
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let authority = home.path().join("ca.pem");
    fs::write(&authority, cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![cert.der().clone()], key).unwrap();
    let (acceptor, listener) =
        (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                tokio::spawn(pass_on(stream, plain.clone()));
            }
        }
    });
    let (live, faults) = begin(&of(&home, &format!("https://{address}/"))).await;
    assert_eq!(said(live.registry(), "door"), "door");
    assert!(faults[0].contains("cacertfile"), "{faults:?}");
    let named = format!("https://{address}/?cacertfile={}", authority.display());
    let (live, faults) = begin(&of(&home, &named)).await;
    assert_eq!((said(live.registry(), "door"), faults), ("one".into(), Vec::new()));
}

async fn pass_on(mut near: impl AsyncRead + AsyncWrite + Unpin, to: String) {
    let mut far = TcpStream::connect(to).await.unwrap();
    drop(copy_bidirectional(&mut near, &mut far).await);
}
