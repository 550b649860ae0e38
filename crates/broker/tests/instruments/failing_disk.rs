//! The disk refuses operation N, once or from then on, for N = 1, 2, … until the script passes.
//! Nothing confirmed is lost, nothing is confirmed that is not on the medium, what is declared is
//! exact, and a failed write or sync is the last that is tried.

use std::io::ErrorKind;

use broker::{QueueDeclaration, error::Kind};
use check::{Checker, Event};
use sim::{Fault, Hits, Programme, Random, SimDisk};

use crate::bus::{Bus, Chosen, options};
use crate::command::{Command, Pairs, QUEUES};
use crate::run::{Run, Stopped, judge_end};

const COMMANDS: u64 = 300;

/// Runs the script with the fault; returns whether the fault was met.
fn is_met(seed: u64, fault: Fault, grow_only: bool) -> bool {
    let context = format!("seed {seed}, {fault:?}, grow only {grow_only}");
    let options = options(2048);
    let disk = if grow_only { SimDisk::new().grow_only() } else { SimDisk::new() };
    disk.set_fault(Some(fault));
    let mut checker = Checker::default();
    let mut refused = 0;
    let outcome = Run::begin(disk.clone(), options.clone(), seed).and_then(|mut run| {
        let outcome = run.script(COMMANDS);
        refused = disk.refused();
        if outcome.is_ok() && refused > 0 {
            // Something was full. There is room again, and all goes on as if nothing had been.
            disk.set_fault(None);
            run.step(&Command::Commit).unwrap_or_else(|it| panic!("{context}: {it:?}"));
            run.script(COMMANDS / 4).unwrap_or_else(|it| panic!("{context}: {it:?}"));
        }
        run.history.iter().for_each(|(_, event)| checker.observe(event));
        outcome
    });
    refused = refused.max(disk.refused());
    if let (Err(Stopped(error)), 0) = (&outcome, refused) {
        panic!("{context}: {error} without a fault");
    }
    disk.set_fault(None);
    let mut random = Random::new(seed);
    let mut images = disk.after_power_loss(&mut random, 3);
    images.push(disk.live());
    for image in images {
        let (report, _) = judge_end(checker.clone(), image, &options, &context);
        assert!(report.is_clean(), "{context}: {report}");
    }
    started_again(checker, &disk, seed, &context);
    refused > 0
}

/// The program starts again on a machine that stayed up: what it finds may be pages that only look
/// clean. What it then says is there has to stay when the power fails.
fn started_again(mut checker: Checker, disk: &SimDisk, seed: u64, context: &str) {
    let options = options(2048);
    let opened = Bus::open(disk, &options);
    let (bus, _) = opened.unwrap_or_else(|error| panic!("{context}: no second start: {error}"));
    checker.observe(&Event::Crash);
    checker.observe(&Event::Found { things: bus.things() });
    let waiting = bus.counts();
    drop(bus);
    for image in disk.after_power_loss(&mut Random::new(seed), 2) {
        let found = Bus::open(&SimDisk::from_image(image.clone()), &options).unwrap().0.counts();
        assert_eq!(found, waiting, "{context}: what was found once is gone");
        let (report, _) = judge_end(checker.clone(), image, &options, context);
        assert!(report.is_clean(), "{context}: started again, {report}");
    }
}

/// Every N of some scripts.
fn run_all(name: &'static str, hits: Hits, kind: ErrorKind, for_ever: bool, grow_only: bool) {
    let programme = Programme::new(name);
    // Few operations of a script need space.
    let usual = if hits == Hits::All { 2 } else { 6 };
    for seed in programme.seeds(usual, 10 * usual, &[]) {
        let _replay = programme.replay(seed);
        for from in 1.. {
            let fault = Fault { from, for_ever, kind, hits };
            if programme.is_over() || !is_met(seed, fault, grow_only) {
                break;
            }
            programme.count(1);
        }
    }
    programme.finish("operations refused", 100);
}

#[test]
fn an_operation_that_fails_once_breaks_no_promise() {
    let name = "cargo test -p tubepost-broker --test instruments that_fails_once";
    run_all(name, Hits::All, ErrorKind::Other, false, false);
}

#[test]
fn a_disk_that_fails_for_ever_breaks_no_promise() {
    let name = "cargo test -p tubepost-broker --test instruments that_fails_for_ever";
    run_all(name, Hits::All, ErrorKind::Other, true, false);
}

#[test]
fn a_disk_that_is_full_once_breaks_no_promise_and_stops_nothing() {
    let name = "cargo test -p tubepost-broker --test instruments full_once";
    run_all(name, Hits::Growing, ErrorKind::StorageFull, false, false);
}

#[test]
fn a_disk_that_stays_full_breaks_no_promise_and_goes_on_when_there_is_room() {
    let name = "cargo test -p tubepost-broker --test instruments stays_full";
    run_all(name, Hits::Growing, ErrorKind::StorageFull, true, false);
}

#[test]
fn growing_files_that_find_the_disk_full_break_no_promise() {
    let name = "cargo test -p tubepost-broker --test instruments growing_files";
    run_all(name, Hits::Space, ErrorKind::StorageFull, false, true);
}

/// A sync fails once, and would succeed if it were tried again.
#[test]
fn after_a_failed_sync_nothing_is_confirmed_or_declared_and_no_sync_is_tried() {
    let name = "cargo test -p tubepost-broker --test instruments after_a_failed_sync";
    let programme = Programme::new(name);
    for seed in programme.seeds(4, 80, &[]) {
        let _replay = programme.replay(seed);
        for from in 1.. {
            let kind = ErrorKind::Other;
            let disk = SimDisk::new();
            disk.set_fault(Some(Fault { from, for_ever: false, kind, hits: Hits::Syncs }));
            let mut run = Run::begin(disk.clone(), options(2048), seed).unwrap();
            let outcome = run.script(COMMANDS);
            if disk.refused() == 0 {
                break;
            }
            let Err(Stopped(error)) = outcome else {
                panic!("sync {from} failed, and all goes on")
            };
            assert!(error.text.contains("sync"), "{error}");
            if !run.is_down {
                stays_failed(&mut run, &format!("seed {seed}, sync {from}"));
            }
            programme.count(1);
        }
    }
    programme.finish("syncs failed", 200);
}

fn stays_failed(run: &mut Run, context: &str) {
    let syncs = run.disk.syncs();
    for _ in 0..2 {
        let bus = &mut run.bus;
        let declaration = QueueDeclaration {
            name: "later".into(),
            durable: true,
            exclusive: false,
            auto_delete: false,
            arguments: Pairs::default().arguments(),
        };
        let owner = broker::ConnectionId(u64::MAX);
        let declared = bus.vhost.declare_queue(declaration, owner, false);
        assert_eq!(declared.unwrap_err().kind, Kind::Internal, "{context}: a queue was declared");
        for command in [Command::Commit, Command::Tidy { commit: false }] {
            let error = bus.step(&command, &Chosen::default()).unwrap_err();
            assert_eq!(error.kind, Kind::Internal, "{context}: {command:?}: {error}");
        }
        let naive = &run.naive;
        let durable = |key: &&str| naive.queue(key).is_some_and(|queue| queue.durable);
        for (index, key) in QUEUES.into_iter().filter(durable).enumerate() {
            let sequence = 1_000_000 + index as u64;
            let messages = vec![check::MessageId { publisher: 1, sequence }];
            let chosen = Chosen { messages, ..Chosen::default() };
            let (exchange, headers, persistent, count) = ("", Pairs::default(), true, 1);
            let (by, size_bytes) = (0, 0);
            let command =
                Command::Publish { exchange, key, headers, persistent, count, size_bytes, by };
            let error = bus.step(&command, &chosen).unwrap_err();
            assert_eq!(error.kind, Kind::Internal, "{context}: {error}");
        }
        // What a sync before the failing one covered may still be confirmed: it is on the medium.
        for message in run.bus.confirms() {
            assert!(message.sequence < 1_000_000, "{context}: confirmed what was refused");
            run.note(Event::Confirm { message });
        }
    }
    assert_eq!(run.disk.syncs(), syncs, "{context}: a sync was tried after one had failed");
    let mut checker = Checker::default();
    run.history.iter().for_each(|(_, event)| checker.observe(event));
    for image in run.disk.after_power_loss(&mut Random::new(syncs), 4) {
        let (report, _) = judge_end(checker.clone(), image, &options(2048), context);
        assert!(report.is_clean(), "{context}: {report}");
    }
}
