//! Dispositions: states and settling, by ranges, in both directions (AMQP 1.0 §2.6.12, §2.7.6).

use bytes::BytesMut;
use smallvec::SmallVec;

use super::{
    Connection, DeliveryRange, Disposition, Event, SessionId,
    connection::find,
    ledger::Mark,
    refusal::Refusal,
    session::{Session, Step},
};
use crate::{
    ChannelId, ErrorCondition,
    definition::{DeliveryNumber, Role},
    encode_frame,
    messaging::DeliveryState,
    performative,
};

impl Session {
    pub(super) fn on_disposition(
        &mut self,
        disposition: performative::Disposition,
        step: &mut Step<'_>,
    ) -> Result<(), Refusal> {
        let performative::Disposition { role, first, settled, state, .. } = disposition;
        //= amqp-1.0 §2.7.6
        // last: identifies the upper bound of delivery-ids; if not set, this is taken to be the
        // same as first.
        let range = DeliveryRange::new(first, disposition.last.unwrap_or(first));
        if range.last.precedes(range.first) {
            let words = format!("deliveries {} to {}", range.first.0, range.last.0);
            return Err(Refusal::session(ErrorCondition::InvalidField, words));
        }
        let mut ranges = SmallVec::new();
        //= amqp-1.0 §2.7.6 one-direction, live-updated
        // The role identifies the deliveries: those that the sender of the disposition received, or
        // those that it sent. Dispositions of deliveries that are not known or settled already
        // change nothing.
        match role {
            Role::Receiver => self.outgoing.retain_in(range, |entry| {
                extend(&mut ranges, entry.id);
                !settled
            }),
            Role::Sender => self.incoming.retain_in(range, |entry| {
                if entry.mark == Mark::Arriving {
                    return true;
                }
                extend(&mut ranges, entry.id);
                !settled
            }),
        }
        if !ranges.is_empty() {
            let session = self.id;
            let told = Disposition { session, role, ranges, settled, state };
            step.events.push(Event::Disposition(told));
        }
        Ok(())
    }

    /// Tells the peer of deliveries' state. Gives how many were known.
    fn dispose(
        &mut self,
        role: Role,
        range: DeliveryRange,
        state: Option<DeliveryState>,
        settled: bool,
        out: &mut BytesMut,
    ) -> usize {
        // Settled ones between them do not matter to the peer: one frame says it all. Only those
        // that are not settled yet are told apart.
        let mut runs: SmallVec<[(DeliveryRange, bool); 1]> = SmallVec::new();
        let mut count = 0;
        let mut note = |id: DeliveryNumber, settled: bool| {
            count += 1;
            match runs.last_mut() {
                Some((run, its)) if *its == settled => run.last = id,
                _ => runs.push((id.into(), settled)),
            }
        };
        match role {
            Role::Sender => self.outgoing.retain_in(range, |entry| {
                note(entry.id, settled);
                !settled
            }),
            Role::Receiver => self.incoming.retain_in(range, |entry| match entry.mark {
                Mark::Arriving | Mark::Settled => true,
                //= amqp-1.0 §2.7.5 first-settles
                Mark::Unsettled => {
                    note(entry.id, settled);
                    !settled
                }
                //= amqp-1.0 §2.7.5 second-waits
                //= amqp-1.0 §2.8.3
                // second: the receiver will only settle after sending the disposition to the sender
                // and receiving a disposition indicating settlement of the delivery from the
                // sender.
                Mark::Second => {
                    note(entry.id, false);
                    true
                }
            }),
        }
        let mut disposition = performative::Disposition { role, state, ..Default::default() };
        for (run, settled) in runs {
            disposition.first = run.first;
            disposition.last = (run.last != run.first).then_some(run.last);
            disposition.settled = settled;
            encode_frame(ChannelId(self.id.channel), &disposition, out);
        }
        count
    }
}

/// Adds a number behind the last range, or to it.
fn extend(ranges: &mut SmallVec<[DeliveryRange; 1]>, id: DeliveryNumber) {
    match ranges.last_mut() {
        Some(range) if range.last.next() == id => range.last = id,
        _ => ranges.push(id.into()),
    }
}

impl Connection {
    /// Settles deliveries with this state; `role` is which end of their links this side is.
    /// Deliveries of the range that are not known, or settled, are passed over. A receiver of
    /// `rcv-settle-mode` second says the state only, and settles when the sender has, which
    /// [`Event::Disposition`] tells of. Gives how many deliveries it was about.
    pub fn settle(
        &mut self,
        session: SessionId,
        role: Role,
        range: impl Into<DeliveryRange>,
        state: Option<DeliveryState>,
        out: &mut BytesMut,
    ) -> usize {
        let session = find(&mut self.sessions, session);
        session.map_or(0, |it| it.dispose(role, range.into(), state, true, out))
    }

    /// Tells of deliveries' state and does not settle them.
    pub fn update(
        &mut self,
        session: SessionId,
        role: Role,
        range: impl Into<DeliveryRange>,
        state: Option<DeliveryState>,
        out: &mut BytesMut,
    ) -> usize {
        let session = find(&mut self.sessions, session);
        session.map_or(0, |it| it.dispose(role, range.into(), state, false, out))
    }
}
