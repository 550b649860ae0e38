//! Consuming, deliveries, and what the client says of them.

use std::{mem, sync::Arc};

use amqp091::{ChannelId, ReplyCode, ShortStr, encode_method, method::basic};
use broker::{Consumer, ConsumerRequest, Entry, Letter, Queue};

use super::{
    channel::Unacked,
    connection::{Connection, blocking},
    declare::{detached, generated_name},
    refusal::Refusal,
};

impl Connection {
    pub(super) fn basic_qos(&mut self, id: ChannelId, method: basic::Qos) -> Result<(), Refusal> {
        if method.prefetch_size != 0 {
            let text = format!("prefetch_size!=0 ({})", method.prefetch_size);
            return Err(Refusal::new(ReplyCode::NotImplemented, text));
        }
        let limit = u32::from(method.prefetch_count);
        if let Some(channel) = self.channels.get_mut(&id.0) {
            match method.global {
                true => channel.shared_limit.set(limit),
                false => channel.prefetch = limit,
            }
        }
        self.send(id, &basic::QosOk {});
        if method.global {
            self.dispatch_queues_of(id);
        }
        Ok(())
    }

    pub(super) fn basic_consume(
        &mut self,
        id: ChannelId,
        method: basic::Consume,
    ) -> Result<(), Refusal> {
        let queue = self.queue_name(id, &method.queue)?;
        let Some(channel) = self.channels.get(&id.0) else { return Ok(()) };
        let tag = match method.consumer_tag.is_empty() {
            true => generated_name("amq.ctag-"),
            false => detached(method.consumer_tag),
        };
        if channel.consumers.contains_key(&tag) {
            return Err(Refusal::new(
                ReplyCode::NotAllowed,
                format!("attempt to reuse consumer tag '{tag}'"),
            ));
        }
        let request = ConsumerRequest {
            channel: id.0.into(),
            tag: tag.clone(),
            no_ack: method.no_ack,
            exclusive: method.exclusive,
            prefetch: channel.prefetch,
            shared_limit: channel.shared_limit.clone(),
            mailbox: self.mailbox.clone(),
        };
        let consumer = self.access.consume(&queue, self.id, request)?;
        if !method.nowait {
            let consumer_tag = ShortStr::try_from(tag.clone())?;
            self.send(id, &basic::ConsumeOk { consumer_tag });
        }
        if let Some(channel) = self.channels.get_mut(&id.0) {
            channel.consumers.insert(tag, consumer.clone());
        }
        consumer.queue().dispatch();
        Ok(())
    }

    pub(super) fn basic_cancel(
        &mut self,
        id: ChannelId,
        method: basic::Cancel,
    ) -> Result<(), Refusal> {
        let channel = self.channels.get_mut(&id.0);
        let consumer =
            channel.and_then(|channel| channel.consumers.remove(method.consumer_tag.as_str()));
        if let Some(consumer) = consumer {
            blocking(|| self.vhost.cancel(&consumer))?;
            self.recall(|it| Arc::ptr_eq(it, &consumer));
        }
        if !method.nowait {
            self.send(id, &basic::CancelOk { consumer_tag: method.consumer_tag });
        }
        Ok(())
    }

    pub(super) fn basic_get(&mut self, id: ChannelId, method: basic::Get) -> Result<(), Refusal> {
        let name = self.queue_name(id, &method.queue)?;
        let queue = self.access.readable(&name, self.id)?;
        let Some((entry, left)) = queue.get()? else {
            self.send(id, &basic::GetEmpty::default());
            return Ok(());
        };
        let message = match queue.message(&entry) {
            Ok(message) => message,
            Err(error) => {
                report_damage(&queue, &error);
                queue.set_aside(entry, None);
                return Err(error.into());
            }
        };
        let Some(channel) = self.channels.get_mut(&id.0) else { return Ok(()) };
        let delivery_tag = channel.next_delivery_tag();
        let get_ok = basic::GetOk {
            delivery_tag,
            redelivered: entry.is_redelivered(),
            exchange: ShortStr::try_from(message.exchange.clone())?,
            routing_key: ShortStr::try_from(message.routing_key.clone())?,
            message_count: u32::try_from(left).unwrap_or(u32::MAX),
        };
        let unacked = Unacked { tag: delivery_tag, queue, consumer: None, entry };
        match method.no_ack {
            true => self.settled.push(unacked),
            false => channel.unacked.push_back(unacked),
        }
        self.send(id, &get_ok);
        self.send_content(id, &message);
        Ok(())
    }

    pub(super) fn basic_ack(&mut self, id: ChannelId, method: &basic::Ack) -> Result<(), Refusal> {
        let taken = self.take_unacked(id, method.delivery_tag, method.multiple)?;
        self.settled.extend(taken);
        Ok(())
    }

    pub(super) fn basic_nack(
        &mut self,
        id: ChannelId,
        method: &basic::Nack,
    ) -> Result<(), Refusal> {
        let taken = self.take_unacked(id, method.delivery_tag, method.multiple)?;
        self.give_up(id, taken, method.requeue);
        Ok(())
    }

    pub(super) fn basic_reject(
        &mut self,
        id: ChannelId,
        method: &basic::Reject,
    ) -> Result<(), Refusal> {
        let taken = self.take_unacked(id, method.delivery_tag, false)?;
        self.give_up(id, taken, method.requeue);
        Ok(())
    }

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
        self.give_up(id, taken, true);
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

    /// Rejected: back into the queue, or done with.
    fn give_up(&mut self, id: ChannelId, taken: Vec<Unacked>, requeue: bool) {
        if !requeue {
            return self.settled.extend(taken);
        }
        requeue_sent(taken);
        self.dispatch_if_shared(id);
    }

    /// Tells the queues what this read settled, each in one piece.
    pub(super) fn flush_settled(&mut self) {
        if self.settled.is_empty() {
            return;
        }
        let settled = mem::take(&mut self.settled);
        let mut channels: Vec<u32> = Vec::new();
        for (queue, consumer, entries) in grouped(settled) {
            channels.extend(consumer.as_ref().map(|it| it.channel()));
            if let Err(error) = queue.settle(entries, consumer.as_deref()) {
                return self.close(error.into());
            }
        }
        channels.dedup();
        for channel in channels {
            self.dispatch_if_shared(ChannelId(channel as u16));
        }
    }

    /// Writes deliveries until there are no more or the buffer is full.
    pub(super) fn deliver(&mut self) {
        while !self.out.is_full() {
            if self.letters.is_empty() {
                self.mailbox.drain(&mut self.letters);
                // Taken from the end, so the first has to be the last.
                self.letters.reverse();
            }
            match self.letters.pop() {
                None => return,
                Some(Letter::Deliveries { consumer, entries }) => {
                    self.deliver_entries(&consumer, entries);
                }
                Some(Letter::Cancelled { consumer }) => self.notify_cancelled(&consumer),
            }
        }
    }

    fn deliver_entries(&mut self, consumer: &Arc<Consumer>, entries: Vec<Entry>) {
        let id = ChannelId(consumer.channel() as u16);
        if !self.has_consumer(id, consumer) {
            return consumer.queue().requeue(entries, Some(consumer), false);
        }
        let (messages, bytes) =
            (entries.len(), entries.iter().map(Entry::size_bytes).sum::<usize>());
        let mut done = Vec::new();
        for entry in entries {
            match self.deliver_one(id, consumer, &entry) {
                Err(error) => {
                    report_damage(consumer.queue(), &error);
                    consumer.queue().set_aside(entry, Some(consumer));
                }
                Ok(_) if consumer.is_no_ack() => done.push(entry),
                Ok(tag) => {
                    let (queue, consumer) = (consumer.queue().clone(), Some(consumer.clone()));
                    if let Some(channel) = self.channels.get_mut(&id.0) {
                        channel.unacked.push_back(Unacked { tag, queue, consumer, entry });
                    }
                }
            }
        }
        if !done.is_empty()
            && let Err(error) = consumer.queue().settle(done, Some(consumer))
        {
            return self.close(error.into());
        }
        consumer.taken(messages, bytes);
    }

    fn deliver_one(
        &mut self,
        id: ChannelId,
        consumer: &Consumer,
        entry: &Entry,
    ) -> Result<u64, broker::Error> {
        let message = consumer.queue().message(entry)?;
        let Some(channel) = self.channels.get_mut(&id.0) else { return Ok(0) };
        let delivery_tag = channel.next_delivery_tag();
        let deliver = basic::Deliver {
            consumer_tag: ShortStr::try_from(consumer.tag().clone()).unwrap_or_default(),
            delivery_tag,
            redelivered: entry.is_redelivered(),
            exchange: ShortStr::try_from(message.exchange.clone()).unwrap_or_default(),
            routing_key: ShortStr::try_from(message.routing_key.clone()).unwrap_or_default(),
        };
        encode_method(id, &deliver, self.out.tail());
        self.send_content(id, &message);
        Ok(delivery_tag)
    }

    /// RabbitMQ: consumer cancel notification, for clients that understand it.
    pub(super) fn notify_cancelled(&mut self, consumer: &Arc<Consumer>) {
        let id = ChannelId(consumer.channel() as u16);
        if !self.has_consumer(id, consumer) {
            return;
        }
        if let Some(channel) = self.channels.get_mut(&id.0) {
            channel.consumers.remove(consumer.tag());
        }
        if self.agreed.capabilities.consumer_cancel_notify {
            let consumer_tag = ShortStr::try_from(consumer.tag().clone()).unwrap_or_default();
            self.send(id, &basic::Cancel { consumer_tag, nowait: true });
        }
    }

    fn has_consumer(&self, id: ChannelId, consumer: &Arc<Consumer>) -> bool {
        let channel = self.channels.get(&id.0);
        let current = channel.and_then(|channel| channel.consumers.get(consumer.tag()));
        current.is_some_and(|current| Arc::ptr_eq(current, consumer))
    }

    /// Ends what is open on a channel: consumers go, and what was not settled goes back.
    pub(super) fn end_channel(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(&id.0) else { return };
        let consumers: Vec<Arc<Consumer>> =
            mem::take(&mut channel.consumers).into_values().collect();
        let unacked: Vec<Unacked> = mem::take(&mut channel.unacked).into();
        for consumer in &consumers {
            if let Err(error) = blocking(|| self.vhost.cancel(consumer)) {
                tracing::error!(connection = self.id.0, "consumer not cancelled: {error}");
            }
        }
        requeue_sent(unacked);
        self.recall(|it| consumers.iter().any(|consumer| Arc::ptr_eq(it, consumer)));
    }

    /// Gives deliveries back that were on their way to consumers that are gone.
    pub(super) fn recall(&mut self, is_gone: impl Fn(&Arc<Consumer>) -> bool) {
        self.letters.reverse();
        self.mailbox.drain(&mut self.letters);
        self.letters.reverse();
        let (gone, kept) = mem::take(&mut self.letters).into_iter().partition(
            |letter| matches!(letter, Letter::Deliveries { consumer, .. } if is_gone(consumer)),
        );
        self.letters = kept;
        let gone: Vec<Letter> = gone;
        for letter in gone {
            if let Letter::Deliveries { consumer, entries } = letter {
                consumer.queue().requeue(entries, Some(&consumer), false);
            }
        }
    }

    /// Room under a limit for the whole channel is room on every queue it consumes from.
    fn dispatch_if_shared(&self, id: ChannelId) {
        if self.channels.get(&id.0).is_some_and(|channel| channel.shared_limit.is_set()) {
            self.dispatch_queues_of(id);
        }
    }

    fn dispatch_queues_of(&self, id: ChannelId) {
        if let Some(channel) = self.channels.get(&id.0) {
            channel.consumers.values().for_each(|consumer| consumer.queue().dispatch());
        }
    }
}

type Group = (Arc<Queue>, Option<Arc<Consumer>>, Vec<Entry>);

/// Neighbours of one queue and consumer, together.
fn grouped(deliveries: Vec<Unacked>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for Unacked { queue, consumer, entry, .. } in deliveries {
        let same = groups.iter_mut().rev().take(GROUPS_LOOKED_AT).find(|(q, c, _)| {
            Arc::ptr_eq(q, &queue)
                && c.as_ref().map(Arc::as_ptr) == consumer.as_ref().map(Arc::as_ptr)
        });
        match same {
            Some((.., entries)) => entries.push(entry),
            None => groups.push((queue, consumer, vec![entry])),
        }
    }
    groups
}

/// Deliveries of a few queues alternate; looking further back would cost more than it saves.
const GROUPS_LOOKED_AT: usize = 8;

fn requeue_sent(deliveries: Vec<Unacked>) {
    for (queue, consumer, entries) in grouped(deliveries) {
        queue.requeue(entries, consumer.as_deref(), true);
    }
}

/// A damaged record is never delivered and never dropped: it stays in the journal, and everything
/// else is served.
fn report_damage(queue: &Queue, error: &broker::Error) {
    tracing::error!("a message of queue '{}' cannot be delivered: {error}", queue.name());
}
