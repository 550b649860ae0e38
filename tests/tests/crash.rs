//! `kill -9` of the server in the middle of publishing loses no confirmed event. What was confirmed
//! is written down on this side of the socket; after the restart all of it must be in the durable
//! queue, once and in order. What was not confirmed may be there or not.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use futures_util::StreamExt as _;
use harness::{Site, wait_for};
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
/// After how many confirms the server is killed, a round each; in between come others in flight.
const ROUNDS: [u64; 8] = [1, 7, 50, 200, 333, 1000, 1500, 2500];
/// How many are published without waiting for the confirm of the first.
const IN_FLIGHT: usize = 64;
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn kill_9_in_the_middle_of_publishing_loses_no_confirmed_event() -> Result<()> {
    kill_in_the_middle(&ROUNDS, &[])
}

/// The machine stays up, so what was written and not synced is there, too. The interval is longer
/// than the test: no confirm waits for a sync.
#[test]
fn nor_does_it_with_syncs_at_intervals() -> Result<()> {
    let variables =
        [("TUBEPOST_JOURNAL_SYNC", "interval"), ("TUBEPOST_JOURNAL_SYNC_INTERVAL", "60s")];
    kill_in_the_middle(&ROUNDS[..4], &variables)
}

#[expect(clippy::print_stdout, reason = "what a round had is part of the test's report")]
fn kill_in_the_middle(rounds: &[u64], variables: &[(&str, &str)]) -> Result<()> {
    let site = Site::new()?;
    let runtime = Runtime::new()?;
    let mut next = 0;
    for (round, &kill_after) in rounds.iter().enumerate() {
        let server = site.serve_with(variables)?;
        let first = next;
        let (confirmed, published) =
            runtime.block_on(publish_until_killed(&site, first, kill_after, || server.kill()))?;
        next = published;
        let server = site.serve_with(variables).context("restart after kill -9")?;
        let found = runtime.block_on(drain(&site))?;
        check(first, published, &confirmed, &found).with_context(|| format!("round {round}"))?;
        let journals = site.tubepost(&["journal", "check", "data"])?;
        ensure!(journals.code() == 0, "round {round}: {}{}", journals.stdout, journals.stderr);
        println!(
            "round {round}: {} published, {} confirmed, {} found",
            published - first,
            confirmed.len(),
            found.len()
        );
        server.terminate()?;
    }
    // What was acknowledged stays gone after an orderly end.
    let _server = site.serve()?;
    let found = runtime.block_on(drain(&site))?;
    ensure!(found.is_empty(), "{} acknowledged events came again", found.len());
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

/// Publishes numbers from `first` on, persistent, until the connection breaks; kills the server
/// once so many were confirmed. Returns the confirmed numbers and the first not published.
async fn publish_until_killed(
    site: &Site,
    first: u64,
    kill_after: u64,
    kill: impl FnOnce() -> Result<()> + Send + 'static,
) -> Result<(Vec<u64>, u64)> {
    let (_connection, channel) = open(site).await?;
    durable_queue(&channel).await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let mut kill = Some(kill);
    let mut killing = None;
    let mut confirmed = Vec::new();
    let mut next = first;
    let mut waiting = std::collections::VecDeque::new();
    loop {
        while waiting.len() < IN_FLIGHT {
            let Ok(confirm) = publish(&channel, next, 2).await else { break };
            waiting.push_back((next, confirm));
            next += 1;
        }
        let Some((number, confirm)) = waiting.pop_front() else { break };
        // Broken connections end here; nothing that comes after was confirmed.
        match timeout(PATIENCE, confirm).await.context("no confirm and no end came")? {
            Ok(confirm) if confirm.is_ack() => confirmed.push(number),
            _ => break,
        }
        if confirmed.len() as u64 == kill_after
            && let Some(kill) = kill.take()
        {
            // On a thread, so that publishing goes on meanwhile.
            killing = Some(std::thread::spawn(kill));
        }
    }
    let count = confirmed.len();
    let killing = killing.with_context(|| format!("it broke off after {count} confirms"))?;
    killing.join().map_err(|_| anyhow!("the killing thread panicked"))??;
    Ok((confirmed, next))
}

fn check(first: u64, end: u64, confirmed: &[u64], found: &[u64]) -> Result<()> {
    let lost: Vec<&u64> = confirmed.iter().filter(|number| !found.contains(number)).collect();
    ensure!(lost.is_empty(), "confirmed and lost: {lost:?}");
    ensure!(found.is_sorted_by(|a, b| a < b), "out of order, or twice: {found:?}");
    ensure!(found.iter().all(|number| (first..end).contains(number)), "never published: {found:?}");
    Ok(())
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
