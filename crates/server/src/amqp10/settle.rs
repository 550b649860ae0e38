//! What clients say of deliveries: accepted, rejected, released, modified (AMQP 1.0 §3.4).

use std::{collections::VecDeque, mem, sync::Arc};

use amqp10::{
    definition::{DeliveryNumber, Role},
    endpoint::{DeliveryRange, Disposition},
    messaging::{DeliveryState, Modified},
    types::Map,
};

use broker::{Label, Message, Return};

use super::{connection::Connection, properties::with_annotations, refusal};
use crate::blocking;
use crate::unacked::{Unacked, Verdict, give_back, grouped, reject};

impl Connection {
    /// The peer told of the state of what it was sent, or settled what it sent.
    pub(super) fn on_disposition(&mut self, disposition: Disposition) {
        if disposition.role == Role::Sender {
            // Nothing waits for it but what is remembered of links that may come back.
            if self.remembers && disposition.settled {
                self.note_settled(disposition.session, &disposition.ranges);
            }
            return;
        }
        if let Some(DeliveryState::TransactionalState(of)) = &disposition.state {
            let of = (**of).clone();
            return self.retire(disposition, of);
        }
        let Disposition { session: id, ranges, settled, state, .. } = disposition;
        let Some(verdict) = verdict(state.as_ref(), settled) else { return };
        for range in ranges {
            let Some(session) = self.sessions.get_mut(&id) else { return };
            let mut taken = take(&mut session.unacked, range);
            session.seen.unacknowledged.set(session.unacked.len() as u64);
            if verdict == Verdict::Done {
                session.seen.counts.ack.add(taken.len() as u64);
            }
            if let Some(DeliveryState::Modified(modified)) = &state
                && let Some(annotations) = &modified.message_annotations
            {
                taken.iter_mut().for_each(|unacked| annotate(unacked, annotations));
            }
            self.say(verdict, taken);
            if !settled {
                self.protocol.settle(id, Role::Sender, range, state.clone(), self.out.tail());
            }
        }
    }

    pub(super) fn say(&mut self, verdict: Verdict, taken: Vec<Unacked>) {
        match verdict {
            Verdict::Done => self.settled.extend(taken),
            Verdict::Rejected => {
                // In order: what was accepted before is not held up by dead letters.
                self.flush_settled();
                if let Err(error) = reject(taken) {
                    self.close(refusal::of(&error));
                }
            }
            Verdict::Back(how) => give_back(taken, how),
        }
    }

    /// Tells the queues what this read settled, each in one piece.
    pub(super) fn flush_settled(&mut self) {
        if self.settled.is_empty() {
            return;
        }
        for (holder, entries) in grouped(mem::take(&mut self.settled)) {
            //= amqp-1.0 §3.5.2 not-again
            if let Err(error) = holder.queue().settle(entries, holder.consumer()) {
                return self.close(refusal::of(&error));
            }
        }
    }
}

/// Merges annotations into a message's own, for whoever gets it next (AMQP 1.0 §3.4.5). One that
/// the disk does not take now goes back as it was.
fn annotate(unacked: &mut Unacked, annotations: &Map) {
    let Unacked { holder, entry, .. } = unacked;
    let queue = holder.queue();
    let changed = queue.message(entry).map(|message| {
        let properties = with_annotations(&message, annotations);
        let label = Label { properties, ..Label::clone(&message.label) };
        Message { label: Arc::new(label), ..Message::clone(&message) }
    });
    let changed = changed.and_then(|message| blocking(|| queue.change(entry, message)));
    if let Err(error) = changed {
        tracing::warn!("a message of queue '{}' is not annotated: {error}", queue.name());
    }
}

/// What a state says; `None` when it is not the last word.
pub(super) fn verdict(state: Option<&DeliveryState>, settled: bool) -> Option<Verdict> {
    Some(match state {
        Some(DeliveryState::Accepted(_)) => Verdict::Done,
        Some(DeliveryState::Rejected(_)) => Verdict::Rejected,
        //= amqp-1.0 §3.4.5 not-here
        // RabbitMQ: it counts as rejected, and so may be dead-lettered.
        Some(DeliveryState::Modified(Modified { undeliverable_here: Some(true), .. })) => {
            Verdict::Rejected
        }
        //= amqp-1.0 §3.4.5 failed-counted
        // Only this one counts as a failed attempt.
        Some(DeliveryState::Modified(Modified { delivery_failed: Some(true), .. })) => {
            Verdict::Back(Return::Failed)
        }
        //= amqp-1.0 §3.4.4 released-uncounted
        Some(DeliveryState::Released(_) | DeliveryState::Modified(_)) => {
            Verdict::Back(Return::Released)
        }
        // The source's default outcome.
        _ if settled => Verdict::Back(Return::Released),
        //= amqp-1.0 §3.4.1 received-on-resume
        // Received is not the last word, and is not said back.
        _ => return None,
    })
}

/// Takes what is out of a range. Deliveries of several links alternate, and some went out settled:
/// so there may be gaps.
pub(super) fn take(unacked: &mut VecDeque<Unacked>, range: DeliveryRange) -> Vec<Unacked> {
    let Some(first) = unacked.front().map(number) else { return Vec::new() };
    // By how far they are from the first: numbers wrap around.
    let place = |id: DeliveryNumber| id.since(first);
    let is_before = |id: DeliveryNumber| place(id) > u32::MAX / 2;
    let (begin, end) = (range.first, range.last);
    let from = match is_before(begin) {
        true => 0,
        false => unacked.partition_point(|it| place(number(it)) < place(begin)),
    };
    let to = match is_before(end) {
        true => 0,
        false => unacked.partition_point(|it| place(number(it)) <= place(end)),
    };
    match from < to {
        true => unacked.drain(from..to).collect(),
        false => Vec::new(),
    }
}

fn number(unacked: &Unacked) -> DeliveryNumber {
    DeliveryNumber(unacked.tag as u32)
}
