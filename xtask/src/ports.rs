//! Ports for servers that are started here.

use std::net::TcpListener;

use anyhow::Result;

/// Ports that nobody listens on, below those that the system gives to outgoing connections.
///
/// # Errors
/// There are not so many.
pub(crate) fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut listeners = Vec::new();
    let offset = (std::process::id() % 8_000) as u16;
    for port in 20_000 + offset..32_000 {
        if listeners.len() == N {
            break;
        }
        listeners.extend(TcpListener::bind(("127.0.0.1", port)));
    }
    let ports: Vec<u16> =
        listeners.iter().map(|it| Ok(it.local_addr()?.port())).collect::<Result<_>>()?;
    ports.try_into().map_err(|few: Vec<u16>| {
        anyhow::anyhow!("{} ports are free on loopback, and {N} are needed", few.len())
    })
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
