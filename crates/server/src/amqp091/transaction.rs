//! Transactions (AMQP 0-9-1 §1.9): what a channel publishes and settles waits here for `tx.commit`.
//!
//! As RabbitMQ does it: a message finds its queues when it is published, and is handed to them at
//! commit; a queue that goes in between takes its share with it. A commit is done when everything
//! it handed over is on disk. It is one batch and not atomic against a crash in its middle.

use std::mem;

use amqp091::{ChannelId, ReplyCode, method::tx};
use broker::{Position, Publish, Receipt};

use super::{
    channel::Unacked,
    connection::Connection,
    refusal::Refusal,
    settle::{reject, requeue_sent},
};

/// What one channel holds back.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    publishes: Vec<Held>,
    /// Bytes that the publishes hold in memory.
    bytes: u64,
    settled: Vec<(Verdict, Vec<Unacked>)>,
    /// A commit that waits for the disk: until the journal keeps its promise for this.
    committing: Option<Position>,
}

#[derive(Debug)]
struct Held {
    publish: Publish,
    mandatory: bool,
}

/// What a client says of deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Acknowledged.
    Done,
    /// Rejected for good.
    Rejected,
    /// Back into the queue.
    Requeue,
}

impl Transaction {
    /// Whether the client has to wait for `tx.commit-ok`.
    pub(super) fn is_committing(&self) -> bool {
        self.committing.is_some()
    }

    /// A message for the next commit.
    ///
    /// # Errors
    /// 406 when the transaction holds too much.
    pub(super) fn hold(
        &mut self,
        publish: Publish,
        mandatory: bool,
        bytes_max: u64,
    ) -> Result<(), Refusal> {
        let message = &publish.message;
        let size = message.body_len() + message.properties.len() + HELD_BYTES;
        self.bytes = self.bytes.saturating_add(size as u64);
        if self.bytes > bytes_max {
            return Err(Refusal::new(
                ReplyCode::PreconditionFailed,
                format!(
                    "transaction of {} bytes is larger than configured max {bytes_max} \
                     (amqp.transaction_bytes_max); commit more often",
                    self.bytes
                ),
            ));
        }
        self.publishes.push(Held { publish, mandatory });
        Ok(())
    }

    /// How many messages and acknowledgements it holds.
    pub(super) fn held(&self) -> (usize, usize) {
        let settled = self.settled.iter().map(|(_, taken)| taken.len()).sum();
        (self.publishes.len(), settled)
    }

    /// What the client said of these deliveries, for the next commit.
    pub(super) fn settle(&mut self, verdict: Verdict, taken: Vec<Unacked>) {
        self.settled.push((verdict, taken));
    }

    /// Forgets it all; gives back the deliveries that are unsettled again.
    pub(super) fn roll_back(&mut self) -> Vec<Unacked> {
        let settled = mem::take(self).settled;
        settled.into_iter().flat_map(|(_, taken)| taken).collect()
    }

    /// Whether the commit that waited is done; then the next transaction has begun.
    pub(super) fn take_committed(&mut self, is_durable: impl Fn(Position) -> bool) -> bool {
        self.committing.take_if(|position| is_durable(*position)).is_some()
    }
}

impl Connection {
    pub(super) fn tx_select(&mut self, id: ChannelId) -> Result<(), Refusal> {
        let Some(channel) = self.channels.get_mut(&id.0) else { return Ok(()) };
        if channel.confirms.is_some() {
            let text = "cannot switch from confirm to tx mode";
            return Err(Refusal::new(ReplyCode::PreconditionFailed, text));
        }
        channel.transaction.get_or_insert_default();
        channel.seen.transacts();
        self.send(id, &tx::SelectOk {});
        Ok(())
    }

    pub(super) fn tx_commit(&mut self, id: ChannelId) -> Result<(), Refusal> {
        let Transaction { publishes, settled, .. } = mem::take(self.transaction(id)?);
        let mut batch = Vec::with_capacity(publishes.len());
        for Held { publish, mandatory } in publishes {
            if let Some(channel) = self.channels.get_mut(&id.0) {
                channel.count_publish(&publish, mandatory);
            }
            if mandatory && publish.routes.is_empty() {
                self.send_return(id, &publish.message)?;
            }
            batch.push(publish);
        }
        let mut receipts = Vec::with_capacity(batch.len());
        self.publisher.publish(&mut batch, &mut receipts)?;
        let position = |receipt| match receipt {
            Receipt::At(position) => Some(position),
            // RabbitMQ: what a full queue refuses in a transaction is dropped in silence.
            Receipt::Done | Receipt::Refused => None,
        };
        let mut until = receipts.into_iter().filter_map(position).max();
        if !settled.is_empty() {
            for (verdict, taken) in settled {
                match verdict {
                    Verdict::Done => self.settled.extend(taken),
                    Verdict::Rejected => reject(taken)?,
                    Verdict::Requeue => requeue_sent(taken),
                }
            }
            self.flush_settled();
            until = until.max(self.publisher.appended());
        }
        match until {
            None => self.send(id, &tx::CommitOk {}),
            // Said by `release_confirms`, when it is true.
            Some(until) => {
                self.transaction(id)?.committing = Some(until);
                self.await_commit(id);
            }
        }
        Ok(())
    }

    pub(super) fn tx_rollback(&mut self, id: ChannelId) -> Result<(), Refusal> {
        let unsettled = self.transaction(id)?.roll_back();
        if let Some(channel) = self.channels.get_mut(&id.0) {
            channel.put_back(unsettled);
        }
        self.send(id, &tx::RollbackOk {});
        Ok(())
    }

    fn transaction(&mut self, id: ChannelId) -> Result<&mut Transaction, Refusal> {
        let channel = self.channels.get_mut(&id.0);
        channel.and_then(|channel| channel.transaction.as_mut()).ok_or_else(|| {
            let text = "channel is not transactional";
            Refusal::new(ReplyCode::PreconditionFailed, text)
        })
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
            Label {
                exchange: "".into(),
                routing_key: "k".into(),
                properties: Default::default(),
                persistent: true,
                marks: Default::default(),
            },
            broker::Body::from_elem(vec![0; bytes].into(), 1),
        );
        Publish { message, routes: Default::default() }
    }

    #[test]
    fn a_transaction_holds_as_much_as_configured_and_no_more() {
        let max = 1000 + HELD_BYTES as u64;
        for (bytes, fits) in [(999, true), (1000, true), (1001, false)] {
            let mut transaction = Transaction::default();
            assert_eq!(transaction.hold(publish(bytes), false, max).is_ok(), fits, "{bytes}");
        }
        let mut transaction = Transaction::default();
        transaction.hold(publish(0), false, max).unwrap();
        transaction.roll_back();
        transaction.hold(publish(1000), false, max).unwrap();
        let refusal = transaction.hold(publish(0), false, max).unwrap_err();
        assert!(refusal.text.contains("transaction of 1512 bytes"), "{}", &*refusal.text);
    }

    #[test]
    fn a_commit_is_done_once_and_when_it_is_on_disk() {
        let at = Position::from_bits(64);
        let mut transaction = Transaction { committing: Some(at), ..Transaction::default() };
        assert!(transaction.is_committing());
        assert!(!transaction.take_committed(|_| false));
        assert!(transaction.is_committing());
        assert!(transaction.take_committed(|position| position == at));
        assert!(!transaction.is_committing() && !transaction.take_committed(|_| true));
    }
}
