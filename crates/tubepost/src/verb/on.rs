//! `tubepost on`: runs a command for each event. Takes events as long as there is a free job, and
//! acknowledges each when its command succeeded or the event is safe in the dead-letter queue.

use std::{env, ffi::OsString, num::NonZeroU16, path::Path, sync::Arc, time::Duration};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use client::{BusUrl, DeadLetters, Delivery, Publisher, Queue, Retry, Subscriber, Subscription};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use crate::{
    cli,
    config::{Verb, parse_duration},
    failure::{Failure, remark},
    schemas,
    serve::logging,
    stop::{StopSignals, TOLD_TWICE},
    verb::{
        block_on,
        tail::{named, patterns, patterns_of},
    },
};

mod child;
mod job;
mod variables;

use job::Job;

pub(crate) fn command() -> Command {
    let duration =
        |text: &str| parse_duration(text).map_err(|problem| format!("'{text}' {problem}"));
    let command = Command::new("on")
        .about("Run a command for each event")
        .arg(patterns().required(true).num_args(1..).help("Topics: '*' is one word, '#' any number of words"))
        .arg(
            Arg::new("command")
                .value_name("COMMAND")
                .required(true)
                .num_args(1..)
                .last(true)
                .value_parser(value_parser!(OsString))
                .help("The command and its arguments, behind '--'"),
        )
        .arg(
            Arg::new("queue")
                .long("queue")
                .value_name("NAME")
                .value_parser(queue_name)
                .help("A durable queue: what comes while this command is away waits there [default: a queue that goes with it]"),
        )
        .arg(
            Arg::new("jobs")
                .long("jobs")
                .short('j')
                .value_name("N")
                .default_value("1")
                .value_parser(value_parser!(NonZeroU16))
                .help("How many commands at once; with one, events are handled in order"),
        )
        .arg(
            Arg::new("timeout")
                .long("timeout")
                .value_name("DURATION")
                .default_value("10m")
                .value_parser(duration)
                .help("A command that takes longer is killed and has failed; 0s: never"),
        )
        .arg(
            Arg::new("retry")
                .long("retry")
                .value_name("N")
                .default_value("0")
                .value_parser(value_parser!(u32))
                .help("How often a failed command is tried again"),
        )
        .arg(
            Arg::new("retry-delay")
                .long("retry-delay")
                .value_name("DURATION")
                .default_value("1s")
                .value_parser(duration)
                .help("The wait before the first retry; doubles each time, up to 5m"),
        )
        .arg(
            Arg::new("quiet")
                .long("quiet")
                .short('q')
                .action(ArgAction::SetTrue)
                .help("Do not say on standard error when a command failed and is tried again"),
        )
        .after_help(EXAMPLES);
    cli::with_options(command, Verb::On)
}

// AMQP 0-9-1 §4.2.5.3 and §2.1.2.3: 255 bytes, "amq." is the broker's own; ".dead" is added.
fn queue_name(text: &str) -> Result<String, String> {
    match text {
        "" => Err("is empty".to_owned()),
        _ if text.len() > 250 => Err("has more than 250 bytes".to_owned()),
        _ if text.starts_with("amq.") => {
            Err("begins with 'amq.', which is the broker's own".to_owned())
        }
        _ if text.chars().any(char::is_control) => Err("has a control character".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let config = cli::config(matches)?;
    logging::begin_warnings();
    let bus: BusUrl = config.bus_url.parse()?;
    let words: Vec<OsString> =
        matches.get_many::<OsString>("command").unwrap_or_default().cloned().collect();
    check_program(words.first().map_or(Path::new(""), Path::new))?;
    let durable = matches.get_one::<String>("queue").cloned();
    let one = |id: &str| matches.get_one::<Duration>(id).copied().unwrap_or_default();
    let retry =
        Retry { times: matches.get_one("retry").copied().unwrap_or(0), delay: one("retry-delay") };
    let quiet = matches.get_flag("quiet");
    let timeout = Some(one("timeout")).filter(|timeout| !timeout.is_zero());
    let jobs = matches.get_one::<NonZeroU16>("jobs").map_or(1, |jobs| jobs.get());
    let patterns = patterns_of(matches);
    let trust = config.signing.trust()?;
    block_on(async move {
        let stop = StopSignals::take()?;
        let registry = schemas::followed(&config.schemas).await?;
        let announcement = format!("listening to {} on {bus}", named(&patterns));
        let queue = durable.clone().map_or(Queue::Temporary, Queue::Durable);
        let subscription = Subscription { queue, patterns, prefetch: jobs };
        let subscriber = Subscriber::connect(&bus, APP, subscription).await?.trusting(trust);
        let (stopping, stopped) = watch::channel(false);
        let dead = DeadLetters {
            publisher: Publisher::connect(&bus, APP).await?,
            queue: durable
                .clone()
                .map_or(TEMPORARY_DEAD.to_owned(), |queue| format!("{queue}.dead")),
            of: durable.unwrap_or_default(),
        };
        let job = Arc::new(Job {
            words,
            registry,
            timeout,
            retry,
            quiet,
            dead,
            stopped: stopped.clone(),
        });
        remark(&announcement);
        work(subscriber, job, jobs.into(), stop, stopping).await
    })
}

// The subscriber has a task of its own, which keeps the connection until every verdict is on it.
async fn work(
    subscriber: Subscriber,
    job: Arc<Job>,
    jobs: usize,
    mut stop: StopSignals,
    stopping: watch::Sender<bool>,
) -> Result<(), Failure> {
    let (finish, finished) = watch::channel(false);
    let (taken, mut deliveries) = mpsc::channel(1);
    let taking = tokio::spawn(take(subscriber, taken, job.stopped.clone(), finished));
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            delivery = deliveries.recv(), if running.len() < jobs => match delivery {
                Some(delivery) => {
                    let job = Arc::clone(&job);
                    running.spawn(async move { job.handle(delivery).await });
                }
                None => break,
            },
            Some(_) = running.join_next() => {}
            () = stop.next() => break,
        }
    }
    stopping.send_replace(true);
    if !running.is_empty() {
        remark(&format!("stopping: waiting for {} running; again to end them", running.len()));
    }
    let drain = async { while running.join_next().await.is_some() {} };
    let told_twice = tokio::select! {
        () = drain => false,
        () = stop.next() => true,
    };
    // Dropped jobs kill their commands.
    running.shutdown().await;
    finish.send_replace(true);
    drop(deliveries);
    // Its end is bounded by the connection's closing handshake; a bus that is away has none.
    _ = tokio::time::timeout(CLOSE_WAIT, taking).await;
    match told_twice {
        true => Err(Failure::Said(TOLD_TWICE)),
        false => Ok(()),
    }
}

async fn take(
    mut subscriber: Subscriber,
    taken: mpsc::Sender<Delivery>,
    mut stopped: watch::Receiver<bool>,
    mut finished: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            delivery = subscriber.next() => if taken.send(delivery).await.is_err() { break },
            () = told(&mut stopped) => break,
        }
    }
    told(&mut finished).await;
    subscriber.close().await;
}

// Becomes ready when the other end says so, or is gone.
async fn told(flag: &mut watch::Receiver<bool>) {
    _ = flag.wait_for(|told| *told).await;
}

// A command that cannot be found fails for every event: better said before the first.
fn check_program(program: &Path) -> Result<(), Failure> {
    let executable = |path: &Path| {
        path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
    };
    let found = match program.components().count() {
        1 if program.is_relative() && !program.starts_with(".") => {
            let paths = env::var_os("PATH").unwrap_or_default();
            env::split_paths(&paths).any(|directory| executable(&directory.join(program)))
        }
        _ => executable(program),
    };
    match found {
        true => Ok(()),
        false => Err(Failure::failed(format!(
            "{}: no such command, or not executable; give its path",
            program.display()
        ))),
    }
}

const EXAMPLES: &str = "Examples:\n  \
     tubepost on '#.git.receive' -- ./build.sh\n  \
     tubepost on '#.git.receive' --queue builder --jobs 4 --retry 3 --timeout 30m -- ./build.sh\n  \
     tubepost on 'org.example.door.*' -- sh -c 'notify-send \"$TUBEPOST_SUMMARY\"'\n\n\
     The command gets the event as JSON on standard input, and in its environment\n\
     TUBEPOST_ID, _TOPIC, _SUMMARY, _LINK, _APP, _AGENT, _PEOPLE, _PACKAGES (one a line),\n\
     _SEVERITY, _SCHEMA, _SENT_AT and _VERDICT (with --keys). An event whose command failed for good goes to the\n\
     queue NAME.dead (without --queue: tubepost.on.dead), with the reason in its headers.";
const APP: &str = "tubepost on";
const TEMPORARY_DEAD: &str = "tubepost.on.dead";
const CLOSE_WAIT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_looked_for_where_a_shell_would() {
        assert!(check_program(Path::new("sh")).is_ok());
        assert!(check_program(Path::new("/bin/sh")).is_ok());
        for missing in ["no-such-program", "./sh", "/etc/passwd", "/", ""] {
            assert!(check_program(Path::new(missing)).is_err(), "{missing}");
        }
    }

    #[test]
    fn queue_names_that_a_broker_would_refuse_are_refused_here() {
        assert!(queue_name("builder").is_ok());
        for name in ["", "amq.x", "a\nb", &"x".repeat(251)] {
            assert!(queue_name(name).is_err(), "{name}");
        }
    }
}
