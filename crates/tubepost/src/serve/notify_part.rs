//! The mail notifier of the server, when somebody subscribes.

use client::BusUrl;
use event::Registry;
use notify::Notifier;

use crate::{
    failure::Failure,
    serve::part::{Part, Stopping},
};

/// Starts it. Also gives what is ready once its queue is there.
///
/// # Errors
/// The certificates to trust cannot be used.
pub(crate) fn start(
    config: notify::Config,
    registry: Registry,
    bus: BusUrl,
    stopping: Stopping,
) -> Result<(Part, impl Future<Output = ()> + Send + 'static), Failure> {
    let notifier =
        Notifier::new(config, registry, bus).map_err(|error| Failure::failed(error.to_string()))?;
    let listening = notifier.listening();
    let part = Part::start("notify", async move {
        notifier.run(stopping.wait()).await;
        Ok(())
    });
    Ok((part, listening))
}
