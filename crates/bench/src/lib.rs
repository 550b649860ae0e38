//! A load generator for message brokers: how fast, how soon, how safe.
//!
//! A [`Case`] says what is done: how many connections publish and consume, over how many queues,
//! how large the messages are, whether they have to survive, whether they come as fast as possible
//! or at a rate. A [`Target`] says where: any AMQP broker by its URL, by 0-9-1 or 1.0, a NATS
//! server to compare with, or the null broker, which shows the limits of the generator itself.
//! [`run()`] does it and gives a [`Finding`].
//!
//! Each message carries who sent it, its number and when it was due. So every run says what was
//! lost, doubled or out of order, and a time counts from when a message was due, not from when the
//! broker let it be sent.
//!
//! ```no_run
//! use bench::{Case, Settings, Target};
//!
//! let target = Target::parse("amqp://guest:guest@127.0.0.1:5672")?;
//! let case = Case::named("B1").expect("it is among Case::all()");
//! let finding = bench::run(&case, &target, &Settings::default())?;
//! println!("{:?}", finding.outcome);
//! # Ok::<(), bench::Error>(())
//! ```

#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail by panic"))]

mod amqp091;
mod amqp10;
mod audit;
mod case;
mod consumer;
mod error;
mod idle;
mod inbox;
mod latency;
mod measure;
mod nats;
mod null;
mod outcome;
mod producer;
mod protocol;
mod report;
mod run;
mod server_use;
mod stamp;
mod target;
mod traffic;
mod wire;

pub use amqp10::Addresses;
pub use audit::Verdict;
pub use case::{Case, Load};
pub use error::Error;
pub use latency::Latency;
pub use nats::NatsUrl;
pub use outcome::{Finding, IdleOutcome, Outcome, Point, Taken};
pub use report::{count, html, verdict};
pub use run::Progress;
pub use server_use::{Pid, ServerUse};
pub use target::{Amqp, Settings, Target, run};
pub use traffic::{Consuming, Extent, Routing, Traffic};
