//! The agent's socket: takes events over from the services of this machine. A thread for each
//! peer, so that one that waits for the disk, or is slow itself, holds up nobody else.

use std::{
    collections::HashMap,
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::Shutdown,
    os::unix::{
        fs::{DirBuilderExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use event::{Event, Registry, SigningKey};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing::{debug, info, warn};

use crate::{
    Error,
    agent_line::{self, Peer},
    limits::{ANSWER_WAIT, LINE_BYTES_MAX, PEERS_MAX, PEERS_OF_USER_MAX},
    outbox::Outbox,
};

/// A socket that takes events over. Dropped, it takes no more: its peers are told by the end of
/// their connections, and the file is gone.
#[derive(Debug)]
pub(crate) struct AgentSocket {
    path: PathBuf,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    outbox: Arc<Outbox>,
    registry: Registry,
    key: Option<Arc<SigningKey>>,
    host: String,
    stopping: AtomicBool,
    peers: Mutex<Peers>,
}

/// Who is connected.
#[derive(Debug, Default)]
struct Peers {
    next: u64,
    streams: HashMap<u64, (u32, UnixStream)>,
}

impl AgentSocket {
    /// Listens at `path`; `mode` is the file's, and who may write it may publish. A file that a
    /// dead agent left is replaced.
    ///
    /// # Errors
    /// [`Error::Socket`]: another agent listens there, or the file cannot be made.
    pub(crate) fn listen(
        path: &Path,
        mode: u32,
        outbox: Arc<Outbox>,
        registry: Registry,
        key: Option<Arc<SigningKey>>,
    ) -> Result<AgentSocket, Error> {
        let fault = |reason: String| Error::Socket { socket: path.to_owned(), reason };
        let failed = |what: &str, error: io::Error| fault(format!("{what}: {error}"));
        if let Some(directory) = path.parent() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(directory)
                .map_err(|error| failed("its directory cannot be made", error))?;
        }
        match UnixStream::connect(path) {
            Ok(_) => {
                return Err(fault(
                    "another agent listens there; stop it, or name another socket with agent.socket"
                        .to_owned(),
                ));
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                // Only what is a socket refuses connections.
                fs::remove_file(path).map_err(|error| failed("it cannot be replaced", error))?;
            }
            Err(_) => {}
        }
        let listener =
            UnixListener::bind(path).map_err(|error| failed("it cannot be made", error))?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
            .map_err(|error| failed("its mode cannot be set", error))?;
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let (stopping, peers) = (AtomicBool::new(false), Mutex::default());
        let shared = Arc::new(Shared { outbox, registry, key, host, stopping, peers });
        let accepting = Arc::clone(&shared);
        thread::Builder::new()
            .name("agent socket".to_owned())
            .spawn(move || accept(&listener, &accepting))
            .map_err(|error| failed("there is no thread for it", error))?;
        info!(socket = %path.display(), outbox = %shared.outbox.directory().display(), "the agent takes events");
        Ok(AgentSocket { path: path.to_owned(), shared })
    }
}

impl Drop for AgentSocket {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts; it sees the flag.
        let _ = UnixStream::connect(&self.path);
        let _ = fs::remove_file(&self.path);
        for (_, stream) in self.shared.peers().streams.values() {
            // What was read is still answered.
            let _ = stream.shutdown(Shutdown::Read);
        }
    }
}

fn accept(listener: &UnixListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let outcome = stream.and_then(|stream| admit(stream, shared));
        if let Err(error) = outcome {
            // Out of files or threads, most likely: they come back as peers go.
            warn!(%error, "an agent's peer could not be served");
            thread::sleep(ACCEPT_PAUSE);
        }
    }
}

fn admit(mut stream: UnixStream, shared: &Arc<Shared>) -> io::Result<()> {
    let credentials = rustix::net::sockopt::socket_peercred(&stream)?;
    let uid = credentials.uid.as_raw();
    let pid = credentials.pid.as_raw_nonzero().get();
    stream.set_write_timeout(Some(ANSWER_WAIT))?;
    let key = {
        let mut peers = shared.peers();
        let same = peers.streams.values().filter(|(user, _)| *user == uid).count();
        if peers.streams.len() >= PEERS_MAX || same >= PEERS_OF_USER_MAX {
            drop(peers);
            let reason = format!(
                "too many are connected: {PEERS_MAX} in all and {PEERS_OF_USER_MAX} of a user may be; close those that are idle"
            );
            // Who does not read it finds the end of the connection.
            let _ = stream.write_all(agent_line::answer(Err(&reason)).as_bytes());
            return Ok(());
        }
        peers.next += 1;
        let key = peers.next;
        peers.streams.insert(key, (uid, stream.try_clone()?));
        key
    };
    let peer = Peer { uid, pid, host: shared.host.clone() };
    let serving = Arc::clone(shared);
    let thread = thread::Builder::new().name("agent peer".to_owned()).spawn(move || {
        if let Err(error) = serve(stream, &peer, &serving) {
            debug!(?peer, %error, "an agent's peer went");
        }
        serving.peers().streams.remove(&key);
    });
    if thread.is_err() {
        shared.peers().streams.remove(&key);
    }
    thread.map(drop)
}

/// Takes lines until the peer has no more. All that came together is one write to the disk.
fn serve(stream: UnixStream, peer: &Peer, shared: &Shared) -> io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::with_capacity(READ_BYTES, stream);
    let mut line = Vec::new();
    let mut pace = Pace::default();
    loop {
        let mut outcomes = Vec::new();
        loop {
            line.clear();
            let limit = LINE_BYTES_MAX as u64 + 1;
            let read = reader.by_ref().take(limit).read_until(b'\n', &mut line)?;
            if read == 0 {
                break;
            }
            if line.len() > LINE_BYTES_MAX {
                let reason = format!("line: it has more than {LINE_BYTES_MAX} bytes");
                outcomes.push(Err(reason));
                take_over(outcomes, shared, &mut writer, &mut pace)?;
                // Where the next line begins is not known any more.
                return writer.shutdown(Shutdown::Both);
            }
            if !line.iter().all(u8::is_ascii_whitespace) {
                outcomes.push(agent_line::event_of(
                    &line,
                    peer,
                    &shared.registry,
                    shared.key.as_deref(),
                ));
            }
            if !reader.buffer().contains(&b'\n') {
                break;
            }
        }
        if outcomes.is_empty() {
            if reader.fill_buf()?.is_empty() {
                return Ok(());
            }
            continue;
        }
        take_over(outcomes, shared, &mut writer, &mut pace)?;
        line.shrink_to(READ_BYTES);
    }
}

/// Keeps the events, answers the lines in their order, and only then has the events delivered.
fn take_over(
    outcomes: Vec<Result<Event, String>>,
    shared: &Shared,
    writer: &mut UnixStream,
    pace: &mut Pace,
) -> io::Result<()> {
    let events = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok());
    let kept = match events.clone().next() {
        None => Ok(()),
        Some(_) => shared.outbox.keep(events).map_err(|error| error.to_string()),
    };
    let answers = outcomes.iter().map(|outcome| {
        agent_line::answer(match (outcome, &kept) {
            (Ok(event), Ok(())) => Ok(&event.id),
            (Ok(_), Err(reason)) | (Err(reason), _) => Err(reason),
        })
    });
    let answered = writer.write_all(answers.collect::<String>().as_bytes());
    if answered.is_ok() && pace.is_slow() {
        step_aside(writer);
    }
    shared.outbox.came.notify_one();
    answered
}

/// How fast a peer's lines come.
#[derive(Debug, Default)]
struct Pace(Option<Instant>);

impl Pace {
    /// Whether there was a pause before what was taken over just now.
    fn is_slow(&mut self) -> bool {
        let now = Instant::now();
        self.0.replace(now).is_none_or(|last| now.duration_since(last) > PAUSE)
    }
}

/// Sleeps for a moment, or until more comes. The kernel has who was answered run next on the
/// processor that answered; to wake who delivers takes 25 µs of it, and would come first. In a run
/// of lines who delivers is awake, and the timer would cost more than it saves.
fn step_aside(peer: &UnixStream) {
    let moment = Timespec { tv_sec: 0, tv_nsec: MOMENT_NS };
    // Whatever comes of it, delivery goes on.
    let _ = poll(&mut [PollFd::new(peer, PollFlags::IN)], Some(&moment));
}

impl Shared {
    // Poisoned, it is entered: each change under it is one step.
    fn peers(&self) -> MutexGuard<'_, Peers> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What is a pause between lines.
const PAUSE: Duration = Duration::from_millis(1);
const MOMENT_NS: i64 = 100_000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        AgentConnection, Spool,
        delivery_lock::{DeliveryLock, Of},
    };

    #[tokio::test]
    async fn who_delivers_is_told_of_one_event_and_of_a_run_of_them() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::open(directory.path().join("spool"), u64::MAX).unwrap();
        let lock = DeliveryLock::try_acquire(&spool, Of::Outbox).unwrap().unwrap();
        let sync = journal::Sync::Interval(Duration::from_secs(1));
        let outbox = Arc::new(Outbox::open(&spool, u64::MAX, sync, lock).unwrap());
        let path = directory.path().join("agent.sock");
        let registry = Registry::default();
        let socket = AgentSocket::listen(&path, 0o600, Arc::clone(&outbox), registry, None);
        let socket = socket.unwrap();
        let told = async || {
            let told = tokio::time::timeout(Duration::from_secs(10), outbox.came.notified());
            told.await.expect("nobody was told");
        };
        let event = Event::new("test.agent".parse().unwrap(), json!({})).unwrap();
        let mut connection = AgentConnection::open(&path).unwrap();
        connection.hand_over(std::slice::from_ref(&event)).unwrap().pop().unwrap().unwrap();
        told().await;

        for _ in 0..100 {
            connection.hand_over(std::slice::from_ref(&event)).unwrap().pop().unwrap().unwrap();
        }
        told().await;
        drop(socket);
    }
}
