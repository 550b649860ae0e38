//! A sync fails. After that Linux may hold pages for clean that are not on disk, so that a sync
//! that succeeds later proves nothing: the server confirms nothing of that batch, syncs those files
//! no more, ends at once and says why; and what it finds when it is started again it does not
//! trust.
#![allow(clippy::print_stdout, reason = "what a failed test shows, and the numbers")]

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use fastrand::Rng;
use harness::{
    Call, ForgetfulSite, Load, Loss, Server, Signal, Site, Strace, is_time_over, scaled, seed,
};

const SEGMENT: u64 = 64 << 10;
const SCRIPT_STEPS: u32 = 60;
/// Steps between the restart and the loss of power that shows what really is on disk.
const STEPS_AFTER: u32 = 8;
/// From the failed call to the end of the process; promised is 1 s, on a machine that does nothing
/// else.
const END_MAX: Duration = Duration::from_secs(5);

#[test]
fn a_failed_sync_ends_the_server_and_nothing_of_its_batch_is_confirmed() -> Result<()> {
    let seed = seed();
    let mut rng = Rng::with_seed(seed);
    let (begun, mut slowest, mut count) = (Instant::now(), Duration::ZERO, 0);
    let moments: Vec<u64> = match scaled(0, 1) {
        0 => (0..5).map(|_| rng.u64(6..60)).collect(),
        _ => (1..150).collect(),
    };
    for at in moments.into_iter().take_while(|_| !is_time_over(begun)) {
        let Some(took) = fail_at(seed, at).with_context(|| format!("sync number {at}"))? else {
            return Ok(());
        };
        slowest = slowest.max(took);
        count += 1;
    }
    println!("{count} syncs failed; from each to the end of the process at most {slowest:?}");
    Ok(())
}

/// Publishes one message after the other until the sync so many of a thread fails; how long the
/// server lived on.
fn fail_at(seed: u64, at: u64) -> Result<Option<Duration>> {
    let mut site = Site::new()?;
    site.set("TUBEPOST_JOURNAL_SEGMENT_SIZE", &SEGMENT.to_string());
    let load = Load::new(&site.amqp_url(), seed)?;
    let Some(strace) = Strace::of("fdatasync,fsync", site.path("strace"))? else {
        return Ok(None);
    };
    let strace = strace.inject(&format!("fdatasync:error=EIO:when={at}"));
    let mut confirmed = 0;
    let took = match site.serve_under(&strace) {
        Ok(mut server) => {
            load.run_script(0)?;
            let before = message_syncs(&strace.calls()?);
            confirmed = load.publish_one_by_one()?;
            let took = end_of(&mut server, &strace)?;
            let synced = message_syncs(&strace.calls()?) - before;
            // Each waited for the one before, so each needed a sync of its own.
            ensure!(confirmed <= synced, "{confirmed} confirms after {synced} syncs");
            took
        }
        // It failed while it started.
        Err(error) => {
            let said = format!("{error:#}");
            ensure!(said.contains("exit status: 1") && said.contains("cannot sync"), "{said}");
            Duration::ZERO
        }
    };
    let calls = strace.calls()?;
    let failed = calls.iter().position(Call::is_injected).context("no sync failed")?;
    let path = calls[failed].path();
    let later = calls[failed + 1..].iter().filter(|call| call.path() == path).count();
    ensure!(later == 0, "{later} more syncs of {path} after one had failed");
    let _server = site.serve().context("the server does not come up again")?;
    load.check(true)?.hold()?;
    println!("sync {at} ({path}): {confirmed} confirmed, ended after {took:?}");
    Ok(Some(took))
}

fn message_syncs(calls: &[Call]) -> u64 {
    let syncs =
        calls.iter().filter(|call| call.name == "fdatasync" && call.result.starts_with('0'));
    syncs.filter(|call| call.path().contains("/messages/")).count() as u64
}

/// Waits for the end of a server whose sync failed: an error that names the file, soon.
fn end_of(server: &mut Server, strace: &Strace) -> Result<Duration> {
    let pid = server.pid();
    let status = server.process().wait(20)?;
    let ended = strace.wait_for_end_of(pid)?;
    check_end(server, status.code())?;
    let calls = strace.calls()?;
    let failed = calls.iter().find(|call| call.is_injected()).context("no sync failed")?;
    let took = Duration::from_secs_f64((ended - failed.ended).max(0.0));
    ensure!(took < END_MAX, "it lived on for {took:?}");
    Ok(took)
}

fn check_end(server: &mut Server, code: Option<i32>) -> Result<()> {
    let said = server.process().stderr().join("\n");
    ensure!(code == Some(1), "it ended with {code:?}:\n{said}");
    let names_it = said.contains("cannot sync") && (said.contains(".log") || said.contains(".new"));
    ensure!(names_it, "it does not say which file:\n{said}");
    Ok(())
}

#[test]
fn what_a_failed_sync_left_in_the_cache_is_not_taken_for_being_on_disk() -> Result<()> {
    let seed = seed();
    let mut rng = Rng::with_seed(seed);
    let rounds = scaled(12, 160);
    let (begun, mut count, mut reached) = (Instant::now(), 0, 0);
    for round in (0..rounds).take_while(|_| !is_time_over(begun)) {
        let at = if rounds < 100 { rng.u64(8..140) } else { round + 1 };
        let Some(was_reached) = fail_and_lose_power(seed, at)
            .with_context(|| format!("seed {seed}: sync number {at} of the script"))?
        else {
            return Ok(());
        };
        count += 1;
        reached += u64::from(was_reached);
    }
    println!("{reached} of {count} syncs of the script failed");
    ensure!(reached * 2 >= count, "{reached} of {count} were reached: this shows little");
    Ok(())
}

/// Runs the script until a sync fails, goes on after a restart, and then takes the power away.
fn fail_and_lose_power(seed: u64, at: u64) -> Result<Option<bool>> {
    let Some(ForgetfulSite { site, fs, load }) = ForgetfulSite::new(seed, SEGMENT)? else {
        return Ok(None);
    };
    fs.fail_sync_at(at);
    match site.serve() {
        Ok(mut server) => {
            if load.run_script(SCRIPT_STEPS)? == SCRIPT_STEPS {
                // It took fewer syncs, or one failed that nothing depends on.
                server.process().kill()?;
                return Ok(Some(false));
            }
            let broken = Instant::now();
            let status = server.process().wait(20)?;
            ensure!(broken.elapsed() < END_MAX, "it lived on for {:?}", broken.elapsed());
            let said = server.process().stderr().join("\n");
            ensure!(status.code() == Some(1), "it ended with {status}:\n{said}");
            ensure!(said.contains("sync"), "it does not say what failed:\n{said}");
        }
        Err(error) => ensure!(format!("{error:#}").contains("exit status: 1"), "{error:#}"),
    }
    let server = site.serve().context("the server does not come up after a failed sync")?;
    load.run_script(STEPS_AFTER)?;
    server.kill()?;
    fs.lose_power(Loss::Everything, seed);
    let _server = site.serve().context("the server does not come up after the loss of power")?;
    load.check(true)?.hold()?;
    Ok(Some(true))
}

#[test]
fn a_failed_sync_of_the_ledger_ends_the_server_as_well() -> Result<()> {
    let Some(ForgetfulSite { site, fs, load }) = ForgetfulSite::new(1, SEGMENT)? else {
        return Ok(());
    };
    let mut server = site.serve()?;
    fs.fail_sync_at(2);
    // Nothing but declarations.
    load.run_script(0)?;
    let begun = Instant::now();
    let status = server.process().wait(10).context("it goes on with a ledger that failed")?;
    println!("ended {:?} after the failed declaration", begun.elapsed());
    check_end(&mut server, status.code())?;
    let _server = site.serve()?;
    load.check(true)?.hold()
}

#[test]
fn a_client_that_does_not_answer_does_not_hold_up_the_end() -> Result<()> {
    let Some(ForgetfulSite { site, fs, load }) = ForgetfulSite::new(1, SEGMENT)? else {
        return Ok(());
    };
    let mut server = site.serve()?;
    load.run_script(0)?;
    let mut stopped = site.tail_json(&["org.example.#"])?;
    stopped.signal(Signal::STOP)?;
    fs.fail_sync_at(1);
    load.publish_one_by_one()?;
    let begun = Instant::now();
    let status = server.process().wait(20)?;
    println!("ended {:?} after the failed sync", begun.elapsed());
    ensure!(begun.elapsed() < Duration::from_secs(2), "it lived on for {:?}", begun.elapsed());
    check_end(&mut server, status.code())
}
