//! A broker that does nothing, to measure the load generator itself: what is published to it is
//! counted and thrown away, and who consumes gets the same messages for ever, as fast as the socket
//! takes them. Here is what is the same for every protocol.

use std::{
    io,
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::BytesMut;

use crate::{
    Error,
    inbox::Inbox,
    wire::{Interest, Wire},
};

/// How a protocol serves one connection: the size of what consumers get, and whether it is to stop.
pub(crate) type Serve = fn(NullPeer, usize, &AtomicBool) -> io::Result<()>;

/// A running null broker; stops when dropped.
pub(crate) struct NullBroker {
    pub(crate) port: u16,
    stopped: Arc<AtomicBool>,
}

impl NullBroker {
    /// Listens on a free port of the loopback. `body_bytes` is the size of what consumers get.
    pub(crate) fn start(body_bytes: usize, serve: Serve) -> Result<NullBroker, Error> {
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
                std::thread::spawn(move || {
                    // The peer's end is this one's; what went wrong is said there.
                    NullPeer::new(tcp).and_then(|peer| serve(peer, body_bytes, &stop)).ok()
                });
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

/// One connection of it.
pub(crate) struct NullPeer {
    pub(crate) wire: Wire,
    pub(crate) inbox: Inbox,
    /// What is to be said next.
    pub(crate) out: BytesMut,
}

impl NullPeer {
    fn new(tcp: TcpStream) -> io::Result<NullPeer> {
        tcp.set_nonblocking(true)?;
        tcp.set_nodelay(true)?;
        Ok(NullPeer { wire: Wire::Plain(tcp), inbox: Inbox::new(), out: BytesMut::new() })
    }

    /// Reads something.
    ///
    /// # Errors
    /// The peer has gone, or it is to stop.
    pub(crate) fn read(&mut self, stop: &AtomicBool) -> io::Result<()> {
        while self.inbox.fill(&mut self.wire)? == 0 {
            self.wire.wait(Interest { readable: true, writable: false }, LOOK)?;
            if stop.load(Relaxed) {
                return Err(io::ErrorKind::Interrupted.into());
            }
        }
        Ok(())
    }

    /// Says what is to be said.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.wire.write_all(&self.out.split(), Instant::now() + PATIENCE)
    }

    /// Writes these as well.
    pub(crate) fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.wire.write_all(octets, Instant::now() + PATIENCE)
    }
}

/// How often a quiet peer looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(100);

/// How long a peer may take nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// Octets of messages that are written at once.
pub(crate) const TURN_BYTES: usize = 128 * 1024;
