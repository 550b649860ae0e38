//! The agent of the server: takes events over from the services of this machine, and delivers them
//! and the spool of this user.

use client::{Agent, BusUrl, Spool};
use event::Registry;

use crate::{
    config::Config,
    failure::Failure,
    serve::part::{Part, Stopping},
    verb::agent::reception,
};

/// Starts it. It takes events at once, and delivers nothing before `ready`: what waited in the
/// spool must find the queues of those it is for.
///
/// # Errors
/// The spool cannot be made or written; the key cannot be used.
pub(crate) fn start(
    config: &Config,
    registry: Registry,
    bus: BusUrl,
    ready: impl Future<Output = ()> + Send + 'static,
    stopping: Stopping,
) -> Result<Part, Failure> {
    let spool = Spool::open(&config.spool_directory, config.spool_size_max)?;
    let key = config.agent.sign_key.as_deref().map(client::signing_key).transpose()?;
    let agent = Agent::new(spool, bus, "tubepost agent")
        .signing(key)
        .receiving(reception(config, registry));
    Ok(Part::start("agent", async move {
        tokio::select! {
            ended = agent.run_after(ready) => Ok(ended?),
            () = stopping.wait() => Ok(()),
        }
    }))
}
