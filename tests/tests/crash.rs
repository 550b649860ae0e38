//! `kill -9` of the server at random moments under load. What was confirmed is written down on this
//! side of the sockets; after the restart all of it must be there, once and in order, and of what
//! was declared and deleted exactly what was answered. What was not confirmed may be there or not.
#![allow(clippy::print_stdout, reason = "what a failed test shows, and the numbers")]

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use futures_util::StreamExt as _;
use harness::{Load, Site, is_time_over, scaled, seed, wait_for};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, PublisherConfirm,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions,
        QueueBindOptions, QueueDeclareOptions,
    },
    types::FieldTable,
};
use tokio::{runtime::Runtime, time::timeout};

const QUEUE: &str = "crash.durable";
const TOPIC: &str = "org.example.crash";
const PATIENCE: Duration = Duration::from_secs(30);

/// From the start of a killed server to its first word; the middle one of all starts.
const START_MAX: Duration = Duration::from_secs(1);
/// A cycle in which fewer messages were confirmed has shown nothing.
const CONFIRMED_MIN: u64 = 20;

#[test]
fn kill_9_at_random_moments_under_load_loses_no_confirmed_message() -> Result<()> {
    kill_again_and_again(scaled(50, 5000), &[])
}

/// The machine stays up, so what was written and not synced is there, too. The interval is longer
/// than the test: no confirm waits for a sync.
#[test]
fn nor_does_it_with_syncs_at_intervals() -> Result<()> {
    let variables =
        [("TUBEPOST_JOURNAL_SYNC", "interval"), ("TUBEPOST_JOURNAL_SYNC_INTERVAL", "60s")];
    kill_again_and_again(scaled(10, 500), &variables)
}

fn kill_again_and_again(cycles: u64, variables: &[(&str, &str)]) -> Result<()> {
    let seed = seed();
    let mut rng = Rng::with_seed(seed);
    let mut site = Site::new()?;
    // Small, so that segments begin and end all the time.
    site.set("TUBEPOST_JOURNAL_SEGMENT_SIZE", "256 KiB");
    variables.iter().for_each(|(name, value)| site.set(name, value));
    let load = Load::new(&site.amqp_url(), seed)?;
    let begun = Instant::now();
    let (mut starts, mut loaded, mut declared, mut empty) = (Vec::new(), Duration::ZERO, 0, 0);
    let mut server = site.serve()?;
    for cycle in 1..=cycles {
        let pause = Duration::from_micros(rng.u64(0..20_000));
        let confirms = rng.u64(CONFIRMED_MIN..1500);
        let burst = load.run(confirms, move || {
            // tidy: the moment is what is left to chance.
            thread::sleep(pause);
            server.kill()
        })?;
        loaded += burst.took;
        declared += burst.declared;
        empty += u64::from(burst.confirmed < CONFIRMED_MIN);
        server = site.serve().with_context(|| format!("cycle {cycle}: restart after kill -9"))?;
        starts.push(server.accepted_after);
        let journals = site.tubepost(&["journal", "check", "data"])?;
        ensure!(journals.code() == 0, "cycle {cycle}: {}{}", journals.stdout, journals.stderr);
        let is_last = cycle == cycles || is_time_over(begun);
        let verdict = load.check(cycle % 5 == 0 || is_last)?;
        verdict.hold().with_context(|| format!("cycle {cycle} of seed {seed}"))?;
        if is_last {
            break;
        }
    }
    server.terminate()?;
    // What was acknowledged stays gone after an orderly end.
    let _server = site.serve()?;
    load.check(true)?.hold()?;
    starts.sort_unstable();
    let cycles = starts.len() as u64;
    let (median, longest) = (starts[starts.len() / 2], starts[starts.len() - 1]);
    println!(
        "{cycles} kills in {:.1} s: {} confirmed at {:.0}/s, {declared} declarations; \
         serving {median:?} after the start (longest {longest:?})",
        begun.elapsed().as_secs_f64(),
        load.confirmed(),
        load.confirmed() as f64 / loaded.as_secs_f64(),
    );
    ensure!(empty * 10 <= cycles, "{empty} of {cycles} cycles had no load: this shows nothing");
    ensure!(median <= START_MAX, "serving only {median:?} after the start");
    Ok(())
}

#[test]
fn durable_things_are_there_after_kill_9_and_transient_ones_are_not() -> Result<()> {
    let site = Site::new()?;
    let runtime = Runtime::new()?;
    let server = site.serve()?;
    runtime.block_on(async {
        let (_connection, channel) = open(&site).await?;
        durable_queue(&channel).await?;
        let options = QueueDeclareOptions { durable: false, ..Default::default() };
        channel.queue_declare("crash.transient".into(), options, FieldTable::default()).await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        for (number, mode) in [(0_u64, 2), (1, 1)] {
            publish(&channel, number, mode).await?.await?;
        }
        anyhow::Ok(())
    })?;
    server.kill()?;
    let _server = site.serve()?;
    let found = runtime.block_on(drain(&site))?;
    ensure!(found == [0], "the persistent message alone, found {found:?}");
    let transient = runtime.block_on(async {
        let (_connection, channel) = open(&site).await?;
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let declared =
            channel.queue_declare("crash.transient".into(), options, FieldTable::default()).await;
        anyhow::Ok(declared.is_ok())
    })?;
    ensure!(!transient, "a transient queue survived the end of the server");
    // The binding survived: the topic still finds the queue.
    site.publish(TOPIC, &serde_json::json!({"after": "restart"}))?;
    wait_for("an event through the old binding", 10, || {
        runtime
            .block_on(depth(&site))
            .map_err(|error| error.to_string())
            .and_then(|depth| if depth == 1 { Ok(()) } else { Err(format!("{depth} messages")) })
    })
}

/// A connection, which ends when it is dropped, and its channel.
async fn open(site: &Site) -> Result<(Connection, Channel)> {
    let url = site.amqp_url();
    let connecting = Connection::connect(&url, ConnectionProperties::default());
    let connection = timeout(PATIENCE, connecting).await.context("no connection")??;
    let channel = connection.create_channel().await?;
    Ok((connection, channel))
}

async fn durable_queue(channel: &Channel) -> Result<u32> {
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    let queue = channel.queue_declare(QUEUE.into(), options, FieldTable::default()).await?;
    let options = QueueBindOptions::default();
    channel
        .queue_bind(QUEUE.into(), "amq.topic".into(), TOPIC.into(), options, FieldTable::default())
        .await?;
    Ok(queue.message_count())
}

async fn depth(site: &Site) -> Result<u32> {
    let (_connection, channel) = open(site).await?;
    durable_queue(&channel).await
}

async fn publish(
    channel: &Channel,
    number: u64,
    delivery_mode: u8,
) -> lapin::Result<PublisherConfirm> {
    let properties = BasicProperties::default()
        .with_delivery_mode(delivery_mode)
        .with_message_id(number.to_string().into());
    // Of every size, so that records end anywhere in the journal's pages.
    let body = vec![b'x'; usize::try_from(number * 37 % 3000).unwrap_or_default()];
    let options = BasicPublishOptions::default();
    channel.basic_publish("amq.topic".into(), TOPIC.into(), options, &body, properties).await
}

/// Takes and acknowledges everything in the queue; the numbers, in order.
async fn drain(site: &Site) -> Result<Vec<u64>> {
    let (_connection, channel) = open(site).await?;
    let count = durable_queue(&channel).await?;
    let options = BasicConsumeOptions::default();
    let mut consumer =
        channel.basic_consume(QUEUE.into(), "".into(), options, FieldTable::default()).await?;
    let mut found = Vec::new();
    for _ in 0..count {
        let next = timeout(PATIENCE, consumer.next()).await;
        let delivery = next.context("the queue says it has more than it gives")?;
        let delivery = delivery.context("the consumer was cancelled")??;
        let id = delivery.properties.message_id().as_ref().context("no message-id")?;
        let number: u64 = id.as_str().parse()?;
        let size = usize::try_from(number * 37 % 3000)?;
        ensure!(delivery.data.len() == size, "message {number} has {} bytes", delivery.data.len());
        ensure!(delivery.data.iter().all(|byte| *byte == b'x'), "message {number} is damaged");
        delivery.ack(BasicAckOptions::default()).await?;
        found.push(number);
    }
    // In order, so that the acknowledgements are known to have arrived.
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    channel.queue_declare(QUEUE.into(), options, FieldTable::default()).await?;
    Ok(found)
}
