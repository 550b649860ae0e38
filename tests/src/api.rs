//! A client of RabbitMQ's HTTP API, ours or another's.

use std::{
    io::{Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Where an API is, and as whom.
#[derive(Debug, Clone)]
pub struct Api {
    place: Place,
    /// `Authorization`, if any.
    login: Option<String>,
}

#[derive(Debug, Clone)]
enum Place {
    Port(u16),
    Socket(PathBuf),
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The head, as it came.
    pub head: String,
    /// The body's text.
    pub text: String,
}

impl Reply {
    /// The body as JSON; `null` when there is none.
    ///
    /// # Errors
    /// It is something else.
    pub fn json(&self) -> Result<Value> {
        if self.text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&self.text).with_context(|| format!("no JSON: {}", self.text))
    }
}

impl Api {
    /// On a port of this machine, as guest.
    pub fn on_port(port: u16) -> Api {
        Api { place: Place::Port(port), login: None }.logged_in("guest", "guest")
    }

    /// On a socket, where no login is needed.
    pub fn on_socket(path: impl Into<PathBuf>) -> Api {
        Api { place: Place::Socket(path.into()), login: None }
    }

    /// The same as somebody else.
    #[must_use]
    pub fn logged_in(&self, name: &str, password: &str) -> Api {
        let pair = base64(format!("{name}:{password}").as_bytes());
        Api { login: Some(format!("Basic {pair}")), ..self.clone() }
    }

    /// The same as nobody.
    #[must_use]
    pub fn logged_out(&self) -> Api {
        Api { login: None, ..self.clone() }
    }

    /// `/api/PATH`; an empty body is none.
    ///
    /// # Errors
    /// Nobody answers, or no HTTP.
    pub fn call(&self, method: &str, path: &str, body: &str) -> Result<Reply> {
        self.send(method, &format!("/api/{path}"), &[], body.as_bytes())
    }

    /// A GET whose answer is JSON.
    ///
    /// # Errors
    /// As [`Api::call`], or the status is not 200.
    pub fn get(&self, path: &str) -> Result<Value> {
        let reply = self.call("GET", path, "")?;
        ensure!(reply.status == 200, "GET {path}: {} {}", reply.status, reply.text);
        reply.json()
    }

    /// A request with more headers, to any address.
    ///
    /// # Errors
    /// Nobody answers, or no HTTP.
    pub fn send(
        &self,
        method: &str,
        address: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Reply> {
        let mut request = format!("{method} {address} HTTP/1.0\r\n");
        let has = |name: &str| headers.iter().any(|(it, _)| it.eq_ignore_ascii_case(name));
        if !has("host") {
            request.push_str("Host: localhost\r\n");
        }
        if let Some(login) = &self.login {
            request.push_str(&format!("Authorization: {login}\r\n"));
        }
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() && !has("content-type") {
            request.push_str("Content-Type: application/json\r\n");
        }
        if !has("content-length") {
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        let request = [request.as_bytes(), body].concat();
        let patience = Some(Duration::from_secs(60));
        let answer = match &self.place {
            Place::Port(port) => {
                let socket = TcpStream::connect(("127.0.0.1", *port))?;
                socket.set_read_timeout(patience)?;
                exchange(socket, &request)
            }
            Place::Socket(path) => {
                let socket = UnixStream::connect(path)?;
                socket.set_read_timeout(patience)?;
                exchange(socket, &request)
            }
        }?;
        let (head, text) = answer.split_once("\r\n\r\n").context("no HTTP")?;
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).context("no status")?;
        Ok(Reply { status, head: head.to_owned(), text: text.to_owned() })
    }
}

fn exchange(mut socket: impl Read + Write, request: &[u8]) -> Result<String> {
    // Who refuses a body need not read it to its end.
    let written = socket.write_all(request);
    let mut answer = Vec::new();
    let read = socket.read_to_end(&mut answer);
    if answer.is_empty() {
        written?;
        read?;
    }
    Ok(String::from_utf8(answer)?)
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - three.len()));
        for at in 0..4 {
            let sextet = (bits >> (18 - 6 * at)) & 63;
            let is_there = at <= three.len();
            text.push(if is_there { char::from(ALPHABET[sextet as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_written_as_the_standard_has_it() {
        // RFC 4648 §10.
        for (plain, expected) in [("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")] {
            assert_eq!(base64(plain.as_bytes()), expected);
        }
    }
}
