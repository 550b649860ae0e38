//! What a run does: how many publish and consume, over how many queues, how large, how safe, how
//! fast. And how that becomes names of queues, bindings and routing keys.

use std::time::Duration;

use serde::Serialize;

use crate::{Error, stamp::STAMP_BYTES};

/// The parameters of one run.
#[derive(Debug, Clone, Serialize)]
pub struct Traffic {
    /// Connections that publish.
    pub producers: u16,
    /// Connections that consume.
    pub consumers: u32,
    /// Queues; producers and consumers are spread over them.
    pub queues: u32,
    /// Queues that are there already, and stay: of one that is its name, of several they are
    /// `NAME.0` and so on. None: a run makes its own, and removes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub existing: Option<String>,
    /// Which queues get what.
    pub routing: Routing,
    /// Of each message's body.
    pub body_bytes: usize,
    /// Queues survive a restart, and messages are persistent.
    pub durable: bool,
    /// Queues are streams: every consumer reads everything.
    pub stream: bool,
    /// Messages that a producer may have published and not seen confirmed; none: it asks for no
    /// confirms.
    pub confirm_window: Option<u32>,
    /// Consumers acknowledge nothing.
    pub auto_ack: bool,
    /// Unacknowledged messages that a consumer may have; 0: any number.
    pub prefetch: u16,
    /// Messages a second of all producers together, each published when it is due, however slow the
    /// broker is; none: as fast as it takes them.
    pub rate: Option<u64>,
    /// How long it goes on.
    pub extent: Extent,
    /// When consumers come.
    pub consuming: Consuming,
}

/// Which queues get what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Routing {
    /// Each message one queue, by its name.
    Direct,
    /// Each message every queue, by a topic exchange.
    Topic,
    /// As many patterns on a topic exchange, spread over the queues; each message fits one.
    Patterns(u32),
}

/// How long a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Extent {
    /// After a second of warming up.
    Time(Duration),
    /// Until all producers together have published so many.
    Messages(u64),
}

/// When consumers come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Consuming {
    /// Before the first message.
    AtOnce,
    /// When everything is published.
    Afterwards,
    /// When everything is published, and this command of the shell has started the broker again.
    AfterRestart(String),
}

impl Default for Traffic {
    fn default() -> Traffic {
        Traffic {
            producers: 1,
            consumers: 1,
            queues: 1,
            existing: None,
            routing: Routing::Direct,
            body_bytes: 1024,
            durable: false,
            stream: false,
            confirm_window: None,
            auto_ack: false,
            prefetch: 1000,
            rate: None,
            extent: Extent::Time(Duration::from_secs(5)),
            consuming: Consuming::AtOnce,
        }
    }
}

impl Traffic {
    /// Whether it can be done at all.
    ///
    /// # Errors
    /// [`Error::Wrong`], with the mend.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |text: &str| Err(Error::Wrong(text.to_owned()));
        if self.body_bytes < STAMP_BYTES {
            return wrong("a body has at least 16 bytes: its number and its time are in it");
        }
        if self.body_bytes > BODY_BYTES_MAX {
            return wrong("a body has at most 128 MiB");
        }
        if self.producers == 0 && self.consumers == 0 {
            return wrong("neither producers nor consumers: there is nothing to do");
        }
        if self.queues == 0 {
            return wrong("no queue: give at least 1");
        }
        if self.confirm_window == Some(0) {
            return wrong(
                "a window of 0 unconfirmed messages lets nobody publish; give at least 1",
            );
        }
        if self.rate == Some(0) {
            return wrong("0 messages a second is no load; give at least 1");
        }
        if let Routing::Patterns(patterns) = self.routing
            && patterns < self.queues
        {
            return wrong("fewer patterns than queues: some queue would get nothing");
        }
        if self.stream && (self.auto_ack || self.prefetch == 0) {
            return wrong("a stream is read with acknowledgements and a prefetch of at least 1");
        }
        if self.existing.is_some() && self.routing != Routing::Direct {
            return wrong("who publishes to existing queues has no topic exchange of their own");
        }
        match self.extent {
            Extent::Time(time) if time < Duration::from_millis(100) => {
                wrong("less than 100 ms cannot be measured")
            }
            Extent::Messages(0) => wrong("no messages: there is nothing to do"),
            Extent::Time(_) if self.consuming != Consuming::AtOnce => {
                wrong("who consumes afterwards needs to know how much: give a number of messages")
            }
            _ => Ok(()),
        }
    }

    /// How many queues each message goes to.
    pub(crate) fn fan_out(&self) -> u64 {
        match self.routing {
            Routing::Topic => self.queues.into(),
            Routing::Direct | Routing::Patterns(_) => 1,
        }
    }

    /// Whether a queue's messages are shared by several consumers.
    pub(crate) fn is_shared(&self) -> bool {
        self.consumers > self.queues && !self.stream
    }

    /// The queues that a consumer reads.
    pub(crate) fn queues_of(&self, consumer: u32) -> Vec<u32> {
        spread(self.consumers, self.queues, consumer)
    }

    /// The groups of queues that a producer publishes to: with [`Routing::Topic`] there is one.
    pub(crate) fn groups_of(&self, producer: u16) -> Vec<u32> {
        match self.routing {
            Routing::Topic => vec![0],
            Routing::Direct => spread(self.producers.into(), self.queues, producer.into()),
            Routing::Patterns(_) => (0..self.queues).collect(),
        }
    }

    /// The group whose messages a queue gets.
    pub(crate) fn group_of_queue(&self, queue: u32) -> u32 {
        match self.routing {
            Routing::Topic => 0,
            Routing::Direct | Routing::Patterns(_) => queue,
        }
    }

    pub(crate) fn groups(&self) -> u32 {
        match self.routing {
            Routing::Topic => 1,
            Routing::Direct | Routing::Patterns(_) => self.queues,
        }
    }
}

/// Deals `queues` out to `peers`: each has some, or several share one.
fn spread(peers: u32, queues: u32, peer: u32) -> Vec<u32> {
    match peers < queues {
        true => (peer..queues).step_by(peers.max(1) as usize).collect(),
        false => vec![peer % queues.max(1)],
    }
}

/// The names of a run, none of which anybody else has.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    pub(crate) queues: Vec<String>,
    /// None: the default exchange.
    pub(crate) exchange: Option<String>,
}

/// One pattern of a topic exchange.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub(crate) queue: u32,
    pub(crate) pattern: String,
}

impl Names {
    pub(crate) fn new(traffic: &Traffic) -> Names {
        if let Some(name) = &traffic.existing {
            let queues = match traffic.queues {
                1 => vec![name.clone()],
                several => (0..several).map(|number| format!("{name}.{number}")).collect(),
            };
            return Names { queues, exchange: None };
        }
        let nanos = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
        // Short, as the names of queues are that speed is measured with.
        let prefix = format!("b{:x}", nanos as u64 & 0xff_ffff_ffff);
        let exchange = match traffic.routing {
            Routing::Direct => None,
            Routing::Topic | Routing::Patterns(_) => Some(format!("{prefix}.x")),
        };
        Names { queues: (0..traffic.queues).map(|n| format!("{prefix}.{n}")).collect(), exchange }
    }

    pub(crate) fn queue(&self, number: u32) -> &str {
        self.queues.get(number as usize).map_or("", String::as_str)
    }
}

impl Traffic {
    /// What is bound.
    pub(crate) fn patterns(&self) -> Vec<Pattern> {
        match self.routing {
            Routing::Direct => Vec::new(),
            Routing::Topic => (0..self.queues)
                .map(|queue| Pattern { queue, pattern: "org.example.#".to_owned() })
                .collect(),
            // As people subscribe: any environment, this application, anything of it.
            Routing::Patterns(patterns) => (0..patterns)
                .map(|number| {
                    let pattern = format!("org.example.*.app{number}.build.#");
                    Pattern { queue: number % self.queues, pattern }
                })
                .collect(),
        }
    }

    /// The routing keys that a producer uses in turn, each with its group.
    pub(crate) fn keys(&self, producer: u16, names: &Names) -> Vec<(String, u32)> {
        match self.routing {
            Routing::Direct => {
                let groups = self.groups_of(producer);
                groups.into_iter().map(|queue| (names.queue(queue).to_owned(), queue)).collect()
            }
            Routing::Topic => vec![("org.example.prod.git.receive".to_owned(), 0)],
            Routing::Patterns(patterns) => {
                // Evenly from all of them, each queue's turn to come.
                let used = patterns.min(KEYS_MAX);
                let step = patterns / used;
                (0..used)
                    .map(|number| {
                        let at = number * step;
                        (format!("org.example.prod.app{at}.build.done"), at % self.queues)
                    })
                    .collect()
            }
        }
    }
}

const BODY_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Different routing keys of one producer.
const KEYS_MAX: u32 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_queue_has_somebody_and_everybody_a_queue() {
        for (peers, queues) in [(1, 1), (1, 7), (3, 7), (7, 3), (8, 8)] {
            let all: Vec<u32> = (0..peers).flat_map(|peer| spread(peers, queues, peer)).collect();
            assert_eq!(all.len() as u32, peers.max(queues), "{peers} over {queues}");
            assert!((0..queues).all(|queue| all.contains(&queue)), "{peers} over {queues}");
        }
    }

    #[test]
    fn what_cannot_be_done_is_refused_with_the_mend() {
        let good = Traffic::default();
        good.check().unwrap();
        for (bad, text) in [
            (Traffic { body_bytes: 15, ..good.clone() }, "16 bytes"),
            (Traffic { producers: 0, consumers: 0, ..good.clone() }, "nothing to do"),
            (Traffic { queues: 0, ..good.clone() }, "at least 1"),
            (Traffic { confirm_window: Some(0), ..good.clone() }, "at least 1"),
            (Traffic { rate: Some(0), ..good.clone() }, "at least 1"),
            (
                Traffic { routing: Routing::Patterns(1), queues: 2, ..good.clone() },
                "fewer patterns",
            ),
            (
                Traffic { existing: Some("q".to_owned()), routing: Routing::Topic, ..good.clone() },
                "existing queues",
            ),
            (Traffic { stream: true, auto_ack: true, ..good.clone() }, "stream"),
            (Traffic { extent: Extent::Messages(0), ..good.clone() }, "nothing to do"),
            (Traffic { consuming: Consuming::Afterwards, ..good.clone() }, "number of messages"),
        ] {
            let error = bad.check().unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }

    #[test]
    fn each_key_of_a_pattern_case_leads_to_the_queue_it_is_counted_for() {
        let traffic =
            Traffic { routing: Routing::Patterns(25_000), queues: 50, ..Traffic::default() };
        let app = |topic: &str| topic.split('.').nth(3).map(str::to_owned);
        let patterns: std::collections::BTreeMap<_, _> =
            traffic.patterns().into_iter().map(|it| (app(&it.pattern), it.queue)).collect();
        assert_eq!(patterns.len(), 25_000, "no two patterns are of one application");
        let keys = traffic.keys(0, &Names::new(&traffic));
        assert_eq!(keys.len(), 10_000);
        for (key, group) in keys {
            assert_eq!(patterns.get(&app(&key)), Some(&group), "{key}");
        }
    }

    #[test]
    fn queues_that_are_there_are_called_as_was_said() {
        let existing = |queues| {
            let existing = Some("jobs".to_owned());
            Names::new(&Traffic { existing, queues, ..Traffic::default() }).queues
        };
        assert_eq!(existing(1), ["jobs"]);
        assert_eq!(existing(2), ["jobs.0", "jobs.1"]);
    }
}
