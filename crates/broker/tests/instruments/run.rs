//! One run: commands go to the real broker and to the naive one, what comes of them has to be the
//! same, and all that is seen from outside is written down with the moment on the disk.

use std::collections::{BTreeMap, BTreeSet};

use broker::{Error, Options, RecoveryReport, error::Kind};
use check::{Checker, Event, Hash, MessageId, Minimum, Report, Thing};
use sim::{Image, Random, SimDisk};

use crate::bus::{Bus, Chosen, body};
use crate::command::{CONNECTIONS, Command, Mix, Pairs};
use crate::naive::{Effects, Naive, Refusal, Target};

pub(crate) struct Run {
    pub(crate) disk: SimDisk,
    options: Options,
    pub(crate) bus: Bus,
    pub(crate) naive: Naive,
    /// What was seen, and how long the disk's log was by then.
    pub(crate) history: Vec<(usize, Event)>,
    sequences: [u64; CONNECTIONS as usize],
    consumers: u32,
    /// Settled and not known to be durable.
    acked: Vec<(MessageId, String)>,
    /// The last commit found no space: part of it may be on disk, and the model does not know
    /// which.
    half_committed: bool,
    /// It ended and did not start again: `bus` is the one that ended.
    pub(crate) is_down: bool,
    /// Whether a publish may be one of many hundred messages.
    pub(crate) bursts: bool,
    /// Whether anybody is going to judge the history: else nothing is written down.
    pub(crate) keeps_history: bool,
    random: Random,
}

/// Why a run cannot go on.
#[derive(Debug)]
pub(crate) struct Stopped(pub(crate) Error);

impl Run {
    pub(crate) fn begin(disk: SimDisk, options: Options, seed: u64) -> Result<Run, Stopped> {
        let (bus, _) = Bus::open(&disk, &options).map_err(Stopped)?;
        let (history, acked) = (Vec::new(), Vec::new());
        let (naive, sequences, random) = (Naive::new(), [0; 3], Random::new(seed));
        let (consumers, half_committed, is_down) = (0, false, false);
        Ok(Run {
            disk,
            options,
            bus,
            naive,
            history,
            sequences,
            consumers,
            acked,
            half_committed,
            is_down,
            bursts: false,
            keeps_history: true,
            random,
        })
    }

    /// A run of so many commands, with a restart in its middle.
    pub(crate) fn script(&mut self, commands: u64) -> Result<(), Stopped> {
        for number in 0..commands {
            let command = Command::decode(self.random.next_u64(), Mix::Disk);
            self.step(&command)?;
            if number == commands / 2 {
                self.step(&Command::Commit)?;
                if !self.half_committed {
                    self.crash(false)?;
                }
            }
        }
        self.step(&Command::Commit)?;
        self.step(&Command::Tidy { commit: false })
    }

    pub(crate) fn note(&mut self, event: Event) {
        if !self.keeps_history {
            return;
        }
        self.history.push((self.disk.moment(), event));
    }

    /// Does one command on both.
    pub(crate) fn step(&mut self, command: &Command) -> Result<(), Stopped> {
        if let Command::Crash { power } = command {
            return self.crash(*power);
        }
        let chosen = self.choose(command);
        let commits = matches!(command, Command::Commit | Command::Tidy { commit: true });
        let mut after = self.naive.clone();
        let mut expected = after.step(command, &chosen.messages, self.consumers);
        let mut changes = match command.is_of_topology() && self.keeps_history {
            true => changes(&self.naive, &after),
            false => Vec::new(),
        };
        self.announce(command, &chosen, &changes);
        let outcome = self.bus.step(command, &chosen);
        if outcome.is_ok() && self.disk.refused() > 0 {
            self.left_behind(command, &mut after, &mut expected, &mut changes);
        }
        match (outcome, expected) {
            (Err(error), _) if error.kind == Kind::DiskFull => {
                self.refused(&chosen, &changes);
                self.confirm();
                self.half_committed |= commits;
                return Ok(());
            }
            (Err(error), _) if error.kind == Kind::Internal => {
                self.see();
                return Err(Stopped(error));
            }
            (Err(error), Err(refusal)) => {
                assert_eq!(kind(refusal), error.kind, "{command:?}: {error}")
            }
            (Err(error), Ok(_)) => panic!("{command:?} was refused: {error}"),
            (Ok(_), Err(refusal)) => {
                panic!("{command:?} was done, and is to be refused: {refusal:?}")
            }
            (Ok(real), Ok(expected)) => {
                let purged = matches!(command, Command::Purge { .. });
                assert_eq!(real, expected, "{command:?}: what comes of it, and what has to");
                self.done(command, &changes, purged);
                self.naive = after;
            }
        }
        self.see();
        if matches!(command, Command::Publish { .. }) && chosen.messages.len() == 1 {
            self.unroutable(command, &chosen);
        }
        self.confirm();
        if commits {
            self.half_committed = false;
            for (message, queue) in std::mem::take(&mut self.acked) {
                self.note(Event::AckDurable { message, queue });
            }
        }
        self.compare(command);
        Ok(())
    }

    /// On a full disk an auto-delete queue may outlive its last consumer. Which one did is taken
    /// from the broker.
    fn left_behind(
        &mut self,
        command: &Command,
        after: &mut Naive,
        expected: &mut Result<Effects, Refusal>,
        changes: &mut Vec<Change>,
    ) {
        if !matches!(command, Command::Cancel { .. } | Command::Close { .. }) {
            return;
        }
        let there = self.bus.counts().into_keys();
        let left: BTreeSet<String> = there.filter(|name| after.queue(name).is_none()).collect();
        if left.is_empty() {
            return;
        }
        *after = self.naive.clone();
        after.undeletable = left;
        *expected = after.step(command, &[], self.consumers);
        after.undeletable.clear();
        let fewer = self::changes(&self.naive, after);
        for change in changes.drain(..) {
            if !fewer.iter().any(|other| other.thing == change.thing) {
                self.note(Event::Refused { thing: change.thing });
            }
        }
        *changes = fewer;
    }

    /// What a command is about, of what there is.
    fn choose(&mut self, command: &Command) -> Chosen {
        let name = |naive: &Naive, keys: Vec<(u64, MessageId)>| {
            let named = |key| (naive.held[&key].queue.clone(), key.1);
            keys.into_iter().map(named).collect::<Vec<_>>()
        };
        let mut chosen = Chosen::default();
        match *command {
            Command::Publish { count, size_bytes, by, .. } => {
                let is_burst = count > 4;
                let count = if is_burst && !self.bursts { 4 } else { count };
                chosen.size_bytes = if is_burst { 20 } else { size_bytes as usize };
                let sequence = &mut self.sequences[by as usize];
                for _ in 0..count {
                    *sequence += 1;
                    chosen.messages.push(MessageId { publisher: by + 1, sequence: *sequence });
                }
            }
            Command::Consume { .. } => {
                self.consumers += 1;
                chosen.consumer = self.consumers;
            }
            Command::Cancel { which } => {
                chosen.consumer = self.naive.nth_consumer(which).unwrap_or(0);
            }
            Command::Settle { which, count } | Command::Requeue { which, count } => {
                chosen.held.push(name(&self.naive, self.naive.pick_held(which, count)));
            }
            Command::Close { by } => {
                let groups = self.naive.held_by(by);
                chosen.held = groups.into_iter().map(|keys| name(&self.naive, keys)).collect();
            }
            _ => {}
        }
        chosen
    }

    /// What is written down before a command is given.
    fn announce(&mut self, command: &Command, chosen: &Chosen, changes: &[Change]) {
        if !self.keeps_history {
            return;
        }
        for change in changes {
            let thing = change.thing.clone();
            self.note(match change.declared {
                Some(durable) => Event::Declaring { thing, durable },
                None => Event::Deleting { thing },
            });
        }
        match *command {
            Command::Publish { exchange, key, headers, persistent, .. } => {
                let Ok(numbers) = self.naive.route(exchange, key, headers) else { return };
                let queues: Vec<String> = numbers
                    .into_iter()
                    .filter_map(|number| self.naive.numbered(number).map(|it| it.name.clone()))
                    .collect();
                for message in &chosen.messages {
                    let (message, queues) = (*message, queues.clone());
                    let hash = Hash::of(body(message, chosen.size_bytes).bytes());
                    self.note(Event::Attempt { message, hash, queues, persistent });
                }
            }
            Command::Settle { .. } => {
                for (queue, message) in chosen.held.concat() {
                    self.note(Event::Ack { message, queue: queue.clone() });
                    self.acked.push((message, queue));
                }
            }
            Command::Requeue { .. } | Command::Close { .. } => {
                for (queue, message) in chosen.held.concat() {
                    self.note(Event::Requeue { message, queue });
                }
            }
            _ => {}
        }
    }

    /// What is written down when a command was done. The naive broker has not done it yet.
    fn done(&mut self, command: &Command, changes: &[Change], purged: bool) {
        for change in changes {
            let thing = change.thing.clone();
            self.note(match change.declared {
                Some(durable) => Event::Declared { thing, durable },
                None => Event::Deleted { thing },
            });
        }
        if let Command::Purge { queue, .. } = *command
            && purged
        {
            let ready = self.naive.queue(queue).map(|it| it.ready.clone()).unwrap_or_default();
            let gone = ready.into_iter().map(|copy| (copy.message, queue.to_owned()));
            self.acked.extend(gone);
            self.note(Event::Purged { queue: queue.to_owned() });
        }
    }

    /// The disk was full, and nothing has changed.
    fn refused(&mut self, chosen: &Chosen, changes: &[Change]) {
        for change in changes {
            self.note(Event::Refused { thing: change.thing.clone() });
        }
        for message in &chosen.messages {
            self.note(Event::Nack { message: *message });
        }
    }

    fn unroutable(&mut self, command: &Command, chosen: &Chosen) {
        if let Command::Publish { exchange, key, headers, .. } = *command
            && self.naive.route(exchange, key, headers).is_ok_and(|queues| queues.is_empty())
        {
            self.note(Event::Return { message: chosen.messages[0] });
        }
    }

    fn see(&mut self) {
        for seen in std::mem::take(&mut self.bus.seen) {
            let (message, queue) = (seen.message, seen.queue);
            self.note(seen.event);
            if seen.no_ack {
                self.note(Event::Ack { message, queue: queue.clone() });
                self.acked.push((message, queue));
            }
        }
    }

    fn confirm(&mut self) {
        for message in self.bus.confirms() {
            self.note(Event::Confirm { message });
        }
    }

    /// What is there has to be the same after each command.
    fn compare(&self, command: &Command) {
        let counts = |queue: &crate::naive::Queue| {
            let held = self.naive.unacknowledged(queue);
            (queue.name.clone(), [queue.ready.len(), held, self.naive.consumers(queue)])
        };
        let expected: BTreeMap<String, [usize; 3]> = self.naive.queues.iter().map(counts).collect();
        assert_eq!(self.bus.counts(), expected, "after {command:?}: ready, held and consumers");
        if command.is_of_topology() || matches!(command, Command::Crash { .. }) {
            let expected: Vec<Thing> = things(&self.naive).into_keys().collect();
            assert_eq!(self.bus.things(), expected, "after {command:?}: what is declared");
        }
    }

    /// The process ends and starts again, or the power fails and nothing unsynced is there.
    fn crash(&mut self, power: bool) -> Result<(), Stopped> {
        if power {
            self.disk = SimDisk::from_image(self.disk.durable());
        }
        self.is_down = true;
        let (bus, report) = Bus::open(&self.disk, &self.options).map_err(Stopped)?;
        self.is_down = false;
        assert_eq!(report.damage, [""; 0], "a crash is no damage");
        self.bus = bus;
        self.acked.clear();
        self.note(Event::Crash);
        let command = Command::Crash { power };
        self.naive.step(&command, &[], 0).expect("nobody refuses a crash");
        if self.keeps_history {
            let things = self.bus.things();
            self.note(Event::Found { things });
        }
        self.compare(&command);
        Ok(())
    }
}

/// What a start found, and what became of it.
pub(crate) struct Ending {
    pub(crate) report: Report,
    pub(crate) recovery: RecoveryReport,
    /// The disk when the broker had given back what space it could.
    pub(crate) tidied: Image,
    /// What could not be read when it was asked for.
    pub(crate) unreadable: Vec<String>,
}

/// The judgement of a run that ended and whose disk was found as `image`; nothing is excused.
pub(crate) fn judge_end(
    checker: Checker,
    image: Image,
    options: &Options,
    context: &str,
) -> (Report, RecoveryReport) {
    let ending = end_of(checker, image, options, context);
    (ending.report, ending.recovery)
}

/// Starts a broker on what was found, looks at all it has, has it take one more message for each
/// queue, and starts it once more.
pub(crate) fn end_of(
    mut checker: Checker,
    image: Image,
    options: &Options,
    context: &str,
) -> Ending {
    let disk = SimDisk::from_image(image);
    let open = || {
        let opened = Bus::open(&disk, options);
        opened.unwrap_or_else(|error| panic!("{context}: no start: {error}"))
    };
    let (mut bus, mut recovery) = open();
    checker.observe(&Event::Crash);
    checker.observe(&Event::Found { things: bus.things() });
    let mut unreadable = look_at_all(&mut bus, &mut checker);
    if unreadable.iter().any(|error| error.contains("found again by a restart")) {
        let (again, report) = open();
        (bus, recovery) = (again, report);
        checker.observe(&Event::Crash);
        checker.observe(&Event::Found { things: bus.things() });
        unreadable.extend(look_at_all(&mut bus, &mut checker));
    }
    drained(&bus, &mut checker);
    // It works on.
    let names: Vec<String> = bus.counts().into_keys().collect();
    for (index, name) in names.into_iter().enumerate() {
        let message = MessageId { publisher: 99, sequence: index as u64 + 1 };
        let chosen = Chosen { messages: vec![message], ..Chosen::default() };
        let key = *crate::command::QUEUES.iter().find(|queue| **queue == name).unwrap();
        let (exchange, headers, persistent, by) = ("", Pairs::default(), true, 0);
        let (count, size_bytes) = (1, 0);
        let command =
            Command::Publish { exchange, key, headers, persistent, count, size_bytes, by };
        let (hash, queues) = (Hash::of(body(message, 0).bytes()), vec![name]);
        checker.observe(&Event::Attempt { message, hash, queues, persistent });
        bus.step(&command, &chosen).unwrap_or_else(|error| panic!("{context}: {error}"));
    }
    for command in [Command::Commit, Command::Tidy { commit: false }] {
        let done = bus.step(&command, &Chosen::default());
        done.unwrap_or_else(|error| panic!("{context}: {command:?} after the start: {error}"));
    }
    bus.confirms().into_iter().for_each(|message| checker.observe(&Event::Confirm { message }));
    drop(bus);
    let tidied = disk.live();
    let (mut bus, _) = Bus::open(&disk, options).unwrap();
    checker.observe(&Event::Crash);
    checker.observe(&Event::Found { things: bus.things() });
    unreadable.extend(look_at_all(&mut bus, &mut checker));
    drained(&bus, &mut checker);
    let report = checker.finish(&Minimum::confirmed(0));
    Ending { report, recovery, tidied, unreadable }
}

/// Takes out all there is and gives nothing back. Returns what could not be read.
fn look_at_all(bus: &mut Bus, checker: &mut Checker) -> Vec<String> {
    let mut unreadable = Vec::new();
    let mut queues = bus.vhost.queues();
    queues.sort_by(|a, b| a.name().cmp(b.name()));
    for queue in queues {
        while let Some(looked) = bus.look(&queue) {
            match looked {
                Ok(seen) => checker.observe(&seen.event),
                Err(error) => unreadable.push(error),
            }
        }
    }
    unreadable
}

/// All that is in the queues was seen.
fn drained(bus: &Bus, checker: &mut Checker) {
    for queue in bus.counts().into_keys() {
        checker.observe(&Event::Drained { queue });
    }
}

/// A thing that a command declares, with whether it survives, or deletes.
struct Change {
    thing: Thing,
    declared: Option<bool>,
}

fn changes(before: &Naive, after: &Naive) -> Vec<Change> {
    let (before, after) = (things(before), things(after));
    let gone = before.iter().filter(|(thing, it)| after.get(thing) != Some(it));
    let deleted = gone.map(|(thing, _)| Change { thing: thing.clone(), declared: None });
    let new = after.iter().filter(|(thing, it)| before.get(thing) != Some(it));
    let made = new.map(|(thing, it)| Change { thing: thing.clone(), declared: Some(it.1) });
    deleted.chain(made).collect()
}

/// All that is declared, each with the number that tells it from another of its name, and whether
/// it survives.
fn things(naive: &Naive) -> BTreeMap<Thing, (u64, bool)> {
    let mut things = BTreeMap::new();
    for exchange in naive.exchanges.iter().filter(|it| !it.name.starts_with("amq.")) {
        things.insert(Thing::Exchange(exchange.name.clone()), (0, exchange.durable));
    }
    for queue in &naive.queues {
        things.insert(Thing::Queue(queue.name.clone()), (queue.number, queue.durable));
    }
    let durable = |name: &str| naive.exchange(name).is_some_and(|it| it.durable);
    for bound in &naive.bindings {
        let (destination, survives) = match &bound.to {
            Target::Exchange(name) => (Thing::Exchange(name.clone()), durable(name)),
            Target::Queue(number) => {
                let queue = naive.queues.iter().find(|it| it.number == *number).unwrap();
                (Thing::Queue(queue.name.clone()), queue.durable)
            }
        };
        let (source, destination) = (bound.source.clone(), Box::new(destination));
        let key = format!("{} {}", bound.key, bound.arguments.meaning());
        let survives = survives && durable(&source);
        things.insert(Thing::Binding { source, destination, key }, (0, survives));
    }
    things
}

fn kind(refusal: Refusal) -> Kind {
    match refusal {
        Refusal::NotFound => Kind::NotFound,
        Refusal::AccessRefused => Kind::AccessRefused,
        Refusal::ResourceLocked => Kind::ResourceLocked,
        Refusal::PreconditionFailed => Kind::PreconditionFailed,
    }
}
