//! Opening a connection and a channel, and calls that are answered.

use std::time::{Duration, Instant};

use ::amqp091::{
    ChannelId, EncodeMethod, FRAME_METHOD, FieldTable, FieldValue, Method, PROTOCOL_HEADER, Secret,
    ShortStr, encode_method,
    method::{channel, connection},
};
use bytes::{Bytes, BytesMut};
use client::BusUrl;

use super::frames::Frame;
use crate::{
    Error,
    inbox::Inbox,
    wire::{Address, Interest, Wire},
};

/// An open connection.
pub(super) struct Connection {
    wire: Wire,
    inbox: Inbox,
    pub(super) frame_max: u32,
}

impl Connection {
    /// Connects and logs in (AMQP 0-9-1 §2.2.4).
    pub(super) fn open(address: &Address, url: &BusUrl) -> Result<Connection, Error> {
        let wire = Wire::connect(address)?;
        let mut opening = Connection { wire, inbox: Inbox::new(), frame_max: FRAME_MAX };
        opening.send(&PROTOCOL_HEADER, CONNECTING)?;
        let start = opening.next(CONNECTING)?;
        let Method::ConnectionStart(_) = start else { return Err(not_expected(&start)) };
        opening.send_method(ChannelId::CONNECTION, &start_ok(url), CONNECTING)?;
        let tune = opening.next(LOGGING_IN)?;
        let Method::ConnectionTune(tune) = tune else { return Err(not_expected(&tune)) };
        // AMQP 0-9-1, tune: 0 is no limit.
        opening.frame_max = match tune.frame_max {
            0 => FRAME_MAX,
            other => other.min(FRAME_MAX),
        };
        // No heartbeats: a run is short, and a thread that is busy must not be taken for dead.
        let tune_ok = connection::TuneOk {
            channel_max: tune.channel_max,
            frame_max: opening.frame_max,
            heartbeat: 0,
        };
        opening.send_method(ChannelId::CONNECTION, &tune_ok, LOGGING_IN)?;
        let open = connection::Open {
            virtual_host: ShortStr::truncated(url.vhost()),
            ..connection::Open::default()
        };
        opening.call(ChannelId::CONNECTION, &open, "opening the virtual host")?;
        Ok(opening)
    }

    pub(super) fn open_channel(&mut self, channel: ChannelId) -> Result<(), Error> {
        self.call(channel, &channel::Open::default(), "opening a channel").map(drop)
    }

    /// Says one method and waits for its answer.
    pub(super) fn call(
        &mut self,
        channel: ChannelId,
        method: &impl EncodeMethod,
        doing: &str,
    ) -> Result<Method, Error> {
        self.send_method(channel, method, doing)?;
        self.next(doing)
    }

    /// Many calls, some hundred of them under way at once.
    pub(super) fn calls<'a>(&'a mut self, channel: ChannelId, doing: &'a str) -> Calls<'a> {
        Calls { connection: self, channel, doing, out: BytesMut::new(), pending: 0 }
    }

    /// Says goodbye, and waits for the answer.
    pub(super) fn close(mut self) -> Result<(), Error> {
        let close = connection::Close { reply_code: 200, ..connection::Close::default() };
        self.call(ChannelId::CONNECTION, &close, "closing").map(drop)
    }

    pub(super) fn into_parts(self) -> (Wire, Inbox) {
        (self.wire, self.inbox)
    }

    pub(super) fn send(&mut self, octets: &[u8], doing: &str) -> Result<(), Error> {
        self.wire.write_all(octets, Instant::now() + ANSWER_TIMEOUT).map_err(Error::lost(doing))
    }

    fn send_method(
        &mut self,
        channel: ChannelId,
        method: &impl EncodeMethod,
        doing: &str,
    ) -> Result<(), Error> {
        let mut out = BytesMut::new();
        encode_method(channel, method, &mut out);
        self.send(&out, doing)
    }

    /// The next method.
    fn next(&mut self, doing: &str) -> Result<Method, Error> {
        let until = Instant::now() + ANSWER_TIMEOUT;
        loop {
            if let Some(frame) = Frame::first(self.inbox.unread())? {
                let (kind, method, len) = (frame.kind, frame.method(), frame.len());
                self.inbox.advance(len);
                // Heartbeats are none; everything else is, until somebody consumes.
                if kind != FRAME_METHOD {
                    continue;
                }
                match method? {
                    Method::ConnectionBlocked(_) | Method::ConnectionUnblocked(_) => {}
                    method => return answered(method, doing),
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

/// Calls that do not wait for each other.
pub(super) struct Calls<'a> {
    connection: &'a mut Connection,
    channel: ChannelId,
    doing: &'a str,
    out: BytesMut,
    pending: usize,
}

impl Calls<'_> {
    pub(super) fn call(&mut self, method: &impl EncodeMethod) -> Result<(), Error> {
        encode_method(self.channel, method, &mut self.out);
        self.pending += 1;
        match self.pending < CALLS_AT_ONCE {
            true => Ok(()),
            false => self.finish(),
        }
    }

    /// Waits for all answers.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        self.connection.send(&self.out.split(), self.doing)?;
        for _ in 0..std::mem::take(&mut self.pending) {
            self.connection.next(self.doing)?;
        }
        Ok(())
    }
}

/// A method of the broker, unless it is its refusal.
pub(super) fn answered(method: Method, doing: &str) -> Result<Method, Error> {
    let text = match &method {
        Method::ConnectionClose(close) => &close.reply_text,
        Method::ChannelClose(close) => &close.reply_text,
        _ => return Ok(method),
    };
    Err(Error::Refused { doing: doing.to_owned(), text: text.to_string() })
}

fn start_ok(url: &BusUrl) -> connection::StartOk {
    let mut client_properties = FieldTable::default();
    let text = |text: &'static str| FieldValue::LongStr(Bytes::from_static(text.as_bytes()));
    client_properties.insert(ShortStr::from_static("product"), text("tubepost bench"));
    let mut capabilities = FieldTable::default();
    for name in ["publisher_confirms", "basic.nack", "authentication_failure_close"] {
        capabilities.insert(ShortStr::from_static(name), FieldValue::Bool(true));
    }
    client_properties
        .insert(ShortStr::from_static("capabilities"), FieldValue::Table(capabilities));
    let (mechanism, response) = match url.is_external() {
        true => ("EXTERNAL", String::new()),
        false => ("PLAIN", format!("\0{}\0{}", url.user(), url.password())),
    };
    connection::StartOk {
        client_properties,
        mechanism: ShortStr::from_static(mechanism),
        response: Secret::new(Bytes::from(response)),
        locale: ShortStr::from_static("en_US"),
    }
}

fn not_expected(method: &Method) -> Error {
    // Refusals were sorted out before.
    Error::broken(CONNECTING, format!("an unexpected method {:?}", method.ids()))
}

const CONNECTING: &str = "connecting";
const LOGGING_IN: &str = "logging in";

/// As most clients have it.
const FRAME_MAX: u32 = 131_072;

/// A broker with 100,000 bindings to delete may take its time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

const CALLS_AT_ONCE: usize = 500;
