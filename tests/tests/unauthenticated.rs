//! Peers that never log in cost little and not for long: a thousand sockets that say nothing, half
//! a header, an octet a second, a size of four gigabytes. Who does log in meanwhile does not
//! notice.
#![allow(clippy::print_stdout, reason = "what a failed test shows, and the numbers")]

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, ensure};
use harness::{Site, allow_files, resident_bytes, scaled};

const PEERS: usize = 1000;
/// Of resident memory, for each peer.
const BYTES_MAX: u64 = 64 * 1024;
/// From the end of the handshake's time to the end of the socket.
const SLACK: Duration = Duration::from_secs(1);
/// For somebody else's login.
const LOGIN_MAX: Duration = Duration::from_secs(1);

/// Between two looks, and between two logins.
const LOOK_EVERY: Duration = Duration::from_millis(5);

const HEADER: &[u8] = b"AMQP\0\0\x09\x01";

/// What the peers say, by turns; then each says an octet a second, or nothing.
fn said(turn: usize) -> Vec<u8> {
    let size = |size: u32| [&b"\x01\0\0"[..], &size.to_be_bytes()].concat();
    match turn % 6 {
        0 => Vec::new(),
        1 => HEADER[..7].to_vec(),
        2 => HEADER.to_vec(),
        // The largest that is taken before the login, all but its last octet.
        3 => [HEADER, &size(8192), &[b'x'; 8192]].concat(),
        4 => [HEADER, &size(u32::MAX)].concat(),
        _ => [HEADER, &start_ok_of_many_fields()].concat(),
    }
}

/// A `start-ok` whose client properties are as many as fit: much larger in memory than on the wire.
/// The login is right, so that the server waits for what follows.
fn start_ok_of_many_fields() -> Vec<u8> {
    let fields = b"\0V".repeat(4000);
    let long = |octets: &[u8]| [&(octets.len() as u32).to_be_bytes()[..], octets].concat();
    let payload = [
        &b"\0\x0a\0\x0b"[..],
        &long(&fields),
        b"\x05PLAIN",
        &long(b"\0guest\0guest"),
        b"\x05en_US",
    ]
    .concat();
    [&b"\x01\0\0"[..], &long(&payload), b"\xce"].concat()
}

struct Peer {
    socket: TcpStream,
    drips: bool,
    opened: Instant,
    ended_after: Option<Duration>,
}

impl Peer {
    fn open(address: SocketAddr, turn: usize) -> Result<Peer> {
        let mut socket = TcpStream::connect(address)?;
        socket.write_all(&said(turn))?;
        socket.set_nonblocking(true)?;
        // Of each kind, every second one goes on octet by octet.
        let drips = turn / 6 % 2 == 1;
        Ok(Peer { socket, drips, opened: Instant::now(), ended_after: None })
    }

    /// Reads what there is, and says an octet if it is one of those.
    fn look(&mut self, drip: bool) {
        if drip && self.drips && self.ended_after.is_none() {
            // Nobody to say it to is an end as well, and seen below.
            self.socket.write_all(b"\0").ok();
        }
        let mut octets = [0; 4096];
        while self.ended_after.is_none() {
            match self.socket.read(&mut octets) {
                Ok(1..) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Ok(0) | Err(_) => self.ended_after = Some(self.opened.elapsed()),
            }
        }
    }
}

#[test]
fn a_thousand_peers_that_do_not_log_in_cost_little_and_not_for_long() -> Result<()> {
    allow_files(4 * PEERS as u64)?;
    let timeout = Duration::from_secs(scaled(4, 10));
    let mut site = Site::new()?;
    site.set("TUBEPOST_LOG_LEVEL", "warn");
    site.set("TUBEPOST_AMQP_HANDSHAKE_TIMEOUT", &format!("{}s", timeout.as_secs()));
    let mut server = site.serve()?;
    let address = SocketAddr::from(([127, 0, 0, 1], site.amqp_port));
    log_in(address)?;
    let before = resident_bytes(server.pid())?;
    let over = AtomicBool::new(false);
    let (peers, most, logins) = thread::scope(|scope| {
        let others = scope.spawn(|| log_in_until(address, &over));
        let peers = watch(address, server.pid(), timeout);
        over.store(true, Relaxed);
        let (peers, most) = peers?;
        let logins = others.join().map_err(|_| anyhow!("the other clients panicked"))??;
        anyhow::Ok((peers, most, logins))
    })?;
    let last = peers.iter().filter_map(|peer| peer.ended_after).max().unwrap_or_default();
    let each = most.saturating_sub(before) / PEERS as u64;
    let slow = logins[logins.len() * 99 / 100];
    println!(
        "{PEERS} peers: {each} bytes each, the last gone after {last:?}; {} logins meanwhile, 99 % \
         within {slow:?}",
        logins.len()
    );
    ensure!(last <= timeout + SLACK, "a peer stayed for {last:?}");
    ensure!(each <= BYTES_MAX, "{each} bytes for each peer");
    ensure!(slow <= LOGIN_MAX, "somebody else's login took {slow:?}");
    ensure!(logins.len() > 20, "only {} logins were tried", logins.len());
    let waited = peers.iter().filter(|peer| peer.ended_after > Some(timeout / 2)).count();
    ensure!(waited > PEERS / 2, "only {waited} peers were waited for: this shows little");
    let log = server.process().log();
    ensure!(!log.contains("panicked"), "{log}");
    Ok(())
}

/// Opens the peers and looks until the last is gone; also the most memory the server ever had.
fn watch(address: SocketAddr, server: u32, timeout: Duration) -> Result<(Vec<Peer>, u64)> {
    let mut peers = (0..PEERS).map(|at| Peer::open(address, at)).collect::<Result<Vec<_>>>()?;
    let (begun, mut dripped, mut most) = (Instant::now(), Instant::now(), 0);
    while left(&peers) > 0 {
        ensure!(begun.elapsed() < timeout + 2 * SLACK, "{} are left", left(&peers));
        let drip = dripped.elapsed() >= Duration::from_secs(1);
        if drip {
            dripped = Instant::now();
        }
        peers.iter_mut().for_each(|peer| peer.look(drip));
        most = most.max(resident_bytes(server)?);
        // tidy: the pause between two looks; nothing depends on its length.
        thread::sleep(LOOK_EVERY);
    }
    Ok((peers, most))
}

/// One login after the other; how long they took, the longest last.
fn log_in_until(address: SocketAddr, over: &AtomicBool) -> Result<Vec<Duration>> {
    let mut logins = Vec::new();
    while !over.load(Relaxed) {
        logins.push(log_in(address).context("somebody else's login")?);
        // tidy: the pause between two looks; nothing depends on its length.
        thread::sleep(LOOK_EVERY);
    }
    logins.sort_unstable();
    Ok(logins)
}

fn left(peers: &[Peer]) -> usize {
    peers.iter().filter(|peer| peer.ended_after.is_none()).count()
}

/// A login as any client's, up to `connection.tune`.
fn log_in(address: SocketAddr) -> Result<Duration> {
    let begun = Instant::now();
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    socket.write_all(&[HEADER, &start_ok_of_many_fields()].concat())?;
    for expected in [10, 30] {
        let mut prefix = [0; 7];
        socket.read_exact(&mut prefix)?;
        let size = u32::from_be_bytes([prefix[3], prefix[4], prefix[5], prefix[6]]);
        let mut payload = vec![0; size as usize + 1];
        socket.read_exact(&mut payload)?;
        ensure!(payload[..4] == [0, 10, 0, expected], "{payload:?}");
    }
    Ok(begun.elapsed())
}
