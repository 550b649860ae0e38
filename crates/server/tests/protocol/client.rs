//! A client that does as it is told: blocking, one socket, no opinion of its own.

use std::{
    collections::HashMap,
    io::{self, Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use amqp091::{
    Assembler, BasicProperties, ChannelId, Content, EncodeMethod, FieldTable, FieldValue, Frame,
    FrameDecoder, Method, PROTOCOL_HEADER, PropertyList, Secret, ShortStr, encode_body,
    encode_header, encode_method,
    method::{basic, channel, connection},
};
use bytes::{Bytes, BytesMut};

use crate::server::TestServer;

/// What a server is given to answer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(1);

pub(crate) struct Client {
    pub(crate) socket: TcpStream,
    inbox: BytesMut,
    decoder: FrameDecoder,
    assemblers: HashMap<u16, Assembler>,
    /// The negotiated one.
    pub(crate) frame_max: u32,
    deadline: Duration,
    /// What is being tried, for the panic when nothing comes.
    pub(crate) purpose: String,
}

/// What came: a method alone, or one with its content.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    Method(u16, Method),
    Content(u16, Content),
    /// The server closed the socket.
    End,
}

impl Client {
    /// A socket on which nothing was said yet.
    pub(crate) fn connect(server: &TestServer) -> Client {
        let socket = TcpStream::connect(server.address).unwrap();
        socket.set_nodelay(true).unwrap();
        Client {
            socket,
            inbox: BytesMut::new(),
            decoder: FrameDecoder::new(),
            assemblers: HashMap::new(),
            frame_max: 131_072,
            deadline: DEADLINE,
            purpose: String::new(),
        }
    }

    /// An open connection.
    pub(crate) fn open(server: &TestServer) -> Client {
        Client::open_with(server, 2047, 131_072)
    }

    pub(crate) fn open_with(server: &TestServer, channel_max: u16, frame_max: u32) -> Client {
        let mut client = Client::connect(server);
        client.tuned(channel_max, frame_max);
        client.send(0, &open());
        assert_eq!(client.method(0).name(), "connection.open-ok");
        client
    }

    /// An open connection with an open channel 1.
    pub(crate) fn open_channel(server: &TestServer) -> Client {
        let mut client = Client::open(server);
        client.call(1, &channel::Open::default());
        client
    }

    /// Up to and with `tune-ok`.
    pub(crate) fn tuned(&mut self, channel_max: u16, frame_max: u32) -> connection::Tune {
        let tune = self.logged_in();
        self.decoder.set_max_size(frame_max);
        self.frame_max = frame_max;
        self.send(0, &connection::TuneOk { channel_max, frame_max, heartbeat: 0 });
        tune
    }

    /// Up to `tune`.
    pub(crate) fn logged_in(&mut self) -> connection::Tune {
        self.send_octets(&PROTOCOL_HEADER);
        assert_eq!(self.method(0).name(), "connection.start");
        self.send(0, &start_ok());
        match self.method(0) {
            Method::ConnectionTune(tune) => tune,
            other => panic!("expected connection.tune, got {other:?}"),
        }
    }

    pub(crate) fn wait_up_to(mut self, deadline: Duration) -> Client {
        self.deadline = deadline;
        self
    }

    pub(crate) fn send(&mut self, channel: u16, method: &impl EncodeMethod) {
        let mut out = BytesMut::new();
        encode_method(ChannelId(channel), method, &mut out);
        self.send_octets(&out);
    }

    /// What the peer no longer takes is not this client's mistake.
    pub(crate) fn send_octets(&mut self, octets: &[u8]) {
        if let Err(error) = self.socket.write_all(octets) {
            let gone = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
            assert!(gone.contains(&error.kind()), "{error}");
        }
    }

    /// A method, and what answers on its channel.
    pub(crate) fn call(&mut self, channel: u16, method: &impl EncodeMethod) -> Method {
        self.send(channel, method);
        self.method(channel)
    }

    pub(crate) fn publish(&mut self, channel: u16, exchange: &str, key: &str, body: &[u8]) {
        self.publish_with(channel, exchange, key, body, &BasicProperties::default(), false);
    }

    pub(crate) fn publish_with(
        &mut self,
        channel: u16,
        exchange: &str,
        key: &str,
        body: &[u8],
        properties: &BasicProperties,
        mandatory: bool,
    ) {
        let publish = basic::Publish {
            exchange: text(exchange),
            routing_key: text(key),
            mandatory,
            ..basic::Publish::default()
        };
        let (channel, mut out) = (ChannelId(channel), BytesMut::new());
        encode_method(channel, &publish, &mut out);
        let list = PropertyList::from(properties);
        encode_header(channel, body.len() as u64, list.as_bytes(), &mut out);
        for piece in body.chunks(self.frame_max as usize - 8) {
            encode_body(channel, piece, &mut out);
        }
        self.send_octets(&out);
    }

    /// The next frame that is no heartbeat; `None` at the end. Panics at the deadline.
    pub(crate) fn frame(&mut self) -> Option<Frame> {
        loop {
            match self.any_frame() {
                Some(Frame::Heartbeat) => {}
                other => return other,
            }
        }
    }

    /// The next frame, heartbeats too.
    pub(crate) fn any_frame(&mut self) -> Option<Frame> {
        let until = Instant::now() + self.deadline;
        loop {
            match self.decoder.decode(&mut self.inbox).unwrap() {
                None if self.read(until) => {}
                other => return other,
            }
        }
    }

    /// Reads once; `false` at the end of the stream.
    fn read(&mut self, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        let Client { deadline, purpose, inbox, .. } = &*self;
        assert!(!left.is_zero(), "{purpose}: nothing came for {deadline:?}; unread: {inbox:?}");
        self.socket.set_read_timeout(Some(left)).unwrap();
        let mut octets = [0; 16 * 1024];
        match self.socket.read(&mut octets) {
            Ok(count) => {
                self.inbox.extend_from_slice(&octets[..count]);
                count > 0
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => false,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => true,
            Err(error) => panic!("{error}"),
        }
    }

    /// The next method, whole with its content.
    pub(crate) fn said(&mut self) -> Said {
        loop {
            let frame = match self.frame() {
                None => return Said::End,
                Some(frame) => frame,
            };
            let (channel, content) = match frame {
                Frame::Method { channel, payload } => {
                    let method = Method::decode(&payload).unwrap();
                    if let Some(method) = self.assembler(channel).begin(method).unwrap() {
                        return Said::Method(channel.0, method);
                    }
                    (channel, None)
                }
                Frame::Header { channel, payload } => {
                    (channel, self.assembler(channel).header(&payload).unwrap())
                }
                Frame::Body { channel, payload } => {
                    (channel, self.assembler(channel).body(payload).unwrap())
                }
                Frame::Heartbeat => continue,
            };
            if let Some(content) = content {
                return Said::Content(channel.0, content);
            }
        }
    }

    fn assembler(&mut self, channel: ChannelId) -> &mut Assembler {
        self.assemblers.entry(channel.0).or_insert_with(|| Assembler::new(1 << 30))
    }

    /// The next that comes, which has to be a method alone on this channel.
    pub(crate) fn method(&mut self, channel: u16) -> Method {
        match self.said() {
            Said::Method(on, method) if on == channel => method,
            other => panic!("expected a method on channel {channel}, got {other:?}"),
        }
    }

    /// The next that comes, which has to be a message on this channel.
    pub(crate) fn content(&mut self, channel: u16) -> Content {
        match self.said() {
            Said::Content(on, content) if on == channel => content,
            other => panic!("expected content on channel {channel}, got {other:?}"),
        }
    }

    /// The next that comes, which has to be `channel.close`; answers it.
    pub(crate) fn channel_closed(&mut self, id: u16) -> (u16, String) {
        match self.method(id) {
            Method::ChannelClose(close) => {
                self.send(id, &channel::CloseOk {});
                (close.reply_code, close.reply_text.to_string())
            }
            other => panic!("expected channel.close, got {other:?}"),
        }
    }

    /// The next that comes, which has to be `connection.close`; answers it and sees the end.
    pub(crate) fn connection_closed(&mut self) -> (u16, String) {
        match self.method(0) {
            Method::ConnectionClose(close) => {
                self.send(0, &connection::CloseOk {});
                assert_eq!(self.said(), Said::End);
                (close.reply_code, close.reply_text.to_string())
            }
            other => panic!("expected connection.close, got {other:?}"),
        }
    }

    /// Sees that nothing is on the way: what is asked now is answered first.
    pub(crate) fn nothing_came(&mut self, spare_channel: u16) {
        let answer = self.call(spare_channel, &channel::Open::default());
        assert_eq!(answer.name(), "channel.open-ok");
        let close = channel::Close { reply_code: 200, ..channel::Close::default() };
        assert_eq!(self.call(spare_channel, &close).name(), "channel.close-ok");
    }

    /// Everything until the end of the stream.
    pub(crate) fn rest(&mut self) -> Bytes {
        let until = Instant::now() + self.deadline;
        while self.read(until) {}
        self.inbox.split().freeze()
    }
}

/// The login of the built-in user.
pub(crate) fn start_ok() -> connection::StartOk {
    let mut capabilities = FieldTable::new();
    for name in ["authentication_failure_close", "consumer_cancel_notify", "connection.blocked"] {
        capabilities.insert(ShortStr::from_static(name), true);
    }
    let mut client_properties = FieldTable::new();
    let capabilities = FieldValue::Table(capabilities);
    client_properties.insert(ShortStr::from_static("capabilities"), capabilities);
    connection::StartOk {
        client_properties,
        mechanism: text("PLAIN"),
        response: Secret::new(Bytes::from_static(b"\0guest\0guest")),
        locale: text("en_US"),
    }
}

pub(crate) fn open() -> connection::Open {
    connection::Open { virtual_host: text("/"), ..connection::Open::default() }
}

pub(crate) fn text(text: &str) -> ShortStr {
    ShortStr::try_from(bytestring::ByteString::from(text)).unwrap()
}
