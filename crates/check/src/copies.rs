//! The copies of messages in one queue, and where the history says each has to be.

use std::collections::{BTreeMap, HashMap};

use crate::MessageId;

/// One message in one queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Copy {
    pub(crate) place: Place,
    /// Published to this queue so many times: a publisher may try again.
    pub(crate) sent: u32,
    /// Seen by consumers so many times.
    pub(crate) seen: u32,
    /// Of these without a mark.
    pub(crate) seen_unmarked: u32,
    pub(crate) seen_in_this_life: bool,
    pub(crate) sent_in_this_life: bool,
    /// A consumer was done with it, and it has not come again since.
    pub(crate) acked: bool,
    /// It survives a crash once it was confirmed.
    pub(crate) persistent: bool,
    /// A consumer it was on its way to was lost: its order is not known.
    pub(crate) order_unknown: bool,
    /// It came from another queue, in that one's time.
    pub(crate) moved: Moved,
}

/// Whether a copy was dead-lettered to where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moved {
    No,
    /// A crash may put it back where it was.
    Perhaps,
    Durably,
}

/// Where a copy is, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Published and not answered: a confirm will say that it is in the queue.
    Sent,
    /// In the queue or nowhere, and nothing will ever tell.
    InDoubt,
    /// In the queue, for this reason: nothing else is allowed.
    Queued(&'static str),
    /// With a consumer.
    Out,
    /// Done with. It may come again if a crash takes that back.
    Settled,
    /// Done with for ever.
    SettledDurably,
    /// It went with its queue.
    Deleted,
    /// It is known that it was lost; said once.
    Lost,
}

pub(crate) const CONFIRMED: &str = "was confirmed";
pub(crate) const REQUEUED: &str = "was requeued";
pub(crate) const DEAD_LETTERED: &str = "was dead-lettered";

impl Copy {
    /// Whether the next delivery may come without a mark. Dead letters of one message are new each
    /// time: a crash may have taken back that it was dead-lettered before.
    pub(crate) fn may_come_unmarked(&self) -> bool {
        let seen = if self.moved == Moved::No { self.seen } else { self.seen_unmarked };
        seen < self.sent
    }
}

/// A queue as consumers see it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Copies {
    pub(crate) copies: BTreeMap<MessageId, Copy>,
    /// The last first delivery: the sequence of each publisher to each consumer.
    pub(crate) order: HashMap<(u32, String), u64>,
    /// Something had to be in it since it was last drained.
    pub(crate) undrained: bool,
}

impl Copies {
    /// A message is on its way to the queue.
    pub(crate) fn sent(&mut self, message: MessageId, persistent: bool) -> &mut Copy {
        let fresh = Copy {
            place: Place::Sent,
            sent: 0,
            seen: 0,
            seen_unmarked: 0,
            seen_in_this_life: false,
            sent_in_this_life: true,
            acked: false,
            persistent,
            order_unknown: false,
            moved: Moved::No,
        };
        let copy = self.copies.entry(message).or_insert(fresh);
        copy.sent += 1;
        if copy.place == Place::InDoubt {
            copy.place = Place::Sent;
        }
        copy.sent_in_this_life = true;
        copy
    }

    /// The message has to be in the queue from now on, unless it is somewhere else already.
    pub(crate) fn confirmed(&mut self, message: MessageId) {
        if let Some(copy) = self.copies.get_mut(&message)
            && copy.place == Place::Sent
        {
            copy.place = Place::Queued(CONFIRMED);
            self.undrained = true;
        }
    }

    /// Moves a copy that is known. What went with its queue stays gone, whatever its consumer does.
    pub(crate) fn move_to(&mut self, message: MessageId, place: Place) {
        let Some(copy) = self.copies.get_mut(&message) else { return };
        if copy.place == Place::Deleted {
            return;
        }
        self.undrained |= matches!(place, Place::Queued(_));
        copy.acked |= place == Place::Settled;
        copy.place = place;
    }

    pub(crate) fn purged(&mut self) {
        for copy in self.copies.values_mut() {
            if matches!(copy.place, Place::Queued(_) | Place::Sent | Place::InDoubt) {
                copy.place = Place::Settled;
            }
        }
    }

    /// The queue is gone, and all it had. What was never confirmed nor seen may have been on its
    /// way to a later queue of that name.
    pub(crate) fn deleted(&mut self) {
        for copy in self.copies.values_mut() {
            copy.place = match copy.place {
                Place::Sent | Place::InDoubt => Place::InDoubt,
                _ => Place::Deleted,
            };
        }
        self.order.clear();
        self.undrained = false;
    }

    pub(crate) fn consumer_lost(&mut self) {
        for copy in self.copies.values_mut().filter(|copy| !copy.seen_in_this_life) {
            copy.order_unknown = true;
        }
    }

    /// What has to be in the queue and was not given when it said that it has nothing more.
    pub(crate) fn drained(&mut self) -> Vec<(MessageId, &'static str)> {
        self.undrained = false;
        let mut missing = Vec::new();
        for (message, copy) in &mut self.copies {
            if let Place::Queued(because) = copy.place {
                missing.push((*message, because));
                copy.place = Place::Lost;
            }
        }
        missing
    }

    /// The broker ended. `survives` says of each message whether it was confirmed; `kept` that the
    /// queue is durable and was not about to be deleted.
    pub(crate) fn crash(&mut self, kept: bool, confirmed: impl Fn(&MessageId) -> bool) {
        self.undrained = false;
        for (message, copy) in &mut self.copies {
            let promised = confirmed(message) && copy.moved != Moved::Perhaps;
            let survives = kept && copy.persistent && promised;
            copy.place = match copy.place {
                Place::Queued(because) if survives => Place::Queued(because),
                Place::Out if survives => Place::Queued(CONFIRMED),
                Place::Queued(_) | Place::Out | Place::Settled | Place::Sent => Place::InDoubt,
                other => other,
            };
            self.undrained |= matches!(copy.place, Place::Queued(_));
            (copy.seen_in_this_life, copy.sent_in_this_life) = (false, false);
            copy.order_unknown = false;
        }
        self.order.clear();
    }
}
