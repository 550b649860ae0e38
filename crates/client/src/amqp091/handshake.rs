//! From the protocol header to the open virtual host (AMQP 0-9-1 §2.2.4).

use std::{io, time::Duration};

use ::amqp091::{
    ChannelId, FieldTable, FieldValue, Frame, FrameDecoder, Method, PROTOCOL_HEADER, Secret,
    ShortStr, encode_method, method::connection,
};
use bytes::Bytes;

use super::Amqp091;
use crate::{
    BusUrl, Error,
    limits::{CONNECT_WAIT, FRAME_BYTES_MAX, HEARTBEAT_S},
    pipe::Pipe,
};

/// Logs in, and enters the virtual host.
pub(crate) async fn open(pipe: &mut Pipe, bus: &BusUrl, app: &str) -> Result<Amqp091, Error> {
    let mut opening = Opening { pipe, bus, decoder: FrameDecoder::new(), is_first: true };
    opening.pipe.outbox.extend_from_slice(&PROTOCOL_HEADER);
    let Method::ConnectionStart(_) = opening.next().await? else { return Err(opening.strange()) };
    opening.say(&start_ok(bus, app));
    let Method::ConnectionTune(tune) = opening.next().await? else {
        return Err(opening.strange());
    };
    // AMQP 0-9-1 §1.4.2.5: 0 is no limit.
    let frame_max = match tune.frame_max {
        0 => FRAME_BYTES_MAX,
        theirs => theirs.min(FRAME_BYTES_MAX),
    };
    let heartbeat = bus.heartbeat_s().unwrap_or(HEARTBEAT_S);
    // A broker that asks for less gets less.
    let heartbeat = match tune.heartbeat {
        0 => heartbeat,
        theirs if heartbeat == 0 => theirs,
        theirs => theirs.min(heartbeat),
    };
    opening.say(&connection::TuneOk { channel_max: tune.channel_max, frame_max, heartbeat });
    opening.decoder.set_max_size(frame_max);
    opening.say(&connection::Open {
        virtual_host: ShortStr::truncated(bus.vhost()),
        ..connection::Open::default()
    });
    let Method::ConnectionOpenOk(_) = opening.next().await? else { return Err(opening.strange()) };
    let heartbeat = Duration::from_secs(heartbeat.into());
    Ok(Amqp091::new(opening.decoder, frame_max, Some(heartbeat).filter(|it| !it.is_zero())))
}

struct Opening<'a> {
    pipe: &'a mut Pipe,
    bus: &'a BusUrl,
    decoder: FrameDecoder,
    is_first: bool,
}

impl Opening<'_> {
    fn say(&mut self, method: &impl ::amqp091::EncodeMethod) {
        encode_method(ChannelId::CONNECTION, method, &mut self.pipe.outbox);
    }

    /// The next method, unless it is a refusal.
    async fn next(&mut self) -> Result<Method, Error> {
        loop {
            if self.is_first
                && let Some(&[b'A', b'M', b'Q', b'P', version @ ..]) =
                    self.pipe.inbox.first_chunk::<8>()
            {
                let [id, major, minor, revision] = version;
                let reason = format!("it offers AMQP {id}-{major}-{minor}-{revision}");
                return Err(Error::NotAmqp { bus: self.bus.clone(), reason });
            }
            let frame = self.decoder.decode(&mut self.pipe.inbox).map_err(|_| self.strange())?;
            match frame {
                Some(Frame::Method { payload, .. }) => {
                    self.is_first = false;
                    return self.answer(Method::decode(&payload).map_err(|_| self.strange())?);
                }
                Some(Frame::Heartbeat) => continue,
                Some(_) => return Err(self.strange()),
                None => {}
            }
            if let Err(error) = self.pipe.exchange(CONNECT_WAIT).await {
                return Err(self.hung_up(&error));
            }
        }
    }

    fn answer(&self, method: Method) -> Result<Method, Error> {
        let Method::ConnectionClose(close) = method else { return Ok(method) };
        let (bus, text) = (self.bus.clone(), close.reply_text.to_string());
        Err(match close.reply_code {
            ACCESS_REFUSED => Error::LoginRefused { bus, text },
            // RabbitMQ says NOT_ALLOWED for a missing and for a forbidden virtual host,
            // AMQP 0-9-1 §1.4.2.7 has INVALID_PATH for the missing one.
            NOT_ALLOWED | INVALID_PATH => Error::VirtualHost { bus, text },
            code => Error::Unreachable { bus, reason: format!("{code} {text}") },
        })
    }

    fn strange(&self) -> Error {
        let reason = "its answer is not one of AMQP 0-9-1".to_owned();
        Error::NotAmqp { bus: self.bus.clone(), reason }
    }

    /// A broker that does not know authentication_failure_close hangs up on a wrong password
    /// (AMQP 0-9-1 §2.2.4).
    fn hung_up(&self, error: &io::Error) -> Error {
        Error::hung_up(self.bus, error)
    }
}

/// What the broker's list of connections shows, and what we bear.
fn start_ok(bus: &BusUrl, app: &str) -> connection::StartOk {
    let text = |text: &str| FieldValue::LongStr(Bytes::copy_from_slice(text.as_bytes()));
    let name = format!("{app} (pid {})", std::process::id());
    let capabilities: FieldTable = CAPABILITIES
        .iter()
        .map(|name| (ShortStr::from_static(name), FieldValue::Bool(true)))
        .collect();
    let client_properties = [
        ("product", text("Tubepost")),
        ("version", text(env!("CARGO_PKG_VERSION"))),
        ("platform", text("Rust")),
        ("app", text(app)),
        ("connection_name", text(&name)),
        ("capabilities", FieldValue::Table(capabilities)),
    ];
    let (mechanism, response) = match bus.is_external() {
        true => ("EXTERNAL", String::new()),
        false => ("PLAIN", format!("\0{}\0{}", bus.user(), bus.password())),
    };
    connection::StartOk {
        client_properties: client_properties
            .into_iter()
            .map(|(name, value)| (ShortStr::from_static(name), value))
            .collect(),
        mechanism: ShortStr::from_static(mechanism),
        response: Secret::new(Bytes::from(response)),
        locale: ShortStr::from_static("en_US"),
    }
}

const CAPABILITIES: [&str; 6] = [
    "publisher_confirms",
    "basic.nack",
    "consumer_cancel_notify",
    "connection.blocked",
    "authentication_failure_close",
    "exchange_exchange_bindings",
];

const INVALID_PATH: u16 = 402;
const ACCESS_REFUSED: u16 = 403;
const NOT_ALLOWED: u16 = 530;
