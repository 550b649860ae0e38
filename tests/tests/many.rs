//! Many of one kind: idle connections, channels of one connection, queues. What each costs is
//! printed; `cargo xtask torture many` has the large numbers.
#![allow(clippy::print_stdout, reason = "the numbers")]

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use harness::{Site, Wire, allow_files, resident_bytes, scaled, wire};

/// Of resident memory, for each idle connection.
const CONNECTION_BYTES_MAX: u64 = 40 * 1024;

/// Seconds; the server drops a client that is silent for twice as long.
const HEARTBEAT: u16 = 4;

const CHANNEL_OPEN: (u16, u16) = (20, 10);
const CHANNEL_OPEN_OK: (u16, u16) = (20, 11);
const BASIC_CONSUME: (u16, u16) = (60, 20);
const BASIC_CONSUME_OK: (u16, u16) = (60, 21);
const BASIC_DELIVER: (u16, u16) = (60, 60);
const CONNECTION_CLOSE: (u16, u16) = (10, 50);

fn address(site: &Site) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], site.amqp_port))
}

#[test]
fn alone_idle_connections_cost_little_and_stay() -> Result<()> {
    let count = scaled(1_500, 10_000);
    allow_files(count + 500)?;
    let mut site = Site::new()?;
    site.set("TUBEPOST_LOG_LEVEL", "warn");
    site.set("TUBEPOST_AMQP_CONNECTIONS_MAX", "20000");
    let mut server = site.serve()?;
    let open = || Wire::open(address(&site), HEARTBEAT);
    // What is made once for all is not what one costs.
    let first: Vec<Wire> = (0..10).map(|_| open()).collect::<Result<_>>()?;
    let before = resident_bytes(server.pid())?;
    let mut idle = Vec::new();
    let (mut beats, begun, mut beaten) = (0, Instant::now(), Instant::now());
    while idle.len() < count as usize {
        idle.push(open()?);
        if beaten.elapsed() > Duration::from_secs(2) {
            beats += beat(&mut idle)?;
            beaten = Instant::now();
        }
    }
    let took = begun.elapsed();
    // Long enough that one who does not beat would be dropped, and one who is not beaten sees it.
    let until = Instant::now() + Duration::from_secs(u64::from(3 * HEARTBEAT));
    while Instant::now() < until {
        beats += beat(&mut idle)?;
        // tidy: the pause between two heartbeats, which is what is being tested.
        thread::sleep(Duration::from_secs(1));
    }
    let each = resident_bytes(server.pid())?.saturating_sub(before) / count;
    println!(
        "{count} idle connections: {:.1} KiB resident each; opened in {took:.1?}, {beats} heartbeats",
        each as f64 / 1024.0
    );
    ensure!(each <= CONNECTION_BYTES_MAX, "{each} bytes for each connection");
    ensure!(beats as u64 > 3 * count, "{beats} heartbeats only");
    drop(first);
    let log = server.process().log();
    ensure!(!log.contains("missed heartbeats"), "{log}");
    Ok(())
}

fn beat(wires: &mut [Wire]) -> Result<usize> {
    wires.iter_mut().map(Wire::beat).sum()
}

#[test]
fn a_connection_has_2047_channels_and_each_of_them_works() -> Result<()> {
    const CHANNELS: u16 = 2047;
    let site = Site::new()?;
    let _server = site.serve()?;
    let mut wire = Wire::open(address(&site), 0)?;
    let begun = Instant::now();
    let all = |id, arguments: &[u8]| -> Vec<u8> {
        (1..=CHANNELS).flat_map(|channel| wire::frame(channel, id, arguments)).collect()
    };
    wire.send_octets(&all(CHANNEL_OPEN, b"\0"))?;
    (0..CHANNELS).try_for_each(|_| wire.expect(CHANNEL_OPEN_OK).map(drop))?;
    wire.declare(1, "many", false)?;
    let consume = [&b"\0\0"[..], &wire::short("many"), b"\x01c\x02\0\0\0\0"].concat();
    wire.send_octets(&all(BASIC_CONSUME, &consume))?;
    (0..CHANNELS).try_for_each(|_| wire.expect(BASIC_CONSUME_OK).map(drop))?;
    // One message for each, from each.
    let publish = [&b"\0\0\0"[..], &wire::short("many"), b"\0"].concat();
    for channel in 1..=CHANNELS {
        let header = b"\0\x3c\0\0\0\0\0\0\0\0\0\0\0\0";
        let frame = [&[2][..], &channel.to_be_bytes(), &14_u32.to_be_bytes(), header, b"\xce"];
        wire.send(channel, (60, 40), &publish)?;
        wire.send_octets(&frame.concat())?;
    }
    (0..CHANNELS).try_for_each(|_| wire.expect(BASIC_DELIVER).map(drop))?;
    println!("{CHANNELS} channels opened, and a message through each, in {:.1?}", begun.elapsed());
    wire.send(CHANNELS + 1, CHANNEL_OPEN, b"\0")?;
    let text = String::from_utf8_lossy(&wire.expect(CONNECTION_CLOSE)?).into_owned();
    ensure!(text.contains("channel_max (2047)"), "{text}");
    Ok(())
}

#[test]
fn alone_queues_are_declared_as_fast_when_there_are_many() -> Result<()> {
    let count = scaled(20_000, 100_000) as usize;
    let mut site = Site::new()?;
    site.set("TUBEPOST_LOG_LEVEL", "warn");
    let server = site.serve()?;
    for durable in [false, true] {
        let before = resident_bytes(server.pid())?;
        let mut wire = Wire::open(address(&site), 0)?;
        wire.open_channel(1)?;
        let mut rates = Vec::new();
        for tenth in 0..10 {
            let begun = Instant::now();
            let numbers = tenth * count / 10..(tenth + 1) * count / 10;
            for name in numbers.map(|number| format!("{durable}-{number}")) {
                wire.declare(1, &name, durable)?;
            }
            rates.push((count as f64 / 10.0) / begun.elapsed().as_secs_f64());
        }
        let each = resident_bytes(server.pid())?.saturating_sub(before) / count as u64;
        let ratio = rates[9] / rates[0];
        println!(
            "{count} queues, durable {durable}: {:.0}/s first, {:.0}/s last, ratio {ratio:.2}; \
             {each} bytes resident each",
            rates[0], rates[9]
        );
        // A machine that does something else for a while is no finding; a search through all is.
        ensure!(ratio > 0.2, "the rate fell off: {rates:.0?}");
    }
    Ok(())
}
