//! A transaction that was answered is on disk: its messages and its acknowledgements. The power
//! fails somewhere among commits and rollbacks, and what was not synced is forgotten.
#![allow(clippy::print_stdout, reason = "what a failed test shows, and the numbers")]

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context as _, Result, ensure};
use fastrand::Rng;
use harness::{ForgetfulSite, Loss, scaled, seed};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{BasicAckOptions, BasicGetOptions, BasicPublishOptions, QueueDeclareOptions},
    types::FieldTable,
};
use tokio::{runtime::Runtime, time::timeout};

const QUEUE: &str = "transactions";
const SEGMENT: u64 = 128 << 10;
/// The power fails at one of so many operations of the disk.
const OPERATIONS: u64 = 120;
const PATIENCE: Duration = Duration::from_secs(20);

/// What has to be in the queue, by number.
#[derive(Debug, Default)]
struct Books {
    present: BTreeSet<u64>,
    /// Published or acknowledged in the transaction whose answer did not come.
    uncertain: BTreeSet<u64>,
    next: u64,
    commits: u64,
    rollbacks: u64,
}

#[test]
fn what_was_committed_survives_a_loss_of_power_and_what_was_not_never_comes() -> Result<()> {
    let seed = seed();
    let mut rng = Rng::with_seed(seed);
    let Some(forgetful) = ForgetfulSite::new(seed, SEGMENT)? else { return Ok(()) };
    let url = forgetful.site.amqp_url();
    let runtime = Runtime::new()?;
    let mut books = Books::default();
    let mut server = forgetful.serve()?;
    runtime.block_on(declare(&url))?;
    for cycle in 0..scaled(8, 300) {
        forgetful.fs.fail_power_at(rng.u64(1..OPERATIONS));
        // Ends with the connection.
        let ended = runtime.block_on(transact(&url, &mut books, &mut rng));
        ensure!(forgetful.fs.is_off(), "the client broke off by itself: {ended:?}");
        server.wait_until_killed()?;
        forgetful.fs.lose_power(Loss::Everything, rng.u64(..));
        server = forgetful.serve()?;
        let found = runtime.block_on(look(&url))?;
        let context = || format!("cycle {cycle} of seed {seed}: found {found:?}, {books:?}");
        let set: BTreeSet<u64> = found.iter().copied().collect();
        ensure!(set.len() == found.len(), "something is there twice: {}", context());
        let sure: BTreeSet<u64> = books.present.difference(&books.uncertain).copied().collect();
        ensure!(sure.is_subset(&set), "a committed message is lost: {}", context());
        let possible: BTreeSet<u64> = books.present.union(&books.uncertain).copied().collect();
        ensure!(
            set.is_subset(&possible),
            "an acknowledged or rolled back message is there: {}",
            context()
        );
        books.present = set;
        books.uncertain.clear();
    }
    println!(
        "{} commits, {} rollbacks, {} left",
        books.commits,
        books.rollbacks,
        books.present.len()
    );
    ensure!(books.commits > 20 && books.rollbacks > 5, "too little was done: {books:?}");
    Ok(())
}

async fn connect(url: &str) -> Result<(Connection, Channel)> {
    let connecting = Connection::connect(url, ConnectionProperties::default());
    let connection = timeout(PATIENCE, connecting).await.context("no connection")??;
    let channel = connection.create_channel().await?;
    Ok((connection, channel))
}

async fn declare(url: &str) -> Result<()> {
    let (_connection, channel) = connect(url).await?;
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(QUEUE.into(), options, FieldTable::default()).await?;
    Ok(())
}

/// Transactions one after the other until the connection is lost: each publishes a few messages and
/// acknowledges a few of those that are there.
async fn transact(url: &str, books: &mut Books, rng: &mut Rng) -> Result<()> {
    let (_connection, channel) = connect(url).await?;
    channel.tx_select().await?;
    loop {
        let mut touched = BTreeSet::new();
        let (mut published, mut settled) = (Vec::new(), Vec::new());
        for _ in 0..rng.u64(0..4) {
            let number = books.next;
            books.next += 1;
            published.push(number);
            publish(&channel, number).await?;
        }
        for _ in 0..rng.u64(0..3) {
            let got = channel.basic_get(QUEUE.into(), BasicGetOptions::default()).await?;
            let Some(got) = got else { break };
            settled.push(number_of(&got.delivery.data)?);
            got.delivery.acker.ack(BasicAckOptions::default()).await?;
        }
        if rng.u8(..) < 64 {
            timeout(PATIENCE, channel.tx_rollback()).await.context("no rollback-ok")??;
            books.rollbacks += 1;
            // What was taken and is unsettled again comes back with the channel's end.
            continue;
        }
        touched.extend(published.iter().chain(&settled));
        books.uncertain.extend(&touched);
        timeout(PATIENCE, channel.tx_commit()).await.context("no commit-ok")??;
        books.commits += 1;
        books.present.extend(&published);
        books.present.retain(|number| !settled.contains(number));
        books.uncertain.retain(|number| !touched.contains(number));
    }
}

async fn publish(channel: &Channel, number: u64) -> Result<()> {
    let properties = BasicProperties::default().with_delivery_mode(2);
    let options = BasicPublishOptions::default();
    let body = number.to_string();
    channel.basic_publish("".into(), QUEUE.into(), options, body.as_bytes(), properties).await?;
    Ok(())
}

/// What is in the queue; it stays there.
async fn look(url: &str) -> Result<Vec<u64>> {
    let (connection, channel) = connect(url).await?;
    let mut found = Vec::new();
    while let Some(got) = channel.basic_get(QUEUE.into(), BasicGetOptions::default()).await? {
        found.push(number_of(&got.delivery.data)?);
    }
    connection.close(200, "".into()).await?;
    Ok(found)
}

fn number_of(body: &[u8]) -> Result<u64> {
    Ok(std::str::from_utf8(body)?.parse()?)
}
