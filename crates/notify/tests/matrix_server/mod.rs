//! The homeserver of the tests: Synapse, run by the Python that `TUBEPOST_PYTHON` names with the
//! packages of the folder that `TUBEPOST_SYNAPSE` names; and its users. On loopback, by TLS, in a
//! directory of its own, and gone with the test.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use http_door::call::{Caller, HeaderMap, Method, Reach, header, trusted};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

/// A running homeserver, which lets a user say forty things at once and one a second.
pub(crate) struct Synapse {
    pub(crate) url: String,
    folder: tempfile::TempDir,
    server: Child,
    caller: Caller,
}

impl Drop for Synapse {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Somebody on it.
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) token: String,
}

impl Synapse {
    /// Starts one; `None`, said aloud, when there is no Synapse.
    pub(crate) async fn start() -> Option<Synapse> {
        let named = (std::env::var_os("TUBEPOST_PYTHON"), std::env::var_os("TUBEPOST_SYNAPSE"));
        let (Some(python), Some(packages)) = named else {
            eprintln!("skipped: TUBEPOST_PYTHON and TUBEPOST_SYNAPSE do not name a Synapse");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(at("certificate.pem"), certified.cert.pem()).unwrap();
        fs::write(at("key.pem"), certified.signing_key.serialize_pem()).unwrap();
        // Whoever sees it may forge what this server says: nobody listens to it but the test.
        let seed = "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s";
        fs::write(at("signing.key"), format!("ed25519 a_test {seed}\n")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let config = CONFIG.replace("{port}", &port.to_string());
        let config = config.replace("{folder}", &folder.path().to_string_lossy());
        fs::write(at("synapse.yaml"), config).unwrap();
        let log = fs::File::create(at("log")).unwrap();
        let server = Command::new(python)
            .args(["-W", "ignore", "-m", "synapse.app.homeserver", "--config-path"])
            .arg(at("synapse.yaml"))
            .env("PYTHONPATH", packages)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("TUBEPOST_PYTHON names a Python");
        let trusted = trusted(Some(&at("certificate.pem"))).unwrap();
        let caller = Caller::new(trusted, Reach::Anywhere, Duration::from_secs(30));
        let url = format!("https://localhost:{port}/");
        let mut synapse = Synapse { url, folder, server, caller };
        synapse.wait_until_it_answers().await;
        Some(synapse)
    }

    async fn wait_until_it_answers(&mut self) {
        let url = format!("{}_matrix/client/versions", self.url).parse().unwrap();
        let asking = async {
            loop {
                let asked =
                    self.caller.send(Method::GET, &url, HeaderMap::new(), Default::default());
                if asked.await.is_ok() {
                    return;
                }
                if let Some(status) = self.server.try_wait().unwrap() {
                    panic!("Synapse ended, {status}: {}", self.log());
                }
                sleep(Duration::from_millis(50)).await; // tidy: between two looks
            }
        };
        let asked = timeout(Duration::from_secs(120), asking).await;
        assert!(asked.is_ok(), "Synapse does not answer: {}", self.log());
    }

    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// A new user.
    pub(crate) async fn register(&self, name: &str) -> User {
        let body = json!({
            "username": name, "password": format!("{name}-pass"), "auth": {"type": "m.login.dummy"}
        });
        let answer = self.ask(None, Method::POST, &["register"], body).await;
        let text = |key: &str| answer[key].as_str().unwrap().to_owned();
        User { id: text("user_id"), token: text("access_token") }
    }

    /// A good answer.
    pub(crate) async fn ask(
        &self,
        user: Option<&User>,
        method: Method,
        path: &[&str],
        body: Value,
    ) -> Value {
        let mut url: url::Url = self.url.parse().unwrap();
        let mut segments = url.path_segments_mut().unwrap();
        segments.pop_if_empty().extend(["_matrix", "client", "v3"]).extend(path);
        drop(segments);
        let mut headers = HeaderMap::new();
        if let Some(user) = user {
            let token = format!("Bearer {}", user.token).parse().unwrap();
            headers.insert(header::AUTHORIZATION, token);
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let reply = self.caller.send(method, &url, headers, body.into()).await.unwrap();
        let status = reply.status;
        let text = reply.beginning(1 << 20).await;
        assert!(status.is_success(), "{path:?}: {status} {}", String::from_utf8_lossy(&text));
        serde_json::from_slice(&text).unwrap()
    }

    /// What was said in a room, the newest last.
    pub(crate) async fn said(&self, user: &User, room: &str) -> Vec<Value> {
        let path = ["rooms", room, "messages"];
        let mut url: url::Url = self.url.parse().unwrap();
        let mut segments = url.path_segments_mut().unwrap();
        segments.pop_if_empty().extend(["_matrix", "client", "v3"]).extend(path);
        drop(segments);
        url.set_query(Some("dir=b&limit=100"));
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, format!("Bearer {}", user.token).parse().unwrap());
        let reply = self.caller.send(Method::GET, &url, headers, Default::default()).await.unwrap();
        let text = reply.beginning(1 << 20).await;
        let answer: Value = serde_json::from_slice(&text).unwrap();
        let mut said: Vec<Value> = answer["chunk"].as_array().unwrap().clone();
        said.retain(|event| event["type"] == "m.room.message");
        said.reverse();
        said
    }

    /// The rooms that a user is invited to, once there is one.
    pub(crate) async fn invitations(&self, user: &User) -> Vec<String> {
        let answer = self.ask(Some(user), Method::GET, &["sync"], Value::Null).await;
        let rooms = answer["rooms"]["invite"].as_object().cloned().unwrap_or_default();
        rooms.keys().cloned().collect()
    }

    pub(crate) async fn join(&self, user: &User, room: &str) {
        self.ask(Some(user), Method::POST, &["join", room], json!({})).await;
    }
}

const CONFIG: &str = r#"
server_name: localhost
listeners:
  - {port: {port}, bind_addresses: [127.0.0.1], tls: true, type: http,
     resources: [{names: [client], compress: false}]}
tls_certificate_path: "{folder}/certificate.pem"
tls_private_key_path: "{folder}/key.pem"
database: {name: sqlite3, args: {database: "{folder}/synapse.db"}}
media_store_path: "{folder}/media"
signing_key_path: "{folder}/signing.key"
macaroon_secret_key: test
form_secret: test
report_stats: false
suppress_key_server_warning: true
trusted_key_servers: []
enable_registration: true
enable_registration_without_verification: true
presence: {enabled: false}
bcrypt_rounds: 4
# Else who asks again within two minutes is answered what was so before.
caches: {sync_response_cache_duration: 0s}
rc_message: {per_second: 1, burst_count: 40}
rc_room_creation: {per_second: 1000, burst_count: 1000}
rc_invites:
  per_room: {per_second: 1000, burst_count: 1000}
  per_user: {per_second: 1000, burst_count: 1000}
  per_issuer: {per_second: 1000, burst_count: 1000}
rc_joins: {local: {per_second: 1000, burst_count: 1000}}
rc_registration: {per_second: 1000, burst_count: 1000}
rc_login:
  address: {per_second: 1000, burst_count: 1000}
  account: {per_second: 1000, burst_count: 1000}
"#;
