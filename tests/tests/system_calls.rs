//! `kill -9` at each system call by which the server changes its disk, in scripted runs: the call
//! is the last thing it does. Afterwards nothing that was confirmed is missing, and what was
//! declared and deleted is exactly what was answered.
#![allow(clippy::print_stdout, reason = "what a failed test shows, and the numbers")]

use std::{collections::BTreeMap, fs, time::Instant};

use anyhow::{Context as _, Result, ensure};
use fastrand::Rng;
use harness::{Load, Site, Strace, is_time_over, scaled, seed};

/// Every call that changes a file or a directory, or syncs it.
const CALLS: &str = "pwrite64,fdatasync,fsync,fallocate,ftruncate,rename,renameat,renameat2,\
                     unlink,unlinkat,mkdir,mkdirat";
const SCRIPT_STEPS: u32 = 60;
const SEGMENT_SIZE: &str = "64 KiB";

/// What clients do meanwhile.
#[derive(Debug, Clone, Copy)]
enum Script {
    /// Publish, get, acknowledge, reject, declare, delete.
    Mixed,
    /// Publish and acknowledge until segments were compacted and given back.
    Moving,
}

#[test]
fn kill_9_at_any_system_call_on_the_disk_loses_no_confirmed_message() -> Result<()> {
    kill_at_calls(Script::Mixed, scaled(100, u64::MAX))
}

#[test]
fn nor_does_it_while_messages_are_moved_and_segments_given_back() -> Result<()> {
    kill_at_calls(Script::Moving, scaled(20, u64::MAX))
}

fn kill_at_calls(script: Script, most: u64) -> Result<()> {
    let seed = seed();
    let mut rng = Rng::with_seed(seed);
    let Some(counts) = script.calls(seed)? else { return Ok(()) };
    println!("{script:?}: calls of the thread that makes most of each: {counts:?}");
    // strace counts in each thread by itself: the first one that comes so far is killed.
    let points = counts.iter().flat_map(|(name, count)| (1..=*count).map(move |at| (name, at)));
    let mut points: Vec<_> = points.collect();
    let all = points.len();
    rng.shuffle(&mut points);
    points.truncate(most.try_into().unwrap_or(usize::MAX));
    let (begun, mut count, mut killed) = (Instant::now(), 0, 0);
    for (name, at) in points.iter().take_while(|_| !is_time_over(begun)) {
        let was_killed = script
            .kill_at(seed, name, *at)
            .with_context(|| format!("seed {seed}: killed at {name} number {at} of a thread"))?;
        count += 1;
        killed += u64::from(was_killed);
    }
    let took = begun.elapsed().as_secs_f64();
    println!("{script:?}: {count} of {all} places in {took:.1} s, {killed} of them reached");
    ensure!(killed * 2 > count, "only {killed} of {count} were reached: this shows little");
    Ok(())
}

impl Script {
    /// Runs it; whether it came to its end.
    fn run(self, site: &Site, load: &Load) -> Result<bool> {
        match self {
            Script::Mixed => Ok(load.run_script(SCRIPT_STEPS)? == SCRIPT_STEPS),
            Script::Moving => load.run_moving(|| has_moved(site)),
        }
    }

    /// Runs it without harm: how often the thread that does most makes each call.
    fn calls(self, seed: u64) -> Result<Option<BTreeMap<String, u64>>> {
        let (site, load) = place(seed)?;
        let Some(strace) = Strace::of(CALLS, site.path("strace"))? else { return Ok(None) };
        let server = site.serve_under(&strace)?;
        ensure!(self.run(&site, &load)?, "the script broke off");
        let pid = server.pid();
        server.terminate()?;
        strace.wait_for_end_of(pid)?;
        let mut by_thread = BTreeMap::new();
        for call in strace.calls()? {
            *by_thread.entry((call.name, call.thread)).or_insert(0) += 1;
        }
        let mut most = BTreeMap::new();
        for ((name, _), count) in by_thread {
            let highest = most.entry(name).or_insert(0);
            *highest = count.max(*highest);
        }
        Ok(Some(most))
    }

    /// Runs it until the server is killed at that call. Whether it was.
    fn kill_at(self, seed: u64, name: &str, at: u64) -> Result<bool> {
        let (site, load) = place(seed)?;
        let Some(strace) = Strace::of(CALLS, site.path("strace"))? else { return Ok(false) };
        let strace = strace.inject(&format!("{name}:signal=KILL:when={at}"));
        let killed = match site.serve_under(&strace) {
            Ok(mut server) => {
                self.run(&site, &load)?;
                let is_dead = harness::wait_for("the kill", 1, || {
                    server.process().ended().ok_or_else(|| "it runs".to_owned())
                });
                if is_dead.is_err() {
                    // This time no thread came so far.
                    server.process().kill()?;
                }
                server.wait_until_killed()?;
                is_dead.is_ok()
            }
            Err(error) => {
                ensure!(format!("{error:#}").contains("SIGKILL"), "it did not come up: {error:#}");
                true
            }
        };
        let _server = site.serve().context("the server does not come up after the kill")?;
        load.check(true)?.hold()?;
        Ok(killed)
    }
}

/// Whether messages were copied, and the segments that had them are gone.
fn has_moved(site: &Site) -> bool {
    let copied = |metrics: String| {
        let mut numbers = metrics.lines().filter_map(|line| line.strip_prefix(COPIED));
        numbers.any(|number| number.trim() != "0")
    };
    let segments = fs::read_dir(site.path("data/messages")).map_or(0, Iterator::count);
    segments <= SEGMENTS_LEFT && site.get("/metrics").is_ok_and(copied)
}

const COPIED: &str = "tubepost_journal_copied_bytes_total ";
/// The journal's files when what is left was moved: of about eight.
const SEGMENTS_LEFT: usize = 6;

fn place(seed: u64) -> Result<(Site, Load)> {
    let mut site = Site::new()?;
    site.set("TUBEPOST_JOURNAL_SEGMENT_SIZE", SEGMENT_SIZE);
    let load = Load::new(&site.amqp_url(), seed)?;
    Ok((site, load))
}
