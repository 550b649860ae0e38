//! The SMTP server of the tests: aiosmtpd, run by the Python that `TUBEPOST_PYTHON` names. It says
//! what happens line by line, so tests wait for it and never for time. It ends with the test.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::{collections::VecDeque, process::Stdio, time::Duration};

use notify::{Config, Settings};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// A running server.
pub(crate) struct SmtpServer {
    pub(crate) port: u16,
    // Killed when dropped; its stdin, held here, ends it if this process is killed.
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
    aside: VecDeque<Value>,
}

impl SmtpServer {
    /// Starts one on a free port; `None`, said aloud, when there is no aiosmtpd.
    pub(crate) async fn start(arguments: &[&str]) -> Option<SmtpServer> {
        SmtpServer::start_at(0, arguments).await
    }

    /// As [`SmtpServer::start`], on a port that is known.
    pub(crate) async fn start_at(port: u16, arguments: &[&str]) -> Option<SmtpServer> {
        let Some(python) = std::env::var_os("TUBEPOST_PYTHON") else {
            eprintln!("skipped: TUBEPOST_PYTHON does not name a Python that has aiosmtpd");
            return None;
        };
        let mut child = Command::new(python)
            .args(["-W", "ignore", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/smtp_server.py")])
            .args(["--port", &port.to_string()])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("TUBEPOST_PYTHON names a Python");
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut server = SmtpServer { port, child, said, aside: VecDeque::new() };
        let port = server.wait_for("listening").await.as_u64().unwrap();
        server.port = port.try_into().unwrap();
        Some(server)
    }

    /// The next thing of this kind that the server says; others are kept for later.
    pub(crate) async fn wait_for(&mut self, kind: &str) -> Value {
        if let Some(place) = self.aside.iter().position(|said| said.get(kind).is_some()) {
            return self.aside.remove(place).unwrap()[kind].take();
        }
        loop {
            let line = timeout(DEADLINE, self.said.next_line())
                .await
                .unwrap_or_else(|_| panic!("the server did not say '{kind}' within {DEADLINE:?}"))
                .unwrap()
                .unwrap_or_else(|| panic!("the server ended before it said '{kind}'"));
            let mut said: Value = serde_json::from_str(&line).unwrap();
            if said.get(kind).is_some() {
                return said[kind].take();
            }
            self.aside.push_back(said);
        }
    }

    /// The next mail.
    pub(crate) async fn mail(&mut self) -> Received {
        Received(self.wait_for("message").await)
    }

    /// Ends the server and returns the mails that nobody asked for.
    pub(crate) async fn stop(mut self) -> Vec<Received> {
        drop(self.child.stdin.take());
        self.child.wait().await.unwrap();
        let mut left: Vec<Value> = self.aside.into();
        while let Ok(Some(line)) = self.said.next_line().await {
            left.push(serde_json::from_str(&line).unwrap());
        }
        left.into_iter()
            .filter_map(|mut said| said.get_mut("message").map(Value::take))
            .map(Received)
            .collect()
    }
}

/// A mail as the server took it.
#[derive(Debug)]
pub(crate) struct Received(pub(crate) Value);

impl Received {
    /// A header's value, unfolded and decoded; `None` when absent.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let headers = self.0["headers"].as_array().unwrap();
        headers.iter().find(|h| h[0] == name).map(|h| h[1].as_str().unwrap())
    }

    /// The names of all headers, in order.
    pub(crate) fn header_names(&self) -> Vec<&str> {
        self.0["headers"].as_array().unwrap().iter().map(|h| h[0].as_str().unwrap()).collect()
    }

    /// The only recipient of the envelope.
    pub(crate) fn to(&self) -> &str {
        let to = self.0["to"].as_array().unwrap();
        assert_eq!(to.len(), 1, "one mail, one recipient");
        to[0].as_str().unwrap()
    }

    /// The text, decoded, line breaks as `\n`.
    pub(crate) fn body(&self) -> String {
        self.0["body"].as_str().unwrap().replace("\r\n", "\n")
    }

    /// The `X-Tubepost-Id` header.
    pub(crate) fn id(&self) -> &str {
        self.header("X-Tubepost-Id").unwrap()
    }
}

/// A checked configuration: mail to `port` of this machine, with more keys of `[mail]`, and one
/// subscription of everything for each address.
pub(crate) fn config(port: u16, mail: &str, addresses: &[&str]) -> Config {
    let mut text = format!(
        "[mail]\nfrom = 'Tubepost <tubepost@example.org>'\nhost = 'localhost'\nport = {port}\n{mail}\n"
    );
    for address in addresses {
        text.push_str(&format!("[[subscription]]\nname = 'all for {address}'\nto = '{address}'\n"));
    }
    let settings: Settings = toml::from_str(&text).unwrap();
    settings.check().unwrap().expect("there are subscriptions")
}

/// A certificate for localhost, signed by itself; in `directory`: cert.pem and key.pem.
pub(crate) fn make_certificate(directory: &std::path::Path) -> (String, String) {
    let names = vec!["localhost".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let (cert, key) = (directory.join("cert.pem"), directory.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (cert.to_str().unwrap().to_owned(), key.to_str().unwrap().to_owned())
}

const DEADLINE: Duration = Duration::from_secs(30);
