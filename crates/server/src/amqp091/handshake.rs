//! From the protocol header to an open connection: login, tuning, virtual host
//! (AMQP 0-9-1 §2.2.4). Bounded in time by the caller and in memory by the initial frame size.

use std::{net::SocketAddr, time::Duration};

use amqp091::{
    ChannelId, FieldTable, FieldValue, Frame, FrameDecoder, Method, MethodId, ReplyCode, ShortStr,
    encode_method,
    method::connection::{self, StartOk, TuneOk},
};
use auth::sasl::{self, Mechanism};
use bytes::{Bytes, BytesMut};

use super::{
    connection::{Agreed, Capabilities},
    login::{Login, log_in, mechanism_list, mechanisms},
    refusal::Refusal,
};
use crate::{
    Context,
    admission::{Admitted, NotAdmitted, admit},
    connections,
    entrance::Failure,
    socket::Socket,
};

/// A connection past its handshake.
pub(super) struct Opened {
    pub(super) agreed: Agreed,
    pub(super) login: auth::User,
    pub(super) admitted: Admitted,
    pub(super) decoder: FrameDecoder,
    /// Octets read and not yet decoded.
    pub(super) inbox: BytesMut,
    /// `None` when heartbeats are off.
    pub(super) heartbeat: Option<Duration>,
    /// What the client calls its connection, for the log.
    pub(super) name: Option<String>,
    /// How they logged in.
    pub(super) mechanism: String,
    /// What the client said of itself, encoded.
    pub(super) client_properties: Bytes,
}

pub(super) async fn shake_hands(
    socket: &mut Socket,
    inbox: BytesMut,
    peer: SocketAddr,
    context: &Context,
) -> Result<Opened, Failure> {
    let mut wire = Wire { socket, inbox, decoder: FrameDecoder::new() };
    let certificate = wire.socket.certified_user().map(|named| match named {
        Ok(name) => Ok(name.clone()),
        Err(nameless) => Err(nameless.to_string()),
    });
    let sasl = sasl::Context { users: context.users.clone(), peer: peer.ip().into(), certificate };
    let offered = mechanisms(&sasl);
    wire.send(&start(context, &offered)).await?;
    let Method::ConnectionStartOk(start_ok) = wire.method().await? else {
        return wire.refuse(out_of_turn("starting", "connection.start-ok")).await;
    };
    let StartOk { client_properties, mechanism, response, .. } = start_ok;
    let capabilities = client_capabilities(&client_properties);
    let name = connection_name(&client_properties);
    let can_be_told = has_capability(&client_properties, "authentication_failure_close");
    // A table in memory is many times as large as on the wire: a peer that is nobody yet must not
    // have it kept while it makes the server wait.
    let kept_properties = connections::encoded(&client_properties);
    drop(client_properties);
    let said = Login { mechanism: &mechanism, response: &response };
    let login = match log_in(said, &offered, sasl).await {
        Ok(login) => login,
        Err(reason) => {
            context.connections.login(false);
            return refuse_login(wire, &mechanism, can_be_told, &reason).await;
        }
    };
    context.connections.login(true);
    let limits = &context.limits;
    wire.send(&connection::Tune {
        channel_max: limits.channel_max,
        frame_max: limits.frame_max,
        heartbeat: limits.heartbeat_s,
    })
    .await?;
    let Method::ConnectionTuneOk(tune_ok) = wire.method().await? else {
        return wire.refuse(out_of_turn("tuning", "connection.tune-ok")).await;
    };
    if let Err(refusal) = check_tuning(&tune_ok, context) {
        return wire.refuse(refusal).await;
    }
    wire.decoder.set_max_size(tune_ok.frame_max);
    let Method::ConnectionOpen(open) = wire.method().await? else {
        return wire.refuse(out_of_turn("opening", "connection.open")).await;
    };
    let admitted = match admit(&open.virtual_host, &login, context) {
        Ok(admitted) => admitted,
        Err(why) => {
            let refusal = match why {
                NotAdmitted::Full(text) => Refusal::new(ReplyCode::NotAllowed, text),
                NotAdmitted::Refused(error) => Refusal::from(error),
            };
            return wire.refuse(refusal.in_method(OPEN)).await;
        }
    };
    wire.send(&connection::OpenOk::default()).await?;
    Ok(Opened {
        agreed: Agreed {
            frame_max: tune_ok.frame_max,
            channel_max: tune_ok.channel_max,
            limits: limits.clone(),
            capabilities,
        },
        login,
        admitted,
        decoder: wire.decoder,
        inbox: wire.inbox,
        heartbeat: (tune_ok.heartbeat > 0).then(|| Duration::from_secs(tune_ok.heartbeat.into())),
        name,
        mechanism: mechanism.as_str().to_owned(),
        client_properties: kept_properties,
    })
}

/// The socket during the handshake: one frame at a time, each way.
struct Wire<'a> {
    socket: &'a mut Socket,
    inbox: BytesMut,
    decoder: FrameDecoder,
}

impl Wire<'_> {
    async fn send(&mut self, method: &impl amqp091::EncodeMethod) -> Result<(), Failure> {
        let mut out = BytesMut::new();
        encode_method(ChannelId::CONNECTION, method, &mut out);
        Ok(self.socket.write_all(&out).await?)
    }

    /// The next method; whatever else comes before the connection is open is an error.
    async fn method(&mut self) -> Result<Method, Failure> {
        loop {
            match self.decoder.decode(&mut self.inbox) {
                Ok(Some(Frame::Method { channel: ChannelId::CONNECTION, payload })) => {
                    match Method::decode(&payload) {
                        Ok(Method::ConnectionClose(_)) => {
                            self.send(&connection::CloseOk {}).await?;
                            return Err(Failure::Refused("the client changed its mind".to_owned()));
                        }
                        Ok(method) => return Ok(method),
                        Err(error) => return self.refuse(error.into()).await,
                    }
                }
                Ok(Some(Frame::Heartbeat)) => {}
                Ok(Some(_)) => {
                    let text = "only methods of the connection before it is open";
                    return self.refuse(Refusal::new(ReplyCode::UnexpectedFrame, text)).await;
                }
                Ok(None) => self.read().await?,
                Err(error) => return self.refuse(error.into()).await,
            }
        }
    }

    async fn read(&mut self) -> Result<(), Failure> {
        match self.socket.read_buf(&mut self.inbox).await? {
            0 => Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
            _ => Ok(()),
        }
    }

    /// Says why with `connection.close`, waits a little for the answer, and gives the reason back.
    async fn refuse<T>(&mut self, refusal: Refusal) -> Result<T, Failure> {
        let (class_id, method_id) = (refusal.class_id(), refusal.method_id());
        let (reply_code, reply_text) = (refusal.code.number(), refusal.text.clone());
        self.send(&connection::Close { reply_code, reply_text, class_id, method_id }).await?;
        tokio::time::timeout(CLOSE_OK_TIMEOUT, self.close_ok()).await.ok();
        self.socket.shutdown().await.ok();
        Err(Failure::Refused(refusal.text.to_string()))
    }

    /// Waits until the peer has seen `connection.close`.
    async fn close_ok(&mut self) {
        loop {
            match self.decoder.decode(&mut self.inbox) {
                Ok(Some(Frame::Method { payload, .. }))
                    if matches!(Method::decode(&payload), Ok(Method::ConnectionCloseOk(_))) =>
                {
                    return;
                }
                Ok(Some(_)) => {}
                Ok(None) if self.read().await.is_ok() => {}
                Ok(None) => return,
                // Out of step for good: not even its close-ok can be understood.
                Err(_) => return self.hang_up().await,
            }
        }
    }

    /// Ends the stream, and reads what the peer still sends until it has seen that: a socket that
    /// closes with octets unread resets the connection, and the peer may never see why.
    async fn hang_up(&mut self) {
        if self.socket.shutdown().await.is_err() {
            return;
        }
        let mut discarded = 0;
        self.inbox.clear();
        while discarded <= DISCARDED_BYTES_MAX && self.read().await.is_ok() {
            discarded += self.inbox.len();
            self.inbox.clear();
        }
    }
}

/// `connection.close` before any `connection.start`: clients that look at it show its text.
pub(crate) fn needs_tls() -> BytesMut {
    let text =
        "this port speaks AMQP over TLS only; connect with TLS (amqps://), or to the port without";
    let Refusal { code, text, .. } = Refusal::new(ReplyCode::NotAllowed, text);
    let close = connection::Close {
        reply_code: code.number(),
        reply_text: text,
        class_id: 0,
        method_id: 0,
    };
    let mut out = BytesMut::new();
    encode_method(ChannelId::CONNECTION, &close, &mut out);
    out
}

fn start(context: &Context, offered: &[Mechanism]) -> connection::Start {
    let mut capabilities = FieldTable::new();
    for name in [
        "publisher_confirms",
        "exchange_exchange_bindings",
        "basic.nack",
        "consumer_cancel_notify",
        "connection.blocked",
        "authentication_failure_close",
        "consumer_priorities",
        "per_consumer_qos",
        "direct_reply_to",
    ] {
        capabilities.insert(ShortStr::from_static(name), FieldValue::Bool(true));
    }
    let mut server_properties = FieldTable::new();
    server_properties
        .insert(ShortStr::from_static("capabilities"), FieldValue::Table(capabilities));
    for (name, value) in [
        ("product", PRODUCT),
        ("version", PRODUCT_VERSION),
        ("platform", concat!("Tubepost ", env!("CARGO_PKG_VERSION"))),
        ("copyright", "The Tubepost authors"),
        ("information", "Tubepost speaks AMQP 0-9-1 as the product and version above do"),
        ("cluster_name", &context.cluster_name),
    ] {
        let value = FieldValue::LongStr(Bytes::copy_from_slice(value.as_bytes()));
        server_properties.insert(ShortStr::from_static(name), value);
    }
    connection::Start {
        version_major: 0,
        version_minor: 9,
        server_properties,
        mechanisms: mechanism_list(offered),
        locales: Bytes::from_static(b"en_US"),
    }
}

/// RabbitMQ: with the capability the client is told; without it the socket closes after a delay,
/// so that guessing stays slow.
async fn refuse_login(
    mut wire: Wire<'_>,
    mechanism: &str,
    can_be_told: bool,
    reason: &str,
) -> Result<Opened, Failure> {
    if can_be_told {
        let text = format!(
            "Login was refused using authentication mechanism {mechanism}. For details see the \
             broker logfile."
        );
        wire.refuse::<()>(Refusal::new(ReplyCode::AccessRefused, text)).await.ok();
    } else {
        tokio::time::sleep(SILENT_CLOSE_DELAY).await;
    }
    Err(Failure::Refused(format!("login refused: {reason}")))
}

/// RabbitMQ: the client may ask for less than the server offers, not for more, and 0 is "no
/// limit".
fn check_tuning(tune_ok: &TuneOk, context: &Context) -> Result<(), Refusal> {
    let at_most = |name: &str, value: u32, limit: u32| match value {
        0 => Err(format!("{name} = no limit is higher than the maximum allowed value ({limit})")),
        value if value > limit => {
            Err(format!("{name} = {value} is higher than the maximum allowed value ({limit})"))
        }
        _ => Ok(()),
    };
    let least = amqp091::FRAME_MIN_SIZE;
    let at_least = |value: u32| match value < least {
        true => {
            Err(format!("frame_max = {value} is lower than the minimum allowed value ({least})"))
        }
        false => Ok(()),
    };
    at_most("frame_max", tune_ok.frame_max, context.limits.frame_max)
        .and_then(|()| at_least(tune_ok.frame_max))
        .and_then(|()| {
            let limit = context.limits.channel_max.into();
            at_most("channel_max", tune_ok.channel_max.into(), limit)
        })
        .map_err(|what| {
            Refusal::new(ReplyCode::NotAllowed, format!("negotiated {what}")).in_method(TUNE)
        })
}

/// RabbitMQ's words for its states of a handshake; the method that should have come is added.
fn out_of_turn(state: &str, expected: &str) -> Refusal {
    Refusal::new(
        ReplyCode::ChannelError,
        format!("unexpected method in connection state {state}, expected '{expected}'"),
    )
}

fn client_capabilities(properties: &FieldTable) -> Capabilities {
    Capabilities {
        consumer_cancel_notify: has_capability(properties, "consumer_cancel_notify"),
        connection_blocked: has_capability(properties, "connection.blocked"),
    }
}

fn has_capability(properties: &FieldTable, name: &str) -> bool {
    let capabilities = properties.get("capabilities").and_then(FieldValue::as_table);
    capabilities.and_then(|table| table.get(name)).and_then(FieldValue::as_bool) == Some(true)
}

/// What people call this client: its `connection_name`, or its product.
fn connection_name(properties: &FieldTable) -> Option<String> {
    ["connection_name", "app", "product"]
        .iter()
        .find_map(|name| properties.get(name).and_then(FieldValue::as_str))
        .map(|name| name.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect())
}

/// Clients take these two for what the server can do, and RabbitMQ is the one that all of them
/// know. Of the product and of versions from 3.3 up to 4.0 kombu believes that `basic.qos` has
/// RabbitMQ's two scopes, and Celery sets one prefetch for all queues of a worker (`global =
/// true`), which also reaches consumers that are there already; of anything else it believes that
/// `global = false` does that, as the protocol's specification has it and RabbitMQ never did. 3.13
/// is the last such series.
pub(crate) const PRODUCT: &str = "RabbitMQ";
/// The version of RabbitMQ that clients take this for.
pub const PRODUCT_VERSION: &str = "3.13.7";

/// `connection.tune`, for refusals.
const TUNE: MethodId = MethodId { class: 10, method: 30 };

/// `connection.open`, for refusals.
const OPEN: MethodId = MethodId { class: 10, method: 40 };

/// RabbitMQ: `SILENT_CLOSE_DELAY`.
const SILENT_CLOSE_DELAY: Duration = Duration::from_secs(3);

/// How long a refused peer has to answer.
const CLOSE_OK_TIMEOUT: Duration = Duration::from_secs(1);

/// What a refused peer may still send.
const DISCARDED_BYTES_MAX: usize = 64 * 1024;

/// Of a client's name for its connection, in the log.
const NAME_CHARS_MAX: usize = 100;
