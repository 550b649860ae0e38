//! Power is lost at every moment in the life of a stream that is written, read, trimmed, moved to
//! disk and compacted. Whatever is found, every message that anybody could have seen has the number
//! it had, no other has it, and none is missing but those that were trimmed away.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::ErrorKind,
    sync::Arc,
};

use broker::{
    Broker, ConnectionId, Disks, Error, Label, Message, Options, Publish, Publisher,
    QueueDeclaration, RecoveryReport, Value, VirtualHost, error::Kind,
};
use sim::{Fault, Hits, Image, Losses, Programme, Random, SimDisk};

use crate::{bus::options, model::read_stream};

const STEPS: u64 = 120;

/// Bytes of bodies that the stream may keep.
const LENGTH_MAX: i64 = 4000;

/// A broker on a disk, with a stream and a queue that gets the same and more.
struct Stage {
    broker: Broker,
    vhost: Arc<VirtualHost>,
    publisher: Publisher,
    id: ConnectionId,
}

/// Numbers and bodies.
type Read = BTreeMap<u64, String>;

/// What is known at a moment on the disk.
enum Known {
    /// Whoever reads may have seen these.
    Seen(Read),
    /// The stream may have lost all before this one.
    First(u64),
}

impl Stage {
    fn open(disk: &SimDisk, options: &Options) -> Result<(Stage, RecoveryReport), Error> {
        let [messages, ledger, index] =
            ["messages", "ledger", "index"].map(|name| disk.directory(name));
        let disks = Disks { messages, ledger, index };
        let (broker, report) = Broker::open(&disks, options)?;
        let vhost = broker.vhost("/")?;
        let publisher = Publisher::new(vhost.clone());
        let id = broker.new_connection();
        Ok((Stage { broker, vhost, publisher, id }, report))
    }

    fn declare(&self) -> Result<(), Error> {
        let stream = [
            ("x-queue-type".to_owned(), Value::Longstr("stream".to_owned())),
            ("x-max-length-bytes".to_owned(), Value::Long(LENGTH_MAX)),
        ];
        for (name, arguments) in [("s", stream.into_iter().collect()), ("q", Default::default())] {
            let declaration = QueueDeclaration {
                name: name.into(),
                durable: true,
                exclusive: false,
                auto_delete: false,
                arguments,
            };
            self.vhost.declare_queue(declaration, self.id, false)?;
        }
        let bind = |queue| {
            let to = broker::BindingEnd::Queue(queue);
            let (exchange, key) = ("amq.fanout".into(), "".into());
            self.vhost.bind(&exchange, to, key, Default::default(), self.id)
        };
        bind("s")?;
        bind("q")
    }

    fn publish(&mut self, exchange: &str, key: &str, bodies: Vec<String>) -> Result<(), Error> {
        let (exchange, key) = (exchange.into(), key.into());
        let routes = self.publisher.route(&exchange, &key, &())?;
        let publish = |body: String| Publish {
            message: Message::new(
                Label {
                    exchange: exchange.clone(),
                    routing_key: key.clone(),
                    // In a stream they survive all the same.
                    persistent: &*key == "q",
                    ..Label::default()
                },
                [body.into()].into_iter().collect(),
            ),
            routes: routes.clone(),
        };
        let mut batch = bodies.into_iter().map(publish).collect();
        self.publisher.publish(&mut batch, &mut Vec::new())
    }

    fn drain(&self) -> Result<(), Error> {
        let queue = self.vhost.queue("q", self.id)?;
        while let Some((entry, _)) = queue.get()? {
            queue.settle([entry], None)?;
        }
        Ok(())
    }

    fn read(&self) -> Read {
        let read = read_stream(&self.vhost, "s").into_iter();
        let text = |message: Arc<Message>| String::from_utf8(message.body.concat()).unwrap();
        read.map(|(offset, message)| (offset, text(message))).collect()
    }
}

#[test]
fn a_power_loss_takes_from_a_stream_neither_messages_nor_their_numbers() {
    let name = "cargo test -p tubepost-broker --test instruments stream_power_loss";
    let programme = Programme::new(name);
    let images = programme.size(2_000, 200_000);
    let (mut runs, mut copies, mut trims) = (0, 0, 0);
    for seed in programme.seeds(u64::MAX / 2, u64::MAX / 2, &[]) {
        if programme.cases() >= images {
            break;
        }
        let _replay = programme.replay(seed);
        let (copied, trimmed) = run(seed, &programme);
        runs += 1;
        copies += usize::from(copied);
        trims += usize::from(trimmed);
    }
    let enough = 2 * copies > runs && 2 * trims > runs;
    let did = format!("of {runs} runs {copies} copied messages forward and {trims} trimmed");
    assert!(enough || programme.is_replay() || programme.is_over(), "{did}");
    programme.finish("images of a stream after a power loss", images);
}

fn options_of(seed: u64) -> Options {
    let mut options = options(if seed.is_multiple_of(2) { 2048 } else { 4096 });
    options.compaction_slack_segments = u32::from(!seed.is_multiple_of(3));
    options
}

/// Runs one script; returns whether messages were copied forward, and whether some were trimmed.
fn run(seed: u64, programme: &Programme) -> (bool, bool) {
    let options = options_of(seed);
    let disk = SimDisk::new().logged();
    let mut story = Story::new(seed);
    story.tell(&disk, &options).unwrap();
    let trimmed = story.known.iter().any(|(_, it)| matches!(it, Known::First(1..)));
    let log = disk.log();
    let mut replay = log.replay();
    let losses = Losses { exhaustive_up_to: 1, samples: 1 };
    loop {
        for (index, image) in replay.images(&mut story.random, losses).into_iter().enumerate() {
            let moment = replay.moment();
            let context = format!("seed {seed}, moment {moment}, image {index}");
            judge(image, &options, &story, moment, &context);
            programme.count(1);
        }
        if programme.is_over() || !replay.advance() {
            return (story.copied, trimmed);
        }
    }
}

/// A sync fails, or there is no space: for operation N = 1, 2, … until the script passes.
#[test]
fn a_disk_that_refuses_takes_from_a_stream_neither_messages_nor_their_numbers() {
    let name = "cargo test -p tubepost-broker --test instruments that_refuses_takes_from_a_stream";
    let programme = Programme::new(name);
    for seed in programme.seeds(1, 40, &[1_882_886_567_362_576]) {
        let _replay = programme.replay(seed);
        for (hits, kind, for_ever) in [
            (Hits::Syncs, ErrorKind::Other, false),
            (Hits::Growing, ErrorKind::StorageFull, false),
            (Hits::Growing, ErrorKind::StorageFull, true),
        ] {
            for from in 1.. {
                if !is_refused(seed, Fault { from, for_ever, kind, hits }) {
                    break;
                }
                programme.count(1);
            }
        }
    }
    programme.finish("operations of a stream refused", 100);
}

/// Runs the script with the fault; returns whether the fault was met.
fn is_refused(seed: u64, fault: Fault) -> bool {
    let options = options_of(seed);
    let disk = SimDisk::new();
    disk.set_fault(Some(fault));
    let mut story = Story::new(seed);
    story.is_full = fault.kind == ErrorKind::StorageFull;
    let told = story.tell(&disk, &options);
    let is_met = disk.refused() > 0;
    assert!(told.is_ok() || is_met, "seed {seed}, {fault:?}: {told:?} without a fault");
    disk.set_fault(None);
    let images = disk.after_power_loss(&mut story.random, 2);
    for (index, image) in images.into_iter().chain([disk.live()]).enumerate() {
        let context = format!("seed {seed}, {fault:?}, image {index}");
        judge(image, &options, &story, usize::MAX, &context);
    }
    is_met
}

/// What is done, and what is known of it.
struct Story {
    random: Random,
    /// What is known, and from which moment on the disk.
    known: Vec<(usize, Known)>,
    published: BTreeSet<String>,
    /// Messages were copied forward.
    copied: bool,
    /// All that was ever seen.
    all: Read,
    /// The disk had no space at some time.
    is_full: bool,
}

impl Story {
    fn new(seed: u64) -> Story {
        let (known, published, copied, all, is_full) = Default::default();
        Story { random: Random::new(seed), known, published, copied, all, is_full }
    }

    /// Does it all. A disk that is full is no end.
    fn tell(&mut self, disk: &SimDisk, options: &Options) -> Result<(), Error> {
        let (mut stage, _) = Stage::open(disk, options)?;
        stage.declare()?;
        self.known.push((disk.moment(), Known::Seen(Read::new())));
        for step in 0..STEPS {
            match self.step(step, &mut stage, disk, options) {
                Err(error) if error.kind != Kind::DiskFull => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn step(
        &mut self,
        step: u64,
        stage: &mut Stage,
        disk: &SimDisk,
        options: &Options,
    ) -> Result<(), Error> {
        match self.random.below(10) {
            0..4 => {
                let count = self.random.below(4) + 1;
                let random = &mut self.random;
                let body = |n| format!("{step}.{n} {}", "x".repeat(random.below(150) as usize));
                let bodies: Vec<String> = (0..count).map(body).collect();
                self.published.extend(bodies.iter().cloned());
                match self.random.below(2) {
                    0 => stage.publish("amq.fanout", "", bodies)?,
                    _ => stage.publish("", "s", bodies)?,
                }
                stage.publish("", "q", vec!["y".repeat(150); 3])?;
            }
            4..7 => self.commit(stage, disk)?,
            7 => {
                stage.broker.tick()?;
                let first = stage.read().keys().next().copied().unwrap_or(0);
                self.known.push((disk.moment(), Known::First(first)));
            }
            8 => {
                stage.drain()?;
                stage.broker.commit()?;
                (0..8).try_for_each(|_| stage.broker.tidy())?;
                self.copied |= stage.broker.copied_bytes() > 0;
            }
            _ => {
                self.commit(stage, disk)?;
                if step.is_multiple_of(3) {
                    *stage = Stage::open(disk, options)?.0;
                }
            }
        }
        Ok(())
    }

    fn commit(&mut self, stage: &Stage, disk: &SimDisk) -> Result<(), Error> {
        stage.broker.commit()?;
        let read = stage.read();
        for (offset, body) in &read {
            let before = self.all.insert(*offset, body.clone());
            assert!(before.is_none_or(|it| it == *body), "{offset} was another before");
        }
        self.known.push((disk.moment(), Known::Seen(read)));
        Ok(())
    }

    /// What is known at a moment: what was seen by then, and where the stream may begin.
    fn at(&self, moment: usize) -> (Read, u64) {
        let (mut seen, mut first) = (Read::new(), 0);
        for (_, known) in self.known.iter().take_while(|(at, _)| *at <= moment) {
            match known {
                Known::Seen(read) => seen.extend(read.clone()),
                Known::First(at) => first = *at,
            }
        }
        (seen, first)
    }
}

fn judge(image: Image, options: &Options, story: &Story, moment: usize, context: &str) {
    let (seen, first_max) = story.at(moment);
    let disk = SimDisk::from_image(image);
    let (mut stage, report) = Stage::open(&disk, options).unwrap();
    // docs/storage.md, "Giving space back": what a full disk may leave behind.
    let is_known =
        |it: &&String| it.contains("last write before") || it.contains("segment is missing");
    let alarm = report.damage.iter().find(|damage| match story.is_full {
        true => !is_known(damage),
        false => !damage.contains("last write before"),
    });
    assert_eq!(alarm, None, "{context}: a power loss was taken for damage");
    if !stage.vhost.has_queue("s") {
        assert!(seen.is_empty(), "{context}: the stream is gone");
        return;
    }
    let found = stage.read();
    let (first, last) = (found.keys().next().copied(), found.keys().next_back().copied());
    // Of what nobody has seen any part may be there, and its numbers with it.
    if let Some(first) = first {
        assert!(first <= first_max, "{context}: it begins with {first}, and not by {first_max}");
    }
    // docs/storage.md, "If the checkpoint is lost", which a full disk may bring about: of what was
    // trimmed any part may come again.
    let kept_from = if story.is_full { first.max(Some(first_max)) } else { first };
    for (offset, body) in seen.range(kept_from.unwrap_or(0)..) {
        assert_eq!(found.get(offset), Some(body), "{context}: the message of number {offset}");
    }
    assert!(seen.is_empty() || first.is_some(), "{context}: all of it is gone");
    let bodies: BTreeSet<&String> = found.values().collect();
    assert_eq!(bodies.len(), found.len(), "{context}: a message has two numbers");
    assert!(bodies.iter().all(|it| story.published.contains(*it)), "{context}: invented");
    stage.publish("", "s", vec!["after".to_owned()]).unwrap();
    stage.broker.commit().unwrap();
    let next = last.map_or(0, |last| last + 1);
    assert_eq!(stage.read().last_key_value(), Some((&next, &"after".to_owned())), "{context}");
}
