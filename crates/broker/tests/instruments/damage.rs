//! The medium changes or loses what it had confirmed, in the messages' journal or in the ledger.
//! The broker always starts. Nothing altered is delivered; what is lost is what was hit, and that
//! is reported; and nothing is deleted because something else could not be read.

use std::collections::{BTreeMap, BTreeSet};

use broker::Options;
use check::{Checker, MessageId, Thing, Verdict};
use sim::{Image, Programme, Random, SimDisk};

use crate::bus::options;
use crate::command::Command;
use crate::run::{Ending, Run, end_of};

const COMMANDS: u64 = 150;

/// A broker's disk after a run in which all was committed.
struct Sample {
    image: Image,
    history: Checker,
    options: Options,
    /// Where each message stands: segment and offset.
    places: BTreeMap<(u32, u32), MessageId>,
    /// Files of messages that a start without damage gives back.
    given_back: BTreeSet<String>,
}

impl Sample {
    fn new(seed: u64) -> Sample {
        let options = options(2048);
        let mut run = Run::begin(SimDisk::new(), options.clone(), seed).unwrap();
        run.script(COMMANDS).unwrap();
        run.step(&Command::Commit).unwrap();
        let mut history = Checker::default();
        run.history.iter().for_each(|(_, event)| history.observe(event));
        let place = |(message, position): (&MessageId, &broker::Position)| {
            ((position.segment(), position.offset()), *message)
        };
        // Only of the second life: that is where the bus knows them. Others may be hit as well.
        let places = run.bus.positions.iter().map(place).collect();
        let image = run.disk.live();
        let whole = end_of(history.clone(), image.clone(), &options, "undamaged");
        assert!(whole.report.is_clean(), "seed {seed}, undamaged: {}", whole.report);
        let given_back = missing(&image, &whole.tidied);
        Sample { image, history, options, places, given_back }
    }

    /// What comes of a disk of which this file is damaged. What the ledger has lost is no reason to
    /// give back a file of messages; a damaged one is kept, or set aside.
    fn end(&self, image: Image, damaged: &str, context: &str) -> Ending {
        let ending = end_of(self.history.clone(), image, &self.options, context);
        if part(damaged) == Part::Index {
            // What is copied forward, and where, is another matter without it.
            return ending;
        }
        let aside = damaged.replace(".log", ".damaged");
        let wrongly = |name: &&String| match damaged.starts_with("messages/") {
            false => !self.given_back.contains(*name),
            true => {
                // What looks like a write that power loss cut short is not taken for damage.
                let is_damage =
                    |it: &String| it.contains(&damaged[9..]) && !it.contains("last write before");
                let reported = ending.recovery.damage.iter().any(is_damage);
                *name == damaged && reported && !ending.tidied.names().contains(&aside)
            }
        };
        let gone = missing(&self.image, &ending.tidied);
        assert_eq!(gone.iter().find(wrongly), None, "{context}: a file was deleted");
        ending
    }

    /// The message that stands at or before a byte of a segment.
    fn message_at(&self, segment: u32, byte: usize) -> Option<MessageId> {
        let before = self.places.range((segment, 0)..=(segment, byte as u32)).next_back();
        before.map(|(_, message)| *message)
    }
}

/// The files of messages that are in one and not in the other.
fn missing(image: &Image, later: &Image) -> BTreeSet<String> {
    let later: BTreeSet<String> = later.names().into_iter().collect();
    let names = image.names().into_iter().filter(|name| name.starts_with("messages/"));
    names.filter(|name| !later.contains(name)).collect()
}

/// What a file is part of.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    /// The messages, in the segment with that number or, with 0, beside them.
    Messages(u32),
    Ledger,
    Index,
}

fn part(name: &str) -> Part {
    let (directory, file) = name.split_once('/').unwrap();
    match directory {
        "messages" => Part::Messages(file.trim_end_matches(".log").parse().unwrap_or(0)),
        "ledger" => Part::Ledger,
        _ => Part::Index,
    }
}

/// What was hit is an index: it is made anew from the journal, and what had been settled may come
/// once more, marked.
fn no_message(ending: &Ending, context: &str) {
    let harm = |it: &&Verdict| !matches!(it, Verdict::RedeliveredAfterSettle { .. });
    let harm = ending.report.verdicts.iter().find(harm);
    assert!(harm.is_none() && ending.report.invalid.is_empty(), "{context}: {}", ending.report);
}

/// How many bytes of a file were written; zeros behind them are space.
fn written(file: &[u8]) -> u64 {
    file.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
}

/// All places of what was written, and some of the megabyte of space behind it, where one is like
/// the other.
fn all_of(written: u64, all: u64) -> Vec<u64> {
    (0..written).chain((written..all).step_by(1009)).collect()
}

fn is_last(image: &Image, name: &str) -> bool {
    let directory = |name: &str| name.split('/').next().map(str::to_owned);
    let of_same = |other: &String| directory(other) == directory(name) && other.ends_with(".log");
    image.names().into_iter().rfind(of_same).as_deref() == Some(name)
}

#[test]
fn a_flipped_bit_costs_at_most_its_record_and_is_reported() {
    let programme = Programme::new("cargo test -p tubepost-broker --test instruments flipped_bit");
    let usual = 14_000;
    for seed in programme.seeds(1000, 6, &[]) {
        if !sim::is_torture() && programme.cases() >= usual {
            break;
        }
        let _replay = programme.replay(seed);
        let (sample, mut random) = (Sample::new(seed), Random::new(seed));
        for name in sample.image.names() {
            let file = sample.image.file(&name);
            let bits = file.len() as u64 * 8;
            let all: Vec<u64> = match sim::is_torture() {
                true => all_of(written(file) * 8, bits),
                // More of what was written than of what was reserved.
                false => (0..90).map(|_| random.below(bits).min(random.below(bits))).collect(),
            };
            for bit in all.into_iter().take_while(|_| !programme.is_over()) {
                let context = format!("seed {seed}, bit {bit} of {name}");
                let mut image = sample.image.clone();
                image.flip_bit(&name, bit as usize);
                let ending = sample.end(image, &name, &context);
                let reported = !ending.recovery.damage.is_empty()
                    || ending.recovery.torn_bytes > 0
                    || !ending.unreadable.is_empty();
                let harmless = ending.report.is_clean();
                assert!(harmless || reported, "{context}: in silence, {}", ending.report);
                match part(&name) {
                    Part::Messages(segment) => {
                        one_message(&sample, segment, bit as usize / 8, &ending, &context)
                    }
                    Part::Ledger => one_thing(&ending, &context),
                    Part::Index => no_message(&ending, &context),
                }
                programme.count(1);
            }
        }
    }
    programme.finish("bits flipped", usual);
}

/// What was hit is one record of messages.
fn one_message(sample: &Sample, segment: u32, byte: usize, ending: &Ending, context: &str) {
    let hit = sample.message_at(segment, byte);
    let mut lost = BTreeSet::new();
    for verdict in &ending.report.verdicts {
        match verdict {
            Verdict::Lost { message, .. } => {
                lost.insert(*message);
                let known = sample.places.values().any(|it| it == message);
                assert!(!known || hit == Some(*message), "{context}: {verdict}");
            }
            // A settlement was hit: what it settled comes once more, marked.
            Verdict::RedeliveredAfterSettle { .. } => {}
            other => panic!("{context}: {other}"),
        }
    }
    assert!(lost.len() <= 1 && ending.report.invalid.is_empty(), "{context}: {}", ending.report);
}

/// What was hit is one record of the ledger: one thing, and what hangs on it, is as it was before
/// that record; messages are missing or back with their queue alone.
fn one_thing(ending: &Ending, context: &str) {
    let mut things = BTreeSet::new();
    for verdict in &ending.report.verdicts {
        if let Verdict::TopologyMismatch { thing, .. } | Verdict::ThingResurrected { thing } =
            verdict
        {
            things.insert(thing.clone());
        }
    }
    let hangs = |thing: &Thing| match thing {
        Thing::Binding { source, destination, .. } => {
            things.contains(&**destination) || things.contains(&Thing::Exchange(source.clone()))
        }
        _ => false,
    };
    let roots: Vec<&Thing> = things.iter().filter(|thing| !hangs(thing)).collect();
    // With a queue go exchanges that lead nowhere else; that is one record.
    let exchanges = roots.iter().filter(|thing| matches!(thing, Thing::Exchange(_))).count();
    assert!(roots.len() <= 1.max(exchanges + 1) && roots.len() <= 3, "{context}: {things:?}");
    for verdict in &ending.report.verdicts {
        let queue = match verdict {
            Verdict::Lost { queue, .. }
            | Verdict::Resurrected { queue, .. }
            | Verdict::RedeliveredAfterSettle { queue, .. } => queue,
            Verdict::TopologyMismatch { .. } | Verdict::ThingResurrected { .. } => continue,
            other => panic!("{context}: {other}"),
        };
        assert!(things.contains(&Thing::Queue(queue.clone())), "{context}: {verdict}");
    }
}

#[test]
fn a_file_cut_at_any_byte_costs_what_was_behind_the_cut() {
    let programme = Programme::new("cargo test -p tubepost-broker --test instruments cut_at");
    let usual = 6000;
    for seed in programme.seeds(1000, 6, &[]) {
        if !sim::is_torture() && programme.cases() >= usual {
            break;
        }
        let _replay = programme.replay(seed);
        let (sample, mut random) = (Sample::new(seed), Random::new(seed));
        for name in sample.image.names() {
            let file = sample.image.file(&name);
            let bytes = file.len() as u64;
            let all: Vec<u64> = match sim::is_torture() {
                true => all_of(written(file), bytes),
                false => (0..40).map(|_| random.below(bytes)).collect(),
            };
            for cut in all.into_iter().take_while(|_| !programme.is_over()) {
                let context = format!("seed {seed}, {name} cut at {cut}");
                let mut image = sample.image.clone();
                image.file_mut(&name).truncate(cut as usize);
                let ending = sample.end(image, &name, &context);
                // Behind the end of the newest file nothing tells that there was more.
                let silent = ending.recovery.damage.is_empty()
                    && ending.recovery.torn_bytes == 0
                    && ending.unreadable.is_empty();
                let last = is_last(&sample.image, &name);
                assert!(
                    ending.report.is_clean() || !silent || last,
                    "{context}: in silence, {}",
                    ending.report
                );
                match part(&name) {
                    Part::Messages(segment) => {
                        behind(&sample, Some(segment), cut as u32, &ending, &context);
                    }
                    Part::Ledger => behind(&sample, None, cut as u32, &ending, &context),
                    Part::Index => no_message(&ending, &context),
                }
                programme.count(1);
            }
        }
    }
    programme.finish("cuts", usual);
}

fn behind(sample: &Sample, segment: Option<u32>, cut: u32, ending: &Ending, context: &str) {
    for verdict in &ending.report.verdicts {
        match (verdict, segment) {
            (Verdict::Lost { message, .. }, Some(segment)) => {
                let place = sample.places.iter().find(|(_, it)| *it == message);
                let Some((&(in_segment, _), _)) = place else { continue };
                // It ends behind the cut: nothing that stands behind it is before the cut.
                let next = sample.places.range((segment, 0)..(segment, cut)).next_back();
                let before = next.is_some_and(|(_, it)| it != message && it > message)
                    && next.is_some_and(|(_, it)| it.publisher == message.publisher);
                assert!(in_segment == segment && !before, "{context}: {verdict}");
            }
            (Verdict::RedeliveredAfterSettle { .. }, _) => {}
            (
                Verdict::Lost { .. }
                | Verdict::Resurrected { .. }
                | Verdict::TopologyMismatch { .. }
                | Verdict::ThingResurrected { .. },
                None,
            ) => {}
            (other, _) => panic!("{context}: {other}"),
        }
    }
}
