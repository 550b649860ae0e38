//! Idle times of both sides (AMQP 1.0 §2.4.5). It has no clock: whoever has one says the time.

use std::time::Duration;

use bytes::BytesMut;

use super::{Connection, Event, Phase, refusal::error};
use crate::{ErrorCondition, definition::Milliseconds, encode_heartbeat};

#[derive(Debug)]
pub(super) struct Clock {
    heard_at: Duration,
    wrote_at: Duration,
    /// What this side says: half of what it bears.
    ours: Option<Duration>,
    theirs: Option<Duration>,
}

impl Clock {
    pub(super) fn new(now: Duration, ours: Option<Duration>) -> Self {
        Self { heard_at: now, wrote_at: now, ours: ours.filter(|it| !it.is_zero()), theirs: None }
    }

    #[inline]
    pub(super) fn heard(&mut self, now: Duration) {
        self.heard_at = now;
    }

    pub(super) fn announced(&self) -> Option<Milliseconds> {
        let ours = self.ours?;
        Some(Milliseconds(u32::try_from(ours.as_millis()).unwrap_or(u32::MAX).max(1)))
    }

    /// What the peer says; false when it is too short to be kept.
    pub(super) fn learn(&mut self, theirs: Option<Milliseconds>, least: Duration) -> bool {
        let theirs = theirs.map(|it| Duration::from_millis(it.0.into()));
        self.theirs = theirs.filter(|it| !it.is_zero());
        self.theirs.is_none_or(|it| it >= least)
    }
}

/// Both sides' idle-time-outs, for an owner who keeps time itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleTimes {
    /// The peer is to hear something at least so often: in half of it. None: it does not mind.
    pub theirs: Option<Duration>,
    /// Twice this without a frame, and the peer is gone. None: never.
    pub ours: Option<Duration>,
}

impl Connection {
    /// The idle times that hold since the peer's `open`. Who has a clock of its own needs neither
    /// [`tick`](Self::tick) nor [`wrote`](Self::wrote).
    pub fn idle_times(&self) -> IdleTimes {
        IdleTimes { theirs: self.clock.theirs, ours: self.clock.ours }
    }

    /// Something was written to the peer.
    pub fn wrote(&mut self, now: Duration) {
        self.clock.wrote_at = now;
    }

    /// The time is `now`: says a sign of life when one is due, closes a connection whose peer has
    /// said nothing for too long. Gives when to be called next; none: time does not matter.
    pub fn tick(
        &mut self,
        now: Duration,
        out: &mut BytesMut,
        events: &mut Vec<Event>,
    ) -> Option<Duration> {
        if matches!(self.phase, Phase::Closed) {
            return None;
        }
        //= amqp-1.0 §2.4.5
        // If the threshold is exceeded, then a peer SHOULD try to gracefully close the connection
        // using a close frame with an error explaining why. The value in idle-time-out SHOULD be
        // half the peer's actual timeout threshold.
        let silent = self.clock.ours.map(|it| self.clock.heard_at + it * 2);
        if silent.is_some_and(|at| now >= at) {
            let words = format!("no frame for {:?}", now.saturating_sub(self.clock.heard_at));
            if self.phase == Phase::CloseSent {
                self.phase = Phase::Closed;
                events.push(Event::Closed { by: super::Side::Local, error: None });
            } else {
                let error = error(ErrorCondition::ResourceLimitExceeded, words);
                self.refuse_connection(error, out, events);
            }
            return None;
        }
        //= amqp-1.0 §2.4.5
        // If a peer needs to satisfy the need to send traffic to prevent idle timeout, and has
        // nothing to send, it MAY send an empty frame.
        let is_open = self.phase == Phase::Open;
        let due = self.clock.theirs.filter(|_| is_open).map(|it| self.clock.wrote_at + it / 2);
        if due.is_some_and(|at| now >= at) {
            encode_heartbeat(out);
            self.clock.wrote_at = now;
        }
        let due = self.clock.theirs.filter(|_| is_open).map(|it| self.clock.wrote_at + it / 2);
        [silent, due].into_iter().flatten().min()
    }
}
