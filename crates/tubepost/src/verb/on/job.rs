//! What is done for one event: the command, again when it failed, and the verdict.

use std::{ffi::OsString, time::Duration};

use client::{DeadLetters, Delivery, Retry};
use event::{Event, Registry};
use tokio::{sync::watch, time::sleep};

use super::{child::run_once, variables::variables};
use crate::{
    failure::{complain, remark},
    terminal::shown,
};

/// What is the same for all events.
pub(super) struct Job {
    pub(super) words: Vec<OsString>,
    pub(super) registry: Registry,
    pub(super) timeout: Option<Duration>,
    pub(super) retry: Retry,
    /// Whether a failure that is tried again goes unsaid.
    pub(super) quiet: bool,
    pub(super) dead: DeadLetters,
    pub(super) stopped: watch::Receiver<bool>,
}

impl Job {
    /// Handles one delivery to its end. Left without a verdict when we are told to stop in a wait
    /// between two tries: then it comes again.
    pub(super) async fn handle(&self, delivery: Delivery) {
        match &delivery.event {
            Ok(event) => {
                let event = event.clone();
                match self.run(&event).await {
                    Verdict::Done => {}
                    Verdict::Stopped => return,
                    Verdict::Failed { reason, attempts } => {
                        complain(&shown(&format!(
                            "event {} on {}: {reason}; kept in queue {}",
                            event.id, event.topic, self.dead.queue
                        )));
                        self.dead.keep(event, &reason, attempts).await;
                    }
                }
            }
            Err(undecodable) => {
                complain(&shown(&format!("{undecodable}; kept in queue {}", self.dead.queue)));
                self.dead.keep_undecodable(undecodable).await;
            }
        }
        if let Err(error) = delivery.ack().await {
            remark(&format!("{error}"));
        }
    }

    async fn run(&self, event: &Event) -> Verdict {
        let input = event.to_dump();
        let variables = variables(event, &self.registry.describe(event));
        let mut attempts = 0;
        loop {
            attempts += 1;
            let outcome =
                run_once(&self.words, &variables, input.trim_end().as_bytes(), self.timeout).await;
            let Err(reason) = outcome else { return Verdict::Done };
            if attempts > self.retry.times {
                return Verdict::Failed { reason, attempts };
            }
            let wait = self.retry.wait(attempts);
            if !self.quiet {
                complain(&shown(&format!(
                    "event {} on {}: {reason}; again in {wait:?} ({attempts} of {})",
                    event.id, event.topic, self.retry.times
                )));
            }
            let mut stopped = self.stopped.clone();
            tokio::select! {
                () = sleep(wait) => {}
                _ = stopped.wait_for(|stopped| *stopped) => return Verdict::Stopped,
            }
        }
    }
}

enum Verdict {
    Done,
    Failed { reason: String, attempts: u32 },
    Stopped,
}
