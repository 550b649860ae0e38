//! A client that shows what was said, frame by frame, and never waits longer than a deadline.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use amqp091::{
    BasicProperties, ChannelId, EncodeMethod, FieldTable, FieldValue, Frame, FrameDecoder, Method,
    PROTOCOL_HEADER, PropertyList, Secret, ShortStr, encode_body, encode_header, encode_method,
    method::{basic, channel, connection, queue},
};
use bytes::{Bytes, BytesMut};

const CHANNEL: ChannelId = ChannelId(1);

/// How long anything may take that is not measured.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Client {
    socket: TcpStream,
    decoder: FrameDecoder,
    inbox: BytesMut,
}

/// How a connection was refused or closed: code and text.
pub(crate) type Closed = (u16, String);

impl Client {
    /// Logs in, opens the virtual host and a channel.
    pub(crate) fn open(
        address: SocketAddr,
        user: &str,
        password: &str,
        vhost: &str,
    ) -> Result<Client, Closed> {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        socket.write_all(&PROTOCOL_HEADER).unwrap();
        let (decoder, inbox) = (FrameDecoder::new(), BytesMut::new());
        let mut client = Client { socket, decoder, inbox };
        client.method();
        let mut capabilities = FieldTable::new();
        for name in ["consumer_cancel_notify", "authentication_failure_close"] {
            capabilities.insert(ShortStr::from_static(name), FieldValue::Bool(true));
        }
        let mut client_properties = FieldTable::new();
        client_properties
            .insert(ShortStr::from_static("capabilities"), FieldValue::Table(capabilities));
        let response = format!("\0{user}\0{password}").into_bytes();
        client.send(
            ChannelId::CONNECTION,
            &connection::StartOk {
                client_properties,
                mechanism: ShortStr::from_static("PLAIN"),
                response: Secret::new(Bytes::from(response)),
                locale: ShortStr::from_static("en_US"),
            },
        );
        let Method::ConnectionTune(tune) = client.accepted()? else { panic!("no tune") };
        let connection::Tune { channel_max, frame_max, .. } = tune;
        let tune_ok = connection::TuneOk { channel_max, frame_max, heartbeat: 0 };
        client.send(ChannelId::CONNECTION, &tune_ok);
        let virtual_host = short(vhost);
        let open = connection::Open { virtual_host, ..Default::default() };
        client.send(ChannelId::CONNECTION, &open);
        client.accepted()?;
        client.open_channel();
        Ok(client)
    }

    pub(crate) fn open_channel(&mut self) {
        self.send(CHANNEL, &channel::Open::default());
        assert!(matches!(self.method(), Method::ChannelOpenOk(_)));
    }

    pub(crate) fn send(&mut self, channel: ChannelId, method: &impl EncodeMethod) {
        let mut out = BytesMut::new();
        encode_method(channel, method, &mut out);
        // Closed already: what it was told is still to be read.
        self.socket.write_all(&out).ok();
    }

    pub(crate) fn publish(&mut self, exchange: &str, key: &str, user_id: Option<&str>) {
        let method = basic::Publish {
            exchange: short(exchange),
            routing_key: short(key),
            ..Default::default()
        };
        let user_id = user_id.map(short);
        let properties = BasicProperties { user_id, ..Default::default() };
        let mut out = BytesMut::new();
        encode_method(CHANNEL, &method, &mut out);
        encode_header(CHANNEL, 1, PropertyList::from(&properties).as_bytes(), &mut out);
        encode_body(CHANNEL, b"x", &mut out);
        self.socket.write_all(&out).ok();
    }

    /// The next method, past deliveries' contents and heartbeats. `None` at the end of the stream.
    fn next(&mut self) -> Option<Method> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.decoder.decode(&mut self.inbox).unwrap() {
                Some(Frame::Method { payload, .. }) => {
                    return Some(Method::decode(&payload).unwrap());
                }
                Some(_) => continue,
                None => {}
            }
            assert!(Instant::now() < deadline, "the server says nothing");
            let mut piece = [0; 4096];
            match self.socket.read(&mut piece) {
                Ok(0) => return None,
                Ok(count) => self.inbox.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => panic!("lost: {error}"),
            }
        }
    }

    pub(crate) fn method(&mut self) -> Method {
        self.next().expect("the server says something before it closes")
    }

    fn accepted(&mut self) -> Result<Method, Closed> {
        match self.method() {
            Method::ConnectionClose(close) => Err((close.reply_code, close.reply_text.to_string())),
            method => Ok(method),
        }
    }

    /// Asks, and has what comes of it: the answer, or how the channel was closed. It is open again
    /// afterwards.
    pub(crate) fn ask(&mut self, method: &impl EncodeMethod) -> Result<Method, Closed> {
        self.send(CHANNEL, method);
        self.answer()
    }

    /// Whether a publish was taken, seen by what comes of the next question.
    pub(crate) fn taken(&mut self) -> Result<(), Closed> {
        self.ask(&basic::Qos::default()).map(drop)
    }

    fn answer(&mut self) -> Result<Method, Closed> {
        match self.method() {
            Method::ChannelClose(close) => {
                self.send(CHANNEL, &channel::CloseOk {});
                self.open_channel();
                Err((close.reply_code, close.reply_text.to_string()))
            }
            Method::ConnectionClose(close) => panic!("closed: {}", &*close.reply_text),
            method => Ok(method),
        }
    }

    pub(crate) fn consume(&mut self, queue: &str) -> Result<String, Closed> {
        match self.ask(&basic::Consume { queue: short(queue), ..Default::default() })? {
            Method::BasicConsumeOk(it) => Ok(it.consumer_tag.to_string()),
            other => panic!("{}", other.name()),
        }
    }

    pub(crate) fn declare(&mut self, queue: &str) -> Result<Method, Closed> {
        self.ask(&queue::Declare { queue: short(queue), durable: true, ..Default::default() })
    }

    /// A method, if one is there already.
    pub(crate) fn poll(&mut self) -> Option<Method> {
        self.socket.set_nonblocking(true).unwrap();
        let mut piece = [0; 4096];
        let read = self.socket.read(&mut piece);
        self.socket.set_nonblocking(false).unwrap();
        self.inbox.extend_from_slice(piece.get(..read.unwrap_or(0)).unwrap_or_default());
        match self.decoder.decode(&mut self.inbox).unwrap()? {
            Frame::Method { payload, .. } => Some(Method::decode(&payload).unwrap()),
            _ => None,
        }
    }
}

pub(crate) fn short(text: &str) -> ShortStr {
    ShortStr::try_from(text.to_owned()).unwrap()
}
