//! The broker on a simulated disk that fails, loses power and forgets: commands decided by a seed,
//! what follows compared with a naive model, and the history of it all judged by `check`.
//!
//! A failing seed prints how to run it again. `TUBEPOST_TORTURE=1`, or `cargo xtask torture`, runs
//! the long form of everything here.

#![allow(clippy::unwrap_used, reason = "all of it is tests")]

mod administration;
mod bus;
mod command;
mod commands;
mod damage;
mod failing_disk;
mod ledger;
#[path = "../model/mod.rs"]
mod model;
mod naive;
mod power_loss;
mod run;
mod stream_power_loss;
mod transaction_power_loss;
