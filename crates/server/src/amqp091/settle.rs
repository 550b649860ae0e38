//! What clients say of deliveries: acknowledged, rejected, given back.

use std::mem;

use amqp091::{ChannelId, ReplyCode, method::basic};

use broker::Return;

use super::{connection::Connection, refusal::Refusal};
use crate::unacked::{Unacked, Verdict, give_back, grouped, reject, requeue_sent};

impl Connection {
    pub(super) fn basic_ack(&mut self, id: ChannelId, method: &basic::Ack) -> Result<(), Refusal> {
        let taken = self.take_unacked(id, method.delivery_tag, method.multiple)?;
        self.say(id, Verdict::Done, taken)
    }

    pub(super) fn basic_nack(
        &mut self,
        id: ChannelId,
        method: &basic::Nack,
    ) -> Result<(), Refusal> {
        let taken = self.take_unacked(id, method.delivery_tag, method.multiple)?;
        self.say(id, rejected(method.requeue), taken)
    }

    pub(super) fn basic_reject(
        &mut self,
        id: ChannelId,
        method: &basic::Reject,
    ) -> Result<(), Refusal> {
        let taken = self.take_unacked(id, method.delivery_tag, false)?;
        self.say(id, rejected(method.requeue), taken)
    }

    /// RabbitMQ: takes effect at once, on a channel with transactions too.
    pub(super) fn basic_recover(
        &mut self,
        id: ChannelId,
        requeue: bool,
        answer: bool,
    ) -> Result<(), Refusal> {
        if !requeue {
            return Err(Refusal::new(ReplyCode::NotImplemented, "requeue=false"));
        }
        let taken = self.take_unacked(id, 0, true)?;
        requeue_sent(taken);
        self.dispatch_if_shared(id);
        if answer {
            self.send(id, &basic::RecoverOk {});
        }
        Ok(())
    }

    fn take_unacked(
        &mut self,
        id: ChannelId,
        tag: u64,
        multiple: bool,
    ) -> Result<Vec<Unacked>, Refusal> {
        let channel = self.channels.get_mut(&id.0);
        channel.and_then(|channel| channel.take_unacked(tag, multiple)).ok_or_else(|| {
            Refusal::new(ReplyCode::PreconditionFailed, format!("unknown delivery tag {tag}"))
        })
    }

    /// Acts upon a verdict, or keeps it for `tx.commit`.
    fn say(&mut self, id: ChannelId, verdict: Verdict, taken: Vec<Unacked>) -> Result<(), Refusal> {
        if let Some(channel) = self.channels.get_mut(&id.0) {
            if verdict == Verdict::Done {
                for of_one in taken.chunk_by(|one, other| one.holder.is_same(&other.holder)) {
                    if let Some(Unacked { holder, .. }) = of_one.first() {
                        channel
                            .count_of(holder.queue(), |counts| counts.ack.add(of_one.len() as u64));
                    }
                }
            }
            if let Some(transaction) = &mut channel.transaction {
                transaction.settle(verdict, taken);
                channel.show();
                return Ok(());
            }
            channel.show();
        }
        match verdict {
            Verdict::Done => self.settled.extend(taken),
            Verdict::Rejected => {
                // In order: what was acknowledged before is not held up by dead letters.
                self.flush_settled();
                reject(taken)?;
                self.dispatch_if_shared(id);
            }
            Verdict::Back(how) => {
                give_back(taken, how);
                self.dispatch_if_shared(id);
            }
        }
        Ok(())
    }

    /// Tells the queues what this read settled, each in one piece.
    pub(super) fn flush_settled(&mut self) {
        if self.settled.is_empty() {
            return;
        }
        let settled = mem::take(&mut self.settled);
        let mut channels: Vec<u32> = Vec::new();
        for (holder, entries) in grouped(settled) {
            channels.extend(holder.consumer().map(|it| it.channel()));
            if let Err(error) = holder.queue().settle(entries, holder.consumer()) {
                return self.close(error.into());
            }
        }
        channels.dedup();
        for channel in channels {
            self.dispatch_if_shared(ChannelId(channel as u16));
        }
    }

    /// Room under a limit for the whole channel is room on every queue it consumes from.
    pub(super) fn dispatch_if_shared(&self, id: ChannelId) {
        if self.channels.get(&id.0).is_some_and(|channel| channel.shared_limit.is_set()) {
            self.dispatch_queues_of(id);
        }
    }
}

fn rejected(requeue: bool) -> Verdict {
    match requeue {
        true => Verdict::Back(Return::Failed),
        false => Verdict::Rejected,
    }
}
