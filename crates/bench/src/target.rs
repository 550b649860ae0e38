//! What is measured, and measuring it.

use std::sync::atomic::AtomicBool;

use client::BusUrl;

use crate::{
    Error,
    amqp091::{Amqp091, NullBroker},
    case::{Case, Load},
    idle,
    nats::{Nats, NatsUrl},
    outcome::{Finding, IdleOutcome, Outcome},
    protocol::Protocol,
    run::{self, Around, Progress},
    server_use::Pid,
};

/// A broker, or none.
#[derive(Debug, Clone)]
pub enum Target {
    /// AMQP 0-9-1 at this URL.
    Amqp091(BusUrl),
    /// NATS at this URL, with JetStream for what is durable.
    Nats(NatsUrl),
    /// The null broker in this process: the generator's own limits.
    Null,
}

impl Target {
    /// `amqp://…`, `amqps://…`, `nats://…`, or `null`.
    ///
    /// # Errors
    /// It is none of these.
    pub fn parse(text: &str) -> Result<Target, Error> {
        match text {
            "null" => Ok(Target::Null),
            url if NatsUrl::is_one(url) => NatsUrl::parse(url).map(Target::Nats),
            url => match url.parse() {
                Ok(url) => Ok(Target::Amqp091(url)),
                Err(error) => Err(Error::Wrong(format!("{error}, nats://host:port, or null"))),
            },
        }
    }

    /// For people: without the password.
    pub fn shown(&self) -> String {
        match self {
            Target::Amqp091(url) => url.to_string(),
            Target::Nats(url) => url.to_string(),
            Target::Null => "the null broker".to_owned(),
        }
    }

    /// The broker's process, when it is one of this machine that may be seen.
    pub fn server(&self) -> Option<Pid> {
        let (host, port) = match self {
            Target::Amqp091(url) => (url.host(), url.port()),
            Target::Nats(url) => (url.host(), url.port()),
            Target::Null => return None,
        };
        let is_here = ["127.0.0.1", "::1", "localhost"].contains(&host);
        is_here.then(|| Pid::listening_on(port))?
    }
}

/// How to run a case.
pub struct Settings<'a> {
    /// How often; the figures are of the run in the middle.
    pub runs: u32,
    /// The broker's process, for its CPU time and memory.
    pub server: Option<Pid>,
    /// Somebody asks it to end.
    pub stop: &'a AtomicBool,
    /// Called some times a second.
    pub progress: &'a (dyn Fn(Progress) + Sync),
}

impl Default for Settings<'_> {
    fn default() -> Self {
        static NEVER: AtomicBool = AtomicBool::new(false);
        Settings { runs: 1, server: None, stop: &NEVER, progress: &|_| () }
    }
}

/// Runs a case.
///
/// # Errors
/// Those of any of its runs.
pub fn run(case: &Case, target: &Target, settings: &Settings<'_>) -> Result<Finding, Error> {
    let null = match (target, &case.load) {
        (Target::Null, Load::Traffic(traffic)) => Some(NullBroker::start(traffic.body_bytes)?),
        (Target::Null, Load::Idle(_)) => Some(NullBroker::start(0)?),
        (Target::Amqp091(_) | Target::Nats(_), _) => None,
    };
    let protocol: Box<dyn Protocol> = match target {
        Target::Amqp091(url) => Box::new(Amqp091::new(url.clone())?),
        Target::Nats(url) => Box::new(Nats::new(url.clone())),
        Target::Null => {
            let port = null.as_ref().map_or(0, |null| null.port);
            let url = format!("amqp://127.0.0.1:{port}");
            let url = url.parse().map_err(|error| Error::Wrong(format!("{url}: {error}")))?;
            Box::new(Amqp091::new(url)?)
        }
    };
    let runs = settings.runs.max(1);
    let finding = Finding {
        case: case.name.clone(),
        what: case.what.clone(),
        runs,
        traffic: None,
        outcome: None,
        idle: None,
    };
    match &case.load {
        Load::Traffic(traffic) => {
            let around = Around {
                protocol: &*protocol,
                server: settings.server,
                stop: settings.stop,
                progress: settings.progress,
            };
            let one = || run::run(traffic, &around);
            let outcome = median(runs, one, Outcome::speed, |it| it.verdict.is_clean())?;
            Ok(Finding { traffic: Some((**traffic).clone()), outcome, ..finding })
        }
        Load::Idle(connections) => {
            let one = || idle_run(&*protocol, *connections, settings);
            let idle = median(runs, one, |it: &IdleOutcome| it.opened_per_s, |_| true)?;
            Ok(Finding { idle, ..finding })
        }
    }
}

fn idle_run(
    protocol: &dyn Protocol,
    connections: u32,
    settings: &Settings<'_>,
) -> Result<IdleOutcome, Error> {
    let progress = |open: u32| {
        (settings.progress)(Progress {
            done: f64::from(open) / f64::from(connections.max(1)),
            published_per_s: 0.0,
            delivered_per_s: 0.0,
            is_draining: false,
        });
    };
    idle::run(protocol, connections, settings.server, &progress)
}

impl Outcome {
    /// What one run is compared with another by.
    fn speed(&self) -> f64 {
        self.delivered_per_s.unwrap_or(self.published_per_s)
    }
}

/// The one in the middle by `by`, or else one that is not clean: speed does not make up for it.
fn median<T>(
    runs: u32,
    run: impl Fn() -> Result<T, Error>,
    by: impl Fn(&T) -> f64,
    is_clean: impl Fn(&T) -> bool,
) -> Result<Option<T>, Error> {
    let mut all = (0..runs).map(|_| run()).collect::<Result<Vec<T>, Error>>()?;
    all.sort_by(|one, two| by(one).total_cmp(&by(two)));
    let at = all.iter().position(|one| !is_clean(one)).unwrap_or(all.len() / 2);
    Ok(all.into_iter().nth(at))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn the_run_in_the_middle_counts() {
        let next = Cell::new(0);
        let values = [3.0, 9.0, 1.0];
        let run = || {
            let at = next.replace(next.get() + 1);
            Ok(values.get(at).copied().unwrap_or_default())
        };
        assert_eq!(median(3, run, |value| *value, |_| true).unwrap(), Some(3.0));
        next.set(0);
        assert_eq!(median(3, run, |value| *value, |value| *value < 9.0).unwrap(), Some(9.0));
    }

    #[test]
    fn a_target_is_a_url_or_null() {
        assert!(matches!(Target::parse("null"), Ok(Target::Null)));
        assert!(matches!(Target::parse("amqp://h"), Ok(Target::Amqp091(_))));
        assert!(matches!(Target::parse("nats://h"), Ok(Target::Nats(_))));
        let error = Target::parse("http://u:s3cret@h").unwrap_err().to_string();
        assert!(error.contains("amqp") && !error.contains("s3cret"), "{error}");
    }
}
