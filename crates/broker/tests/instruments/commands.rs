//! Random commands against the naive model: whatever is asked in whatever order, both do the same,
//! before a crash and after it.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use sim::{Programme, Random, SimDisk};

use crate::bus::options;
use crate::command::{Command, Mix};
use crate::run::Run;

/// Seeds that failed once.
const REGRESSIONS: [u64; 0] = [];

const COMMANDS: usize = 200;

#[test]
fn random_commands_do_what_the_model_does() {
    let programme =
        Programme::new("cargo test -p tubepost-broker --test instruments random_commands");
    for seed in programme.seeds(5000, 1_000_000, &REGRESSIONS) {
        let _replay = programme.replay(seed);
        let mut random = Random::new(seed);
        let numbers: Vec<u64> = (0..COMMANDS).map(|_| random.next_u64()).collect();
        if let Err(why) = outcome(&numbers, seed) {
            let (numbers, why) = shortest(numbers, why, seed);
            let commands = numbers.iter().map(|number| Command::decode(*number, Mix::Model));
            let commands: Vec<String> = commands.map(|it| format!("  {it:?}\n")).collect();
            panic!("seed {seed}: {why}\nby these commands alone:\n{}", commands.concat());
        }
        programme.count(1);
    }
    programme.finish("rows of 200 commands", 5000);
}

fn run(numbers: &[u64], seed: u64) {
    let mut run = Run::begin(SimDisk::new(), options(2048), seed).unwrap();
    run.bursts = true;
    // The model is the judge.
    run.keeps_history = false;
    for number in numbers {
        run.step(&Command::decode(*number, Mix::Model)).unwrap();
    }
}

/// Runs a row of commands; an error is what it panicked with.
fn outcome(numbers: &[u64], seed: u64) -> Result<(), String> {
    thread_local!(static QUIET: Cell<bool> = const { Cell::new(false) });
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info);
            }
        }));
    });
    QUIET.set(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| run(numbers, seed)));
    QUIET.set(false);
    outcome.map_err(|panicked| match panicked.downcast::<String>() {
        Ok(why) => *why,
        Err(other) => (*other.downcast_ref::<&str>().unwrap_or(&"it panicked")).to_owned(),
    })
}

/// Leaves out of a failing row what it fails without: halves, quarters, and so on to single ones.
fn shortest(mut numbers: Vec<u64>, mut why: String, seed: u64) -> (Vec<u64>, String) {
    let mut piece = numbers.len() / 2;
    while piece > 0 {
        let mut at = 0;
        while at < numbers.len() {
            let mut fewer = numbers.clone();
            fewer.drain(at..(at + piece).min(numbers.len()));
            match outcome(&fewer, seed) {
                Err(still) => (numbers, why) = (fewer, still),
                Ok(()) => at += piece,
            }
        }
        piece /= 2;
    }
    (numbers, why)
}
