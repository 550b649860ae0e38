//! A consumer that acknowledges most of what it gets, rejects some, and gives some back.

use std::sync::{Mutex, atomic::Ordering::Relaxed};

use anyhow::{Context as _, Result};
use futures_util::StreamExt as _;
use lapin::{
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions, BasicRejectOptions,
    },
    types::FieldTable,
};

use super::{Progress, WORKED, client, lock, record::Record};

/// Works until the connection breaks.
pub(crate) async fn work(url: &str, record: &Mutex<Record>, progress: &Progress) -> Result<()> {
    let (_connection, channel) = client::connect(url).await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let mut consumer = channel
        .basic_consume(WORKED.into(), "worker".into(), options, FieldTable::default())
        .await?;
    for count in 1_u64.. {
        let delivery = consumer.next().await.context("the consumer was cancelled")??;
        let id = client::id_of(&delivery);
        lock(record).deliver(WORKED, id, &delivery.data, delivery.redelivered);
        if count.is_multiple_of(GIVEN_BACK_EVERY) {
            lock(record).give_back(WORKED, id);
            let options = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
            delivery.nack(options).await?;
        } else if count.is_multiple_of(REJECTED_EVERY) {
            delivery.reject(BasicRejectOptions { requeue: false }).await?;
        } else if count.is_multiple_of(ACKED_TOGETHER) {
            delivery.ack(BasicAckOptions { multiple: true }).await?;
        }
        progress.worked.fetch_add(1, Relaxed);
    }
    Ok(())
}

const PREFETCH: u16 = 200;
const ACKED_TOGETHER: u64 = 10;
const REJECTED_EVERY: u64 = 53;
const GIVEN_BACK_EVERY: u64 = 97;
