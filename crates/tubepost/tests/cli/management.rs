//! The commands of the management API on the socket of a data directory, where a listener of the
//! test answers. That they work on real ones is for `tests/tests/broker_commands.rs`.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    thread::{self, JoinHandle},
};

use crate::home::Home;

/// Where the commands look for it.
fn socket(home: &Home) -> PathBuf {
    std::fs::create_dir_all(home.path("tubepost-data")).unwrap();
    home.path("tubepost-data/management.sock")
}

/// Gives these answers, one a connection, and returns the requests.
fn answering(home: &Home, answers: &[(&str, &str, &str)]) -> JoinHandle<Vec<String>> {
    let listener = UnixListener::bind(socket(home)).unwrap();
    let answers: Vec<String> = answers
        .iter()
        .map(|(status, kind, body)| {
            let length = body.len();
            format!(
                "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"
            )
        })
        .collect();
    thread::spawn(move || {
        let answer = |answer: String| {
            let (mut stream, _) = listener.accept().unwrap();
            let request = request(&stream);
            stream.write_all(answer.as_bytes()).unwrap();
            request
        };
        answers.into_iter().map(answer).collect()
    })
}

fn request(stream: &UnixStream) -> String {
    let mut stream = BufReader::new(stream);
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut text).unwrap() > 0, "{text}");
    }
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).unwrap();
    text + std::str::from_utf8(&body).unwrap()
}

const JSON: &str = "application/json";

#[test]
fn who_can_open_the_socket_needs_no_password() {
    let home = Home::new();
    let queues = r#"[{"name": "a/b ü", "type": "classic", "messages": 12}]"#;
    let requests = answering(&home, &[("200 OK", JSON, queues)]);
    let ended = home.run(&["queue", "list", "--vhost", "x/y"]);
    assert_eq!((ended.code, ended.said.as_str()), (0, ""), "{ended:?}");
    assert_eq!(
        ended.out,
        "name   type     messages_ready  messages_unacknowledged  messages  consumers\n\
         a/b ü  classic  -               -                              12  -\n"
    );
    let request = &requests.join().unwrap()[0];
    assert!(request.starts_with("GET /api/queues/x%2Fy HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("\r\nhost: localhost\r\n"), "{request}");
    assert!(!request.contains("authorization"), "{request}");
}

#[test]
fn a_declaration_is_sent_as_rabbitmq_has_it() {
    let home = Home::new();
    let requests = answering(&home, &[("201 Created", JSON, "")]);
    let ended = home.run(&[
        "queue",
        "declare",
        "jobs",
        "--type",
        "quorum",
        "--durable=true",
        "--argument",
        "x-delivery-limit=5",
        "--argument",
        "note:=\"7\"",
    ]);
    assert_eq!((ended.code, ended.out.as_str()), (0, ""), "{ended:?}");
    assert_eq!(ended.said, "tubepost: queue 'jobs' in virtual host '/' declared\n");
    let request = &requests.join().unwrap()[0];
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("PUT /api/queues/%2F/jobs HTTP/1.1\r\n"), "{request}");
    assert!(head.contains("\r\ncontent-type: application/json\r\n"), "{request}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({
            "durable": true,
            "auto_delete": false,
            "arguments": {"x-delivery-limit": 5, "note": "7", "x-queue-type": "quorum"},
        })
    );
}

#[test]
fn an_alarm_is_shown_and_exits_1() {
    let home = Home::new();
    let overview = r#"{"product_name": "Tubepost", "product_version": "9", "node": "n"}"#;
    let alarm = r#"{"status": "failed", "reason": "There are alarms in effect in the cluster",
        "alarms": [{"node": "n", "resource": "disk"}]}"#;
    let answers = [
        ("200 OK", JSON, overview),
        ("200 OK", JSON, "[]"),
        ("503 Service Unavailable", JSON, alarm),
        ("404 Not Found", JSON, r#"{"error": "Object Not Found"}"#),
    ];
    let requests = answering(&home, &answers);
    let ended = home.run(&["status"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.out.starts_with("Tubepost 9, node n"), "{ended:?}");
    assert!(ended.out.contains("virtual hosts:  this API does not say\n"), "{ended:?}");
    assert!(ended.said.contains("alarms: There are alarms"), "{ended:?}");
    assert!(ended.said.contains("disk on node n"), "{ended:?}");
    assert_eq!(requests.join().unwrap().len(), answers.len());
}

#[test]
fn what_no_management_api_says_is_no_answer() {
    for (status, kind, body) in [
        ("200 OK", "text/html", "<html>"),
        ("200 OK", JSON, "{}"),
        ("404 Not Found", "text/plain", "nothing here"),
        ("301 Moved Permanently", JSON, ""),
    ] {
        let home = Home::new();
        let requests = answering(&home, &[(status, kind, body)]);
        let ended = home.run(&["queue", "list"]);
        assert_eq!((ended.code, ended.out.as_str()), (1, ""), "{ended:?}");
        assert!(ended.said.contains("is no management API"), "{ended:?}");
        requests.join().unwrap();
    }
}

#[test]
fn what_a_stranger_named_cannot_command_the_terminal() {
    let home = Home::new();
    let refusal = r#"{"error": "bad_request", "reason": "no \u001b[2J for you"}"#;
    let requests = answering(&home, &[("400 Bad Request", JSON, refusal)]);
    let ended = home.run(&["queue", "show", "q"]);
    assert_eq!(ended.code, 1);
    assert!(!ended.said.contains('\u{1b}') && ended.said.contains("[2J for you"), "{ended:?}");
    requests.join().unwrap();
}

#[test]
fn a_socket_that_leads_nowhere_is_named_with_the_mend() {
    let home = Home::new();
    let ended = home.run(&["status"]);
    assert_eq!((ended.code, ended.out.as_str()), (1, ""), "{ended:?}");
    for part in ["./tubepost-data/management.sock", "is not there", "--data-dir", "--url"] {
        assert!(ended.said.contains(part), "{part}: {ended:?}");
    }
    assert!(!home.path("tubepost-data").exists(), "asking makes no data directory");
    // The socket of a server that was killed.
    drop(UnixListener::bind(socket(&home)).unwrap());
    let ended = home.run(&["status"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.said.contains("the server is not running; start tubepost serve"), "{ended:?}");
}

#[test]
fn a_data_directory_on_the_command_line_goes_before_an_address_in_the_environment() {
    let home = Home::new();
    let url = "http://ada:s3cret@127.0.0.1:9";
    let variables = [("TUBEPOST_MANAGEMENT_URL", url)];
    let ended = home.run_with(&["queue", "list"], &variables, "");
    assert!(ended.said.contains("http://127.0.0.1:9: port 9 cannot be connected to"), "{ended:?}");
    assert!(!ended.said.contains("s3cret"), "{ended:?}");
    let ended = home.run_with(&["queue", "list", "--data-dir", "d"], &variables, "");
    assert!(ended.said.contains("management socket d/management.sock"), "{ended:?}");
    let both = ["queue", "list", "--data-dir", "d", "--url", url];
    assert!(home.run(&both).said.contains("127.0.0.1:9"), "a flag each: the address");
}
