//! From the protocol header to the first session (AMQP 1.0 §2.2, §2.4.1, §5.3).

use std::time::Duration;

use ::amqp10::{
    ErrorCondition, Frame, FrameDecoder, PROTOCOL_HEADER_SIZE, ProtocolHeader, SaslFrame,
    definition::AmqpError,
    encode_frame,
    endpoint::{Connection, Event, Settings},
    sasl::{SaslCode, SaslInit, SaslMechanisms},
    types::{Secret, Symbol, Value},
};
use bytes::{Buf as _, Bytes};

use super::{Amqp10, Dialect, refusal};
use crate::{
    BusUrl, Error,
    conversation::Ending,
    limits::{CONNECT_WAIT, FRAME_BYTES_MAX, HEARTBEAT_S, WINDOW_EVENTS},
    pipe::Pipe,
};

/// Logs in, opens the connection and begins a session.
pub(crate) async fn open(pipe: &mut Pipe, bus: &BusUrl, app: &str) -> Result<Amqp10, Error> {
    let mut opening = Opening { pipe, bus, decoder: FrameDecoder::new() };
    opening.log_in().await?;
    opening.header(ProtocolHeader::Amqp).await?;
    opening.decoder = FrameDecoder::new();
    opening.decoder.set_max_size(FRAME_BYTES_MAX);
    opening.begin(app).await
}

struct Opening<'a> {
    pipe: &'a mut Pipe,
    bus: &'a BusUrl,
    decoder: FrameDecoder,
}

impl Opening<'_> {
    async fn log_in(&mut self) -> Result<(), Error> {
        self.header(ProtocolHeader::Sasl).await?;
        let Frame::Sasl(SaslFrame::SaslMechanisms(offered)) = self.frame().await? else {
            return Err(self.strange());
        };
        let init = self.init(&offered)?;
        encode_frame(::amqp10::ChannelId(0), &init, &mut self.pipe.outbox);
        match self.frame().await? {
            Frame::Sasl(SaslFrame::SaslOutcome(outcome)) => match outcome.code {
                SaslCode::Ok => Ok(()),
                code => Err(self.login_refused(format!("SASL outcome {code:?}"))),
            },
            _ => Err(self.strange()),
        }
    }

    fn init(&self, offered: &SaslMechanisms) -> Result<SaslInit, Error> {
        let offered = offered.sasl_server_mechanisms.as_slice();
        let offers = |name: &str| offered.iter().any(|it| it.as_str() == name);
        let (user, password) = (self.bus.user(), self.bus.password());
        let (mechanism, response) = match self.bus.is_external() {
            true => ("EXTERNAL", String::new()),
            false if !offers("PLAIN") && offers("ANONYMOUS") => ("ANONYMOUS", String::new()),
            false => ("PLAIN", format!("\0{user}\0{password}")),
        };
        if !offers(mechanism) {
            let names: Vec<&str> = offered.iter().map(Symbol::as_str).collect();
            let names = names.join(", ");
            return Err(self.login_refused(format!("{mechanism} is not among its ways: {names}")));
        }
        Ok(SaslInit {
            mechanism: Symbol::from_static(mechanism),
            initial_response: Some(Secret::new(Bytes::from(response))),
            hostname: Some(self.hostname().into()),
        })
    }

    async fn begin(mut self, app: &str) -> Result<Amqp10, Error> {
        let settings = settings(self.bus, app, self.hostname());
        let mut engine = Connection::new(settings, Duration::ZERO);
        engine.open(&mut self.pipe.outbox);
        let session = engine.begin(&mut self.pipe.outbox).ok_or_else(|| self.strange())?;
        let mut dialect = None;
        let mut events = Vec::new();
        loop {
            let frame = self.frame().await?;
            engine.receive(frame, Duration::ZERO, &mut self.pipe.outbox, &mut events);
            for event in events.drain(..) {
                match event {
                    Event::Opened(open) => dialect = Some(Dialect::of(&open)),
                    Event::Begun { .. } => {
                        let dialect = self.bus.dialect().or(dialect).unwrap_or(Dialect::Topics);
                        return Ok(Amqp10::new(engine, self.decoder, dialect, session));
                    }
                    Event::Closed { error, .. } | Event::Ended { error, .. } => {
                        return Err(self.refused(error.as_deref()));
                    }
                    _ => {}
                }
            }
        }
    }

    /// RabbitMQ: a virtual host is named by the host that is meant.
    fn hostname(&self) -> String {
        match self.bus.vhost() {
            "/" => self.bus.host().to_owned(),
            vhost => format!("vhost:{vhost}"),
        }
    }

    /// Says a layer's header, and waits for the same.
    async fn header(&mut self, header: ProtocolHeader) -> Result<(), Error> {
        self.pipe.outbox.extend_from_slice(&header.octets());
        loop {
            if let Some(octets) = self.pipe.inbox.first_chunk::<PROTOCOL_HEADER_SIZE>().copied() {
                self.pipe.inbox.advance(PROTOCOL_HEADER_SIZE);
                return match ProtocolHeader::of(octets) {
                    Some(answer) if answer == header => Ok(()),
                    _ => {
                        let reason = format!("it answers '{}'", octets.escape_ascii());
                        Err(Error::NotAmqp { bus: self.bus.clone(), reason })
                    }
                };
            }
            self.read().await?;
        }
    }

    async fn frame(&mut self) -> Result<Frame, Error> {
        loop {
            match self.decoder.decode(&mut self.pipe.inbox) {
                Ok(Some(frame)) => return Ok(frame),
                Ok(None) => self.read().await?,
                Err(_) => return Err(self.strange()),
            }
        }
    }

    async fn read(&mut self) -> Result<(), Error> {
        match self.pipe.exchange(CONNECT_WAIT).await {
            Ok(_) => Ok(()),
            Err(error) => Err(Error::hung_up(self.bus, &error)),
        }
    }

    fn refused(&self, error: Option<&AmqpError>) -> Error {
        let bus = self.bus.clone();
        match error {
            Some(error) if VIRTUAL_HOST.contains(&error.condition) => {
                Error::VirtualHost { bus, text: refusal::words(error) }
            }
            error => match refusal::ending(error) {
                Ending::Lost(reason) => Error::Unreachable { bus, reason },
                Ending::Refused(refusal) => Error::Unreachable { bus, reason: refusal.text },
            },
        }
    }

    fn login_refused(&self, text: String) -> Error {
        Error::LoginRefused { bus: self.bus.clone(), text }
    }

    fn strange(&self) -> Error {
        let reason = "its answer is not one of AMQP 1.0".to_owned();
        Error::NotAmqp { bus: self.bus.clone(), reason }
    }
}

/// Who we are and what we bear.
fn settings(bus: &BusUrl, app: &str, hostname: String) -> Settings {
    // No two connections are called the same.
    let container = format!("{app}-{}", uuid::Uuid::new_v4());
    let name = format!("{app} (pid {})", std::process::id());
    let properties = [
        ("product", "Tubepost"),
        ("version", env!("CARGO_PKG_VERSION")),
        ("platform", "Rust"),
        ("app", app),
        ("connection_name", &name),
    ];
    let properties = properties
        .map(|(key, value)| (Value::Symbol(Symbol::from_static(key)), Value::String(value.into())));
    let heartbeat = Duration::from_secs(bus.heartbeat_s().unwrap_or(HEARTBEAT_S).into());
    Settings {
        hostname: Some(hostname.into()),
        max_frame_size: FRAME_BYTES_MAX,
        idle_time_out: Some(heartbeat / 2).filter(|it| !it.is_zero()),
        incoming_window: INCOMING_WINDOW.max(WINDOW_EVENTS as u32),
        properties: Some(properties.into_iter().collect()),
        ..Settings::new(container)
    }
}

/// What brokers say of a virtual host that is not there, or not for this user.
const VIRTUAL_HOST: [ErrorCondition; 3] =
    [ErrorCondition::UnauthorizedAccess, ErrorCondition::NotFound, ErrorCondition::NotAllowed];
/// Frames: as many as the largest prefetch may bring, and of large messages some at once.
const INCOMING_WINDOW: u32 = 4096;
