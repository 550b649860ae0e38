//! A connection without a socket and without a clock: octets in, octets out. For fuzzing, and for
//! the tests that run what fuzzing has found.
#![allow(unreachable_pub, reason = "reachable with the feature only")]

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use amqp091::{Assembler, Frame, FrameDecoder, Method};
use broker::{Broker, Mailbox, Options, Wake};
use bytes::BytesMut;

use super::connection::{Agreed, Capabilities, Connection};
use crate::{Limits, connections::Entered, driver::Phase, revocation};

/// An open connection of the built-in user, on a broker in memory that nobody else uses.
pub struct Stepped {
    connection: Connection,
    decoder: FrameDecoder,
    inbox: BytesMut,
    rung: Arc<AtomicBool>,
    reader: FrameDecoder,
    assemblers: HashMap<u16, Assembler>,
}

struct Bell(Arc<AtomicBool>);

impl Wake for Bell {
    fn wake(&self) {
        self.0.store(true, Relaxed);
    }
}

impl Default for Stepped {
    fn default() -> Stepped {
        let broker = Arc::new(Broker::in_memory(&Options::default()));
        let login = guest();
        let access = broker
            .connect("/", revocation::identity(&login))
            .expect("a broker in memory begins with the first one, open to guest");
        let rung = Arc::new(AtomicBool::new(false));
        let limits = Limits { message_bytes_max: 1 << 16, ..Limits::default() };
        let agreed = Agreed {
            frame_max: 4096,
            channel_max: 8,
            limits,
            capabilities: Capabilities { consumer_cancel_notify: true, connection_blocked: true },
        };
        let entered = Entered::alone(broker.new_connection());
        let mailbox = Mailbox::new(Bell(rung.clone()));
        let mut decoder = FrameDecoder::new();
        decoder.set_max_size(agreed.frame_max);
        let mut reader = FrameDecoder::new();
        reader.set_max_size(1 << 20);
        Stepped {
            connection: Connection::new(broker, (login, access), mailbox, agreed, entered),
            decoder,
            inbox: BytesMut::new(),
            rung,
            reader,
            assemblers: HashMap::new(),
        }
    }
}

/// The built-in user, of a file of users that is not there.
fn guest() -> auth::User {
    let users = auth::Users::open(std::env::temp_dir().join("tubepost-no-users.json"))
        .expect("a file that is not there has no users");
    users
        .verify("guest", &auth::Secret::new("guest"), auth::Peer::Loopback)
        .expect("guest is built in")
}

impl Stepped {
    /// The client says this in one piece, and takes all that is answered. `false` once the
    /// connection is over.
    ///
    /// # Panics
    /// When the server itself says something malformed, or does not come to rest.
    pub fn say(&mut self, octets: &[u8]) -> bool {
        self.inbox.extend_from_slice(octets);
        for _ in 0..STEPS_MAX {
            let is_stalled = self.connection.on_read(&mut self.decoder, &mut self.inbox);
            self.hear();
            if self.rung.swap(false, Relaxed) {
                self.connection.on_wake();
                self.hear();
            } else if !is_stalled {
                return self.connection.phase != Phase::Closed;
            }
        }
        panic!("the connection does not come to rest");
    }

    /// Ends it as a lost socket does.
    pub fn lose(mut self) {
        self.connection.on_read_end();
        self.connection.end();
        self.hear();
    }

    /// Takes what the server wrote, and reads it as a client would.
    fn hear(&mut self) {
        let mut heard = self.connection.out.take();
        loop {
            let frame = self.reader.decode(&mut heard).expect("the server writes frames");
            match frame {
                None => break,
                Some(Frame::Heartbeat) => {}
                Some(Frame::Method { channel: id, payload }) => {
                    let method = Method::decode(&payload).expect("the server knows its methods");
                    let assembler = self.assemblers.entry(id.0);
                    let assembler = assembler.or_insert_with(|| Assembler::new(1 << 20));
                    assembler.begin(method).expect("content is not interrupted");
                }
                Some(Frame::Header { channel: id, payload }) => {
                    let assembler = self.assemblers.get_mut(&id.0).expect("a method came before");
                    assembler.header(&payload).expect("a header is well-formed");
                }
                Some(Frame::Body { channel: id, payload }) => {
                    let assembler = self.assemblers.get_mut(&id.0).expect("a method came before");
                    assembler.body(payload).expect("a body is as long as announced");
                }
            }
        }
        assert!(heard.is_empty(), "half a frame was written");
    }
}

/// Reads and wake-ups after one piece: what fuzzing gives is too short for more.
const STEPS_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn what_fuzzing_found_is_answered_in_whole_frames() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/connection");
        let mut replayed = 0;
        for file in fs::read_dir(&corpus).unwrap() {
            let octets = fs::read(file.unwrap().path()).unwrap();
            let Some((&size, stream)) = octets.split_first() else { continue };
            // As the fuzz target: in pieces, and whole.
            for size in [usize::from(size).max(1), stream.len().max(1)] {
                let mut stepped = Stepped::default();
                let _ = stream.chunks(size).all(|piece| stepped.say(piece));
                stepped.lose();
            }
            replayed += 1;
        }
        assert!(replayed >= 100, "{replayed} files in {}", corpus.display());
    }
}
