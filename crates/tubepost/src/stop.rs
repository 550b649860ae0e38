//! SIGINT and SIGTERM: the first asks to finish, a second means at once.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// The two signals, from now on not deadly.
pub(crate) struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    /// Takes them over. Inside a tokio runtime.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn take() -> Result<StopSignals, Failure> {
        let take = |kind, name| {
            signal(kind)
                .map_err(|error| Failure::failed(format!("{name}: cannot be waited for: {error}")))
        };
        Ok(StopSignals {
            interrupt: take(SignalKind::interrupt(), "SIGINT")?,
            terminate: take(SignalKind::terminate(), "SIGTERM")?,
        })
    }

    /// The next of either.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The exit code of a command that was told twice: as a shell has it for SIGINT.
pub(crate) const TOLD_TWICE: u8 = 130;
