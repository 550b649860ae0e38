//! One step after the other on one connection: publish, get, acknowledge, reject, declare, delete;
//! the same for the same seed, so that the how manieth operation of the disk is always in the same
//! place.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use fastrand::Rng;
use lapin::{
    Channel,
    options::{BasicAckOptions, BasicGetOptions, BasicNackOptions},
};
use tokio::time::interval;

use super::{
    KEPT, WORKED, client, drain, lock,
    publisher::{PUBLISHERS, Publisher},
    record::Record,
    topology::{self, Topology},
};

/// Runs so many steps, and counts those that were done when it ends or the connection breaks.
pub(crate) async fn run(
    url: &str,
    record: &Mutex<Record>,
    topology: &Mutex<Topology>,
    mut rng: Rng,
    steps: u32,
    done: &AtomicU32,
) {
    if topology::declare_fixed(url, topology).await.is_err() {
        return;
    }
    let Ok((_connection, channel)) = client::connect(url).await else { return };
    for _ in 0..steps {
        let step = match rng.u32(0..10) {
            0..5 => publish(&channel, record, &mut rng).await,
            5..8 => get(&channel, record, &mut rng).await,
            _ => topology::step(&channel, topology, &mut rng).await,
        };
        if step.is_err() {
            return;
        }
        done.fetch_add(1, Relaxed);
    }
}

/// Messages that are kept among nine times as many that are done with, until they were moved.
///
/// # Errors
/// The connection broke.
pub(crate) async fn run_moving(
    url: &str,
    record: &Mutex<Record>,
    topology: &Mutex<Topology>,
    moved: impl Fn() -> bool,
) -> Result<()> {
    topology::declare_fixed(url, topology).await?;
    let (_connection, channel) = client::connect(url).await?;
    let [_, worked, kept] = &PUBLISHERS;
    for _ in 0..BATCHES {
        publish_some(&channel, record, worked, 9).await?;
        publish_some(&channel, record, kept, 1).await?;
    }
    drain::drain(url, WORKED, record).await?;
    let mut turn = interval(Duration::from_millis(20));
    while !moved() {
        turn.tick().await;
        client::waiting(&channel, KEPT).await?;
    }
    Ok(())
}

/// Publishes one message after the other until the connection breaks.
pub(crate) async fn publish_one_by_one(url: &str, record: &Mutex<Record>) {
    let Ok((_connection, channel)) = client::connect(url).await else { return };
    let publisher = &PUBLISHERS[0];
    while publish_some(&channel, record, publisher, 1).await.is_ok() {}
}

async fn publish(channel: &Channel, record: &Mutex<Record>, rng: &mut Rng) -> Result<()> {
    let publisher = rng.choice(&PUBLISHERS).context("there are publishers")?;
    publish_some(channel, record, publisher, rng.u32(1..10)).await
}

async fn publish_some(
    channel: &Channel,
    record: &Mutex<Record>,
    publisher: &Publisher,
    count: u32,
) -> Result<()> {
    let mut confirms = Vec::new();
    for _ in 0..count {
        let id = lock(record).next(publisher);
        let is_persistent = publisher.is_persistent(id.number);
        let (exchange, key) = (publisher.exchange, publisher.key);
        let confirm = client::publish(channel, exchange, key, id, is_persistent).await?;
        confirms.push((id.number, confirm));
    }
    for (number, confirm) in confirms {
        let confirm = confirm.await?;
        if !confirm.is_ack() {
            return super::unexpected("a publish with confirms", confirm);
        }
        lock(record).confirm(publisher, number);
    }
    Ok(())
}

async fn get(channel: &Channel, record: &Mutex<Record>, rng: &mut Rng) -> Result<()> {
    for _ in 0..rng.u32(1..10) {
        let got = channel.basic_get(WORKED.into(), BasicGetOptions::default()).await?;
        let Some(got) = got else { break };
        let id = client::id_of(&got.delivery);
        lock(record).deliver(WORKED, id, &got.delivery.data, got.delivery.redelivered);
        match rng.u32(0..10) {
            0 => {
                lock(record).give_back(WORKED, id);
                let options = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
                got.nack(options).await?
            }
            1 => got.nack(BasicNackOptions::default()).await?,
            _ => got.ack(BasicAckOptions::default()).await?,
        };
    }
    Ok(())
}

/// Of ten messages each: several segments of the smallest size.
const BATCHES: u32 = 60;
