//! What is measured, and measuring it.

use std::{cell::Cell, sync::atomic::AtomicBool};

use client::BusUrl;

use crate::{
    Error,
    amqp10::{self, Addresses, Amqp10},
    amqp091::{self, Amqp091},
    case::{Case, Load},
    idle,
    nats::{Nats, NatsUrl},
    null::NullBroker,
    outcome::{Finding, IdleOutcome, Outcome},
    protocol::Protocol,
    run::{self, Around, Progress},
    server_use::Pid,
};

/// A broker, or none.
#[derive(Debug, Clone)]
pub enum Target {
    /// AMQP at this URL.
    Amqp(BusUrl, Amqp),
    /// NATS at this URL, with JetStream for what is durable.
    Nats(NatsUrl),
    /// The null broker in this process: the generator's own limits.
    Null(Amqp),
}

/// Which AMQP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Amqp {
    /// 0-9-1.
    #[default]
    V091,
    /// 1.0, with addresses of this kind.
    V10(Addresses),
}

impl Amqp {
    fn of(url: &BusUrl) -> Amqp {
        match url.protocol() {
            client::Protocol::Amqp091 => Amqp::V091,
            client::Protocol::Amqp10 => Amqp::V10(Addresses::default()),
        }
    }
}

impl Target {
    /// `amqp://…`, `amqps://…` (AMQP 0-9-1, until [`Target::by`] says something else),
    /// `amqp10://…`, `nats://…`, or `null`.
    ///
    /// # Errors
    /// It is none of these.
    pub fn parse(text: &str) -> Result<Target, Error> {
        match text {
            "null" => Ok(Target::Null(Amqp::default())),
            url if NatsUrl::is_one(url) => NatsUrl::parse(url).map(Target::Nats),
            url => match url.parse() {
                Ok(url) => {
                    let amqp = Amqp::of(&url);
                    Ok(Target::Amqp(url, amqp))
                }
                Err(error) => Err(Error::Wrong(format!("{error}, nats://host:port, or null"))),
            },
        }
    }

    /// The same, by this AMQP.
    ///
    /// # Errors
    /// It speaks none.
    pub fn by(self, amqp: Amqp) -> Result<Target, Error> {
        match self {
            Target::Amqp(url, _) => Ok(Target::Amqp(url, amqp)),
            Target::Null(_) => Ok(Target::Null(amqp)),
            Target::Nats(_) => {
                Err(Error::Wrong("NATS speaks no AMQP; leave the protocol out".to_owned()))
            }
        }
    }

    /// For people: without the password.
    pub fn shown(&self) -> String {
        match self {
            Target::Amqp(url, Amqp::V091) => url.to_string(),
            Target::Amqp(url, Amqp::V10(_)) => format!("{url} (AMQP 1.0)"),
            Target::Nats(url) => url.to_string(),
            Target::Null(_) => "the null broker".to_owned(),
        }
    }

    /// The broker's process, when it is one of this machine that may be seen.
    pub fn server(&self) -> Option<Pid> {
        let (host, port) = match self {
            Target::Amqp(url, _) => (url.host(), url.port()),
            Target::Nats(url) => (url.host(), url.port()),
            Target::Null(_) => return None,
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
    let (protocol, _null) = protocol(case, target)?;
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
            // Later runs find the memory there that the first one had the broker take.
            let most = Cell::new(None);
            let one = || {
                let idle = idle_run(&*protocol, *connections, settings)?;
                most.set(largest(most.get(), idle.resident_bytes_each));
                Ok(idle)
            };
            let idle = median(runs, one, |it: &IdleOutcome| it.opened_per_s, |_| true)?;
            let resident_bytes_each = most.get();
            let idle = idle.map(|idle| IdleOutcome { resident_bytes_each, ..idle });
            Ok(Finding { idle, ..finding })
        }
    }
}

/// What the target speaks, and the null broker when it is that.
fn protocol(
    case: &Case,
    target: &Target,
) -> Result<(Box<dyn Protocol>, Option<NullBroker>), Error> {
    Ok(match target {
        Target::Amqp(url, Amqp::V091) => (Box::new(Amqp091::new(url.clone())?), None),
        Target::Amqp(url, Amqp::V10(addresses)) => {
            (Box::new(Amqp10::new(url.clone(), *addresses)?), None)
        }
        Target::Nats(url) => {
            if let Load::Traffic(traffic) = &case.load
                && traffic.existing.is_some()
            {
                return Err(Error::Wrong("existing queues are of AMQP only".to_owned()));
            }
            (Box::new(Nats::new(url.clone())), None)
        }
        Target::Null(amqp) => {
            let body_bytes = match &case.load {
                Load::Traffic(traffic) => traffic.body_bytes,
                Load::Idle(_) => 0,
            };
            let null = match amqp {
                Amqp::V091 => NullBroker::start(body_bytes, amqp091::serve)?,
                Amqp::V10(_) => NullBroker::start(body_bytes, amqp10::serve)?,
            };
            let url = format!("amqp://127.0.0.1:{}", null.port);
            let url = url.parse().map_err(|error| Error::Wrong(format!("{url}: {error}")))?;
            let protocol: Box<dyn Protocol> = match amqp {
                Amqp::V091 => Box::new(Amqp091::new(url)?),
                Amqp::V10(_) => Box::new(Amqp10::null(url)?),
            };
            (protocol, Some(null))
        }
    })
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

fn largest(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).reduce(f64::max)
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
        assert!(matches!(Target::parse("null"), Ok(Target::Null(Amqp::V091))));
        let amqp = Target::parse("amqp://h").unwrap();
        assert!(matches!(amqp, Target::Amqp(_, Amqp::V091)));
        let amqp10 = amqp.by(Amqp::V10(Addresses::Names)).unwrap();
        assert!(matches!(amqp10, Target::Amqp(_, Amqp::V10(Addresses::Names))));
        let nats = Target::parse("nats://h").unwrap();
        assert!(matches!(nats, Target::Nats(_)));
        assert!(nats.by(Amqp::default()).is_err());
        let error = Target::parse("http://u:s3cret@h").unwrap_err().to_string();
        assert!(error.contains("amqp") && !error.contains("s3cret"), "{error}");
    }
}
