//! Tokens are moved from queue to queue, each time by a transaction that takes a few and puts them
//! elsewhere, while power may be lost at any moment. Whatever is found, every token is in one
//! place and one only, and has come at least as far as anybody was told that it had.

use std::{collections::BTreeMap, io::ErrorKind};

use broker::{
    Broker, ConnectionId, Disks, Error, Label, Message, Options, Position, Publish, Publisher,
    QueueDeclaration, Settlement, VirtualHost, error::Kind,
};
use sim::{Fault, Hits, Image, Losses, Programme, Random, SimDisk};
use std::sync::Arc;

use crate::bus::options;

/// Seeds that failed once. 8: a transaction survived in a torn commit that had received what one
/// before it published, which had not.
const REGRESSIONS: [u64; 1] = [8];

const STEPS: u64 = 60;
const TOKENS: u64 = 12;
const QUEUES: [&str; 3] = ["a", "b", "c"];

/// How often each token was moved.
type Moves = BTreeMap<u64, u64>;

struct Stage {
    broker: Broker,
    vhost: Arc<VirtualHost>,
    publisher: Publisher,
    id: ConnectionId,
}

impl Stage {
    fn open(disk: &SimDisk, options: &Options) -> Result<(Stage, Vec<String>), Error> {
        let [messages, ledger, index] =
            ["messages", "ledger", "index"].map(|name| disk.directory(name));
        let (broker, report) = Broker::open(&Disks { messages, ledger, index }, options)?;
        let vhost = broker.vhost("/")?;
        let publisher = Publisher::new(vhost.clone());
        let id = broker.new_connection();
        Ok((Stage { broker, vhost, publisher, id }, report.damage))
    }

    /// All tokens into the first queue, at once.
    fn begin(&mut self) -> Result<(), Error> {
        for name in QUEUES {
            let declaration = QueueDeclaration {
                name: name.into(),
                durable: true,
                exclusive: false,
                auto_delete: false,
                arguments: Default::default(),
            };
            self.vhost.declare_queue(declaration, self.id, false)?;
        }
        let mut batch = Vec::new();
        for token in 0..TOKENS {
            batch.push(self.publish("a", token, 0, 10)?);
        }
        self.publisher.commit(&mut batch, &mut Vec::new(), false, &mut Vec::new())?;
        Ok(())
    }

    fn publish(&mut self, to: &str, token: u64, moves: u64, pad: usize) -> Result<Publish, Error> {
        let routes = self.publisher.route(&"".into(), &to.into(), &())?;
        let label = Label { routing_key: to.into(), persistent: true, ..Label::default() };
        let body = format!("{token} {moves} {}", "x".repeat(pad));
        Ok(Publish { message: Message::new(label, [body.into()].into_iter().collect()), routes })
    }

    /// Moves a few tokens by one transaction; returns how often each was moved by now, and until
    /// where the journal has to be on disk.
    fn shift(&mut self, random: &mut Random) -> Result<(Moves, Option<Position>), Error> {
        let (mut moved, mut batch, mut settlements) = (Moves::new(), Vec::new(), Vec::new());
        for _ in 0..random.below(3) + 1 {
            let from = QUEUES[random.below(3) as usize];
            let queue = self.vhost.queue(from, self.id)?;
            let mut entries = Vec::new();
            for _ in 0..random.below(3) + 1 {
                let Some((entry, _)) = queue.get()? else { break };
                let (token, moves) = read(&queue.message(&entry)?.body.concat());
                let to = QUEUES[random.below(3) as usize];
                batch.push(self.publish(to, token, moves + 1, random.below(300) as usize)?);
                moved.insert(token, moves + 1);
                entries.push(entry);
            }
            settlements.push(Settlement { queue, entries, consumer: None });
        }
        let until = self.publisher.commit(&mut batch, &mut settlements, false, &mut Vec::new())?;
        Ok((moved, until))
    }

    /// Where all tokens are; it takes them out.
    fn find(&self) -> Result<Vec<(u64, u64)>, Error> {
        let mut found = Vec::new();
        for name in QUEUES {
            if !self.vhost.has_queue(name) {
                continue;
            }
            let queue = self.vhost.queue(name, self.id)?;
            let mut taken = Vec::new();
            while let Some((entry, _)) = queue.get()? {
                found.push(read(&queue.message(&entry)?.body.concat()));
                taken.push(entry);
            }
            queue.requeue(taken, None, broker::Return::Unsent);
        }
        found.sort_unstable();
        Ok(found)
    }
}

fn read(body: &[u8]) -> (u64, u64) {
    let text = String::from_utf8(body.to_vec()).unwrap();
    let mut words = text.split(' ').map(|word| word.parse().unwrap_or(0));
    (words.next().unwrap(), words.next().unwrap())
}

/// What is done, and what was told.
struct Story {
    random: Random,
    /// From which moment on the disk each token was moved at least so often.
    told: Vec<(usize, Moves)>,
    /// Moves that nobody was told of yet.
    awaited: Vec<(Position, Moves)>,
    moves: usize,
}

impl Story {
    fn new(seed: u64) -> Story {
        let (told, awaited, moves) = Default::default();
        Story { random: Random::new(seed), told, awaited, moves }
    }

    fn tell(&mut self, disk: &SimDisk, options: &Options) -> Result<(), Error> {
        let (mut stage, _) = Stage::open(disk, options)?;
        stage.begin()?;
        stage.broker.commit()?;
        self.told.push((disk.moment(), (0..TOKENS).map(|token| (token, 0)).collect()));
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
            0..6 => {
                let (moved, until) = stage.shift(&mut self.random)?;
                self.moves += moved.len();
                self.awaited.extend(until.map(|until| (until, moved)));
            }
            6..8 => self.commit(stage, disk)?,
            8 => {
                // Between the commit and the checkpoint come transactions that are not on disk.
                stage.broker.tidy()?;
                stage.broker.checkpoint()?;
            }
            _ if step.is_multiple_of(3) => {
                *stage = Stage::open(disk, options)?.0;
                self.awaited.clear();
            }
            _ => {}
        }
        Ok(())
    }

    fn commit(&mut self, stage: &Stage, disk: &SimDisk) -> Result<(), Error> {
        let result = stage.broker.commit();
        let mut told = Moves::new();
        self.awaited.retain(|(until, moved)| {
            let is_durable = stage.publisher.is_durable(*until);
            if is_durable {
                told.extend(moved.clone());
            }
            !is_durable
        });
        self.told.push((disk.moment(), told));
        result
    }

    /// How far each token has come at least, of what was told by a moment.
    fn at(&self, moment: usize) -> Moves {
        let mut least = Moves::new();
        for (_, moved) in self.told.iter().take_while(|(at, _)| *at <= moment) {
            least.extend(moved.clone());
        }
        least
    }
}

fn judge(image: Image, options: &Options, least: &Moves, context: &str) {
    let disk = SimDisk::from_image(image);
    let (mut stage, damage) = Stage::open(&disk, options).unwrap();
    let known = |damage: &&String| {
        damage.contains("last write before") || damage.contains("segment is missing")
    };
    let alarm = damage.iter().find(|damage| !known(damage));
    assert_eq!(alarm, None, "{context}: a power loss was taken for damage");
    let found = stage.find().unwrap();
    if least.is_empty() && found.is_empty() {
        return;
    }
    let tokens: Vec<u64> = found.iter().map(|(token, _)| *token).collect();
    assert_eq!(tokens, (0..TOKENS).collect::<Vec<_>>(), "{context}: each in one place: {found:?}");
    for (token, moves) in &found {
        let told = least.get(token).copied().unwrap_or(0);
        assert!(*moves >= told, "{context}: token {token} was moved {moves} of {told} times");
    }
    // What was given up stays given up, whatever is written behind it.
    let (moved, _) = stage.shift(&mut Random::new(1)).unwrap();
    stage.broker.commit().unwrap();
    let later = stage.find().unwrap();
    drop(stage);
    let (stage, _) = Stage::open(&SimDisk::from_image(disk.durable()), options).unwrap();
    let again = stage.find().unwrap();
    assert_eq!(again, later, "{context}: after another start");
    for (token, moves) in again {
        let before = found.iter().find(|(it, _)| *it == token).unwrap().1;
        assert_eq!(moves, moved.get(&token).copied().unwrap_or(before), "{context}: {token}");
    }
}

fn options_of(seed: u64) -> Options {
    let mut options = options(if seed.is_multiple_of(2) { 2048 } else { 4096 });
    options.compaction_slack_segments = u32::from(!seed.is_multiple_of(3));
    options
}

#[test]
fn a_power_loss_leaves_all_of_a_transaction_or_nothing() {
    let name = "cargo test -p tubepost-broker --test instruments transaction_power_loss";
    let programme = Programme::new(name);
    let images = programme.size(3_000, 300_000);
    let mut moves = 0;
    for seed in programme.seeds(u64::MAX / 2, u64::MAX / 2, &REGRESSIONS) {
        if programme.cases() >= images {
            break;
        }
        let _replay = programme.replay(seed);
        let options = options_of(seed);
        let disk = SimDisk::new().logged();
        let mut story = Story::new(seed);
        story.tell(&disk, &options).unwrap();
        moves += story.moves;
        let log = disk.log();
        let mut replay = log.replay();
        let losses = Losses { exhaustive_up_to: 2, samples: 3 };
        loop {
            for (index, image) in replay.images(&mut story.random, losses).into_iter().enumerate() {
                let moment = replay.moment();
                let context = format!("seed {seed}, moment {moment}, image {index}");
                judge(image, &options, &story.at(moment), &context);
                programme.count(1);
            }
            if programme.is_over() || !replay.advance() {
                break;
            }
        }
    }
    assert!(moves > 100 || programme.is_replay() || programme.is_over(), "{moves} moves");
    programme.finish("images of transactions after a power loss", images);
}

/// A sync fails, or there is no space: for operation N = 1, 2, … until the script passes.
#[test]
fn a_disk_that_refuses_leaves_all_of_a_transaction_or_nothing() {
    let name = "cargo test -p tubepost-broker --test instruments refuses_leaves_all_of_a_transac";
    let programme = Programme::new(name);
    for seed in programme.seeds(1, 40, &[]) {
        let _replay = programme.replay(seed);
        for (hits, kind, for_ever) in [
            (Hits::Syncs, ErrorKind::Other, false),
            (Hits::Growing, ErrorKind::StorageFull, false),
            (Hits::Growing, ErrorKind::StorageFull, true),
        ] {
            for from in 1.. {
                let fault = Fault { from, for_ever, kind, hits };
                let (disk, options) = (SimDisk::new(), options_of(seed));
                disk.set_fault(Some(fault));
                let mut story = Story::new(seed);
                let told = story.tell(&disk, &options);
                if disk.refused() == 0 {
                    told.unwrap();
                    break;
                }
                disk.set_fault(None);
                let images = disk.after_power_loss(&mut story.random, 2);
                for (index, image) in images.into_iter().chain([disk.live()]).enumerate() {
                    let context = format!("seed {seed}, {fault:?}, image {index}");
                    judge(image, &options, &story.at(usize::MAX), &context);
                }
                programme.count(1);
            }
        }
    }
    programme.finish("operations of transactions refused", 100);
}

/// The control: were each message and settlement to stand for itself, this would be seen.
#[test]
fn without_transactions_tokens_are_lost_or_doubled() {
    let mut broken = 0;
    for seed in 1..=6 {
        let options = options_of(seed);
        let disk = SimDisk::new().logged();
        let (mut stage, _) = Stage::open(&disk, &options).unwrap();
        stage.begin().unwrap();
        stage.broker.commit().unwrap();
        let began = disk.moment();
        for token in 0..3 {
            let queue = stage.vhost.queue("a", stage.id).unwrap();
            let (entry, _) = queue.get().unwrap().unwrap();
            let moved = stage.publish("b", token, 1, 200).unwrap();
            stage.publisher.publish(&mut vec![moved], &mut Vec::new()).unwrap();
            queue.settle([entry], None).unwrap();
        }
        stage.broker.commit().unwrap();
        let log = disk.log();
        let mut replay = log.replay();
        let mut random = Random::new(seed);
        while replay.advance() {
            let losses = Losses { exhaustive_up_to: 2, samples: 3 };
            for image in replay.images(&mut random, losses) {
                if replay.moment() < began {
                    continue;
                }
                let (stage, _) = Stage::open(&SimDisk::from_image(image), &options).unwrap();
                let tokens = stage.find().unwrap().into_iter().map(|(token, _)| token);
                broken += usize::from(!tokens.eq(0..TOKENS));
            }
        }
    }
    assert!(broken > 0, "nothing was ever broken: the images show nothing");
}
