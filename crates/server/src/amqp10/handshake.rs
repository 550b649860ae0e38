//! From the protocol header to an open connection: SASL, then `open` (AMQP 1.0 §5.3, §2.4.1).
//! Bounded in time by the caller and in memory by the size of the first frames.

use std::time::Duration;

use amqp10::{
    Frame, FrameDecoder, PROTOCOL_HEADER_SIZE, ProtocolHeader, SaslFrame, encode_frame,
    endpoint::{Connection, Event, Settings},
    performative::Open,
    sasl::{SaslChallenge, SaslCode, SaslInit, SaslMechanisms, SaslOutcome},
    types::{Map, Symbol},
};
use auth::{
    User,
    sasl::{self, Exchange, Mechanism, Step},
};
use bytes::{Bytes, BytesMut};
use tokio::time::timeout;

use super::{refusal, sole};
use crate::{
    Context,
    admission::{Admitted, NotAdmitted, admit},
    amqp091::PRODUCT,
    entrance::{Ends, Failure},
    socket::{LINGER, Socket},
};

/// A connection past its handshake.
pub(super) struct Opened {
    pub(super) protocol: Connection,
    pub(super) login: User,
    pub(super) admitted: Admitted,
    pub(super) mechanism: String,
    pub(super) decoder: FrameDecoder,
    /// Octets read and not yet decoded.
    pub(super) inbox: BytesMut,
    /// Octets to be written: the answer to `open`.
    pub(super) outbox: BytesMut,
    /// What the peer said of itself.
    pub(super) open: Box<Open>,
}

/// The peer has sent the header of SASL.
pub(super) async fn shake_hands(
    socket: &mut Socket,
    inbox: BytesMut,
    ends: Ends,
    context: &Context,
) -> Result<Opened, Failure> {
    let mut wire = Wire { socket, inbox, decoder: FrameDecoder::new() };
    let (login, mechanism) = log_in(&mut wire, ends, context).await?;
    wire.expect_amqp().await?;
    let settings = settings(context);
    let mut decoder = FrameDecoder::new();
    decoder.set_max_size(settings.max_frame_size);
    wire.decoder = decoder;
    // The time does not matter yet: the caller bounds it.
    let mut protocol = Connection::new(settings, Duration::ZERO);
    let mut outbox = BytesMut::new();
    let open = wire.open(&mut protocol, &mut outbox).await?;
    let vhost = virtual_host(open.hostname.as_deref(), context);
    let admitted = admit(&vhost, &login, context).map_err(|why| match why {
        NotAdmitted::Full(text) => refusal::full(text),
        NotAdmitted::Refused(error) => refusal::of_connect(&error),
    });
    let admitted =
        admitted.and_then(|admitted| sole::enforce(&open, &vhost, context).map(|()| admitted));
    match admitted {
        Ok(admitted) => {
            let Wire { inbox, decoder, .. } = wire;
            Ok(Opened { protocol, login, admitted, mechanism, decoder, inbox, outbox, open })
        }
        Err(error) => {
            let text = error.description.as_deref().unwrap_or_default().to_owned();
            protocol.close(Some(error), &mut outbox);
            wire.socket.write_all(&outbox).await?;
            timeout(LINGER, wire.socket.linger()).await.ok();
            Err(Failure::Refused(text))
        }
    }
}

/// What this side says of itself.
fn settings(context: &Context) -> Settings {
    let limits = &context.limits;
    let mut settings = Settings::new(context.cluster_name.as_str());
    settings.max_frame_size = limits.frame_max;
    settings.channel_max = settings.channel_max.min(limits.channel_max);
    let heartbeat = Duration::from_secs(limits.heartbeat_s.into());
    // AMQP 1.0 §2.4.5: half of what this side bears.
    settings.idle_time_out = (!heartbeat.is_zero()).then(|| heartbeat / 2);
    settings.incoming_window = INCOMING_WINDOW;
    // Several links may each be in the middle of a message.
    let largest = usize::try_from(limits.message_bytes_max).unwrap_or(usize::MAX);
    settings.limits.incomplete_bytes_max = largest.saturating_mul(INCOMPLETE_MESSAGES);
    settings.offered_capabilities =
        CAPABILITIES.iter().map(|name| Symbol::from_static(name)).collect();
    let mut properties = Map::new();
    for (name, value) in [
        ("product", PRODUCT),
        ("version", PRODUCT_VERSION),
        ("platform", concat!("Tubepost ", env!("CARGO_PKG_VERSION"))),
        ("information", "Tubepost speaks AMQP 1.0 as the product and version above do"),
    ] {
        properties.push(Symbol::from_static(name), value);
    }
    properties.push(Symbol::from_static("cluster_name"), context.cluster_name.as_str());
    settings.properties = Some(properties);
    settings
}

/// RabbitMQ: `vhost:NAME`. Other clients have only the host's name to say it with.
fn virtual_host(hostname: Option<&str>, context: &Context) -> String {
    let named = hostname.and_then(|name| {
        let named = name.strip_prefix("vhost:");
        named.or_else(|| context.broker.vhost(name).is_ok().then_some(name))
    });
    named.unwrap_or(DEFAULT_VHOST).to_owned()
}

/// The socket during the handshake: one frame at a time, each way.
struct Wire<'a> {
    socket: &'a mut Socket,
    inbox: BytesMut,
    decoder: FrameDecoder,
}

impl Wire<'_> {
    async fn read(&mut self) -> Result<(), Failure> {
        match self.socket.read_buf(&mut self.inbox).await? {
            0 => Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
            _ => Ok(()),
        }
    }

    async fn sasl(&mut self) -> Result<SaslFrame, Failure> {
        loop {
            match self.decoder.decode(&mut self.inbox) {
                Ok(Some(Frame::Sasl(frame))) => return Ok(frame),
                Ok(Some(_)) => {
                    return Err(Failure::Refused("a frame of AMQP before the login".to_owned()));
                }
                Ok(None) => self.read().await?,
                Err(error) => return Err(Failure::Refused(error.to_string())),
            }
        }
    }

    async fn outcome(&mut self, code: SaslCode, data: Option<Vec<u8>>) -> Result<(), Failure> {
        let outcome = SaslOutcome { code, additional_data: data.map(Bytes::from) };
        let mut out = BytesMut::new();
        encode_frame(amqp10::ChannelId(0), &outcome, &mut out);
        Ok(self.socket.write_all(&out).await?)
    }

    /// AMQP 1.0 §5.3.2: after the outcome the header of AMQP, both ways.
    async fn expect_amqp(&mut self) -> Result<(), Failure> {
        while self.inbox.len() < PROTOCOL_HEADER_SIZE {
            self.read().await?;
        }
        let header = self.inbox.split_to(PROTOCOL_HEADER_SIZE);
        //= amqp-1.0 §2.2 as-the-header-says, mismatch-closes
        self.socket.write_all(&ProtocolHeader::Amqp.octets()).await?;
        match header.first_chunk().and_then(|octets| ProtocolHeader::of(*octets)) {
            Some(ProtocolHeader::Amqp) => Ok(()),
            _ => {
                timeout(LINGER, self.socket.linger()).await.ok();
                Err(Failure::Refused("no header of AMQP 1.0 after the login".to_owned()))
            }
        }
    }

    /// Waits for `open`; what follows it in the buffer stays there.
    async fn open(
        &mut self,
        protocol: &mut Connection,
        out: &mut BytesMut,
    ) -> Result<Box<Open>, Failure> {
        let mut events = Vec::new();
        loop {
            let frame = loop {
                match self.decoder.decode(&mut self.inbox) {
                    Ok(Some(frame)) => break Ok(frame),
                    Ok(None) => self.read().await?,
                    Err(error) => break Err(error),
                }
            };
            match frame {
                Ok(frame) => protocol.receive(frame, Duration::ZERO, out, &mut events),
                Err(error) => protocol.fail(&error, out, &mut events),
            }
            for event in events.drain(..) {
                match event {
                    Event::Opened(open) => return Ok(open),
                    Event::Closed { error, .. } => {
                        self.socket.write_all(out).await?;
                        timeout(LINGER, self.socket.linger()).await.ok();
                        let why = error.and_then(|it| it.description);
                        let why = why.as_deref().unwrap_or("closed before it was open");
                        return Err(Failure::Refused(why.to_owned()));
                    }
                    _ => {}
                }
            }
        }
    }
}

/// AMQP 1.0 §5.3.2. Who the client is, and by which mechanism it said so.
async fn log_in(
    wire: &mut Wire<'_>,
    ends: Ends,
    context: &Context,
) -> Result<(User, String), Failure> {
    let certificate = wire.socket.certified_user().map(|named| match named {
        Ok(name) => Ok(name.clone()),
        Err(nameless) => Err(nameless.to_string()),
    });
    let login =
        sasl::Context { users: context.users.clone(), peer: ends.peer.ip().into(), certificate };
    let offered = sasl::offered(&login);
    //= amqp-1.0 §2.2 header-first, supported-answered
    //= amqp-1.0 §5.3 sasl-header
    //= amqp-1.0 §5.3.2 roles
    let mut out = BytesMut::from(&ProtocolHeader::Sasl.octets()[..]);
    let names = offered.iter().map(|it| Symbol::from_static(Mechanism::name(*it)));
    let mechanisms = SaslMechanisms { sasl_server_mechanisms: names.collect() };
    encode_frame(amqp10::ChannelId(0), &mechanisms, &mut out);
    wire.socket.write_all(&out).await?;
    let SaslFrame::SaslInit(SaslInit { mechanism, initial_response, .. }) = wire.sasl().await?
    else {
        return Err(Failure::Refused("sasl-init has to come first".to_owned()));
    };
    let mut exchange = match Exchange::start(mechanism.as_str(), &offered, login) {
        Ok(exchange) => exchange,
        //= amqp-1.0 §5.3.3.2 mechanism-unknown
        Err(failure) => return refuse(wire, context, SaslCode::Auth, failure.to_string()).await,
    };
    let mut step = exchange.step(initial_response.as_ref().map(|it| &**it.expose()));
    loop {
        step = match step {
            Step::Success(success) => {
                context.connections.login(true);
                wire.outcome(SaslCode::Ok, success.additional_data).await?;
                return Ok((success.user, mechanism.as_str().to_owned()));
            }
            Step::Failure(failure) => {
                let code = if failure.is_temporary() { SaslCode::SysTemp } else { SaslCode::Auth };
                return refuse(wire, context, code, failure.to_string()).await;
            }
            // Not on the threads that serve others.
            Step::Check(check) => {
                let checked = tokio::task::spawn_blocking(|| check.run()).await;
                match checked {
                    Ok(checked) => exchange.resume(checked),
                    Err(_) => {
                        let why = "the login could not be checked".to_owned();
                        return refuse(wire, context, SaslCode::SysTemp, why).await;
                    }
                }
            }
            Step::Challenge(challenge) => {
                let mut out = BytesMut::new();
                let challenge = SaslChallenge { challenge: challenge.into() };
                encode_frame(amqp10::ChannelId(0), &challenge, &mut out);
                wire.socket.write_all(&out).await?;
                match wire.sasl().await? {
                    SaslFrame::SaslResponse(it) => exchange.step(Some(it.response.expose())),
                    _ => return Err(Failure::Refused("no sasl-response came".to_owned())),
                }
            }
        }
    }
}

/// RabbitMQ: the outcome, then the end; a wrong password after a while, so that guessing is slow.
async fn refuse<T>(
    wire: &mut Wire<'_>,
    context: &Context,
    code: SaslCode,
    why: String,
) -> Result<T, Failure> {
    context.connections.login(false);
    wire.outcome(code, None).await?;
    timeout(LINGER, wire.socket.linger()).await.ok();
    Err(Failure::Refused(format!("login refused: {why}")))
}

/// What this broker does beyond the standard's core.
const CAPABILITIES: [&str; 3] = ["LINK_PAIR_V1_0", "ANONYMOUS-RELAY", sole::CAPABILITY];

/// The version of RabbitMQ that clients of AMQP 1.0 take this for. RabbitMQ's own go on only with
/// that product, from 4.0 on, and with 4.2 let filters and direct reply-to be asked for.
const PRODUCT_VERSION: &str = "4.2.0";

/// How many of the largest messages a connection may have begun at once.
const INCOMPLETE_MESSAGES: usize = 4;

/// How many transfer frames a session takes at once.
pub(super) const INCOMING_WINDOW: u32 = 2048;

/// Where clients are that name no virtual host.
const DEFAULT_VHOST: &str = "/";
