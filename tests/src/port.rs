//! Free TCP ports on loopback.

use std::{
    net::TcpListener,
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// A port that nobody listens on. Taken below the range from which the system gives ports to
/// outgoing connections, so that none of those takes it first; test processes begin at different
/// places in it.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let offset = (process::id().wrapping_mul(37) + step) % COUNT;
        let port = FIRST + u16::try_from(offset).expect("the range is smaller than u16");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free between {FIRST} and {}", u32::from(FIRST) + COUNT);
}

const FIRST: u16 = 20_000;
const COUNT: u32 = 12_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ports_are_two() {
        assert_ne!(free_port(), free_port());
    }
}
