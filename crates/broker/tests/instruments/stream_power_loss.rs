//! Power is lost at every moment in the life of a stream that is written, read, trimmed, moved to
//! disk and compacted. Whatever is found, every message that anybody could have seen has the number
//! it had, no other has it, and none is missing but those that were trimmed away.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use broker::{
    Broker, ConnectionId, Disks, Message, Options, Publish, Publisher, QueueDeclaration,
    RecoveryReport, Value, VirtualHost,
};
use sim::{Image, Losses, Programme, Random, SimDisk};

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
    fn open(disk: &SimDisk, options: &Options) -> (Stage, RecoveryReport) {
        let [messages, ledger, index] =
            ["messages", "ledger", "index"].map(|name| disk.directory(name));
        let disks = Disks { messages, ledger, index };
        let (broker, report) = Broker::open(&disks, options).unwrap();
        let vhost = broker.vhost("/").unwrap();
        let publisher = Publisher::new(vhost.clone());
        let id = broker.new_connection();
        (Stage { broker, vhost, publisher, id }, report)
    }

    fn declare(&self) {
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
            self.vhost.declare_queue(declaration, self.id, false).unwrap();
        }
        let bind = |queue| {
            let to = broker::BindingEnd::Queue(queue);
            let (exchange, key) = ("amq.fanout".into(), "".into());
            self.vhost.bind(&exchange, to, key, Default::default(), self.id).unwrap();
        };
        bind("s");
        bind("q");
    }

    fn publish(&mut self, exchange: &str, key: &str, bodies: Vec<String>) {
        let (exchange, key) = (exchange.into(), key.into());
        let routes = self.publisher.route(&exchange, &key, &()).unwrap();
        let publish = |body: String| Publish {
            message: Message {
                exchange: exchange.clone(),
                routing_key: key.clone(),
                properties: Default::default(),
                body: [body.into()].into_iter().collect(),
                // In a stream they survive all the same.
                persistent: &*key == "q",
                marks: Default::default(),
            },
            routes: routes.clone(),
        };
        let mut batch = bodies.into_iter().map(publish).collect();
        self.publisher.publish(&mut batch, &mut Vec::new()).unwrap();
    }

    fn drain(&self) {
        let queue = self.vhost.queue("q", self.id).unwrap();
        while let Some((entry, _)) = queue.get().unwrap() {
            queue.settle([entry], None).unwrap();
        }
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

/// Runs one script; returns whether messages were copied forward, and whether some were trimmed.
fn run(seed: u64, programme: &Programme) -> (bool, bool) {
    let mut options = options(if seed.is_multiple_of(2) { 2048 } else { 4096 });
    options.compaction_slack_segments = u32::from(!seed.is_multiple_of(3));
    let disk = SimDisk::new().logged();
    let mut random = Random::new(seed);
    let (known, published, copied) = script(&disk, &options, &mut random);
    let trimmed = known.iter().any(|(_, it)| matches!(it, Known::First(first) if *first > 0));
    let log = disk.log();
    let mut replay = log.replay();
    let (mut told, mut seen, mut first) = (0, Read::new(), 0);
    let losses = Losses { exhaustive_up_to: 1, samples: 1 };
    loop {
        while let Some((_, it)) = known.get(told).filter(|(moment, _)| *moment <= replay.moment()) {
            match it {
                Known::Seen(read) => seen.extend(read.clone()),
                Known::First(at) => first = *at,
            }
            told += 1;
        }
        for (index, image) in replay.images(&mut random, losses).into_iter().enumerate() {
            let context = format!("seed {seed}, moment {}, image {index}", replay.moment());
            judge(image, &options, (&seen, first), &published, &context);
            programme.count(1);
        }
        if programme.is_over() || !replay.advance() {
            return (copied, trimmed);
        }
    }
}

/// What is known when, all that was published, and whether messages were copied forward.
fn script(
    disk: &SimDisk,
    options: &Options,
    random: &mut Random,
) -> (Vec<(usize, Known)>, BTreeSet<String>, bool) {
    let (mut stage, _) = Stage::open(disk, options);
    stage.declare();
    let (mut known, mut published) = (Vec::new(), BTreeSet::new());
    let (mut all, mut copied) = (Read::new(), false);
    known.push((disk.moment(), Known::Seen(Read::new())));
    for step in 0..STEPS {
        match random.below(10) {
            0..4 => {
                let count = random.below(4) + 1;
                let body = |n| format!("{step}.{n} {}", "x".repeat(random.below(150) as usize));
                let bodies: Vec<String> = (0..count).map(body).collect();
                published.extend(bodies.iter().cloned());
                match random.below(2) {
                    0 => stage.publish("amq.fanout", "", bodies),
                    _ => stage.publish("", "s", bodies),
                }
                stage.publish("", "q", vec!["y".repeat(150); 3]);
            }
            4..7 => {
                stage.broker.commit().unwrap();
                let read = stage.read();
                for (offset, body) in &read {
                    let before = all.insert(*offset, body.clone());
                    assert!(before.is_none_or(|it| it == *body), "{offset} was another before");
                }
                known.push((disk.moment(), Known::Seen(read)));
            }
            7 => {
                stage.broker.tick().unwrap();
                let first = stage.read().keys().next().copied().unwrap_or(0);
                known.push((disk.moment(), Known::First(first)));
            }
            8 => {
                stage.drain();
                stage.broker.commit().unwrap();
                (0..8).for_each(|_| stage.broker.tidy().unwrap());
                copied |= stage.broker.copied_bytes() > 0;
            }
            _ => {
                stage.broker.commit().unwrap();
                known.push((disk.moment(), Known::Seen(stage.read())));
                if step % 3 == 0 {
                    stage = Stage::open(disk, options).0;
                }
            }
        }
    }
    (known, published, copied)
}

fn judge(
    image: Image,
    options: &Options,
    (seen, first_max): (&Read, u64),
    published: &BTreeSet<String>,
    context: &str,
) {
    let disk = SimDisk::from_image(image);
    let (mut stage, report) = Stage::open(&disk, options);
    let alarm = report.damage.iter().find(|damage| !damage.contains("last write before"));
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
    for (offset, body) in seen.range(first.unwrap_or(0)..) {
        assert_eq!(found.get(offset), Some(body), "{context}: the message of number {offset}");
    }
    assert!(seen.is_empty() || first.is_some(), "{context}: all of it is gone");
    let bodies: BTreeSet<&String> = found.values().collect();
    assert_eq!(bodies.len(), found.len(), "{context}: a message has two numbers");
    assert!(bodies.iter().all(|it| published.contains(*it)), "{context}: invented");
    stage.publish("", "s", vec!["after".to_owned()]);
    stage.broker.commit().unwrap();
    let next = last.map_or(0, |last| last + 1);
    assert_eq!(stage.read().last_key_value(), Some((&next, &"after".to_owned())), "{context}");
}
