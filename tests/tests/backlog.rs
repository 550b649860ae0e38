//! A backlog of a durable queue that nobody reads: memory stays flat, a restart is quick however
//! long it is, it comes out whole and in order, and then the disk is free again.
//!
//! In every run 300,000 messages of 1 KiB; `cargo xtask torture backlog` has 10 million: 11 GB
//! in the temporary directory (`TMPDIR`).
#![allow(clippy::print_stdout, reason = "the numbers, and why it was skipped")]

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt as _;
use harness::{Site, free_bytes, is_torture, resident_bytes_max, scaled, wait_for};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions,
        BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions, QueueDeclareOptions,
    },
    types::FieldTable,
};
use tokio::{runtime::Runtime, time::timeout};

const QUEUE: &str = "backlog";
const BYTES: usize = 1024;
/// Published before their confirms are waited for.
const IN_FLIGHT: u64 = 2000;
const RESIDENT_MAX_MIB: u64 = 100;
/// From the start after a kill to the first message.
const FIRST_MAX: Duration = Duration::from_millis(500);
/// What has to be free for the long form, which takes a little more than half of it.
const FREE_MIN: u64 = 20_000_000_000;
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn alone_a_long_backlog_costs_disk_not_memory_and_no_time_at_restart() -> Result<()> {
    let count = scaled(300_000, 10_000_000);
    let site = Site::new()?;
    let free = free_bytes(&site.path(""))?;
    if is_torture() && free < FREE_MIN {
        let place = site.path("");
        println!("skipped: {} has {free} bytes free, it needs {FREE_MIN}", place.display());
        return Ok(());
    }
    let runtime = Runtime::new()?;

    let server = site.serve()?;
    let began = Instant::now();
    runtime.block_on(fill(&site, count))?;
    let filled = began.elapsed();
    let resident = resident_bytes_max(server.pid())? >> 20;
    server.kill()?;

    let began = Instant::now();
    let server = site.serve()?;
    let accepting = began.elapsed();
    let first = runtime.block_on(first_message(&site))?;
    server.terminate()?;

    let began = Instant::now();
    let server = site.serve()?;
    let accepting_again = began.elapsed();
    let (first_again, drained) = runtime.block_on(drain(&site, count))?;
    let resident_drained = resident_bytes_max(server.pid())? >> 20;
    println!(
        "{count} messages of {BYTES} B: {:.0}/s in, {resident} MiB resident at most; accepting \
         {accepting:?} after a kill, first message {first:?} later; {accepting_again:?} and \
         {first_again:?} after an orderly end; {:.0}/s out, {resident_drained} MiB",
        count as f64 / filled.as_secs_f64(),
        count as f64 / drained.as_secs_f64(),
    );
    ensure!(resident < RESIDENT_MAX_MIB, "{resident} MiB resident");
    ensure!(resident_drained < RESIDENT_MAX_MIB, "{resident_drained} MiB resident");
    for (after, took) in
        [("a kill", accepting + first), ("an orderly end", accepting_again + first_again)]
    {
        ensure!(took < FIRST_MAX, "the first message {took:?} after {after}");
    }
    ensure!(drained <= filled, "filled in {filled:?}, and read back only in {drained:?}");
    let messages = site.path("data/messages");
    wait_for("the journal to be small again", 30, || {
        let segments = fs::read_dir(&messages).map_err(|error| error.to_string())?.count();
        if segments <= 3 { Ok(()) } else { Err(format!("{segments} segments")) }
    })?;
    server.terminate()
}

async fn open(site: &Site) -> Result<(Connection, Channel)> {
    let url = site.amqp_url();
    let connection = timeout(PATIENCE, Connection::connect(&url, ConnectionProperties::default()));
    let connection = connection.await??;
    let channel = connection.create_channel().await?;
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(QUEUE.into(), options, FieldTable::default()).await?;
    Ok((connection, channel))
}

async fn fill(site: &Site, count: u64) -> Result<()> {
    let (_connection, channel) = open(site).await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let properties = BasicProperties::default().with_delivery_mode(2);
    let mut body = vec![b'x'; BYTES];
    let mut confirms = Vec::new();
    for number in 0..count {
        body[..8].copy_from_slice(&number.to_be_bytes());
        let options = BasicPublishOptions::default();
        let publish =
            channel.basic_publish("".into(), QUEUE.into(), options, &body, properties.clone());
        confirms.push(publish.await?);
        if confirms.len() as u64 == IN_FLIGHT || number + 1 == count {
            for confirm in confirms.drain(..) {
                let confirm = timeout(PATIENCE, confirm).await.context("no confirm")??;
                ensure!(confirm.is_ack(), "{number} was not confirmed");
            }
        }
    }
    Ok(())
}

/// How long the first message takes; it goes back.
async fn first_message(site: &Site) -> Result<Duration> {
    let (_connection, channel) = open(site).await?;
    let began = Instant::now();
    let got = channel.basic_get(QUEUE.into(), BasicGetOptions::default()).await?;
    let got = got.context("nothing is there")?;
    let took = began.elapsed();
    got.nack(BasicNackOptions { requeue: true, ..BasicNackOptions::default() }).await?;
    Ok(took)
}

/// Takes it all, in order; how long the first took and how long all.
async fn drain(site: &Site, count: u64) -> Result<(Duration, Duration)> {
    let (_connection, channel) = open(site).await?;
    channel.basic_qos(2000, BasicQosOptions::default()).await?;
    let began = Instant::now();
    let options = BasicConsumeOptions::default();
    let mut consumer =
        channel.basic_consume(QUEUE.into(), "".into(), options, FieldTable::default()).await?;
    let mut first = None;
    for expected in 0..count {
        let delivery = timeout(PATIENCE, consumer.next()).await.context("no delivery came")?;
        let delivery = delivery.context("the consumer was cancelled")??;
        first.get_or_insert(began.elapsed());
        let number = delivery.data.first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
        ensure!(number == Some(expected), "{expected} expected, {number:?} came");
        if (expected + 1) % 500 == 0 || expected + 1 == count {
            delivery.acker.ack(BasicAckOptions { multiple: true }).await?;
        }
    }
    Ok((first.context("nothing came")?, began.elapsed()))
}
