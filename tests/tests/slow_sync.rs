//! Every sync takes long. Whoever waits for it waits together: many publishes share few syncs. Who
//! does not wait for the disk notices nothing, and no connection is given up.
#![allow(clippy::print_stdout, reason = "what a failed test shows, and the numbers")]

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use futures_util::StreamExt as _;
use harness::{Call, Site, Strace, Wire, is_torture};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{
        BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
    },
    types::FieldTable,
};
use tokio::{
    runtime::Runtime,
    sync::watch,
    task::JoinSet,
    time::{interval, timeout},
};

const QUEUE: &str = "slow.durable";
const CONNECTIONS: u64 = 20;
const PUBLISHES: u64 = 10_000;
/// How many syncs they may need together.
const SYNCS_MAX: usize = 20;
const HEARTBEAT: Duration = Duration::from_secs(1);
/// The load goes on for so long after the burst: several heartbeats.
const HEARTBEATS: u32 = 5;
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn alone_a_slow_sync_is_shared_by_many_publishes_and_noticed_by_nobody_else() -> Result<()> {
    let levels: &[u64] = if is_torture() { &[10, 200, 2000] } else { &[200] };
    levels.iter().try_for_each(|level| {
        at_level(*level).with_context(|| format!("syncs that take {level} ms"))
    })
}

fn at_level(delay_ms: u64) -> Result<()> {
    let mut site = Site::new()?;
    site.set("TUBEPOST_AMQP_HEARTBEAT", "1s");
    let Some(strace) = Strace::of("fdatasync", site.path("strace"))? else { return Ok(()) };
    let strace = strace.inject(&format!("fdatasync:delay_enter={delay_ms}ms"));
    let mut server = site.serve_under(&strace)?;
    // Nobody is heard while a declaration waits, nor hears anything: with a heartbeat, lapin too
    // would give up.
    declare(&site, 0)?;
    let url = site.amqp_url();
    let runtime = Runtime::new()?;
    runtime.block_on(async {
        let (connection, channel) = connect(&url).await?;
        let (stop, stopping) = watch::channel(false);
        let idle = connect(&url).await?;
        let bystander = tokio::spawn(ping_pong(url.clone(), stopping.clone()));
        // A connection that waits for its own declaration sends no heartbeats meanwhile.
        let declares = Duration::from_millis(delay_ms) < HEARTBEAT;
        let declaring = declares.then(|| tokio::spawn(declare_on_and_on(url.clone(), stopping)));

        let before = message_syncs(&strace.calls()?);
        let begun = Instant::now();
        burst(&url).await?;
        let (took, syncs) = (begun.elapsed(), message_syncs(&strace.calls()?) - before);
        // Several heartbeats, with the disk at work all the time.
        let end = Instant::now() + HEARTBEAT * HEARTBEATS;
        while Instant::now() < end {
            timeout(PATIENCE, publish(&channel, QUEUE, 2)).await.context("no confirm")??;
        }
        stop.send_replace(true);
        let mut waits = bystander.await.context("the bystander panicked")??;
        let declared = match declaring {
            Some(declaring) => declaring.await.context("the declaring client panicked")??,
            None => 0,
        };
        waits.sort_unstable();
        let (median, last) = (waits[waits.len() / 2], waits[waits.len() * 99 / 100]);
        println!(
            "syncs of {delay_ms} ms: {PUBLISHES} publishes confirmed in {took:?} by {syncs} syncs; \
             {declared} declarations; {} messages of others took {median:?}, 99 % {last:?}",
            waits.len()
        );
        ensure!(syncs >= 1, "no sync was seen: the trace shows nothing");
        for (who, connection) in [("an idle client", &idle.0), ("a publisher", &connection)] {
            ensure!(connection.status().connected(), "{who} was given up");
        }
        // Shorter ones are over before all have been sent.
        if delay_ms >= 200 {
            ensure!(syncs <= SYNCS_MAX, "{syncs} syncs for {PUBLISHES} publishes at once");
            ensure!(median < Duration::from_millis(delay_ms / 4), "others waited {median:?}");
        }
        anyhow::Ok(())
    })?;
    let said = server.process().stderr().join("\n");
    ensure!(!said.contains("missed heartbeats"), "a client was given up:\n{said}");
    Ok(())
}

/// What a connection says while the server acts upon what it said before is not heard, and does not
/// count as silence.
#[test]
fn who_waits_for_a_declaration_longer_than_its_heartbeat_is_not_given_up() -> Result<()> {
    let site = Site::new()?;
    let Some(strace) = Strace::of("fdatasync", site.path("strace"))? else { return Ok(()) };
    let _server = site.serve_under(&strace.inject("fdatasync:delay_enter=2500ms"))?;
    // After two seconds of silence a peer is given up.
    let mut wire = declare(&site, 1)?;
    wire.declare(1, "slow.transient", false)
}

/// A connection with a channel and that heartbeat, in seconds, that has declared the queue.
fn declare(site: &Site, heartbeat: u16) -> Result<Wire> {
    let address = SocketAddr::from(([127, 0, 0, 1], site.amqp_port));
    let mut wire = Wire::open(address, heartbeat)?;
    wire.open_channel(1)?;
    wire.declare(1, QUEUE, true)?;
    Ok(wire)
}

fn message_syncs(calls: &[Call]) -> usize {
    calls.iter().filter(|call| call.path().contains("/messages/")).count()
}

/// Everybody publishes at once, and waits for all confirms.
async fn burst(url: &str) -> Result<()> {
    let mut publishers = JoinSet::new();
    let (gate, opened) = watch::channel(false);
    let mut ready = Vec::new();
    for _ in 0..CONNECTIONS {
        ready.push(connect(url).await?);
    }
    for (connection, channel) in ready {
        let mut opened = opened.clone();
        publishers.spawn(async move {
            opened.wait_for(|is_open| *is_open).await?;
            let mut confirms = Vec::new();
            for _ in 0..PUBLISHES / CONNECTIONS {
                confirms.push(send(&channel, QUEUE, 2).await?);
            }
            for confirm in confirms {
                ensure!(timeout(PATIENCE, confirm).await??.is_ack(), "a publish was refused");
            }
            drop(connection);
            Ok(())
        });
    }
    gate.send_replace(true);
    while let Some(publisher) = publishers.join_next().await {
        publisher.context("a publisher panicked")??;
    }
    Ok(())
}

/// Messages that need no disk, one after the other: how long each took from publish to delivery.
async fn ping_pong(url: String, stopping: watch::Receiver<bool>) -> Result<Vec<Duration>> {
    let (_connection, channel) = connect(&url).await?;
    let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare("".into(), options, FieldTable::default()).await?;
    let name = queue.name().as_str().to_owned();
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let consuming =
        channel.basic_consume(name.as_str().into(), "".into(), options, FieldTable::default());
    let mut consumer = consuming.await?;
    let mut waits = Vec::new();
    while !*stopping.borrow() {
        let begun = Instant::now();
        send(&channel, &name, 1).await?;
        let next = timeout(PATIENCE, consumer.next()).await.context("no delivery")?;
        next.context("the consumer was cancelled")??;
        waits.push(begun.elapsed());
    }
    Ok(waits)
}

/// Durable declarations, one every 50 ms at most: each waits for a sync of its own.
async fn declare_on_and_on(url: String, stopping: watch::Receiver<bool>) -> Result<u32> {
    let (_connection, channel) = connect(&url).await?;
    let mut turn = interval(Duration::from_millis(50));
    let mut declared = 0;
    while !*stopping.borrow() {
        turn.tick().await;
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let name = format!("slow.declared.{declared}");
        channel.queue_declare(name.into(), options, FieldTable::default()).await?;
        declared += 1;
    }
    Ok(declared)
}

async fn connect(url: &str) -> Result<(Connection, Channel)> {
    let connecting = Connection::connect(url, ConnectionProperties::default());
    let connection = timeout(PATIENCE, connecting).await.context("no connection")??;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok((connection, channel))
}

async fn send(
    channel: &Channel,
    queue: &str,
    delivery_mode: u8,
) -> lapin::Result<lapin::PublisherConfirm> {
    let properties = BasicProperties::default().with_delivery_mode(delivery_mode);
    let options = BasicPublishOptions::default();
    channel.basic_publish("".into(), queue.into(), options, &[b'x'; 100], properties).await
}

async fn publish(channel: &Channel, queue: &str, delivery_mode: u8) -> Result<()> {
    let confirm = send(channel, queue, delivery_mode).await?.await?;
    ensure!(confirm.is_ack(), "a publish was refused: {confirm:?}");
    Ok(())
}
