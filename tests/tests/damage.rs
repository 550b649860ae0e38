//! A byte of the journal changes on the disk. The message it belongs to is not delivered,
//! everything else is, and an operator sees which; when the file is mended, the message is there
//! again.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use futures_util::StreamExt as _;
use harness::Site;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
        ConfirmSelectOptions, QueueDeclareOptions,
    },
    types::FieldTable,
};
use tokio::{runtime::Runtime, time::timeout};

const QUEUE: &str = "damaged";
const COUNT: usize = 20;
const HIT: usize = 10;
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_changed_byte_costs_one_message_which_is_named_and_kept() -> Result<()> {
    let site = Site::new()?;
    let runtime = Runtime::new()?;
    let server = site.serve()?;
    runtime.block_on(publish(&site))?;
    server.terminate()?;

    let (file, offset) = place_of(&site, &body(HIT))?;
    let mut bytes = fs::read(&file)?;
    bytes[offset] ^= 1;
    fs::write(&file, &bytes)?;

    let name = file.file_name().and_then(|name| name.to_str()).context("a file name")?;
    let data = site.path("data").display().to_string();
    let check = site.tubepost(&["journal", "check", &data])?;
    ensure!(check.code() == 1, "journal check ended with {:?}", check.code());
    ensure!(check.stdout.contains(name), "{name} is not in: {}", check.stdout);

    let mut server = site.serve()?;
    let delivered = runtime.block_on(consume(&site, COUNT - 1))?;
    let expected: Vec<String> = (0..COUNT).filter(|it| *it != HIT).map(body).collect();
    ensure!(delivered == expected, "delivered: {delivered:?}");
    let metrics = site.get("/metrics")?;
    let counted = metrics.contains("\ntubepost_journal_unreadable_messages_total 1\n")
        || metrics.contains("\ntubepost_journal_damage_found 1\n");
    ensure!(counted, "it is counted nowhere: {metrics}");
    let log = server.process().log();
    ensure!(log.contains(name), "{name} is not in the log");
    server.terminate()?;

    bytes[offset] ^= 1;
    let aside = file.with_extension("damaged");
    let file = if file.exists() { file } else { aside };
    fs::write(file, &bytes)?;
    let server = site.serve()?;
    let delivered = runtime.block_on(consume(&site, 1))?;
    ensure!(delivered == [body(HIT)], "delivered after the file was mended: {delivered:?}");
    server.terminate()
}

fn body(number: usize) -> String {
    format!("message number {number} {}", "m".repeat(300))
}

/// The segment and the offset at which some text stands.
fn place_of(site: &Site, text: &str) -> Result<(PathBuf, usize)> {
    for entry in fs::read_dir(site.path("data/messages"))? {
        let path = entry?.path();
        let bytes = fs::read(&path)?;
        let found = bytes.windows(text.len()).position(|window| window == text.as_bytes());
        if let Some(offset) = found {
            return Ok((path, offset));
        }
    }
    anyhow::bail!("no file has {text:?}")
}

async fn open(site: &Site) -> Result<(Connection, Channel)> {
    let url = site.amqp_url();
    let connecting = Connection::connect(&url, ConnectionProperties::default());
    let connection = timeout(PATIENCE, connecting).await??;
    let channel = connection.create_channel().await?;
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(QUEUE.into(), options, FieldTable::default()).await?;
    Ok((connection, channel))
}

async fn publish(site: &Site) -> Result<()> {
    let (_connection, channel) = open(site).await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    for number in 0..COUNT {
        let properties = BasicProperties::default().with_delivery_mode(2);
        let (options, body) = (BasicPublishOptions::default(), body(number));
        let publishing =
            channel.basic_publish("".into(), QUEUE.into(), options, body.as_bytes(), properties);
        ensure!(publishing.await?.await?.is_ack(), "message {number} was refused");
    }
    Ok(())
}

/// Takes and acknowledges messages, one at a time.
async fn consume(site: &Site, count: usize) -> Result<Vec<String>> {
    let (_connection, channel) = open(site).await?;
    channel.basic_qos(1, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let consuming = channel.basic_consume(QUEUE.into(), "".into(), options, FieldTable::default());
    let mut consumer = consuming.await?;
    let mut bodies = Vec::new();
    while bodies.len() < count {
        let next = timeout(PATIENCE, consumer.next()).await.context("no delivery")?;
        let delivery = next.context("the consumer was cancelled")??;
        delivery.ack(BasicAckOptions::default()).await?;
        bodies.push(String::from_utf8(delivery.data)?);
    }
    Ok(bodies)
}
