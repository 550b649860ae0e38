//! Opening a connection, a session and links, and what a broker says meanwhile.

use std::time::{Duration, Instant};

use ::amqp10::{
    ChannelId, Frame as Decoded, FrameBody, PROTOCOL_HEADER_SIZE, Performative, ProtocolHeader,
    SaslFrame,
    definition::{AmqpError, Role},
    encode_frame,
    performative::{Attach, Begin, Flow, Open},
    sasl::{SaslCode, SaslInit},
    types::{Secret, Symbol},
};
use bytes::{Bytes, BytesMut};
use client::BusUrl;

use super::frames::{FRAME_MAX, Frame};
use crate::{
    Error,
    inbox::Inbox,
    protocol::Pulse,
    wire::{Address, Interest, Wire},
};

/// The one channel of each connection.
pub(super) const CHANNEL: ChannelId = ChannelId(0);

/// How many transfer frames a session takes: no limit of its own.
pub(super) const WINDOW: u32 = i32::MAX as u32;

/// An open connection with a session.
pub(super) struct Connection {
    wire: Wire,
    inbox: Inbox,
    /// The largest frame that it may be sent.
    pub(super) frame_max: u32,
    pulse: Option<Pulse>,
    /// How many transfer frames the session takes at first.
    pub(super) window: u32,
    /// The number of the broker's first transfer frame.
    pub(super) first_incoming: u32,
    /// What came while something else was waited for.
    pub(super) flows: Vec<Flow>,
}

impl Connection {
    /// Connects, logs in and begins a session (AMQP 1.0 §2.4.1, §2.5.1, §5.3.2).
    pub(super) fn open(address: &Address, url: &BusUrl) -> Result<Connection, Error> {
        let wire = Wire::connect(address)?;
        let mut opening = Connection {
            wire,
            inbox: Inbox::new(),
            frame_max: FRAME_MAX,
            pulse: None,
            window: 0,
            first_incoming: 0,
            flows: Vec::new(),
        };
        opening.log_in(url)?;
        opening.header(ProtocolHeader::Amqp)?;
        let open = Open {
            container_id: container().into(),
            hostname: Some(hostname(url).into()),
            max_frame_size: FRAME_MAX,
            channel_max: CHANNEL.0,
            ..Open::default()
        };
        opening.say(&open, CONNECTING)?;
        let Performative::Open(open) = opening.next(CONNECTING)? else {
            return Err(not_expected(CONNECTING));
        };
        opening.frame_max = open.max_frame_size.min(FRAME_MAX);
        // Half of what it bears, and half of that again: a thread that is busy may be late.
        opening.pulse = open
            .idle_time_out
            .filter(|it| it.0 > 0)
            .map(|it| Pulse::new(Duration::from_millis(u64::from(it.0)) / 2, &HEARTBEAT));
        let begin = Begin { incoming_window: WINDOW, outgoing_window: WINDOW, ..Begin::default() };
        opening.say(&begin, BEGINNING)?;
        let Performative::Begin(begin) = opening.next(BEGINNING)? else {
            return Err(not_expected(BEGINNING));
        };
        opening.window = begin.incoming_window;
        opening.first_incoming = begin.next_outgoing_id.0;
        Ok(opening)
    }

    fn log_in(&mut self, url: &BusUrl) -> Result<(), Error> {
        self.header(ProtocolHeader::Sasl)?;
        let Decoded::Sasl(SaslFrame::SaslMechanisms(offered)) = self.frame(CONNECTING)? else {
            return Err(not_expected(CONNECTING));
        };
        let offered = offered.sasl_server_mechanisms;
        let offers = |name: &str| offered.as_slice().iter().any(|it| it.as_str() == name);
        let (mechanism, response) = match url.is_external() {
            true => ("EXTERNAL", String::new()),
            false if !offers("PLAIN") && offers("ANONYMOUS") => ("ANONYMOUS", String::new()),
            false => ("PLAIN", format!("\0{}\0{}", url.user(), url.password())),
        };
        if !offers(mechanism) {
            let names: Vec<&str> = offered.as_slice().iter().map(Symbol::as_str).collect();
            let text = format!("{mechanism} is not among its mechanisms, {}", names.join(", "));
            return Err(Error::Refused { doing: LOGGING_IN.to_owned(), text });
        }
        let init = SaslInit {
            mechanism: Symbol::from_static(mechanism),
            initial_response: Some(Secret::new(Bytes::from(response))),
            hostname: Some(hostname(url).into()),
        };
        self.say(&init, LOGGING_IN)?;
        match self.frame(LOGGING_IN)? {
            Decoded::Sasl(SaslFrame::SaslOutcome(outcome)) if outcome.code == SaslCode::Ok => {
                Ok(())
            }
            Decoded::Sasl(_) => Err(Error::Refused {
                doing: LOGGING_IN.to_owned(),
                text: format!("user '{}' and this password", url.user()),
            }),
            _ => Err(not_expected(LOGGING_IN)),
        }
    }

    /// Says a layer's header, and waits for the same.
    fn header(&mut self, header: ProtocolHeader) -> Result<(), Error> {
        self.send(&header.octets(), CONNECTING)?;
        let until = Instant::now() + ANSWER_TIMEOUT;
        loop {
            let octets = self.inbox.unread().first_chunk::<PROTOCOL_HEADER_SIZE>().copied();
            if let Some(octets) = octets {
                self.inbox.advance(PROTOCOL_HEADER_SIZE);
                return match ProtocolHeader::of(octets) {
                    Some(answer) if answer == header => Ok(()),
                    _ => Err(Error::Refused {
                        doing: CONNECTING.to_owned(),
                        text: format!(
                            "it answered with '{}' and not with AMQP 1.0",
                            octets.escape_ascii()
                        ),
                    }),
                };
            }
            self.read(until, CONNECTING)?;
        }
    }

    /// Attaches links, and waits until each of them is answered. What the broker said of them, in
    /// the same order.
    ///
    /// # Errors
    /// One of them is refused.
    pub(super) fn attach(&mut self, links: &[Attach], doing: &str) -> Result<Vec<Attach>, Error> {
        let mut out = BytesMut::new();
        for link in links {
            encode_frame(CHANNEL, link, &mut out);
        }
        self.send(&out, doing)?;
        let mut answers: Vec<Option<Attach>> = links.iter().map(|_| None).collect();
        while answers.iter().any(Option::is_none) {
            let Performative::Attach(answer) = self.next(doing)? else {
                return Err(not_expected(doing));
            };
            // AMQP 1.0 §2.6.3: one without its end is refused, and a detach will say why.
            let is_refused = match answer.role {
                Role::Sender => answer.source.is_none(),
                Role::Receiver => answer.target.is_none(),
            };
            if is_refused {
                self.next(doing)?;
                return Err(not_expected(doing));
            }
            let place = links.iter().position(|link| link.name == answer.name);
            if let Some(place) = place.and_then(|at| answers.get_mut(at)) {
                *place = Some(*answer);
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }

    pub(super) fn into_parts(self) -> (Wire, Inbox, Option<Pulse>) {
        (self.wire, self.inbox, self.pulse)
    }

    pub(super) fn send(&mut self, octets: &[u8], doing: &str) -> Result<(), Error> {
        self.wire.write_all(octets, Instant::now() + ANSWER_TIMEOUT).map_err(Error::lost(doing))
    }

    fn say(&mut self, body: &impl FrameBody, doing: &str) -> Result<(), Error> {
        let mut out = BytesMut::new();
        encode_frame(CHANNEL, body, &mut out);
        self.send(&out, doing)
    }

    /// What the broker says next, but for signs of life, and for flows, which are kept.
    fn next(&mut self, doing: &str) -> Result<Performative, Error> {
        loop {
            match self.frame(doing)? {
                Decoded::Amqp { performative: Performative::Flow(flow), .. } => {
                    self.flows.push(flow);
                }
                Decoded::Amqp { performative, .. } => return said(performative, doing),
                Decoded::Heartbeat => {}
                Decoded::Sasl(_) => return Err(not_expected(doing)),
            }
        }
    }

    fn frame(&mut self, doing: &str) -> Result<Decoded, Error> {
        let until = Instant::now() + ANSWER_TIMEOUT;
        loop {
            if let Some(frame) = Frame::first(self.inbox.unread())? {
                let (decoded, len) = (frame.decode(), frame.len());
                self.inbox.advance(len);
                return decoded;
            }
            self.read(until, doing)?;
        }
    }

    /// Reads something, or waits for it.
    fn read(&mut self, until: Instant, doing: &str) -> Result<(), Error> {
        if self.inbox.fill(&mut self.wire).map_err(Error::lost(doing))? == 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::broken(doing, "no answer within 60 s"));
            }
            let interest = Interest { readable: true, writable: false };
            self.wire.wait(interest, left).map_err(Error::lost(doing))?;
        }
        Ok(())
    }
}

/// What a broker says, unless it is its refusal.
pub(super) fn said(performative: Performative, doing: &str) -> Result<Performative, Error> {
    let error = match &performative {
        Performative::Detach(detach) => &detach.error,
        Performative::End(end) => &end.error,
        Performative::Close(close) => &close.error,
        _ => return Ok(performative),
    };
    let text = error.as_deref().map_or_else(|| "it ended without a reason".to_owned(), words);
    Err(Error::Refused { doing: doing.to_owned(), text })
}

fn words(error: &AmqpError) -> String {
    match &error.description {
        Some(description) => format!("{}: {description}", error.condition),
        None => error.condition.to_string(),
    }
}

/// Who this is: no two connections are called the same.
fn container() -> String {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("tubepost-bench-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed))
}

/// RabbitMQ: a virtual host is named by the host that is meant.
fn hostname(url: &BusUrl) -> String {
    match url.vhost() {
        "/" => url.host().to_owned(),
        vhost => format!("vhost:{vhost}"),
    }
}

fn not_expected(doing: &str) -> Error {
    Error::broken(doing, "a frame that was not to come now")
}

const CONNECTING: &str = "connecting";
const LOGGING_IN: &str = "logging in";
const BEGINNING: &str = "beginning a session";

/// A frame without a body (AMQP 1.0 §2.4.5).
const HEARTBEAT: [u8; 8] = [0, 0, 0, 8, 2, 0, 0, 0];

const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
