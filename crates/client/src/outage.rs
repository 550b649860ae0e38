//! One outage of the bus as a service lives it: said once, waited out, and its end said.

use std::{mem::Discriminant, time::Instant};

use tracing::{debug, info, warn};

use crate::{Error, back_off::BackOff};

/// Between the first failure and the bus's return.
#[derive(Debug)]
pub(crate) struct Outage {
    /// Who waits, for the log: `subscriber of queue 'mail'`.
    who: String,
    began: Option<Instant>,
    said: Vec<Discriminant<Error>>,
    back_off: BackOff,
}

impl Outage {
    pub(crate) fn none(who: String) -> Outage {
        Outage { who, began: None, said: Vec::new(), back_off: BackOff::new() }
    }

    /// Says the failure, unless it was said, and pauses before the next try.
    pub(crate) async fn wait(&mut self, error: &Error) {
        let pause = self.back_off.pause();
        let kind = std::mem::discriminant(error);
        // Away is one story however it shows; a refusal in the middle of it is another.
        if self.began.is_none() || (needs_somebody(error) && !self.said.contains(&kind)) {
            warn!(who = %self.who, reason = %error, "bus away, trying again until it is back");
            self.said.push(kind);
        } else {
            debug!(who = %self.who, reason = %error, ?pause, "bus still away");
        }
        self.began.get_or_insert_with(Instant::now);
        tokio::time::sleep(pause).await;
    }

    /// The bus is there again.
    pub(crate) fn over(&mut self) {
        if let Some(began) = self.began.take() {
            info!(who = %self.who, after = ?began.elapsed(), "bus is back");
        }
        self.said.clear();
    }

    /// It stayed: the next failure is a new story, and is tried again soon.
    pub(crate) fn forget(&mut self) {
        self.over();
        self.back_off.reset();
    }
}

fn needs_somebody(error: &Error) -> bool {
    !matches!(
        error,
        Error::ConnectionRefused { .. }
            | Error::Unreachable { .. }
            | Error::Lost { .. }
            | Error::TimedOut { .. }
    )
}
