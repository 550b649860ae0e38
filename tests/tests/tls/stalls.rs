//! Whoever begins and does not go on is let go of in time.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use harness::TlsPeer;

use super::{Secured, logged};

const LIMIT: Duration = Duration::from_secs(1);

/// Much later than the limit, for a machine that has much to do.
const LATEST: Duration = Duration::from_secs(8);

fn closed_in_time(what: &str, begun: Instant) -> Result<()> {
    let after = begun.elapsed();
    ensure!(after >= LIMIT * 9 / 10, "{what}: closed already after {after:?}");
    ensure!(after < LATEST, "{what}: closed only after {after:?}");
    Ok(())
}

#[test]
fn a_handshake_that_stalls_is_closed_within_the_limit() -> Result<()> {
    let secured = Secured::new()?;
    let mut server = secured.site.serve_with(&[("TUBEPOST_AMQP_HANDSHAKE_TIMEOUT", "1s")])?;
    // Nothing; the beginning of a record; a record and the beginning of the next.
    let pieces: [&[u8]; 3] =
        [b"", b"\x16\x03\x01", b"\x16\x03\x01\x00\x04\x01\x00\x02\x00\x16\x03"];
    for piece in pieces {
        let begun = Instant::now();
        let mut peer = TcpStream::connect(("127.0.0.1", secured.port))?;
        peer.set_read_timeout(Some(LATEST))?;
        peer.write_all(piece)?;
        ensure!(peer.read(&mut [0; 64])? == 0, "{piece:?}: an answer to half a hello");
        closed_in_time(&format!("{piece:?}"), begun)?;
    }
    logged(&mut server, &["not connected", "no handshake within 1s"])
}

#[test]
fn a_client_that_says_nothing_behind_its_tls_handshake_is_closed_within_the_limit() -> Result<()> {
    let secured = Secured::new()?;
    let _server = secured.site.serve_with(&[("TUBEPOST_AMQP_HANDSHAKE_TIMEOUT", "1s")])?;
    let begun = Instant::now();
    let mut peer = TlsPeer::connect(secured.port, "localhost", &secured.authority.file, None)?;
    // Cut off without goodbye, or with: both are an end.
    drop(peer.read_to_end());
    closed_in_time("behind TLS", begun)
}
