//! The cases that brokers are compared by, by name.

use std::time::Duration;

use crate::traffic::{Consuming, Extent, Routing, Traffic};

/// One thing to measure.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it is called on the command line and in tables.
    pub name: String,
    /// What it does, in a few words.
    pub what: String,
    /// What it does.
    pub load: Load,
}

/// What a case does.
#[derive(Debug, Clone)]
pub enum Load {
    /// Messages.
    Traffic(Box<Traffic>),
    /// So many connections that do nothing.
    Idle(u32),
}

impl Case {
    /// The case of that name, whatever its letters' case.
    pub fn named(name: &str) -> Option<Case> {
        Case::all().into_iter().find(|case| case.name.eq_ignore_ascii_case(name))
    }

    /// All of them.
    pub fn all() -> Vec<Case> {
        let transient = |body_bytes| Traffic { body_bytes, auto_ack: true, ..Traffic::default() };
        let durable = Traffic { durable: true, confirm_window: Some(1000), ..Traffic::default() };
        let backlog = |consuming| Traffic {
            extent: Extent::Messages(2_000_000),
            consuming,
            ..durable.clone()
        };
        let topic = |routing, body_bytes| Traffic {
            routing,
            queues: 50,
            consumers: 50,
            ..transient(body_bytes)
        };
        let case = |name: &str, what: &str, traffic: Traffic| Case {
            name: name.to_owned(),
            what: what.to_owned(),
            load: Load::Traffic(Box::new(traffic)),
        };
        vec![
            case("A16", "transient, auto-ack, 1 to 1, 16 B", transient(16)),
            case("A1024", "transient, auto-ack, 1 to 1, 1 KiB", transient(1024)),
            case("A16384", "transient, auto-ack, 1 to 1, 16 KiB", transient(16384)),
            case(
                "B1",
                "durable, confirms (window 1000), manual ack, 1 to 1, 1 KiB",
                durable.clone(),
            ),
            case(
                "B8",
                "the same, 8 to 8 over 8 queues",
                Traffic { producers: 8, consumers: 8, queues: 8, ..durable.clone() },
            ),
            case("C50", "topic exchange, 1 to 50 queues, 512 B", topic(Routing::Topic, 512)),
            case(
                "C10k",
                "topic exchange, 10,000 patterns over 50 queues, 512 B",
                topic(Routing::Patterns(10_000), 512),
            ),
            case(
                "D",
                "open loop, 5,000 msg/s, durable, confirms, 1 KiB",
                Traffic {
                    rate: Some(5_000),
                    extent: Extent::Time(Duration::from_secs(10)),
                    ..durable.clone()
                },
            ),
            Case {
                name: "E".to_owned(),
                what: "5,000 idle connections".to_owned(),
                load: Load::Idle(5_000),
            },
            case(
                "F",
                "2,000,000 durable messages of 1 KiB that wait, then drained",
                backlog(Consuming::Afterwards),
            ),
            case(
                "G",
                "the same, and the broker started again between (--restart)",
                backlog(Consuming::AfterRestart(String::new())),
            ),
        ]
    }
}

impl Case {
    /// Those that show the limits of the generator itself, against the null broker.
    pub fn of_null() -> Vec<Case> {
        let of = |name: &str, body_bytes, producers: u16| {
            let consumers = u32::from(producers == 0);
            let does = if producers == 0 { "consumes" } else { "publishes" };
            let traffic =
                Traffic { producers, consumers, body_bytes, auto_ack: true, ..Traffic::default() };
            Case {
                name: name.to_owned(),
                what: format!("one connection {does} {body_bytes} B"),
                load: Load::Traffic(Box::new(traffic)),
            }
        };
        vec![
            of("publish16", 16, 1),
            of("consume16", 16, 0),
            of("publish1024", 1024, 1),
            of("consume1024", 1024, 0),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_can_be_done_and_is_found_by_its_name() {
        for case in Case::all() {
            if let Load::Traffic(traffic) = &case.load {
                traffic.check().unwrap();
            }
            assert_eq!(Case::named(&case.name.to_lowercase()).unwrap().what, case.what);
        }
        assert!(Case::named("H").is_none());
    }
}
