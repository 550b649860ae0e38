//! The power fails under the real binary: what was not synced is forgotten, names in directories
//! included, and the last write may be torn. Nothing that was confirmed may be missing. A control
//! run with a disk that lies about syncs has to lose messages: else these tests would be blind.
#![allow(clippy::print_stdout, reason = "what a failed test shows, and the numbers")]

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use fastrand::Rng;
use harness::{ForgetfulSite, Loss, Wrong, is_time_over, scaled, seed};

/// Bytes of a segment: small, so that segments are begun and removed all the time.
const SEGMENT: u64 = 128 << 10;
/// From the start after the loss to the first word; the middle one of all starts.
const START_MAX: Duration = Duration::from_secs(1);
/// The power fails at one of so many operations of the disk after the load began.
const OPERATIONS: u64 = 1200;
/// Tries of the control run whose syncs are far apart: one has to lose something.
const ROUNDS_AT_INTERVALS: u32 = 8;
const SCRIPT_STEPS: u32 = 60;
/// Steps between the loss of power and a second one.
const STEPS_BETWEEN: u32 = 5;
const LOSSES: [Loss; 5] = [
    Loss::Everything,
    Loss::Torn { unit: 512 },
    Loss::Subset,
    Loss::Torn { unit: 4096 },
    Loss::Nothing,
];

fn loss(number: u64) -> Loss {
    LOSSES[number as usize % LOSSES.len()]
}

#[test]
fn no_confirmed_message_is_lost_when_the_power_fails_under_load() -> Result<()> {
    let seed = seed();
    let mut rng = Rng::with_seed(seed);
    let Some(forgetful) = ForgetfulSite::new(seed, SEGMENT)? else { return Ok(()) };
    let ForgetfulSite { fs, load, .. } = &forgetful;
    let (begun, cycles) = (Instant::now(), scaled(5, 300));
    let (mut starts, mut forgotten) = (Vec::new(), 0);
    let mut server = forgetful.serve()?;
    for cycle in 0..cycles {
        fs.fail_power_at(rng.u64(1..OPERATIONS));
        let burst = load.run(u64::MAX, || Ok(()))?;
        ensure!(fs.is_off(), "the load broke off by itself: {:?}", burst.ends);
        server.wait_until_killed()?;
        let (loss, loss_seed) = (loss(cycle), rng.u64(..));
        let lost = fs.lose_power(loss, loss_seed);
        forgotten += lost.sectors + lost.names;
        let context = || format!("cycle {cycle} of seed {seed}: {loss:?}, {lost:?}");
        server = forgetful.serve().with_context(context)?;
        starts.push(server.accepted_after);
        let is_last = cycle + 1 == cycles || is_time_over(begun);
        let verdict = load.check(cycle % 3 == 2 || is_last)?;
        verdict.hold().with_context(context)?;
        if is_last {
            break;
        }
    }
    starts.sort_unstable();
    println!(
        "{} losses of power in {:.1} s: {} confirmed, {forgotten} sectors and names \
         forgotten; serving at most {:?} after the start",
        starts.len(),
        begun.elapsed().as_secs_f64(),
        load.confirmed(),
        starts[starts.len() - 1],
    );
    ensure!(forgotten > 0, "nothing was ever forgotten: this shows nothing");
    ensure!(starts[starts.len() / 2] <= START_MAX, "serving only after {starts:?}");
    Ok(())
}

#[test]
fn a_disk_that_lies_about_syncs_loses_confirmed_messages_and_that_is_seen() -> Result<()> {
    let seed = seed();
    let Some(forgetful) = ForgetfulSite::new(seed, SEGMENT)? else { return Ok(()) };
    let ForgetfulSite { fs, load, .. } = &forgetful;
    let server = forgetful.serve()?;
    // What all clients need is declared while the disk is still honest.
    ensure!(load.run_script(0)? == 0, "no step was asked for");
    fs.lie(true);
    fs.fail_power_at(OPERATIONS / 2);
    let burst = load.run(u64::MAX, || Ok(()))?;
    server.wait_until_killed()?;
    ensure!(burst.confirmed > 0, "nothing was confirmed: {:?}", burst.ends);
    fs.lose_power(Loss::Everything, seed);
    fs.lie(false);
    let _server = forgetful.serve()?;
    let counts = load.check(true)?.counts();
    println!("of {} confirmed messages, with a lying disk: {counts:?}", burst.confirmed);
    let lost = counts.get(&Wrong::Lost).copied().unwrap_or(0);
    ensure!(lost > 0, "the disk lied and nothing was missed: {counts:?}");
    Ok(())
}

/// What `journal.sync = "interval"` gives up is lost indeed: the same load on an honest disk. A
/// declaration is synced in either case, and with it all that came before: where the power fails
/// just after one nothing may be missing, hence more than one round.
#[test]
fn with_syncs_at_intervals_confirmed_messages_are_lost_and_that_is_seen() -> Result<()> {
    let seed = seed();
    let mut rng = Rng::with_seed(seed);
    for _ in 0..ROUNDS_AT_INTERVALS {
        match lost_at_intervals(rng.u64(..), rng.u64(OPERATIONS / 4..OPERATIONS))? {
            Some(0) => {}
            Some(_) | None => return Ok(()),
        }
    }
    bail!(
        "nothing was synced and nothing was missed in {ROUNDS_AT_INTERVALS} rounds of seed {seed}"
    )
}

/// How many confirmed messages are missing, in segments so large that none ends meanwhile.
fn lost_at_intervals(seed: u64, moment: u64) -> Result<Option<usize>> {
    let Some(mut forgetful) = ForgetfulSite::new(seed, 16 << 20)? else { return Ok(None) };
    forgetful.site.set("TUBEPOST_JOURNAL_SYNC", "interval");
    forgetful.site.set("TUBEPOST_JOURNAL_SYNC_INTERVAL", "60s");
    let ForgetfulSite { fs, load, .. } = &forgetful;
    let server = forgetful.serve()?;
    fs.fail_power_at(moment);
    let burst = load.run(u64::MAX, || Ok(()))?;
    server.wait_until_killed()?;
    ensure!(burst.confirmed > 0, "nothing was confirmed: {:?}", burst.ends);
    fs.lose_power(Loss::Everything, seed);
    let _server = forgetful.serve()?;
    let counts = load.check(true)?.counts();
    println!("of {} confirmed messages, with syncs at intervals: {counts:?}", burst.confirmed);
    // Declarations are synced in either case.
    ensure!(counts.keys().all(|wrong| *wrong == Wrong::Lost), "more than lost: {counts:?}");
    Ok(Some(counts.get(&Wrong::Lost).copied().unwrap_or(0)))
}

#[test]
fn the_power_fails_at_any_operation_of_a_scripted_run() -> Result<()> {
    let seed = seed();
    let mut rng = Rng::with_seed(seed);
    let Some(operations) = operations_of_the_script(seed)? else { return Ok(()) };
    let sampled = scaled(40, u64::MAX);
    let mut moments: Vec<u64> = (1..=operations).collect();
    if (moments.len() as u64) > sampled {
        rng.shuffle(&mut moments);
        moments.truncate(sampled as usize);
    }
    let (begun, mut count) = (Instant::now(), 0);
    for (number, moment) in moments.into_iter().enumerate().take_while(|_| !is_time_over(begun)) {
        let loss = loss(number as u64);
        cut_off_script(seed, moment, loss)
            .with_context(|| format!("seed {seed}, operation {moment}, {loss:?}"))?;
        count += 1;
    }
    println!("{count} of {operations} operations of the script, each the last one before the end");
    Ok(())
}

/// Runs the script without harm, from the very first start of the server on.
fn operations_of_the_script(seed: u64) -> Result<Option<u64>> {
    let Some(forgetful) = ForgetfulSite::new(seed, 64 << 10)? else { return Ok(None) };
    let server = forgetful.serve()?;
    let done = forgetful.load.run_script(SCRIPT_STEPS)?;
    ensure!(done == SCRIPT_STEPS, "the script broke off after {done} steps");
    let operations = forgetful.fs.operations();
    forgetful.load.check_again()?.hold()?;
    server.terminate()?;
    Ok(Some(operations))
}

fn cut_off_script(seed: u64, moment: u64, loss: Loss) -> Result<()> {
    let Some(ForgetfulSite { site, fs, load }) = ForgetfulSite::new(seed, 64 << 10)? else {
        return Ok(());
    };
    fs.fail_power_at(moment);
    match site.serve() {
        Ok(mut server) => {
            load.run_script(SCRIPT_STEPS)?;
            if !fs.is_off() {
                // This time it took fewer operations.
                server.process().kill()?;
            }
            server.wait_until_killed()?;
        }
        Err(error) => ensure!(fs.is_off(), "the server did not come up: {error:#}"),
    }
    fs.lose_power(loss, moment);
    let server = site.serve().context("the server does not come up after the loss of power")?;
    load.check(true)?.hold()?;
    // What it goes on from is on disk as well: a second loss changes nothing.
    load.run_script(STEPS_BETWEEN)?;
    server.kill()?;
    fs.lose_power(Loss::Everything, moment);
    let _server = site.serve().context("the server does not come up after a second loss")?;
    load.check(true)?.hold()
}
