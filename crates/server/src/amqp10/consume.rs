//! Consuming, and deliveries on their way to the client.

use std::{mem, sync::Arc, time::Instant};

use amqp10::{
    ErrorCondition,
    definition::{DeliveryNumber, MessageFormat},
    endpoint::{LinkFlow, LinkId, Outgoing, Sent, SessionId},
    section::Pieces,
};
use broker::{Consumer, Entry, Letter, Queue, ReadAhead, Return};
use bytes::Bytes;
use selector::Selector;

use super::{
    connection::{Connection, Link},
    heads::Parts,
    large::{EMPTY_BODY, Feeding, left, rest_of},
    refusal,
    selected::Seen,
    transaction::acquired_by,
};
use crate::unacked::{Holder, Unacked};

impl Connection {
    /// The peer says how many deliveries it takes on a link.
    pub(super) fn on_flow(&mut self, flow: &LinkFlow) {
        let acquires_by = match self.acquires_by(flow) {
            Ok(acquires_by) => acquires_by,
            Err(refused) => return self.refuse_link(flow.link, refused),
        };
        let Some(Link::Outlet(outlet)) = self.links.get_mut(&flow.link) else {
            return self.on_answer_flow(flow);
        };
        outlet.acquires_by = acquires_by;
        outlet.allow(flow.credit);
        outlet.is_draining = flow.drain;
        let queue = outlet.consumer.queue().clone();
        queue.dispatch();
        self.deliver();
    }

    /// The peer takes transfer frames again.
    pub(super) fn on_window(&mut self, session: SessionId) {
        self.protocol.continue_sending(session, &mut self.out);
        self.send_waiting_answers(session);
        self.deliver();
    }

    /// Writes deliveries until there are no more or the buffer is full; or until others should have
    /// their turn, for what a selector passes over fills no buffer. Who puts more into the mailbox
    /// wakes this connection again.
    pub(super) fn deliver(&mut self) {
        let mut ahead = ReadAhead::default();
        // A little of the large ones, then the others, and then more: nobody waits for all of one.
        self.feed(1);
        self.deliver_parked(&mut ahead);
        self.deliver_letters(&mut ahead);
        self.feed(usize::MAX);
        self.heads.let_go();
    }

    fn deliver_letters(&mut self, ahead: &mut ReadAhead) {
        let mut drains = 0;
        while !self.out.is_full() {
            if self.letters.is_empty() {
                if drains >= DRAINS_AT_ONCE && !self.mailbox.is_empty() {
                    return;
                }
                drains += 1;
                self.mailbox.drain(&mut self.letters);
                // Taken from the end, so the first has to be the last.
                self.letters.reverse();
            }
            match self.letters.pop() {
                None => break,
                Some(Letter::Deliveries { consumer, entries }) => {
                    self.deliver_entries(&consumer, entries, ahead);
                }
                Some(Letter::Cancelled { consumer }) => self.notify_cancelled(&consumer),
            }
        }
        if !self.deliver_chosen() {
            // Others have their turn, then this one again.
            return self.mailbox.nudge();
        }
        if self.letters.is_empty() {
            self.end_draining();
        }
    }

    fn deliver_parked(&mut self, ahead: &mut ReadAhead) {
        let parked: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(_, link)| match link {
                Link::Outlet(it) => !it.parked.is_empty() || !it.resuming.is_empty(),
                _ => false,
            })
            .map(|(id, _)| *id)
            .collect();
        for link in parked {
            self.send_parked(link, ahead);
        }
    }

    fn deliver_entries(
        &mut self,
        consumer: &Arc<Consumer>,
        entries: Vec<Entry>,
        ahead: &mut ReadAhead,
    ) {
        let link = self.outlets.get(&consumer.channel()).copied();
        match link.map(|link| (link, self.links.get_mut(&link))) {
            Some((link, Some(Link::Outlet(outlet)))) => {
                outlet.parked.extend(entries);
                self.send_parked(link, ahead);
            }
            _ => consumer.queue().requeue(entries, Some(consumer), Return::Unsent),
        }
    }

    /// Sends what a link has, as far as credit, window and the write buffer go.
    pub(super) fn send_parked(&mut self, link: LinkId, ahead: &mut ReadAhead) {
        if !self.send_resuming(link) {
            return;
        }
        let (me, feeds_enough) = (self.id, self.feeds_enough());
        let Connection { links, protocol, out, heads, broker, .. } = self;
        let Some(Link::Outlet(outlet)) = links.get_mut(&link) else { return };
        let consumer = outlet.consumer.clone();
        let queue = consumer.queue().clone();
        let acquires_by = outlet.acquires_by;
        let state = acquires_by.map(acquired_by);
        let (mut messages, mut bytes, mut redelivered, mut passed_over) = (0, 0, 0, 0);
        let (mut done, mut unsettled, mut since) = (Vec::new(), Vec::new(), None);
        let (mut too_large, mut feeding) = (Vec::new(), Vec::new());
        while !out.is_full() {
            let Some(entry) = outlet.parked.pop_front() else { break };
            let message = match queue.message_ahead(&entry, ahead) {
                Ok(message) => message,
                Err(error) => {
                    messages += 1;
                    bytes += entry.size_bytes();
                    set_aside(&queue, entry, Some(&consumer), &error);
                    continue;
                }
            };
            if message.rest.is_some() && feeds_enough {
                outlet.parked.push_front(entry);
                break;
            }
            let rest = match rest_of(&message) {
                Ok(rest) => rest,
                Err(error) => {
                    messages += 1;
                    bytes += entry.size_bytes();
                    set_aside(&queue, entry, Some(&consumer), &error);
                    continue;
                }
            };
            let Parts { head, body } = heads.parts(&message, &queue, &entry);
            let is_local = outlet.no_local && message.publisher == Some(me);
            let now = || broker.now().0;
            let selector = outlet.selector.as_ref();
            if is_local || selector.is_some_and(|it| !is_wanted(it, head, body, now())) {
                drop(message);
                outlet.passed_over += 1;
                passed_over += 1;
                messages += 1;
                bytes += entry.size_bytes();
                done.push(entry);
                continue;
            }
            let settled = outlet.settled;
            let outgoing = Outgoing {
                //= amqp-1.0 §2.6.12 tag-unique
                tag: outlet.first_tag + outlet.sent,
                settled,
                message_format: MessageFormat(0),
                head,
                body,
                rest: left(rest.as_ref()),
                state: state.as_ref(),
                resume: false,
            };
            let sent = protocol.send(link, &outgoing, out);
            drop(message);
            match sent {
                Sent::Whole(id) | Sent::Partly(id) => {
                    if outlet.lives_on.is_some() && !settled {
                        outlet.tags.push(id, outlet.first_tag + outlet.sent);
                    }
                    feeding.extend(rest.map(|rest| Feeding::new(link, id, rest)));
                    outlet.sent += 1;
                    messages += 1;
                    bytes += entry.size_bytes();
                    redelivered += u64::from(entry.is_redelivered());
                    if settled {
                        done.push(entry);
                    } else {
                        let since = *since.get_or_insert_with(Instant::now);
                        let holder = Holder::Consumer(consumer.clone());
                        unsettled.push(Unacked { tag: id.0.into(), holder, entry, since });
                    }
                }
                Sent::NoCredit | Sent::NoWindow | Sent::TooManyUnsettled | Sent::NotAttached => {
                    outlet.parked.push_front(entry);
                    break;
                }
                Sent::TooLarge => {
                    messages += 1;
                    bytes += entry.size_bytes();
                    too_large.push(entry);
                }
            }
        }
        if let Some(by) = acquires_by {
            for unacked in &unsettled {
                self.note_acquired(by, link.session(), DeliveryNumber(unacked.tag as u32));
            }
        }
        self.feeding.extend(feeding);
        if let Some(session) = self.sessions.get_mut(&link.session()) {
            session.unacked.extend(unsettled);
            if let Some(Link::Outlet(outlet)) = self.links.get_mut(&link) {
                outlet.tags.prune(&session.unacked);
            }
        }
        if messages == 0 {
            return;
        }
        let settled = (done.len() - passed_over) as u64;
        self.count_delivered(link, (messages - passed_over) as u64, redelivered, settled);
        if !too_large.is_empty() {
            let rejected = reject_too_large(&queue, too_large, Some(&consumer));
            if let Err(error) = rejected {
                return self.close(refusal::of(&error));
            }
        }
        if !done.is_empty()
            && let Err(error) = queue.settle(done, Some(&consumer))
        {
            return self.close(refusal::of(&error));
        }
        if passed_over > 0
            && let Some(Link::Outlet(outlet)) = self.links.get_mut(&link)
        {
            outlet.allow(self.protocol.credit(link));
        }
        consumer.taken(messages, bytes);
        if passed_over > 0 {
            queue.dispatch();
        }
    }

    pub(super) fn count_delivered(
        &self,
        link: LinkId,
        messages: u64,
        redelivered: u64,
        settled: u64,
    ) {
        if let Some(session) = self.sessions.get(&link.session()) {
            let counts = &session.seen.counts;
            counts.redeliver.add(redelivered);
            counts.deliver.add(messages - settled);
            counts.deliver_no_ack.add(settled);
            session.seen.unacknowledged.set(session.unacked.len() as u64);
        }
    }

    /// Tells those who drain their links that there is no more.
    fn end_draining(&mut self) {
        let drained: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(_, link)| matches!(link, Link::Outlet(it) if it.is_draining))
            .map(|(id, _)| *id)
            .collect();
        for link in drained {
            let Some(Link::Outlet(outlet)) = self.links.get_mut(&link) else { continue };
            let is_behind = outlet.choice.as_ref().is_some_and(|choice| choice.is_behind);
            if (is_behind || !outlet.parked.is_empty()) && self.protocol.credit(link) > 0 {
                continue;
            }
            outlet.is_draining = false;
            outlet.allow(0);
            let parked = mem::take(&mut outlet.parked);
            let consumer = outlet.consumer.clone();
            consumer.taken(parked.len(), parked.iter().map(Entry::size_bytes).sum());
            consumer.queue().requeue(parked, Some(&consumer), Return::Unsent);
            self.protocol.drained(link, self.out.tail());
        }
    }

    /// The consumer's queue was deleted.
    pub(super) fn notify_cancelled(&mut self, consumer: &Arc<Consumer>) {
        let Some(link) = self.outlets.get(&consumer.channel()).copied() else { return };
        let text = format!("queue '{}' was deleted", consumer.queue().name());
        self.refuse_link(link, refusal::error(ErrorCondition::ResourceDeleted, text));
    }

    /// Gives deliveries back that were on their way to a consumer that is gone.
    pub(super) fn recall(&mut self, gone: &Arc<Consumer>) {
        self.letters.reverse();
        self.mailbox.drain(&mut self.letters);
        self.letters.reverse();
        let letters = mem::take(&mut self.letters);
        for letter in letters {
            match letter {
                Letter::Deliveries { consumer, entries } if Arc::ptr_eq(&consumer, gone) => {
                    consumer.queue().requeue(entries, Some(&consumer), Return::Unsent);
                }
                other => self.letters.push(other),
            }
        }
    }
}

/// Looks into the mailbox, one after the other.
const DRAINS_AT_ONCE: u32 = 16;

/// Whether a selector lets a message through. One that cannot be read is for nobody's selector.
pub(super) fn is_wanted(selector: &Selector, head: &[u8], body: &[Bytes], now_ms: u64) -> bool {
    let mut pieces = Pieces::from_iter([Bytes::copy_from_slice(head)]);
    match body {
        // It is on disk, and a selector does not look at it.
        [] => pieces.push(EMPTY_BODY),
        _ => pieces.extend(body.iter().cloned()),
    }
    let sections = amqp10::Message::parse(pieces);
    sections.is_ok_and(|it| selector.matches(&Seen::of(selector, &it, now_ms)))
}

/// A damaged record is never delivered and never dropped: it stays in the journal, and everything
/// else is served.
pub(super) fn set_aside(
    queue: &Queue,
    entry: Entry,
    consumer: Option<&Consumer>,
    error: &broker::Error,
) {
    if !queue.has_trimmed(&entry) {
        tracing::error!("a message of queue '{}' cannot be delivered: {error}", queue.name());
    }
    queue.set_aside(entry, consumer);
}

/// As in RabbitMQ they are dead letters.
///
/// # Errors
/// The journal failed.
pub(super) fn reject_too_large(
    queue: &Queue,
    entries: Vec<Entry>,
    consumer: Option<&Consumer>,
) -> Result<(), broker::Error> {
    tracing::warn!(
        "{} messages of queue '{}' are larger than their consumer takes: dead-lettered",
        entries.len(),
        queue.name()
    );
    queue.reject(entries, consumer)
}
