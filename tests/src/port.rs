//! Free TCP ports on loopback. Other crates' tests and xtask have it by `#[path]`.

use std::{
    net::TcpListener,
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram},
    },
    process,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

/// A port that nobody listens on. No other caller of this is given it while this process lives: a
/// server that is stopped and started again finds it free. It is below the range from which the
/// system gives ports to outgoing connections and to who listens on any, so that those do not take
/// it either.
#[allow(unreachable_pub, reason = "this crate gives it to its tests; elsewhere it is a module")]
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        // Test processes begin at different places, to have little to look at.
        let offset = (process::id().wrapping_mul(37) + step) % COUNT;
        let port = FIRST + offset as u16;
        if is_reserved(port) && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free between {FIRST} and {}", u32::from(FIRST) + COUNT);
}

/// Takes the port's name among the system's abstract sockets, which goes with the process.
fn is_reserved(port: u16) -> bool {
    static RESERVED: Mutex<Vec<UnixDatagram>> = Mutex::new(Vec::new());
    let name = format!("tubepost-test-port-{port}");
    let taken = SocketAddr::from_abstract_name(name).and_then(|it| UnixDatagram::bind_addr(&it));
    let is_taken = taken.is_ok();
    RESERVED.lock().unwrap_or_else(PoisonError::into_inner).extend(taken);
    is_taken
}

const FIRST: u16 = 20_000;
const COUNT: u32 = 12_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ_and_a_given_one_is_reserved() {
        let (one, other) = (free_port(), free_port());
        assert_ne!(one, other);
        assert!(!is_reserved(one) && !is_reserved(other));
    }
}
