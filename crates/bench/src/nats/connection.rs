//! Opening a connection, and requests that are answered.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    NatsUrl,
    line::Line,
    scan::{nobody, other},
};
use crate::{
    Error,
    inbox::Inbox,
    wire::{Address, Interest, Wire},
};

/// An open connection.
pub(super) struct Connection {
    wire: Wire,
    inbox: Inbox,
    pub(super) server: Server,
    listens: bool,
}

/// What the server says of itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Server {
    /// This connection's number, of which it has no two.
    client_id: u64,
    pub(super) max_payload: usize,
    pub(super) jetstream: bool,
    tls_required: bool,
}

impl Connection {
    /// Connects, logs in, and waits until the server says that this is done.
    pub(super) fn open(address: &Address, url: &NatsUrl) -> Result<Connection, Error> {
        let wire = Wire::connect(address)?;
        let (inbox, server) = (Inbox::new(), Server::default());
        let mut opening = Connection { wire, inbox, server, listens: false };
        opening.server = opening.next(CONNECTING, |line, _| match line {
            Line::Info(json) => serde_json::from_slice(json)
                .map_err(|error| Error::broken(CONNECTING, error))
                .map(Some),
            _ => Ok(None),
        })?;
        if opening.server.tls_required {
            let text = format!("{}: it wants TLS, which is not spoken to NATS here", address.shown);
            return Err(Error::Wrong(text));
        }
        let connect = json!({
            "verbose": false, "pedantic": false, "lang": "rust", "name": "tubepost bench",
            "version": env!("CARGO_PKG_VERSION"), "protocol": 1,
            "headers": true, "no_responders": true,
            "user": url.user(), "pass": url.password(),
        });
        opening.send(format!("CONNECT {connect}\r\nPING\r\n").as_bytes(), CONNECTING)?;
        opening.pong(CONNECTING)?;
        Ok(opening)
    }

    /// Waits until everything that was sent before is done.
    pub(super) fn flush(&mut self, doing: &str) -> Result<(), Error> {
        self.send(b"PING\r\n", doing)?;
        self.pong(doing)
    }

    fn pong(&mut self, doing: &str) -> Result<(), Error> {
        self.next(doing, |line, _| Ok(matches!(line, Line::Pong).then_some(())))
    }

    /// The subject of this connection's own, for answers.
    pub(super) fn inbox_subject(&self) -> String {
        format!("_INBOX.tubepost.{}", self.server.client_id)
    }

    /// Asks JetStream for something.
    ///
    /// # Errors
    /// [`Error::Refused`], with its words.
    pub(super) fn ask(
        &mut self,
        subject: &str,
        request: &Value,
        doing: &str,
    ) -> Result<Value, Error> {
        let inbox = self.inbox_subject();
        let mut octets = String::new();
        if !std::mem::replace(&mut self.listens, true) {
            octets = format!("SUB {inbox} {ANSWERS}\r\n");
        }
        let body = if request.is_null() { String::new() } else { request.to_string() };
        octets += &format!("PUB {subject} {inbox} {}\r\n{body}\r\n", body.len());
        self.send(octets.as_bytes(), doing)?;
        let answer: Value = self.next(doing, |line, payload| match line {
            Line::Message(arriving) if arriving.header_bytes > 0 => Err(nobody(doing)),
            Line::Message(_) => serde_json::from_slice(payload)
                .map_err(|error| Error::broken(doing, error))
                .map(Some),
            _ => Ok(None),
        })?;
        match answer.pointer("/error/description").and_then(Value::as_str) {
            Some(text) => Err(Error::Refused { doing: doing.to_owned(), text: text.to_owned() }),
            None => Ok(answer),
        }
    }

    pub(super) fn into_parts(self) -> (Wire, Inbox) {
        (self.wire, self.inbox)
    }

    pub(super) fn send(&mut self, octets: &[u8], doing: &str) -> Result<(), Error> {
        self.wire.write_all(octets, Instant::now() + ANSWER_TIMEOUT).map_err(Error::lost(doing))
    }

    /// The first of the lines that come, with its payload, that `is_it` makes something of.
    fn next<T>(
        &mut self,
        doing: &str,
        is_it: impl Fn(&Line<'_>, &[u8]) -> Result<Option<T>, Error>,
    ) -> Result<T, Error> {
        let until = Instant::now() + ANSWER_TIMEOUT;
        let mut answer = Vec::new();
        loop {
            let input = self.inbox.unread();
            let whole = Line::first(input)?.and_then(|(line, used)| {
                let payload_bytes = match &line {
                    Line::Message(arriving) => arriving.payload_bytes + 2,
                    _ => 0,
                };
                Some((input.get(used..used + payload_bytes)?, line, used + payload_bytes))
            });
            if let Some((payload, line, used)) = whole {
                other(&line, doing, &mut answer)?;
                let found = is_it(&line, payload)?;
                self.inbox.advance(used);
                if !answer.is_empty() {
                    self.send(&std::mem::take(&mut answer), doing)?;
                }
                match found {
                    Some(found) => return Ok(found),
                    None => continue,
                }
            }
            if self.inbox.fill(&mut self.wire).map_err(Error::lost(doing))? == 0 {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(Error::broken(doing, "no answer within 60 s"));
                }
                let interest = Interest { readable: true, writable: false };
                self.wire.wait(interest, left).map_err(Error::lost(doing))?;
            }
        }
    }
}

/// What the subscription to answers is called.
pub(super) const ANSWERS: &str = "answers";

const CONNECTING: &str = "connecting";

const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
