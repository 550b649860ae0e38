//! A channel: what is open on it, what is out unacknowledged, what waits for a confirm.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use amqp091::Assembler;
use broker::{Consumer, ExchangeCounters, Position, Publish, Queue, QueueId, Receipt, SharedLimit};
use bytestring::ByteString;

use super::{reply_to::ReplyConsumer, transaction::ChannelTransaction};
use crate::{
    ChannelCounts, Limits, OpenChannel,
    tally::{TalliedExchange, Tally},
    unacked::Unacked,
};

/// The state of one channel of a connection.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) assembler: Assembler,
    /// The server sent `channel.close`: everything but close and close-ok is passed over.
    pub(super) is_closing: bool,
    pub(super) consumers: HashMap<ByteString, Arc<Consumer>>,
    pub(super) unacked: VecDeque<Unacked>,
    pub(super) confirms: Option<Confirms>,
    /// After `tx.select`; never together with `confirms`.
    pub(super) transaction: Option<ChannelTransaction>,
    /// The one of `consumers` that awaits answers to requests.
    pub(super) reply_consumer: Option<ReplyConsumer>,
    /// For consumers that begin from now on (RabbitMQ: `basic.qos` without `global`).
    pub(super) prefetch: u32,
    /// For all consumers of the channel together (`global`).
    pub(super) shared_limit: Arc<SharedLimit>,
    /// The queue declared last: what an empty queue name means.
    pub(super) last_queue: ByteString,
    last_delivery_tag: u64,
    /// When it was last looked at for a delivery that is held for too long.
    looked_at: Instant,
    /// How operators see it.
    pub(super) seen: Arc<OpenChannel>,
    /// By the address of its counters: as long as one is on the list, no other is there.
    exchanges: Tally<usize, Arc<ExchangeCounters>>,
    queues: Tally<QueueId, (QueueId, ByteString)>,
}

impl Channel {
    pub(super) fn new(limits: &Limits, seen: Arc<OpenChannel>) -> Channel {
        Channel {
            assembler: Assembler::new(limits.message_bytes_max)
                .with_depth_max(limits.table_depth_max.into()),
            is_closing: false,
            consumers: HashMap::new(),
            unacked: VecDeque::new(),
            confirms: None,
            transaction: None,
            reply_consumer: None,
            prefetch: 0,
            shared_limit: Arc::default(),
            last_queue: ByteString::new(),
            last_delivery_tag: 0,
            looked_at: Instant::now(),
            seen,
            exchanges: Tally::default(),
            queues: Tally::default(),
        }
    }

    /// Whether a whole message of that size may be published without a look at anything else.
    pub(super) fn takes_whole(&self, body_bytes: usize) -> bool {
        !self.is_closing
            && self.transaction.is_none()
            && self.assembler.is_idle()
            && body_bytes as u64 <= self.assembler.size_max()
    }

    /// Whether it is time to look again for a delivery that is held for too long; then it counts
    /// as looked at.
    pub(super) fn look_again(&mut self, now: Instant, every: Duration) -> bool {
        let is_time = now.saturating_duration_since(self.looked_at) >= every;
        if is_time {
            self.looked_at = now;
        }
        is_time
    }

    /// Tags count from 1, deliveries and gets together.
    pub(super) fn next_delivery_tag(&mut self) -> u64 {
        self.last_delivery_tag += 1;
        self.last_delivery_tag
    }

    /// A message was published, for operators.
    pub(super) fn count_publish(&mut self, publish: &Publish, mandatory: bool) {
        count_publish(&self.seen.counts, publish, mandatory);
        let Some(exchange) = publish.routes.counters() else { return };
        let address = Arc::as_ptr(exchange) as usize;
        let tallied = self.exchanges.of(address, &self.seen.exchanges, || exchange.clone());
        count_publish(&tallied.counts, publish, mandatory);
        if let Some(confirms) = &mut self.confirms {
            confirms.is_for(tallied);
        }
    }

    /// Something was done with messages of a queue, for operators: counts it twice, of the channel
    /// and of the queue on it.
    pub(super) fn count_of(&mut self, queue: &Queue, count: impl Fn(&ChannelCounts)) {
        count(&self.seen.counts);
        let id = queue.id();
        let name = || (id, queue.name().clone());
        count(&self.queues.of(id, &self.seen.queues, name).counts);
    }

    /// Tells operators what is out and what waits.
    pub(super) fn show(&self) {
        self.seen.unacknowledged.set(self.unacked.len() as u64);
        self.seen.consumers.set(self.consumers.len() as u64);
        if let Some(confirms) = &self.confirms {
            self.seen.unconfirmed.set(confirms.waiting.len() as u64);
        }
        if let Some(transaction) = &self.transaction {
            let (messages, acknowledgements) = transaction.held();
            self.seen.uncommitted.set(messages as u64);
            self.seen.acks_uncommitted.set(acknowledgements as u64);
        }
    }

    /// Whether the client has to wait for `tx.commit-ok` before it goes on.
    pub(super) fn is_committing(&self) -> bool {
        self.transaction.as_ref().is_some_and(ChannelTransaction::is_committing)
    }

    /// Deliveries that are unsettled again, among those that are still.
    pub(super) fn put_back(&mut self, unsettled: Vec<Unacked>) {
        let mut all: Vec<Unacked> = mem::take(&mut self.unacked).into();
        all.extend(unsettled);
        all.sort_unstable_by_key(|unacked| unacked.tag);
        self.unacked = all.into();
    }

    /// Takes what a client settles. With `multiple` all up to the tag, and all there are for tag
    /// 0, which is never an error. `None`: no such tag is out.
    pub(super) fn take_unacked(&mut self, tag: u64, multiple: bool) -> Option<Vec<Unacked>> {
        if multiple && tag == 0 {
            return Some(self.unacked.drain(..).collect());
        }
        let at = self.unacked.partition_point(|it| it.tag < tag);
        if self.unacked.get(at).is_none_or(|it| it.tag != tag) {
            return None;
        }
        match multiple {
            true => Some(self.unacked.drain(..=at).collect()),
            false => Some(self.unacked.remove(at).into_iter().collect()),
        }
    }
}

fn count_publish(counts: &ChannelCounts, publish: &Publish, mandatory: bool) {
    counts.publish.add(1);
    match (publish.routes.is_empty(), mandatory) {
        (true, true) => counts.return_unroutable.add(1),
        (true, false) => counts.drop_unroutable.add(1),
        (false, _) => {}
    }
}

/// Publisher confirms of one channel. `acked ≤ next`; what waits is in order of its number.
#[derive(Debug, Default)]
pub(super) struct Confirms {
    last: u64,
    acked: u64,
    waiting: VecDeque<(u64, Receipt)>,
    /// To which exchange the messages went that are not confirmed, up to which number: neighbours
    /// mostly to the same.
    exchanges: VecDeque<(Arc<TalliedExchange>, u64)>,
}

/// One `basic.ack` to a publisher, or one `basic.nack`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Confirm {
    pub(super) tag: u64,
    pub(super) multiple: bool,
    /// A queue was full and refused the message.
    pub(super) is_refused: bool,
    /// How many messages it is about.
    pub(super) messages: u64,
}

impl Confirms {
    /// The number of the next message.
    pub(super) fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// To which exchange the message of the last number goes.
    fn is_for(&mut self, exchange: &Arc<TalliedExchange>) {
        match self.exchanges.back_mut() {
            Some((known, last)) if Arc::ptr_eq(known, exchange) => *last = self.last,
            _ => self.exchanges.push_back((exchange.clone(), self.last)),
        }
    }

    /// The messages up to that number are confirmed, or refused, to their exchanges.
    fn count(&mut self, tag: u64, is_refused: bool) {
        let mut counted = self.acked;
        while let Some((exchange, last)) = self.exchanges.front() {
            let up_to = tag.min(*last);
            if !is_refused {
                exchange.counts.confirm.add(up_to.saturating_sub(counted));
            }
            counted = up_to;
            if *last > tag {
                break;
            }
            self.exchanges.pop_front();
        }
    }

    pub(super) fn wait(&mut self, number: u64, receipt: Receipt) {
        self.waiting.push_back((number, receipt));
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// What can be confirmed next: as many as are alike, in order. To be called until there is
    /// nothing more.
    pub(super) fn release(&mut self, is_durable: impl Fn(Position) -> bool) -> Option<Confirm> {
        let mut tag = None;
        let is_refused = self.waiting.front().is_some_and(|(_, it)| *it == Receipt::Refused);
        while let Some(&(number, receipt)) = self.waiting.front() {
            let is_known = match receipt {
                Receipt::Done | Receipt::Refused => true,
                Receipt::At(position) => is_durable(position),
            };
            if !is_known || (receipt == Receipt::Refused) != is_refused {
                break;
            }
            tag = Some(number);
            self.waiting.pop_front();
        }
        let tag = tag?;
        let messages = tag - self.acked;
        self.count(tag, is_refused);
        self.acked = tag;
        Some(Confirm { tag, multiple: messages > 1, is_refused, messages })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confirms_are_released_in_order_and_together() {
        let mut confirms = Confirms::default();
        let position = |bits| Receipt::At(Position::from_bits(bits));
        for receipt in [Receipt::Done, position(10), position(20), Receipt::Done] {
            let number = confirms.next();
            confirms.wait(number, receipt);
        }
        let at = |mark: u64| move |position: Position| position.to_bits() < mark;
        let ack = |tag, messages| {
            Some(Confirm { tag, multiple: messages > 1, is_refused: false, messages })
        };
        assert_eq!(confirms.release(at(0)), ack(1, 1));
        assert_eq!(confirms.release(at(10)), None);
        assert_eq!(confirms.release(at(30)), ack(4, 3));
        for receipt in [Receipt::Done, Receipt::Refused, Receipt::Refused, position(40)] {
            let number = confirms.next();
            confirms.wait(number, receipt);
        }
        assert_eq!(confirms.release(at(50)), ack(5, 1));
        let refused = Confirm { tag: 7, multiple: true, is_refused: true, messages: 2 };
        assert_eq!(confirms.release(at(50)), Some(refused));
        assert_eq!(confirms.release(at(50)), ack(8, 1));
        assert!(!confirms.is_waiting());
    }
}
