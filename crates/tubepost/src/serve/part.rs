//! A part of the server that runs beside the others until it is told to stop.

use tokio::{sync::watch, task::JoinHandle};

use crate::failure::Failure;

/// A running part.
pub(crate) struct Part {
    name: &'static str,
    task: JoinHandle<Result<(), Failure>>,
    over: bool,
}

/// Becomes ready when the server stops.
#[derive(Debug, Clone)]
pub(crate) struct Stopping(watch::Receiver<bool>);

impl Stopping {
    /// The two ends.
    pub(crate) fn channel() -> (watch::Sender<bool>, Stopping) {
        let (stop, stopping) = watch::channel(false);
        (stop, Stopping(stopping))
    }

    /// Whether it stops already.
    pub(crate) fn is_told(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for it.
    pub(crate) async fn wait(mut self) {
        // A sender that is gone means stop, too.
        _ = self.0.wait_for(|stopping| *stopping).await;
    }
}

impl Part {
    /// Starts it.
    pub(crate) fn start(
        name: &'static str,
        work: impl Future<Output = Result<(), Failure>> + Send + 'static,
    ) -> Part {
        Part { name, task: tokio::spawn(work), over: false }
    }

    /// Ends when the part does; before the server stops that is a failure.
    pub(crate) async fn failed(&mut self) -> Failure {
        let ended = (&mut self.task).await;
        self.over = true;
        match ended {
            Ok(Ok(())) => Failure::failed(format!("{}: ended by itself", self.name)),
            Ok(Err(failure)) => failure,
            Err(error) => Failure::failed(format!("{}: {error}", self.name)),
        }
    }

    /// Waits for its end after it was told to stop.
    pub(crate) async fn ended(self) {
        if self.over {
            return;
        }
        match self.task.await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => tracing::warn!(part = self.name, ?failure, "did not end well"),
            Err(error) => tracing::warn!(part = self.name, %error, "did not end well"),
        }
    }
}
