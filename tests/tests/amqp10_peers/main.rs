//! Unmodified peers of AMQP 1.0 against Tubepost, beside those in `interop`: fe2o3-amqp, Qpid
//! Proton for C++ with its own examples, the client inside azure-servicebus. And a value of every
//! type, sent by each peer and read by each.
#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

mod azure_scenarios;
mod fe2o3_scenarios;
mod fe2o3_transactions;
mod fe2o3_types;
mod proton_cpp;
mod types;

use anyhow::{Context, Result, ensure};
use harness::{Server, Site};

/// A site whose server takes messages of 100 MB.
fn tubepost() -> Result<(Site, Server)> {
    let mut site = Site::new()?;
    site.set("TUBEPOST_AMQP_MESSAGE_BYTES_MAX", "128 MiB");
    let server = site.serve().context("tubepost serve")?;
    Ok((site, server))
}

fn nothing_panicked(server: &mut Server) -> Result<()> {
    let ended = server.process().ended();
    ensure!(ended.is_none(), "the server ended: {ended:?}");
    let log = server.process().log();
    ensure!(!log.contains("panicked"), "a panic is reachable from the network:\n{log}");
    Ok(())
}
