//! What is done for one event: the command, again when it failed, and the verdict.

use std::{ffi::OsString, time::Duration};

use client::Delivery;
use event::{Event, Registry};
use tokio::{sync::watch, time::sleep};

use super::{
    child::run_once,
    dead_letter::{self, DeadLetters},
    variables::variables,
};
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
    pub(super) dead: DeadLetters,
    pub(super) stopped: watch::Receiver<bool>,
}

/// When a failed command is tried again.
pub(super) struct Retry {
    pub(super) times: u32,
    pub(super) delay: Duration,
    pub(super) quiet: bool,
}

impl Retry {
    /// The wait before the retry that follows this many failures, at least one.
    fn wait(&self, failures: u32) -> Duration {
        let factor = 2_u32.checked_pow(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.delay.checked_mul(factor).unwrap_or(DELAY_MAX).min(DELAY_MAX.max(self.delay))
    }
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
                if let Some(event) = dead_letter::carry(undecodable) {
                    self.dead.keep(event, &undecodable.reason, 0).await;
                }
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
            if !self.retry.quiet {
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

const DELAY_MAX: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_five_minutes() {
        let seconds = |delay, failures| {
            let delay = Duration::from_secs(delay);
            Retry { times: 9, delay, quiet: false }.wait(failures).as_secs()
        };
        assert_eq!([1, 2, 3, 8, 9, 10, 99].map(|n| seconds(1, n)), [1, 2, 4, 128, 256, 300, 300]);
        assert_eq!(seconds(600, 5), 600);
        assert_eq!(seconds(0, 5), 0);
    }
}
