//! A broker that does nothing, to measure the load generator itself: what is published to it is
//! counted and thrown away, and who consumes gets the same messages for ever, as fast as the socket
//! takes them.

use std::{
    io,
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use ::amqp091::{
    ChannelId, EncodeMethod, FRAME_METHOD, Method, PROTOCOL_HEADER_SIZE, ShortStr, encode_body,
    encode_header, encode_method,
    method::{basic, channel, confirm, connection, exchange, queue},
};
use bytes::{Bytes, BytesMut};

use super::{CHANNEL, frames::Frame};
use crate::{
    Error,
    inbox::Inbox,
    stamp::{STAMP_BYTES, Stamp},
    wire::{Interest, Wire},
};

/// A running null broker; stops when dropped.
pub(crate) struct NullBroker {
    pub(crate) port: u16,
    stopped: Arc<AtomicBool>,
}

impl NullBroker {
    /// Listens on a free port of the loopback. `body_bytes` is the size of what consumers get.
    pub(crate) fn start(body_bytes: usize) -> Result<NullBroker, Error> {
        let system = |source| Error::System { doing: "listening on loopback".to_owned(), source };
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(system)?;
        let port = listener.local_addr().map_err(system)?.port();
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = stopped.clone();
        std::thread::spawn(move || {
            for tcp in listener.incoming().map_while(Result::ok) {
                if stop.load(Relaxed) {
                    return;
                }
                let stop = stop.clone();
                // The peer's end is this one's; what went wrong is said there.
                std::thread::spawn(move || serve(tcp, body_bytes, &stop).ok());
            }
        });
        Ok(NullBroker { port, stopped })
    }
}

impl Drop for NullBroker {
    fn drop(&mut self) {
        self.stopped.store(true, Relaxed);
        // Wakes the accepting thread.
        TcpStream::connect(("127.0.0.1", self.port)).ok();
    }
}

fn serve(tcp: TcpStream, body_bytes: usize, stop: &AtomicBool) -> io::Result<()> {
    tcp.set_nonblocking(true)?;
    tcp.set_nodelay(true)?;
    let mut peer = Peer {
        wire: Wire::Plain(tcp),
        inbox: Inbox::new(),
        out: BytesMut::new(),
        confirms: false,
        published: 0,
        confirmed: 0,
        consumes: false,
    };
    while peer.inbox.unread().len() < PROTOCOL_HEADER_SIZE {
        peer.read(stop)?;
    }
    peer.inbox.advance(PROTOCOL_HEADER_SIZE);
    let start = connection::Start {
        version_minor: 9,
        mechanisms: Bytes::from_static(b"PLAIN"),
        locales: Bytes::from_static(b"en_US"),
        ..connection::Start::default()
    };
    peer.say(ChannelId::CONNECTION, &start);
    let mut source = Source::new(body_bytes);
    while !stop.load(Relaxed) {
        peer.act()?;
        peer.flush()?;
        match peer.consumes {
            true => source.send(&mut peer.wire)?,
            false => peer.read(stop)?,
        }
    }
    Ok(())
}

struct Peer {
    wire: Wire,
    inbox: Inbox,
    out: BytesMut,
    confirms: bool,
    published: u64,
    confirmed: u64,
    consumes: bool,
}

impl Peer {
    fn read(&mut self, stop: &AtomicBool) -> io::Result<()> {
        while self.inbox.fill(&mut self.wire)? == 0 {
            self.wire.wait(Interest { readable: true, writable: false }, LOOK)?;
            if stop.load(Relaxed) {
                return Err(io::ErrorKind::Interrupted.into());
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.confirms && self.published > self.confirmed {
            self.confirmed = self.published;
            self.say(CHANNEL, &basic::Ack { delivery_tag: self.confirmed, multiple: true });
        }
        self.wire.write_all(&self.out.split(), Instant::now() + PATIENCE)
    }

    fn say(&mut self, channel: ChannelId, method: &impl EncodeMethod) {
        encode_method(channel, method, &mut self.out);
    }

    /// Answers whatever was read; of messages only the first frame is looked at.
    fn act(&mut self) -> io::Result<()> {
        let broken = |error: Error| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
        let mut at = 0;
        loop {
            let unread = self.inbox.unread().get(at..).unwrap_or_default();
            let Some(frame) = Frame::first(unread).map_err(broken)? else { break };
            at += frame.len();
            if frame.kind != FRAME_METHOD {
                continue;
            }
            if frame.payload.starts_with(&PUBLISH) {
                self.published += 1;
                continue;
            }
            let method = frame.method().map_err(broken)?;
            self.answer(&method);
        }
        self.inbox.advance(at);
        Ok(())
    }

    fn answer(&mut self, method: &Method) {
        match method {
            Method::ConnectionStartOk(_) => {
                let tune = connection::Tune { frame_max: 131_072, ..connection::Tune::default() };
                self.say(ChannelId::CONNECTION, &tune);
            }
            Method::ConnectionOpen(_) => {
                self.say(ChannelId::CONNECTION, &connection::OpenOk::default());
            }
            Method::ConnectionClose(_) => {
                self.say(ChannelId::CONNECTION, &connection::CloseOk::default());
            }
            Method::ChannelOpen(_) => self.say(CHANNEL, &channel::OpenOk::default()),
            Method::QueueDeclare(_) => self.say(CHANNEL, &queue::DeclareOk::default()),
            Method::QueueBind(_) => self.say(CHANNEL, &queue::BindOk::default()),
            Method::QueueDelete(_) => self.say(CHANNEL, &queue::DeleteOk::default()),
            Method::ExchangeDeclare(_) => self.say(CHANNEL, &exchange::DeclareOk::default()),
            Method::ExchangeDelete(_) => self.say(CHANNEL, &exchange::DeleteOk::default()),
            Method::BasicQos(_) => self.say(CHANNEL, &basic::QosOk::default()),
            Method::ConfirmSelect(_) => {
                self.confirms = true;
                self.say(CHANNEL, &confirm::SelectOk::default());
            }
            Method::BasicConsume(_) => self.consumes = true,
            _ => {}
        }
    }
}

/// The messages that consumers get: numbered once, patched for each turn.
struct Source {
    octets: Vec<u8>,
    stamps: Vec<usize>,
    next: u64,
}

impl Source {
    fn new(body_bytes: usize) -> Source {
        let mut out = BytesMut::new();
        let mut stamps = Vec::new();
        let body = vec![b'x'; body_bytes.max(STAMP_BYTES)];
        while stamps.is_empty() || out.len() < TURN_BYTES {
            let deliver = basic::Deliver {
                consumer_tag: ShortStr::from_static("0"),
                delivery_tag: stamps.len() as u64 + 1,
                routing_key: ShortStr::from_static("b0123456789.0"),
                ..basic::Deliver::default()
            };
            encode_method(CHANNEL, &deliver, &mut out);
            encode_header(CHANNEL, body.len() as u64, &[0, 0], &mut out);
            stamps.push(out.len() + super::frames::PREFIX);
            for piece in body.chunks(PIECE_BYTES) {
                encode_body(CHANNEL, piece, &mut out);
            }
        }
        Source { octets: out.to_vec(), stamps, next: 0 }
    }

    fn send(&mut self, wire: &mut Wire) -> io::Result<()> {
        for at in &self.stamps {
            // Due at no time: how long it took says nothing here.
            let stamp = Stamp { producer: 0, sequence: self.next, due: u64::MAX };
            if let Some(place) = self.octets.get_mut(*at..at + STAMP_BYTES) {
                place.copy_from_slice(&stamp.encode());
            }
            self.next += 1;
        }
        wire.write_all(&self.octets, Instant::now() + PATIENCE)
    }
}

const PUBLISH: [u8; 4] = [0, 60, 0, 40];

/// How often a quiet peer looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(100);

/// How long a peer may take nothing.
const PATIENCE: Duration = Duration::from_secs(60);

const TURN_BYTES: usize = 128 * 1024;
const PIECE_BYTES: usize = 131_072 - 8;
