//! Web Push against a push service of the test; what it is given is decrypted, and the sender's
//! signature checked, by http_ece and Python's cryptography.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod web_server;

use std::{io::Write, process::Command, process::Stdio};

use notify::{Destination, Failure, PushSender, PushSubscription};
use serde_json::{Value, json};
use web_server::{Asked, WebServer, config, notice};

/// A browser: its private key is known to the script only.
struct Browser(Value);

/// Runs the script; `None` where the Python environment is not.
fn python(words: &[&str], input: &str) -> Option<Value> {
    let interpreter = std::env::var_os("TUBEPOST_PYTHON")?;
    let mut script = Command::new(interpreter)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/push_browser.py"))
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    script.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = script.wait_with_output().unwrap();
    assert!(output.status.success());
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

impl Browser {
    fn new(endpoint: &str) -> Option<Browser> {
        python(&["subscribe", endpoint], "").map(Browser)
    }

    fn address(&self) -> String {
        let json = self.0["subscription"].to_string();
        format!("push:{}", PushSubscription::from_json(&json).unwrap().address())
    }

    /// What it makes of a request: the message, and what the signature says.
    fn reads(&self, asked: &Asked) -> Value {
        let body: Vec<u8> = asked.body.to_vec();
        let input = json!({
            "private": self.0["private"],
            "auth": self.0["subscription"]["keys"]["auth"],
            "body": body,
            "authorization": asked.header("authorization"),
        });
        python(&["read"], &input.to_string()).unwrap()
    }
}

/// The keys of RFC 8291, Appendix A.
const KEYS: &str = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6S\
                    RpkNtoIAiw4.BTBZMqHH6r4Tts7J_aSIgg";

fn sender(directory: &tempfile::TempDir, more: &str) -> PushSender {
    let key = directory.path().join("push.key");
    let text = format!(
        "[push]\ncontact = 'mailto:ops@example.org'\nkey_file = '{}'\ntimeout_s = 2\n{more}",
        key.display()
    );
    PushSender::new(&config(&text).push.unwrap()).unwrap()
}

#[tokio::test]
async fn a_browser_reads_what_was_sent_and_the_service_only_who_sent_it() {
    let mut server = WebServer::start(|_| (201, Vec::new(), String::new())).await;
    let origin = format!("http://127.0.0.1:{}", server.port);
    let Some(browser) = Browser::new(&format!("{origin}/wpush/s3cret")) else {
        println!("TUBEPOST_PYTHON is not set; nothing is tested");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let sender = sender(&directory, "private_addresses = true");
    let notice = notice(&browser.address());
    sender.deliver(&notice).await.unwrap();
    let asked = server.asked().await;
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", "/wpush/s3cret"));
    assert_eq!((asked.header("content-encoding"), asked.header("ttl")), ("aes128gcm", "86400"));
    assert_eq!((asked.header("urgency"), asked.header("topic").len()), ("high", 32));
    let plain = String::from_utf8_lossy(&asked.body);
    assert!(!plain.contains("kernel") && !asked.header("topic").contains("kernel"), "{plain}");

    let read = browser.reads(&asked);
    let slip = &read["message"];
    assert_eq!(slip["summary"], "ada pushed to kernel (main): fix the scheduler");
    assert_eq!(slip["link"], "https://git.example.org/kernel/c/1f2e3d");
    assert_eq!((&slip["object"], &slip["severity"]), (&json!("git/kernel"), &json!("warning")));
    assert_eq!(slip["key"], notice.key().to_string());
    assert_eq!((&read["aud"], &read["sub"]), (&json!(origin), &json!("mailto:ops@example.org")));
    let left = read["seconds_left"].as_f64().unwrap();
    assert!((3600.0..=86_400.0).contains(&left), "{left}");
    let debug = format!("{sender:?} {:?}", notice.to.shown());
    assert!(!debug.contains("PRIVATE") && !debug.contains("s3cret"), "{debug}");
}

#[tokio::test]
async fn the_services_answers_are_about_the_browser_or_the_notice() {
    let directory = tempfile::tempdir().unwrap();
    let sender = sender(&directory, "private_addresses = true");
    for (status, kind) in [
        (404, "gone"),
        (410, "gone"),
        (429, "later"),
        (500, "later"),
        (503, "later"),
        (307, "never"),
        (400, "never"),
        (403, "never"),
        (413, "never"),
    ] {
        let answer = move |_: &str| (status, Vec::new(), "no such subscription".to_owned());
        let server = WebServer::start(answer).await;
        let to = format!("push:http://127.0.0.1:{}/s3cret#{KEYS}", server.port);
        let failure = sender.deliver(&notice(&to)).await.unwrap_err();
        let is_so = match &failure {
            Failure::Bounced(_) => kind == "gone",
            Failure::Deferred(_) => kind == "later",
            Failure::Refused(_) => kind == "never",
            Failure::Away(_) => false,
        };
        assert!(is_so, "{status}: {failure:?}");
        let said = failure.to_string();
        assert!(said.contains("no such subscription") && !said.contains("s3cret"), "{said}");
        assert!(status != 403 || said.contains("push-key"), "{said}");
    }
    // Asked to wait, it is left alone; others are not.
    let answer = |_: &str| (429, vec![("retry-after", "60".to_owned())], String::new());
    let mut server = WebServer::start(answer).await;
    let to = |path: &str| format!("push:http://127.0.0.1:{}/{path}#{KEYS}", server.port);
    let (one, other) = (to("one"), to("other"));
    for to in [&one, &one, &other] {
        assert!(matches!(sender.deliver(&notice(to)).await, Err(Failure::Deferred(_))));
    }
    let asked = [server.asked().await.target, server.asked().await.target];
    assert!(asked == ["/one", "/other"] && server.is_quiet(), "{asked:?}");
}

#[tokio::test]
async fn a_subscription_leads_to_no_private_address_unless_allowed() {
    let server = WebServer::start(|_| (201, Vec::new(), String::new())).await;
    let directory = tempfile::tempdir().unwrap();
    let sender = sender(&directory, "");
    let to = format!("push:http://127.0.0.1:{}/s3cret#{KEYS}", server.port);
    let failure = sender.deliver(&notice(&to)).await.unwrap_err();
    assert!(matches!(failure, Failure::Refused(_)), "{failure:?}");
    assert!(failure.to_string().contains("notify.push.private_addresses"), "{failure}");
}
