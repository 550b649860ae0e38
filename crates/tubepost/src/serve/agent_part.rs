//! The agent of the server: delivers the spool of this user on this machine.

use client::{Agent, BusUrl, Spool};

use crate::{
    config::Config,
    failure::Failure,
    serve::part::{Part, Stopping},
};

/// Starts it.
///
/// # Errors
/// The spool cannot be made or written.
pub(crate) fn start(config: &Config, bus: BusUrl, stopping: Stopping) -> Result<Part, Failure> {
    let spool = Spool::open(&config.spool_directory, config.spool_size_max)?;
    let agent = Agent::new(spool, bus, "tubepost agent");
    Ok(Part::start("agent", async move {
        tokio::select! {
            ended = agent.run() => Ok(ended?),
            () = stopping.wait() => Ok(()),
        }
    }))
}
