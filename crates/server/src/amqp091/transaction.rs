//! Transactions (AMQP 0-9-1 §1.9): what a channel publishes and settles waits here for `tx.commit`.
//!
//! As RabbitMQ does it: a message finds its queues when it is published, and is handed to them at
//! commit; a queue that goes in between takes its share with it. A commit is done when everything
//! it handed over is on disk; unlike RabbitMQ's it is there after a crash as a whole or not at all.

use std::mem;

use amqp091::{ChannelId, ReplyCode, method::tx};
use broker::{Position, Publish};

use super::{connection::Connection, refusal::Refusal};
use crate::{
    transaction::Transaction,
    unacked::{Unacked, Verdict, requeue_sent},
};

/// What one channel holds back.
#[derive(Debug, Default)]
pub(super) struct ChannelTransaction {
    held: Transaction,
    /// For each message whether it comes back when it leads nowhere.
    mandatory: Vec<bool>,
    /// A commit that waits for the disk: until the journal keeps its promise for this.
    committing: Option<Position>,
}

impl ChannelTransaction {
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
        let held = self.held.hold(publish, bytes_max);
        held.map_err(|text| Refusal::new(ReplyCode::PreconditionFailed, text))?;
        self.mandatory.push(mandatory);
        Ok(())
    }

    /// How many messages and acknowledgements it holds.
    pub(super) fn held(&self) -> (usize, usize) {
        self.held.held()
    }

    /// What the client said of these deliveries, for the next commit.
    pub(super) fn settle(&mut self, verdict: Verdict, taken: Vec<Unacked>) {
        self.held.settle(verdict, taken);
    }

    /// Forgets it all; gives back the deliveries that are unsettled again.
    pub(super) fn roll_back(&mut self) -> Vec<Unacked> {
        mem::take(self).held.roll_back()
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
        let ChannelTransaction { held, mandatory, .. } = mem::take(self.transaction(id)?);
        for (publish, mandatory) in held.publishes().iter().zip(mandatory) {
            if let Some(channel) = self.channels.get_mut(&id.0) {
                channel.count_publish(publish, mandatory);
            }
            if mandatory && publish.routes.is_empty() {
                self.send_return(id, &publish.message)?;
            }
        }
        // RabbitMQ: what a full queue refuses in a transaction is dropped in silence.
        let until = held.commit(&self.publisher, false).map_err(|refused| {
            requeue_sent(refused.unsettled);
            refused.error
        })?;
        self.dispatch_if_shared(id);
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

    fn transaction(&mut self, id: ChannelId) -> Result<&mut ChannelTransaction, Refusal> {
        let channel = self.channels.get_mut(&id.0);
        channel.and_then(|channel| channel.transaction.as_mut()).ok_or_else(|| {
            let text = "channel is not transactional";
            Refusal::new(ReplyCode::PreconditionFailed, text)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_done_once_and_when_it_is_on_disk() {
        let at = Position::from_bits(64);
        let mut transaction =
            ChannelTransaction { committing: Some(at), ..ChannelTransaction::default() };
        assert!(transaction.is_committing());
        assert!(!transaction.take_committed(|_| false));
        assert!(transaction.is_committing());
        assert!(transaction.take_committed(|position| position == at));
        assert!(!transaction.is_committing() && !transaction.take_committed(|_| true));
    }
}
