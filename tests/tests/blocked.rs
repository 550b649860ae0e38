//! Publishers are told to wait, and to go on. A disk of 64 MiB is filled, and emptied again by
//! consumers: nothing is confirmed that is not on it, and work goes on by itself; so it does after
//! a start on a disk that is still full. The same when others fill the disk beyond a mark, or when
//! messages that are not on disk take too much memory.
#![allow(clippy::print_stdout, reason = "what a failed test shows, and the numbers")]

use std::{
    collections::{BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::{Stream, StreamExt as _, stream};
use harness::{Site, SmallDisk, scaled};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, Event, PublisherConfirm,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicPublishOptions,
        ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions,
    },
    types::{AMQPValue, FieldTable},
};
use tokio::{runtime::Runtime, time::timeout};

const DISK_MEGABYTES: u64 = 64;
const SEGMENT_SIZE: &str = "4 MiB";
const QUEUE: &str = "full.durable";
const BODY_BYTES: usize = 40_000;
const IN_FLIGHT: usize = 32;
/// From the last confirm to the word that publishers have to wait, and from the last
/// acknowledgement to the word that they may go on.
const WORD_MAX: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_full_disk_makes_publishers_wait_and_loses_nothing() -> Result<()> {
    let mut site = Site::new()?;
    let Some(disk) = SmallDisk::mount(&site.path("disk"), DISK_MEGABYTES)? else { return Ok(()) };
    site.keep_data_in(disk.path().join("data"));
    site.set("TUBEPOST_JOURNAL_SEGMENT_SIZE", SEGMENT_SIZE);
    site.set("TUBEPOST_JOURNAL_DISK_FREE_MIN", "0 B");
    let runtime = Runtime::new()?;
    let mut server = site.serve()?;
    let mut publisher = runtime.block_on(Publisher::connect(&site.amqp_url()))?;
    for round in 1..=scaled(5, 20) {
        let context = || format!("round {round}");
        let told = runtime.block_on(publisher.fill()).with_context(context)?;
        let free = disk.free_bytes()?;
        let drained = runtime.block_on(drain(&site.amqp_url())).with_context(context)?;
        let released = runtime.block_on(publisher.go_on()).with_context(context)?;
        println!(
            "round {round}: told to wait after {told:?} with {} KiB free; {} drained; told to go \
             on after {released:?}",
            free / 1024,
            drained.len(),
        );
        publisher.delivered.extend(drained);
        ensure!(told < WORD_MAX, "round {round}: told to wait only after {told:?}");
        ensure!(released < WORD_MAX, "round {round}: told to go on only after {released:?}");
        // What was in flight is confirmed by now, and all of it must be there.
        publisher.delivered.extend(runtime.block_on(drain(&site.amqp_url()))?);
        publisher.check().with_context(context)?;
    }
    // Killed while it is full, it comes up on a full disk, with all that was confirmed.
    runtime.block_on(publisher.fill())?;
    server.kill()?;
    server = site.serve().context("it does not come up on a full disk")?;
    publisher.in_flight.clear();
    publisher.delivered.extend(runtime.block_on(drain(&site.amqp_url()))?);
    publisher.check().context("after a restart on a full disk")?;
    runtime.block_on(publisher.reconnect(&site.amqp_url()))?;
    runtime.block_on(publisher.publish_some()).context("after a restart on a full disk")?;
    server.terminate()
}

#[test]
fn a_disk_that_others_fill_makes_publishers_wait_before_it_is_full() -> Result<()> {
    let mut site = Site::new()?;
    let Some(disk) = SmallDisk::mount(&site.path("disk"), DISK_MEGABYTES)? else { return Ok(()) };
    site.keep_data_in(disk.path().join("data"));
    site.set("TUBEPOST_JOURNAL_SEGMENT_SIZE", SEGMENT_SIZE);
    site.set("TUBEPOST_JOURNAL_DISK_FREE_MIN", "16 MiB");
    let runtime = Runtime::new()?;
    let server = site.serve()?;
    let mut publisher = runtime.block_on(Publisher::connect(&site.amqp_url()))?;
    runtime.block_on(publisher.publish_some())?;
    let others = disk.path().join("others");
    std::fs::write(&others, vec![1; 40 << 20])?;
    runtime.block_on(publisher.fill())?;
    let metrics = metrics(&site)?;
    ensure!(metrics.contains("\ntubepost_alarm_disk 1\n"), "the alarm is in no metric: {metrics}");
    // Consumers go on meanwhile.
    publisher.delivered.extend(runtime.block_on(drain(&site.amqp_url()))?);
    ensure!(!publisher.delivered.is_empty(), "nothing was delivered");
    std::fs::remove_file(&others)?;
    runtime.block_on(publisher.go_on())?;
    publisher.delivered.extend(runtime.block_on(drain(&site.amqp_url()))?);
    publisher.check()?;
    server.terminate()
}

#[test]
fn messages_that_are_in_memory_only_make_publishers_wait_when_they_take_too_much() -> Result<()> {
    let mut site = Site::new()?;
    site.set("TUBEPOST_QUEUES_MEMORY_MAX", "4 MiB");
    let runtime = Runtime::new()?;
    let server = site.serve()?;
    let mut publisher = runtime.block_on(Publisher::connect(&site.amqp_url()))?;
    publisher.delivery_mode = 1;
    runtime.block_on(publisher.fill_until("low on memory"))?;
    let metrics = metrics(&site)?;
    ensure!(metrics.contains("\ntubepost_alarm_memory 1\n"), "in no metric: {metrics}");
    publisher.delivered.extend(runtime.block_on(drain(&site.amqp_url()))?);
    runtime.block_on(publisher.go_on())?;
    publisher.delivered.extend(runtime.block_on(drain(&site.amqp_url()))?);
    publisher.check()?;
    server.terminate()
}

fn metrics(site: &Site) -> Result<String> {
    site.get("/metrics")
}

#[test]
fn a_declaration_refused_for_lack_of_space_does_not_come_into_force_later() -> Result<()> {
    let mut site = Site::new()?;
    // Each message takes a segment. All that are in flight when the disk is full, and those that
    // are published afterwards, have to find room at once: nobody takes them out meanwhile.
    let Some(disk) = SmallDisk::mount(&site.path("disk"), 4)? else { return Ok(()) };
    site.keep_data_in(disk.path().join("data"));
    site.set("TUBEPOST_JOURNAL_SEGMENT_SIZE", "64 KiB");
    site.set("TUBEPOST_JOURNAL_DISK_FREE_MIN", "0 B");
    let runtime = Runtime::new()?;
    let server = site.serve()?;
    let mut publisher = runtime.block_on(Publisher::connect(&site.amqp_url()))?;
    runtime.block_on(publisher.fill())?;
    let (declared, refused) = runtime.block_on(declare_until_refused(&site.amqp_url()))?;
    println!("{} queues declared, then refused: {refused}", declared.len());
    // Nor is a queue emptied whose deletion is refused.
    runtime.block_on(refused_to_delete(&site.amqp_url()))?;
    publisher.delivered.extend(runtime.block_on(drain(&site.amqp_url()))?);
    runtime.block_on(publisher.go_on())?;
    publisher.delivered.extend(runtime.block_on(drain(&site.amqp_url()))?);
    publisher.check()?;
    // The ledger works again, and has more written to it.
    runtime.block_on(declare(&site.amqp_url(), "full.later", 1))?.context("there is space")?;
    let expected = |there: &[String]| {
        let missing: Vec<_> = declared.iter().filter(|name| !there.contains(name)).collect();
        ensure!(missing.is_empty(), "declared and gone: {missing:?}");
        ensure!(!there.contains(&refused), "{refused} was refused and is there");
        ensure!(there.contains(&"full.later".to_owned()), "full.later is gone");
        Ok(())
    };
    let names = [&declared[..], &[refused.clone(), "full.later".to_owned()]].concat();
    expected(&runtime.block_on(there_of(&site.amqp_url(), &names))?)?;
    server.terminate()?;
    let _server = site.serve()?;
    expected(&runtime.block_on(there_of(&site.amqp_url(), &names))?).context("after a restart")
}

/// Declares queues with long arguments until one is refused: the names of those that were not, and
/// the name of the one that was.
async fn declare_until_refused(url: &str) -> Result<(Vec<String>, String)> {
    let mut declared = Vec::new();
    for number in 0..1000 {
        let name = format!("full.declared.{number}");
        match declare(url, &name, 9000).await? {
            Ok(()) => declared.push(name),
            Err(error) => {
                ensure!(error.to_string().contains("no space"), "refused with: {error}");
                return Ok((declared, name));
            }
        }
    }
    bail!("{} queues were declared on a full disk", declared.len())
}

async fn refused_to_delete(url: &str) -> Result<()> {
    let (_connection, channel, _) = connect(url).await?;
    let deleting = channel.queue_delete(QUEUE.into(), QueueDeleteOptions::default());
    match deleting.await {
        Err(error) if error.to_string().contains("no space") => Ok(()),
        other => bail!("a queue was to be deleted on a full disk: {other:?}"),
    }
}

async fn declare(url: &str, name: &str, note_bytes: usize) -> Result<lapin::Result<()>> {
    let (_connection, channel, _) = connect(url).await?;
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let mut arguments = FieldTable::default();
    arguments.insert("x-note".into(), AMQPValue::LongString("n".repeat(note_bytes).into()));
    let declaring = channel.queue_declare(name.into(), options, arguments);
    let answer = timeout(PATIENCE, declaring).await.context("no answer to a declaration")?;
    Ok(answer.map(drop))
}

/// Which of these queues there are.
async fn there_of(url: &str, names: &[String]) -> Result<Vec<String>> {
    let (connection, mut channel, _) = connect(url).await?;
    let mut there = Vec::new();
    for name in names {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let asking = channel.queue_declare(name.as_str().into(), options, FieldTable::default());
        match asking.await {
            Ok(_) => there.push(name.clone()),
            // The refusal closed the channel.
            Err(_) => channel = connection.create_channel().await?,
        }
    }
    Ok(there)
}

/// A publisher that remembers what was confirmed.
struct Publisher {
    _connection: Connection,
    channel: Channel,
    events: Box<dyn Stream<Item = Event> + Send + Unpin>,
    next: u64,
    last_confirm: Instant,
    in_flight: VecDeque<(u64, PublisherConfirm)>,
    confirmed: BTreeSet<u64>,
    delivered: BTreeSet<u64>,
    delivery_mode: u8,
}

impl Publisher {
    async fn connect(url: &str) -> Result<Publisher> {
        let (connection, channel, events) = connect(url).await?;
        Ok(Publisher {
            _connection: connection,
            channel,
            events,
            next: 0,
            last_confirm: Instant::now(),
            in_flight: VecDeque::new(),
            confirmed: BTreeSet::new(),
            delivered: BTreeSet::new(),
            delivery_mode: 2,
        })
    }

    async fn reconnect(&mut self, url: &str) -> Result<()> {
        (self._connection, self.channel, self.events) = connect(url).await?;
        Ok(())
    }

    async fn publish(&mut self) -> Result<()> {
        let options = BasicPublishOptions::default();
        let properties = BasicProperties::default()
            .with_delivery_mode(self.delivery_mode)
            .with_message_id(self.next.to_string().into());
        // It may be published even if nobody waits for it any more.
        let number = self.next;
        self.next += 1;
        let body = body(number);
        let publishing =
            self.channel.basic_publish("".into(), QUEUE.into(), options, &body, properties);
        self.in_flight.push_back((number, publishing.await?));
        Ok(())
    }

    async fn confirm(&mut self) -> Result<()> {
        let (number, confirm) = self.in_flight.front_mut().context("nothing is in flight")?;
        let confirm = confirm.await?;
        ensure!(confirm.is_ack(), "message {number}: {confirm:?}");
        self.confirmed.insert(*number);
        self.in_flight.pop_front();
        self.last_confirm = Instant::now();
        Ok(())
    }

    /// Publishes until the server says that it has to wait; how long after the last confirm.
    async fn fill(&mut self) -> Result<Duration> {
        self.fill_until("low on disk").await
    }

    async fn fill_until(&mut self, reason: &str) -> Result<Duration> {
        let mut events = std::mem::replace(&mut self.events, Box::new(stream::empty()));
        let blocked = async {
            loop {
                if let Event::ConnectionBlocked(why) = next_event(&mut events).await? {
                    return anyhow::Ok(why);
                }
            }
        };
        let why = tokio::select! {
            biased;
            why = blocked => why?,
            broken = self.publish_on_and_on() => return broken,
        };
        let told = self.last_confirm.elapsed();
        self.events = events;
        ensure!(why == reason, "it has to wait for: {why}");
        Ok(told)
    }

    async fn publish_on_and_on(&mut self) -> Result<Duration> {
        self.last_confirm = Instant::now();
        loop {
            while self.in_flight.len() < IN_FLIGHT {
                let publishing = timeout(PATIENCE, self.publish()).await;
                publishing.context("it takes no more, and does not say why")??;
            }
            let confirm = timeout(PATIENCE, self.confirm()).await;
            confirm.context("no confirm, and no word that it has to wait")??;
        }
    }

    /// Waits until it may go on, and for all confirms; publishes some more. How long it took until
    /// the server said so.
    async fn go_on(&mut self) -> Result<Duration> {
        let begun = Instant::now();
        loop {
            let event = timeout(PATIENCE, next_event(&mut self.events)).await;
            match event.context("no word that it may go on")?? {
                Event::ConnectionUnblocked => break,
                Event::Error(error) => bail!("the connection is gone: {error}"),
                _ => {}
            }
        }
        let took = begun.elapsed();
        self.publish_some().await?;
        Ok(took)
    }

    async fn publish_some(&mut self) -> Result<()> {
        for _ in 0..10 {
            self.publish().await?;
        }
        while !self.in_flight.is_empty() {
            timeout(PATIENCE, self.confirm())
                .await
                .context("no confirm although there is space")??;
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let lost: Vec<_> = self.confirmed.difference(&self.delivered).collect();
        ensure!(lost.is_empty(), "confirmed and lost: {lost:?}");
        ensure!(self.delivered.iter().all(|number| *number < self.next), "never published");
        Ok(())
    }
}

async fn next_event(events: &mut (impl Stream<Item = Event> + Unpin)) -> Result<Event> {
    events.next().await.context("the connection says no more")
}

async fn connect(
    url: &str,
) -> Result<(Connection, Channel, Box<dyn Stream<Item = Event> + Send + Unpin>)> {
    let connecting = Connection::connect(url, ConnectionProperties::default());
    let connection = timeout(PATIENCE, connecting).await.context("no connection")??;
    let events = Box::new(Box::pin(connection.events_listener()));
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    waiting(&channel).await?;
    Ok((connection, channel, events))
}

/// Declares the queue; how many messages wait in it.
async fn waiting(channel: &Channel) -> Result<u32> {
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare(QUEUE.into(), options, FieldTable::default()).await?;
    Ok(queue.message_count())
}

fn body(number: u64) -> Vec<u8> {
    let mut body = vec![0; BODY_BYTES];
    fastrand::Rng::with_seed(number).fill(&mut body);
    body
}

/// Takes and acknowledges everything that is in the queue.
async fn drain(url: &str) -> Result<Vec<u64>> {
    let (_connection, channel, _) = connect(url).await?;
    let mut found = Vec::new();
    loop {
        let count = waiting(&channel).await?;
        if count == 0 {
            return Ok(found);
        }
        let (tag, options) = (found.len().to_string(), BasicConsumeOptions::default());
        let consuming = channel.basic_consume(
            QUEUE.into(),
            tag.as_str().into(),
            options,
            FieldTable::default(),
        );
        let mut consumer = consuming.await?;
        for _ in 0..count {
            let next = timeout(PATIENCE, consumer.next()).await;
            let delivery = next.context("it has more than it gives")?.context("cancelled")??;
            let id = delivery.properties.message_id().as_ref().context("no message-id")?;
            let number: u64 = id.as_str().parse()?;
            ensure!(delivery.data == body(number), "message {number} is altered");
            delivery.ack(BasicAckOptions::default()).await?;
            found.push(number);
        }
        channel.basic_cancel(tag.as_str().into(), BasicCancelOptions::default()).await?;
    }
}
