//! `push-vs-poll`: watchers of one build service who ask it every 30 seconds, and as many whom
//! Tubepost tells. What it costs the server, and how late they know. `docs/push-vs-poll.md` has
//! what came of it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a person reads what it says")]

mod chart;
mod outcome;
mod poll;
mod push;
mod server_process;
mod service;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail};

const USAGE: &str = "\
usage: push-vs-poll --tubepost FILE [--watchers 500] [--minutes 5] [--every 30] [--change 60]
                    [--chart FILE]
  --tubepost FILE  the tubepost that is measured
  --watchers N     how many watch, each way
  --minutes N      how long each way is measured
  --every N        seconds between two polls of a watcher
  --change N       seconds between two changes of the build's state
  --chart FILE     draws the curves there, as SVG
example: cargo run --release -p tubepost-push-vs-poll -- --tubepost target/release/tubepost";

/// What is measured.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) tubepost: PathBuf,
    pub(crate) watchers: usize,
    pub(crate) long: Duration,
    pub(crate) every: Duration,
    pub(crate) change: Duration,
    chart: Option<PathBuf>,
}

impl Plan {
    /// When the state changes, from the beginning. No multiple of the pollers' time, so that no
    /// change falls on the same place between polls as the one before.
    pub(crate) fn changes(&self) -> Vec<Duration> {
        let mut at = self.change.mul_f64(0.37);
        let mut changes = Vec::new();
        // What happens last must have the time to be seen.
        while at + self.every + Duration::from_secs(1) < self.long {
            changes.push(at);
            at += self.change.mul_f64(0.93);
        }
        changes
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|it| matches!(it.as_str(), "--help" | "-h")) {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    if words.as_slice() == ["serve"] {
        return ended(service::serve());
    }
    match plan(&words) {
        Ok(plan) => ended(measure(&plan)),
        Err(error) => {
            eprintln!("{error:#}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn ended(outcome: Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn plan(words: &[String]) -> Result<Plan> {
    let mut plan = Plan {
        tubepost: PathBuf::new(),
        watchers: 500,
        long: Duration::from_secs(300),
        every: Duration::from_secs(30),
        change: Duration::from_secs(60),
        chart: None,
    };
    for pair in words.chunks(2) {
        let [option, value] = pair else { bail!("{} has no value", pair[0]) };
        let seconds = |each: f64| -> Result<Duration> {
            let number: f64 = value.parse().with_context(|| format!("{option} {value}"))?;
            Duration::try_from_secs_f64(number * each).with_context(|| format!("{option} {value}"))
        };
        match option.as_str() {
            "--tubepost" => plan.tubepost = value.into(),
            "--watchers" => {
                plan.watchers = value.parse().with_context(|| format!("{option} {value}"))?;
            }
            "--minutes" => plan.long = seconds(60.0)?,
            "--every" => plan.every = seconds(1.0)?,
            "--change" => plan.change = seconds(1.0)?,
            "--chart" => plan.chart = Some(value.into()),
            _ => bail!("{option} is no option"),
        }
    }
    if !plan.tubepost.is_file() {
        bail!("--tubepost names the program that is measured");
    }
    if plan.changes().is_empty() {
        bail!("--minutes is too short for a change that all of them see");
    }
    Ok(plan)
}

fn measure(plan: &Plan) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let (watchers, changes) = (plan.watchers, plan.changes().len());
    println!("{watchers} watchers, {changes} changes, {:?} each way", plan.long);
    let polled = runtime.block_on(poll::measure(plan)).context("polled")?;
    println!("polled: done");
    let pushed = runtime.block_on(push::measure(plan)).context("pushed")?;
    println!("\n{}", outcome::table(&polled, &pushed));
    if let Some(file) = &plan.chart {
        let drawn = chart::draw(&polled.known_after, &pushed.known_after);
        std::fs::write(file, drawn).with_context(|| file.display().to_string())?;
    }
    Ok(())
}
