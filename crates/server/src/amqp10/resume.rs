//! Links that are attached again: what each side knows of deliveries that were not settled is
//! compared, and each of them goes on or is over (AMQP 1.0 §2.6.13).

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::Instant,
};

use amqp10::{
    Decode as _, DeliveryTag, Encode as _, Reader,
    definition::{DeliveryNumber, MessageFormat, Role, SequenceNo},
    endpoint::{Delivery, LinkId, Outgoing, Resumption, Sent, SessionId, SuspendedLink, Unsettled},
    messaging::DeliveryState,
    performative::Attach,
    types::{Map, Value},
};
use bytes::{Bytes, BytesMut};

use super::{
    connection::{Connection, Link},
    consume::{reject_too_large, set_aside},
    convert::{Shown, shown},
    large::{Feeding, left},
    outlet::Outlet,
    publish::Waiting,
    refusal,
    settle::verdict,
    suspended::{Kept, Retention, TerminusKey},
};
use crate::unacked::{Holder, Unacked, requeue_sent};

/// A delivery of before, that the peer is to hear of again.
pub(super) enum Resuming {
    /// The peer has it, and has not said what becomes of it.
    Again { tag: u64, unacked: Unacked },
    /// The peer had said what becomes of it, and hears that this is so.
    Settled { tag: u64, state: DeliveryState },
}

/// What is in the tags of deliveries that are out on a link, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Tags {
    of: Vec<(u32, u64)>,
    /// How many of them were out when that was last looked at.
    were_out: usize,
}

impl Tags {
    pub(super) fn push(&mut self, id: DeliveryNumber, tag: u64) {
        self.of.push((id.0, tag));
    }

    /// Forgets those of deliveries that are settled, now and then: so there are little more than
    /// twice as many as deliveries that are out.
    pub(super) fn prune(&mut self, unacked: &VecDeque<Unacked>) {
        if self.of.len() < TAGS_MIN.max(2 * self.were_out) {
            return;
        }
        let out: HashSet<u32> = unacked.iter().map(|it| it.tag as u32).collect();
        self.of.retain(|(number, _)| out.contains(number));
        self.were_out = self.of.len();
    }

    fn by_number(&self) -> HashMap<u32, u64> {
        self.of.iter().copied().collect()
    }
}

/// Fewer are not looked through.
const TAGS_MIN: usize = 1024;

/// What came on a link whose peer settles last, and that it has not settled.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    /// Of this attachment, by number.
    now: Vec<(DeliveryNumber, Bytes, Option<DeliveryState>)>,
    /// Of those before.
    before: Vec<(Bytes, DeliveryState)>,
}

impl Connection {
    pub(super) fn key_of(&self, link: &str, is_outlet: bool) -> TerminusKey {
        TerminusKey {
            vhost: self.vhost.name().to_string(),
            user: self.login.name.clone(),
            container: self.container.to_string(),
            link: link.to_owned(),
            is_outlet,
        }
    }

    /// A link of a terminus that lives on is gone.
    pub(super) fn suspend(
        &mut self,
        session: SessionId,
        key: TerminusKey,
        kept: Kept,
        retention: Retention,
    ) {
        use amqp10::messaging::TerminusExpiryPolicy as Policy;
        let Retention { policy, timeout } = retention;
        let until = (policy == Policy::LinkDetach).then(|| Instant::now() + timeout);
        self.suspended.keep(key.clone(), kept, until);
        match policy {
            Policy::LinkDetach | Policy::Never => {}
            Policy::SessionEnd => match self.sessions.get_mut(&session) {
                Some(session) => session.left.push((key, timeout)),
                None => self.suspended.end_at(&key, Instant::now() + timeout),
            },
            Policy::ConnectionClose => self.left.push((key, timeout)),
        }
    }

    /// For these links the time begins after which they are given up.
    pub(super) fn give_up_in_time(&self, left: Vec<(TerminusKey, std::time::Duration)>) {
        for (key, timeout) in left {
            self.suspended.end_at(&key, Instant::now() + timeout);
        }
    }

    /// What a link that sends had out, by tags.
    pub(super) fn out_of(&mut self, link: LinkId, outlet: &mut Outlet) -> Kept {
        let (mut deliveries, mut lost) = (Vec::new(), Vec::new());
        let tags = outlet.tags.by_number();
        if let Some(session) = self.sessions.get_mut(&link.session()) {
            let consumer = &outlet.consumer;
            let is_of =
                |it: &Unacked| it.holder.consumer().is_some_and(|it| std::ptr::eq(it, &**consumer));
            let (out, kept): (Vec<_>, Vec<_>) =
                std::mem::take(&mut session.unacked).into_iter().partition(is_of);
            session.unacked = kept.into();
            for unacked in out {
                let number = unacked.tag as u32;
                match tags.get(&number) {
                    Some(tag) => deliveries.push((*tag, unacked)),
                    None => lost.push(unacked),
                }
            }
        }
        for resuming in std::mem::take(&mut outlet.resuming) {
            if let Resuming::Again { tag, unacked } = resuming {
                deliveries.push((tag, unacked));
            }
        }
        requeue_sent(lost);
        Kept::Sent { deliveries, next: outlet.first_tag + outlet.sent }
    }

    /// The peer's attach says what it knows of deliveries that it had: each of them is settled, is
    /// sent again, or goes back.
    pub(super) fn compare_sent(
        &mut self,
        attach: &Attach,
        deliveries: Vec<(u64, Unacked)>,
    ) -> VecDeque<Resuming> {
        let unsettled = deliveries.iter().map(|(tag, unacked)| Unsettled {
            id: DeliveryNumber(unacked.tag as u32),
            tag: tag_of(*tag),
        });
        let suspended = SuspendedLink {
            name: attach.name.clone(),
            role: Role::Sender,
            delivery_count: SequenceNo(0),
            unsettled: unsettled.collect(),
        };
        let compared = suspended.compare(attach.unsettled.as_ref());
        let mut resuming = VecDeque::new();
        let mut back = Vec::new();
        for ((tag, unacked), (_, resumption)) in deliveries.into_iter().zip(compared) {
            match resumption {
                // Of those that did not fit into the peer's map nothing is known: it is sent again.
                Resumption::Resend if !attach.incomplete_unsettled => back.push(unacked),
                Resumption::Resend | Resumption::Resume { .. } => {
                    resuming.push_back(Resuming::Again { tag, unacked });
                }
                Resumption::Settle { state } => match verdict(Some(&state), false) {
                    Some(verdict) => {
                        self.say(verdict, vec![unacked]);
                        resuming.push_back(Resuming::Settled { tag, state });
                    }
                    None => resuming.push_back(Resuming::Again { tag, unacked }),
                },
            }
        }
        requeue_sent(back);
        resuming
    }

    /// Tells the peer of deliveries of before, as far as it takes them. `false`: there are more.
    pub(super) fn send_resuming(&mut self, link: LinkId) -> bool {
        while !self.out.is_full() {
            let feeds_enough = self.feeds_enough();
            let Some(Link::Outlet(outlet)) = self.links.get_mut(&link) else { return true };
            let Some(first) = outlet.resuming.front() else { return true };
            if feeds_enough {
                break;
            }
            let (tag, shown, state) = match first {
                Resuming::Settled { tag, state } => (*tag, None, Some(state.clone())),
                Resuming::Again { tag, unacked } => {
                    let queue = outlet.consumer.queue();
                    let message = queue.message(&unacked.entry);
                    match message.and_then(|it| shown(&it, queue, &unacked.entry)) {
                        Ok(shown) => (*tag, Some(shown), None),
                        Err(error) => {
                            let first = outlet.resuming.pop_front();
                            let Some(Resuming::Again { unacked, .. }) = first else { continue };
                            let Unacked { holder, entry, .. } = unacked;
                            set_aside(holder.queue(), entry, holder.consumer(), &error);
                            continue;
                        }
                    }
                }
            };
            let is_settled = shown.is_none();
            let (head, body, rest) = match shown {
                Some(Shown { head, body, rest }) => (head.freeze(), body, rest),
                None => Default::default(),
            };
            let outgoing = Outgoing {
                tag,
                settled: is_settled,
                message_format: MessageFormat(0),
                head: &head,
                body: &body,
                rest: left(rest.as_ref()),
                state: state.as_ref(),
                resume: true,
            };
            match self.protocol.send(link, &outgoing, &mut self.out) {
                Sent::Whole(id) | Sent::Partly(id) => {
                    self.feeding.extend(rest.map(|rest| Feeding::new(link, id, rest)));
                    self.resumed(link, tag, id, is_settled);
                }
                Sent::NoCredit | Sent::NoWindow | Sent::TooManyUnsettled => return false,
                Sent::NotAttached => return true,
                Sent::TooLarge => {
                    let first = outlet.resuming.pop_front();
                    let Some(Resuming::Again { unacked, .. }) = first else { continue };
                    let Unacked { holder, entry, .. } = unacked;
                    let rejected = reject_too_large(holder.queue(), vec![entry], holder.consumer());
                    if let Err(error) = rejected {
                        self.close(refusal::of(&error));
                        return false;
                    }
                }
            }
        }
        false
    }

    fn resumed(&mut self, link: LinkId, tag: u64, id: DeliveryNumber, is_settled: bool) {
        let Some(Link::Outlet(outlet)) = self.links.get_mut(&link) else { return };
        let resuming = outlet.resuming.pop_front();
        let Some(Resuming::Again { unacked, .. }) = resuming else {
            // On a link that never settles by itself the transfer could not say so.
            if !is_settled {
                return;
            }
            self.protocol.settle(link.session(), Role::Sender, id, None, self.out.tail());
            return;
        };
        outlet.sent += 1;
        let consumer = outlet.consumer.clone();
        consumer.adopt(unacked.holder.consumer(), unacked.entry.size_bytes());
        outlet.tags.push(id, tag);
        let (holder, entry) = (Holder::Consumer(consumer), unacked.entry);
        let unacked = Unacked { tag: id.0.into(), holder, entry, since: Instant::now() };
        if let Some(session) = self.sessions.get_mut(&link.session()) {
            session.unacked.push_back(unacked);
        }
    }

    /// A delivery came on a link whose peer settles last. `None`: it came before, and what became
    /// of it is said again; it is not published twice.
    pub(super) fn remember(&mut self, delivery: Delivery) -> Option<Delivery> {
        let link = delivery.link;
        let Some(Link::Inlet(inlet)) = self.links.get_mut(&link) else { return Some(delivery) };
        if inlet.lives_on.is_none() {
            return Some(delivery);
        }
        let tag = Bytes::copy_from_slice(delivery.tag.as_bytes());
        if !delivery.resume {
            if !delivery.settled {
                inlet.remembered.now.push((delivery.id, tag, None));
            }
            return Some(delivery);
        }
        //= amqp-1.0 §2.6.13 unknown-resumed-ignored
        // What is not known is passed over (AMQP 1.0 §2.6.13).
        let at = inlet.remembered.before.iter().position(|(it, _)| *it == tag)?;
        let (tag, state) = inlet.remembered.before.remove(at);
        if !delivery.settled {
            inlet.remembered.now.push((delivery.id, tag, Some(state.clone())));
            self.settle_received(link.session(), delivery.id.into(), state);
        }
        None
    }

    /// The peer was told what became of these.
    pub(super) fn note_told(
        &mut self,
        session: SessionId,
        range: amqp10::endpoint::DeliveryRange,
        state: &DeliveryState,
    ) {
        for (link, inlet) in &mut self.links {
            if let Link::Inlet(inlet) = inlet
                && link.session() == session
                && inlet.lives_on.is_some()
            {
                let now = &mut inlet.remembered.now;
                match inlet.settles_second {
                    true => now
                        .iter_mut()
                        .filter(|(id, ..)| range.contains(*id))
                        .for_each(|(_, _, told)| *told = Some(state.clone())),
                    // Told is settled.
                    false => now.retain(|(id, ..)| !range.contains(*id)),
                }
            }
        }
    }

    /// The peer settled these that it had sent: nothing of them has to be known any more.
    pub(super) fn note_settled(
        &mut self,
        session: SessionId,
        ranges: &[amqp10::endpoint::DeliveryRange],
    ) {
        for (link, inlet) in &mut self.links {
            if let Link::Inlet(inlet) = inlet
                && link.session() == session
            {
                let now = &mut inlet.remembered.now;
                now.retain(|(id, ..)| !ranges.iter().any(|range| range.contains(*id)));
            }
        }
    }
}

impl Remembered {
    /// Of a link that is attached again: what its peer still holds too.
    pub(super) fn resumed(before: Vec<(Bytes, DeliveryState)>, attach: &Attach) -> Remembered {
        let holds = |tag: &Bytes| {
            let mut theirs = attach.unsettled.iter().flat_map(Map::iter);
            attach.incomplete_unsettled
                || theirs.any(|(it, _)| matches!(it, Value::Binary(it) if it == tag))
        };
        let before = before.into_iter().filter(|(tag, _)| holds(tag)).collect();
        Remembered { now: Vec::new(), before }
    }

    /// What the answer to an attach says of it.
    pub(super) fn map(&self) -> Option<Map> {
        let states = self.before.iter().map(|(tag, state)| (tag.clone(), Some(state)));
        map_of(states)
    }

    /// When its link goes. What is to become of those that nobody was told of yet is in `waiting`;
    /// a message that is not there either, the journal did not take.
    pub(super) fn kept(self, waiting: &Waiting) -> Kept {
        let now = self.now.into_iter().filter_map(|(id, tag, told)| {
            let state = told.or_else(|| waiting.state_of(id))?;
            Some((tag, state))
        });
        Kept::Received(self.before.into_iter().chain(now).collect())
    }
}

/// What an attach says of deliveries that wait.
pub(super) fn map_of_sent(deliveries: &[(u64, Unacked)]) -> Option<Map> {
    //= amqp-1.0 §2.6.3 unsettled-said
    //= amqp-1.0 §3.4.6 outcome-not-too-early
    map_of(deliveries.iter().map(|(tag, _)| (tag_of(*tag).as_bytes().clone(), None)))
}

fn map_of<'a>(states: impl Iterator<Item = (Bytes, Option<&'a DeliveryState>)>) -> Option<Map> {
    let mut map = Map::new();
    for (tag, state) in states {
        map.push(Value::Binary(tag), state.and_then(value_of).unwrap_or(Value::Null));
    }
    (!map.is_empty()).then_some(map)
}

fn value_of(state: &DeliveryState) -> Option<Value> {
    let mut octets = BytesMut::new();
    state.encode(&mut octets);
    Value::decode(&mut Reader::new(&octets.freeze())).ok()
}

/// As the endpoint writes a number as a tag.
fn tag_of(number: u64) -> DeliveryTag {
    let octets = Bytes::copy_from_slice(&number.to_be_bytes());
    DeliveryTag::try_from(octets).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_as_many_as_deliveries_that_are_out_or_twice_as_many() {
        let mut tags = Tags::default();
        for number in 0..100_000_u32 {
            tags.push(DeliveryNumber(number), number.into());
            tags.prune(&VecDeque::new());
            assert!(tags.of.len() <= TAGS_MIN, "{} tags, and nothing is out", tags.of.len());
        }
        assert_eq!(tags.by_number().get(&99_999), Some(&99_999));
    }
}
