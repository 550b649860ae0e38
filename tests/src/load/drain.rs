//! Emptying a queue after a restart, and making sure that it stays empty.

use std::sync::Mutex;

use anyhow::{Context as _, Result};
use futures_util::StreamExt as _;
use lapin::{
    BasicProperties,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicPublishOptions,
        QueuePurgeOptions,
    },
    types::FieldTable,
};

use super::{BARRIER, client, lock, record::Record};

/// Takes and acknowledges everything that is in a queue. One that is not there is empty; that it is
/// not is for the topology's check to say.
pub(crate) async fn drain(url: &str, queue: &'static str, record: &Mutex<Record>) -> Result<()> {
    let (_connection, channel) = client::connect(url).await?;
    let Ok(mut left) = client::waiting(&channel, queue).await else { return Ok(()) };
    while left > 0 {
        let options = BasicConsumeOptions::default();
        let tag = "drain".into();
        let mut consumer =
            channel.basic_consume(queue.into(), tag, options, FieldTable::default()).await?;
        for count in (0..left).rev() {
            let delivery = consumer.next().await.context("the consumer was cancelled")??;
            let id = client::id_of(&delivery);
            lock(record).deliver(queue, id, &delivery.data, delivery.redelivered);
            if count % ACKED_TOGETHER == 0 {
                delivery.ack(BasicAckOptions { multiple: true }).await?;
            }
        }
        channel.basic_cancel("drain".into(), BasicCancelOptions::default()).await?;
        // In order with the acknowledgements, so that they are known to have arrived.
        left = client::waiting(&channel, queue).await?;
    }
    Ok(())
}

/// A confirm says that all that the journal got before is on disk, acknowledgements included.
pub(crate) async fn make_durable(url: &str) -> Result<()> {
    let (_connection, channel) = client::connect(url).await?;
    if client::waiting(&channel, BARRIER).await.is_err() {
        return Ok(());
    }
    let properties = BasicProperties::default().with_delivery_mode(2);
    let options = BasicPublishOptions::default();
    let publishing = channel.basic_publish("".into(), BARRIER.into(), options, b"", properties);
    publishing.await?.await?;
    channel.queue_purge(BARRIER.into(), QueuePurgeOptions::default()).await?;
    Ok(())
}

const ACKED_TOGETHER: u32 = 100;
