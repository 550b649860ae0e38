//! The broker as lapin sees it.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_util::StreamExt as _;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, Consumer, ErrorKind, ExchangeKind,
    message::Delivery,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions,
        BasicPublishOptions, BasicQosOptions, BasicRecoverOptions, ConfirmSelectOptions,
        ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
        QueuePurgeOptions,
    },
    types::{AMQPValue, FieldTable, ShortString},
};
use tokio::{runtime::Runtime, time::timeout};

const PATIENCE: Duration = Duration::from_secs(20);

/// Runs every scenario, each on a connection of its own.
pub(crate) fn run_all(url: &str) -> Result<()> {
    Runtime::new()?.block_on(async {
        confirms_and_returns(&connect(url).await?).await.context("confirms and returns")?;
        topics_and_headers(&connect(url).await?).await.context("topics and headers")?;
        prefetch_and_requeue(&connect(url).await?).await.context("prefetch and requeue")?;
        a_full_queue(&connect(url).await?).await.context("a full queue")?;
        a_lost_connection(url).await.context("a lost connection")?;
        a_deleted_queue(&connect(url).await?).await.context("a deleted queue")?;
        large_bodies(&connect(url).await?).await.context("large bodies")?;
        channel_errors(&connect(url).await?).await.context("channel errors")?;
        a_connection_error(&connect(url).await?).await.context("a connection error")?;
        a_wrong_password(url).await.context("a wrong password")
    })
}

async fn connect(url: &str) -> Result<Connection> {
    let connecting = Connection::connect(url, ConnectionProperties::default());
    Ok(timeout(PATIENCE, connecting).await??)
}

/// A queue of this connection alone.
async fn queue(channel: &Channel) -> Result<ShortString> {
    let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare("".into(), options, FieldTable::default()).await?;
    ensure!(queue.name().as_str().starts_with("amq.gen-"), "server-named {}", queue.name());
    Ok(queue.name().clone())
}

async fn consume(channel: &Channel, queue: &ShortString) -> Result<Consumer> {
    let options = BasicConsumeOptions::default();
    Ok(channel.basic_consume(queue.clone(), "".into(), options, FieldTable::default()).await?)
}

async fn next(consumer: &mut Consumer) -> Result<Delivery> {
    let delivery = timeout(PATIENCE, consumer.next()).await.context("no delivery came")?;
    Ok(delivery.context("the consumer was cancelled")??)
}

async fn confirms_and_returns(connection: &Connection) -> Result<()> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let queue = queue(&channel).await?;
    let mut confirms = Vec::new();
    for number in 0..1000 {
        let body = format!("{number}").into_bytes();
        let properties = BasicProperties::default().with_delivery_mode(2);
        let options = BasicPublishOptions::default();
        confirms.push(
            channel.basic_publish("".into(), queue.clone(), options, &body, properties).await?,
        );
    }
    for confirm in confirms {
        ensure!(timeout(PATIENCE, confirm).await??.is_ack(), "a confirm is an ack");
    }
    let count = channel.queue_purge(queue, QueuePurgeOptions::default()).await?;
    ensure!(count == 1000, "{count} messages of 1000 in the queue");
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = BasicProperties::default();
    let confirm = channel
        .basic_publish("amq.direct".into(), "nobody".into(), options, b"back", properties)
        .await?;
    let returned = timeout(PATIENCE, confirm).await??.take_message();
    let returned = returned.context("a mandatory message that nobody wants returns")?;
    ensure!(returned.reply_code == 312 && returned.delivery.data == b"back", "{returned:?}");
    Ok(())
}

async fn topics_and_headers(connection: &Connection) -> Result<()> {
    let channel = connection.create_channel().await?;
    let topics = queue(&channel).await?;
    let none = FieldTable::default;
    let bind = QueueBindOptions::default;
    channel
        .queue_bind(topics.clone(), "amq.topic".into(), "org.*.git.#".into(), bind(), none())
        .await?;
    let headers = queue(&channel).await?;
    let mut wanted = none();
    wanted.insert("x-match".into(), AMQPValue::LongString("any".into()));
    wanted.insert("fedora_messaging_user_ada".into(), AMQPValue::Boolean(true));
    let exchange = ShortString::from("lapin.headers");
    let options = ExchangeDeclareOptions { auto_delete: true, ..Default::default() };
    channel.exchange_declare(exchange.clone(), ExchangeKind::Headers, options, none()).await?;
    channel.queue_bind(headers.clone(), exchange.clone(), "".into(), bind(), wanted).await?;

    let mut sent = none();
    sent.insert("fedora_messaging_user_ada".into(), AMQPValue::Boolean(true));
    sent.insert("count".into(), AMQPValue::LongLongInt(1 << 40));
    let properties = BasicProperties::default().with_headers(sent.clone());
    for (exchange, key) in [
        (ShortString::from("amq.topic"), "org.example.git.receive"),
        (ShortString::from("amq.topic"), "org.example.build.state"),
        (exchange, "any"),
    ] {
        let options = BasicPublishOptions::default();
        channel.basic_publish(exchange, key.into(), options, b"{}", properties.clone()).await?;
    }
    let delivery = next(&mut consume(&channel, &topics).await?).await?;
    ensure!(delivery.routing_key.as_str() == "org.example.git.receive", "{delivery:?}");
    let delivery = next(&mut consume(&channel, &headers).await?).await?;
    ensure!(delivery.properties.headers().as_ref() == Some(&sent), "{:?}", delivery.properties);
    Ok(())
}

async fn prefetch_and_requeue(connection: &Connection) -> Result<()> {
    let channel = connection.create_channel().await?;
    let queue = queue(&channel).await?;
    for number in 0..6 {
        let body = format!("{number}").into_bytes();
        let options = BasicPublishOptions::default();
        let properties = BasicProperties::default();
        channel.basic_publish("".into(), queue.clone(), options, &body, properties).await?;
    }
    channel.basic_qos(2, BasicQosOptions::default()).await?;
    let mut consumer = consume(&channel, &queue).await?;
    let (first, second) = (next(&mut consumer).await?, next(&mut consumer).await?);
    ensure!(first.data == b"0" && second.data == b"1", "{first:?} {second:?}");
    let waiting = timeout(Duration::from_millis(300), consumer.next()).await;
    ensure!(waiting.is_err(), "a third delivery came with a prefetch of 2: {waiting:?}");
    second.nack(BasicNackOptions { requeue: true, ..Default::default() }).await?;
    let again = next(&mut consumer).await?;
    ensure!(again.data == b"1" && again.redelivered, "{again:?}");
    again.ack(BasicAckOptions { multiple: true }).await?;
    let third = next(&mut consumer).await?;
    ensure!(third.data == b"2" && !third.redelivered, "{third:?}");
    Ok(())
}

async fn a_full_queue(connection: &Connection) -> Result<()> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(1));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare("".into(), options, arguments).await?.name().clone();
    for taken in [true, false] {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let confirm =
            channel.basic_publish("".into(), queue.clone(), options, b"one", properties).await?;
        let confirm = timeout(PATIENCE, confirm).await??;
        ensure!(confirm.is_ack() == taken && confirm.is_nack() != taken, "{confirm:?}");
    }
    Ok(())
}

async fn a_lost_connection(url: &str) -> Result<()> {
    let (lost, other) = (connect(url).await?, connect(url).await?);
    let (channel, watcher) = (lost.create_channel().await?, other.create_channel().await?);
    let name = ShortString::from("lapin.lost");
    let options = QueueDeclareOptions::default();
    watcher.queue_declare(name.clone(), options, FieldTable::default()).await?;
    for body in [b"1", b"2"] {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        watcher.basic_publish("".into(), name.clone(), options, body, properties).await?;
    }
    let mut consumer = consume(&channel, &name).await?;
    let first = next(&mut consumer).await?;
    next(&mut consumer).await?;
    first.ack(BasicAckOptions::default()).await?;
    lost.close(200, "bye".into()).await?;
    let again = next(&mut consume(&watcher, &name).await?).await?;
    ensure!(again.data == b"2" && again.redelivered, "{again:?}");
    watcher.queue_delete(name, QueueDeleteOptions::default()).await?;
    Ok(())
}

async fn a_deleted_queue(connection: &Connection) -> Result<()> {
    let channel = connection.create_channel().await?;
    let queue = queue(&channel).await?;
    let mut consumer = consume(&channel, &queue).await?;
    let other = connection.create_channel().await?;
    other.queue_delete(queue, QueueDeleteOptions::default()).await?;
    let end = timeout(PATIENCE, consumer.next()).await.context("no cancel came")?;
    ensure!(end.is_none_or(|delivery| delivery.is_err()), "a delivery from a queue that is gone");
    ensure!(channel.status().connected(), "the channel lives on");
    Ok(())
}

async fn a_connection_error(connection: &Connection) -> Result<()> {
    let channel = connection.create_channel().await?;
    let queue = queue(&channel).await?;
    let options = BasicGetOptions { no_ack: true };
    channel.basic_get(queue.clone(), options).await?;
    let recovered = channel.basic_recover(BasicRecoverOptions { requeue: false }).await;
    expect_refused(recovered, "NOT_IMPLEMENTED - requeue=false")?;
    ensure!(!connection.status().connected(), "the whole connection is closed");
    Ok(())
}

async fn large_bodies(connection: &Connection) -> Result<()> {
    let channel = connection.create_channel().await?;
    let queue = queue(&channel).await?;
    for size in [0, 1, 131_064, 131_065, 300 * 1024, 5_000_000] {
        let body: Vec<u8> = (0..size).map(|at: usize| (at % 251).to_le_bytes()[0]).collect();
        let options = BasicPublishOptions::default();
        let properties = BasicProperties::default();
        channel.basic_publish("".into(), queue.clone(), options, &body, properties).await?;
        let options = BasicGetOptions { no_ack: true };
        let got = channel.basic_get(queue.clone(), options).await?.context("nothing to get")?;
        ensure!(got.delivery.data == body, "a body of {size} bytes came back different");
    }
    Ok(())
}

async fn channel_errors(connection: &Connection) -> Result<()> {
    let channel = connection.create_channel().await?;
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    let missing = channel.queue_declare("missing".into(), options, FieldTable::default()).await;
    expect_refused(missing.map(|_| ()), "NOT_FOUND - no queue 'missing' in vhost '/'")?;
    let channel = connection.create_channel().await?;
    let options = ExchangeDeclareOptions::default();
    let reserved =
        channel.exchange_declare("amq.x".into(), ExchangeKind::Direct, options, Default::default());
    let text = "ACCESS_REFUSED - exchange name 'amq.x' contains reserved prefix 'amq.*'";
    expect_refused(reserved.await, text)?;
    let channel = connection.create_channel().await?;
    let queue = queue(&channel).await?;
    let count = channel.queue_delete(queue, QueueDeleteOptions::default()).await?;
    ensure!(count == 0 && connection.status().connected(), "the connection lives on");
    Ok(())
}

fn expect_refused(outcome: lapin::Result<()>, text: &str) -> Result<()> {
    match outcome {
        Err(error) => match error.kind() {
            ErrorKind::ProtocolError(refusal) => {
                let found = refusal.get_message().as_str();
                ensure!(found == text, "refused with {found:?}, expected {text:?}");
                Ok(())
            }
            other => bail!("expected {text:?}, found {other:?}"),
        },
        Ok(()) => bail!("nothing was refused; expected {text:?}"),
    }
}

async fn a_wrong_password(url: &str) -> Result<()> {
    match connect(&url.replace("guest:guest", "guest:wrong")).await {
        Ok(_) => bail!("a wrong password was accepted"),
        Err(error) => {
            let text = format!("{error:?}");
            ensure!(text.contains("ACCESS_REFUSED") || text.contains("ACCESSREFUSED"), "{text}");
            Ok(())
        }
    }
}
