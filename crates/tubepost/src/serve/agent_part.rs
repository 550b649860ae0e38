//! The agent of the server: delivers the spool of this user on this machine.

use client::{Agent, BusUrl, Spool};

use crate::{
    config::Config,
    failure::Failure,
    serve::part::{Part, Stopping},
};

/// Starts it. It delivers nothing before `ready`: what waited in the spool must find the queues of
/// those it is for.
///
/// # Errors
/// The spool cannot be made or written.
pub(crate) fn start(
    config: &Config,
    bus: BusUrl,
    ready: impl Future<Output = ()> + Send + 'static,
    stopping: Stopping,
) -> Result<Part, Failure> {
    let spool = Spool::open(&config.spool_directory, config.spool_size_max)?;
    let agent = Agent::new(spool, bus, "tubepost agent");
    Ok(Part::start("agent", async move {
        let deliver = async {
            ready.await;
            agent.run().await
        };
        tokio::select! {
            ended = deliver => Ok(ended?),
            () = stopping.wait() => Ok(()),
        }
    }))
}
