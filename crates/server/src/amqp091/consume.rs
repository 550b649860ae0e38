//! Consuming, and deliveries on their way to the client.

use std::{mem, sync::Arc, time::Instant};

use amqp091::{ChannelId, ReplyCode, ShortStr, encode_method, method::basic};
use broker::{
    Consumer, ConsumerRequest, Entry, Letter, Queue, ReadAhead, Return, Supply,
    policy::ConsumerArguments,
};
use bytestring::ByteString;

use super::{
    annotations::{self, Told},
    channel::Channel,
    connection::{Channels, Connection},
    content::{own, put_body, put_content},
    name::{check_length, detached, generated},
    refusal::Refusal,
    reply_to::PSEUDO_QUEUE,
};
use crate::{
    blocking,
    unacked::{Holder, Unacked, requeue_sent},
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
                true => {
                    channel.shared_limit.set(limit);
                    channel.seen.global_prefetch.set(limit.into());
                }
                false => {
                    channel.prefetch = limit;
                    channel.seen.prefetch.set(limit.into());
                }
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
        let tag = self.new_consumer_tag(id, &method.consumer_tag)?;
        let queue = match method.queue == PSEUDO_QUEUE {
            true => self.declare_reply_queue(id, &method, &tag)?,
            false => self.queue_name(id, &method.queue)?,
        };
        if method.queue != PSEUDO_QUEUE {
            self.access.may_read(&queue)?;
        }
        let ConsumerArguments { priority, reading } = match self.vhost.queue_type(&queue) {
            Some(of) => {
                let arguments = self.arguments(&method.arguments)?;
                ConsumerArguments::parse(self.vhost.name(), &queue, &arguments, of)?
            }
            None => ConsumerArguments::default(),
        };
        let Some(channel) = self.channels.get(&id.0) else { return Ok(()) };
        let request = ConsumerRequest {
            reading,
            priority,
            channel: id.0.into(),
            tag: tag.clone(),
            no_ack: method.no_ack,
            exclusive: method.exclusive,
            prefetch: channel.prefetch,
            supply: Supply::Prefetch,
            shared_limit: channel.shared_limit.clone(),
            mailbox: self.mailbox.clone(),
        };
        let consumer = match method.queue == PSEUDO_QUEUE {
            // It is the client's own, and named by the server.
            true => self.vhost.consume(&queue, self.id, request)?,
            false => self.access.consume(&queue, self.id, request)?,
        };
        if !method.nowait {
            let consumer_tag = ShortStr::try_from(tag.clone())?;
            self.send(id, &basic::ConsumeOk { consumer_tag });
        }
        if let Some(channel) = self.channels.get_mut(&id.0) {
            channel.consumers.insert(tag, consumer.clone());
            channel.show();
        }
        consumer.queue().dispatch();
        Ok(())
    }

    /// The tag of a consumer that is about to be, unless there may be no further one.
    fn new_consumer_tag(&self, id: ChannelId, asked: &ShortStr) -> Result<ByteString, Refusal> {
        let tag = match asked.is_empty() {
            true => generated("amq.ctag-"),
            false => detached(asked.clone()),
        };
        check_length("consumer", asked, self.agreed.limits.name_bytes_max)?;
        let Some(channel) = self.channels.get(&id.0) else { return Ok(tag) };
        if channel.consumers.contains_key(&tag) {
            return Err(Refusal::new(
                ReplyCode::NotAllowed,
                format!("attempt to reuse consumer tag '{tag}'"),
            ));
        }
        let max = self.agreed.limits.consumers_per_channel_max;
        match channel.consumers.len() < max as usize {
            true => Ok(tag),
            false => Err(Refusal::new(
                ReplyCode::NotAllowed,
                format!("reached maximum ({max}) of consumers per channel"),
            )),
        }
    }

    pub(super) fn basic_cancel(
        &mut self,
        id: ChannelId,
        method: basic::Cancel,
    ) -> Result<(), Refusal> {
        self.end_consumer(id, &method.consumer_tag)?;
        if !method.nowait {
            self.send(id, &basic::CancelOk { consumer_tag: method.consumer_tag });
        }
        Ok(())
    }

    /// Ends a consumer for its client; one that is not there has ended already.
    pub(super) fn end_consumer(&mut self, id: ChannelId, tag: &str) -> Result<(), Refusal> {
        let Some(channel) = self.channels.get_mut(&id.0) else { return Ok(()) };
        let Some(consumer) = channel.consumers.remove(tag) else { return Ok(()) };
        channel.show();
        channel.reply_consumer.take_if(|reply| reply.tag == tag);
        blocking(|| self.vhost.cancel(&consumer))?;
        self.recall(|it| Arc::ptr_eq(it, &consumer));
        Ok(())
    }

    pub(super) fn basic_get(&mut self, id: ChannelId, method: basic::Get) -> Result<(), Refusal> {
        let name = self.queue_name(id, &method.queue)?;
        let queue = self.access.readable(&name, self.id)?;
        let got = match method.no_ack {
            true => queue.get_no_ack()?,
            false => queue.get()?,
        };
        let Some((entry, left)) = got else {
            if let Some(channel) = self.channels.get_mut(&id.0) {
                channel.count_of(&queue, |counts| counts.get_empty.add(1));
            }
            self.send(id, &basic::GetEmpty::default());
            return Ok(());
        };
        let message = queue.message(&entry).and_then(|it| own(it, self.agreed.frame_max));
        let message = match message {
            Ok(message) => message.into_owned(),
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
        channel.count_of(&queue, |counts| {
            counts.redeliver.add(entry.is_redelivered().into());
            match method.no_ack {
                true => counts.get_no_ack.add(1),
                false => counts.get.add(1),
            }
        });
        let told = Told::of(&queue, &entry);
        let since = Instant::now();
        let holder = Holder::Queue(queue);
        let unacked = Unacked { tag: delivery_tag, holder, entry, since };
        match method.no_ack {
            true => self.settled.push(unacked),
            false => channel.unacked.push_back(unacked),
        }
        channel.show();
        self.send(id, &get_ok);
        self.send_content(id, &message, told);
        Ok(())
    }

    /// Writes deliveries until there are no more or the buffer is full.
    pub(super) fn deliver(&mut self) {
        let mut ahead = ReadAhead::default();
        self.deliver_letters(&mut ahead);
        self.stencil.let_go();
    }

    fn deliver_letters(&mut self, ahead: &mut ReadAhead) {
        while !self.out.is_full() {
            if self.letters.is_empty() {
                self.mailbox.drain(&mut self.letters);
                // Taken from the end, so the first has to be the last.
                self.letters.reverse();
            }
            match self.letters.pop() {
                None => return,
                Some(Letter::Deliveries { consumer, entries }) => {
                    self.deliver_entries(&consumer, entries, ahead);
                }
                Some(Letter::Cancelled { consumer }) => self.notify_cancelled(&consumer),
            }
        }
    }

    fn deliver_entries(
        &mut self,
        consumer: &Arc<Consumer>,
        entries: Vec<Entry>,
        ahead: &mut ReadAhead,
    ) {
        let id = ChannelId(consumer.channel() as u16);
        let Some(channel) = channel_of(&mut self.channels, consumer) else {
            return consumer.queue().requeue(entries, Some(consumer), Return::Unsent);
        };
        let queue = consumer.queue();
        let messages = entries.len();
        let (mut bytes, mut redelivered, since) = (0, 0, Instant::now());
        let (mut done, mut unreadable) = (Vec::new(), Vec::new());
        if consumer.is_no_ack() {
            done.reserve(messages);
        }
        for entry in entries {
            bytes += entry.size_bytes();
            redelivered += u64::from(entry.is_redelivered());
            let message = queue.message_ahead(&entry, ahead);
            let message = match message.and_then(|it| own(it, self.agreed.frame_max)) {
                Ok(message) => message,
                Err(error) => {
                    unreadable.push((entry, error));
                    continue;
                }
            };
            let tag = channel.next_delivery_tag();
            let told = Told::of(queue, &entry);
            let (out, frame_max) = (&mut self.out, self.agreed.frame_max);
            match annotations::shown(&message, told) {
                None => {
                    let head = self.stencil.octets(consumer, &message, tag, entry.is_redelivered());
                    out.tail().extend_from_slice(head);
                    put_body(out, id, frame_max, &message);
                }
                Some(properties) => {
                    let deliver = basic::Deliver {
                        consumer_tag: short(consumer.tag()),
                        delivery_tag: tag,
                        redelivered: entry.is_redelivered(),
                        exchange: short(&message.exchange),
                        routing_key: short(&message.routing_key),
                    };
                    encode_method(id, &deliver, out.tail());
                    put_content(out, id, frame_max, &message, properties.as_bytes());
                }
            }
            drop(message);
            match consumer.is_no_ack() {
                true => done.push(entry),
                false => {
                    let holder = Holder::Consumer(consumer.clone());
                    channel.unacked.push_back(Unacked { tag, holder, entry, since });
                }
            }
        }
        channel.count_of(queue, |counts| {
            counts.redeliver.add(redelivered);
            match consumer.is_no_ack() {
                true => counts.deliver_no_ack.add(messages as u64),
                false => counts.deliver.add(messages as u64),
            }
        });
        channel.show();
        for (entry, error) in unreadable {
            if !queue.has_trimmed(&entry) {
                report_damage(queue, &error);
            }
            queue.set_aside(entry, Some(consumer));
        }
        if !done.is_empty()
            && let Err(error) = queue.settle(done, Some(consumer))
        {
            return self.close(error.into());
        }
        consumer.taken(messages, bytes);
    }

    /// RabbitMQ: consumer cancel notification, for clients that understand it.
    pub(super) fn notify_cancelled(&mut self, consumer: &Arc<Consumer>) {
        let id = ChannelId(consumer.channel() as u16);
        let Some(channel) = channel_of(&mut self.channels, consumer) else { return };
        channel.consumers.remove(consumer.tag());
        channel.show();
        if self.agreed.capabilities.consumer_cancel_notify {
            let consumer_tag = ShortStr::try_from(consumer.tag().clone()).unwrap_or_default();
            self.send(id, &basic::Cancel { consumer_tag, nowait: true });
        }
    }

    /// Ends what is open on a channel: consumers go, and what was not settled goes back.
    pub(super) fn end_channel(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(&id.0) else { return };
        let consumers: Vec<Arc<Consumer>> =
            mem::take(&mut channel.consumers).into_values().collect();
        let mut unacked: Vec<Unacked> = mem::take(&mut channel.unacked).into();
        unacked.extend(channel.transaction.take().iter_mut().flat_map(|it| it.roll_back()));
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
                consumer.queue().requeue(entries, Some(&consumer), Return::Unsent);
            }
        }
    }

    pub(super) fn dispatch_queues_of(&self, id: ChannelId) {
        if let Some(channel) = self.channels.get(&id.0) {
            channel.consumers.values().for_each(|consumer| consumer.queue().dispatch());
        }
    }
}

/// A consumer's channel, for as long as it has the consumer.
fn channel_of<'a>(channels: &'a mut Channels, consumer: &Arc<Consumer>) -> Option<&'a mut Channel> {
    let channel = channels.get_mut(&(consumer.channel() as u16))?;
    let current = channel.consumers.get(consumer.tag())?;
    Arc::ptr_eq(current, consumer).then_some(channel)
}

/// A name that a peer was given, or gave.
fn short(name: &ByteString) -> ShortStr {
    ShortStr::try_from(name.clone()).unwrap_or_default()
}

/// A damaged record is never delivered and never dropped: it stays in the journal, and everything
/// else is served.
fn report_damage(queue: &Queue, error: &broker::Error) {
    tracing::error!("a message of queue '{}' cannot be delivered: {error}", queue.name());
}
