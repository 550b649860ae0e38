//! Ports for servers that are started here.

use std::net::TcpListener;

use anyhow::Result;

/// Ports that nobody listens on, below those that the system gives to outgoing connections.
pub(crate) fn free_ports() -> Result<[u16; 3]> {
    let mut listeners = Vec::new();
    let offset = (std::process::id() % 8_000) as u16;
    for port in 20_000 + offset..32_000 {
        listeners.extend(TcpListener::bind(("127.0.0.1", port)));
        if let [a, b, c] = listeners.as_slice() {
            return Ok([a.local_addr()?.port(), b.local_addr()?.port(), c.local_addr()?.port()]);
        }
    }
    anyhow::bail!("no three ports are free on loopback");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_ports_are_three() {
        let [a, b, c] = free_ports().unwrap();
        assert!(a != b && b != c && a != c);
    }
}
