//! What a client holds back until it commits, whatever its protocol: a message finds its queues
//! when it is published, and is handed to them at commit, with what was settled.

use std::{mem, time::Instant};

use broker::{Error, Position, Publish, Publisher, Settlement};

use crate::unacked::{Holder, Unacked, Verdict, give_back, grouped_with, reject};

/// What one transaction holds back.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    publishes: Vec<Publish>,
    /// Bytes that the publishes hold in memory.
    bytes: u64,
    settled: Vec<(Verdict, Vec<Unacked>)>,
}

impl Transaction {
    /// A message for the commit.
    ///
    /// # Errors
    /// The transaction holds too much; in words.
    pub(crate) fn hold(&mut self, publish: Publish, bytes_max: u64) -> Result<(), String> {
        let message = &publish.message;
        let size = message.body_len() + message.properties.len() + HELD_BYTES;
        self.bytes = self.bytes.saturating_add(size as u64);
        if self.bytes > bytes_max {
            return Err(format!(
                "transaction of {} bytes is larger than configured max {bytes_max} \
                 (amqp.transaction_bytes_max); commit more often",
                self.bytes
            ));
        }
        self.publishes.push(publish);
        Ok(())
    }

    /// What the client said of these deliveries, for the commit.
    pub(crate) fn settle(&mut self, verdict: Verdict, taken: Vec<Unacked>) {
        self.settled.push((verdict, taken));
    }

    /// How many messages and settled deliveries it holds.
    pub(crate) fn held(&self) -> (usize, usize) {
        let settled = self.settled.iter().map(|(_, taken)| taken.len()).sum();
        (self.publishes.len(), settled)
    }

    /// The messages that it holds.
    pub(crate) fn publishes(&self) -> &[Publish] {
        &self.publishes
    }

    /// Forgets it all; gives back the deliveries that are unsettled again.
    pub(crate) fn roll_back(&mut self) -> Vec<Unacked> {
        let settled = mem::take(self).settled;
        settled.into_iter().flat_map(|(_, taken)| taken).collect()
    }

    /// Does it all: what is published and what is done with is on disk in one piece, or not at
    /// all. What is rejected or given back follows. Returns until where the journal has to be on
    /// disk for all of it to be there; `None` when nothing of it has to survive.
    ///
    /// # Errors
    /// [`broker::error::Kind::ResourceError`] when `refuses_all` and a full queue refuses some of
    /// it, or when it is too large: nothing was done. The journal failed.
    pub(crate) fn commit(
        self,
        publisher: &Publisher,
        refuses_all: bool,
    ) -> Result<Option<Position>, NotCommitted> {
        let Transaction { mut publishes, settled, .. } = self;
        let (done, others): (Vec<_>, Vec<_>) =
            settled.into_iter().partition(|(verdict, _)| *verdict == Verdict::Done);
        let mut settling = Settling::of(done.into_iter().flat_map(|(_, taken)| taken).collect());
        let settlements = &mut settling.settlements;
        let committed = publisher.commit(&mut publishes, settlements, refuses_all, &mut Vec::new());
        let until = match committed {
            Ok(until) => until,
            Err(error) => {
                let mut unsettled = settling.undo();
                unsettled.extend(others.into_iter().flat_map(|(_, taken)| taken));
                return Err(NotCommitted { error, unsettled });
            }
        };
        if others.is_empty() {
            return Ok(until);
        }
        for (verdict, taken) in others {
            match verdict {
                Verdict::Done => {}
                Verdict::Rejected => {
                    reject(taken).map_err(|error| NotCommitted { error, unsettled: Vec::new() })?
                }
                Verdict::Back(how) => give_back(taken, how),
            }
        }
        Ok(until.max(publisher.appended()))
    }
}

/// A commit that came to nothing.
#[derive(Debug)]
pub(crate) struct NotCommitted {
    pub(crate) error: Error,
    /// The deliveries that are unsettled again.
    pub(crate) unsettled: Vec<Unacked>,
}

/// Deliveries on their way into a commit, by queue and consumer.
struct Settling {
    settlements: Vec<Settlement>,
    /// The tag of each, and since when it is out.
    out: Vec<Vec<(u64, Instant)>>,
}

impl Settling {
    fn of(done: Vec<Unacked>) -> Settling {
        let groups = grouped_with(done, |Unacked { tag, holder, entry, since }| {
            (holder, (entry, (tag, since)))
        });
        let parted = groups.into_iter().map(|(holder, group)| {
            let (entries, out) = group.into_iter().unzip();
            let (queue, consumer) = holder.into_parts();
            (Settlement { queue, entries, consumer }, out)
        });
        let (settlements, out) = parted.unzip();
        Settling { settlements, out }
    }

    /// What the broker left of it.
    fn undo(self) -> Vec<Unacked> {
        let groups = self.settlements.into_iter().zip(self.out);
        let deliveries = groups.flat_map(|(Settlement { queue, entries, consumer }, out)| {
            entries.into_iter().zip(out).map(move |(entry, (tag, since))| {
                let holder = Holder::from_parts(queue.clone(), consumer.clone());
                Unacked { tag, holder, entry, since }
            })
        });
        deliveries.collect()
    }
}

/// The structs around a message that is held.
const HELD_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use broker::{Label, Message};

    use super::*;

    fn publish(bytes: usize) -> Publish {
        let message = Message::new(
            Label { routing_key: "k".into(), persistent: true, ..Label::default() },
            broker::Body::from_elem(vec![0; bytes].into(), 1),
        );
        Publish { message, routes: Default::default() }
    }

    #[test]
    fn a_transaction_holds_as_much_as_configured_and_no_more() {
        let max = 1000 + HELD_BYTES as u64;
        for (bytes, fits) in [(999, true), (1000, true), (1001, false)] {
            let mut transaction = Transaction::default();
            assert_eq!(transaction.hold(publish(bytes), max).is_ok(), fits, "{bytes}");
        }
        let mut transaction = Transaction::default();
        transaction.hold(publish(0), max).unwrap();
        transaction.roll_back();
        transaction.hold(publish(1000), max).unwrap();
        let refused = transaction.hold(publish(0), max).unwrap_err();
        assert!(refused.contains("transaction of 1512 bytes"), "{refused}");
    }
}
