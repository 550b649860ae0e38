//! Flows: the peer's, and the owner's grants of credit (AMQP 1.0 §2.6.7, §2.7.4).

use bytes::{Bytes, BytesMut};

use super::{
    Connection, Event, LinkFlow, LinkId, Outbox, Outgoing, Sent, SessionId,
    connection::find,
    link::{Link, LinkState},
    refusal::Refusal,
    session::{Session, SessionState, Step, fill},
};
use crate::{
    definition::{Role, SequenceNo},
    encode_frame,
    performative::Flow,
    types::Map,
};

impl Session {
    pub(super) fn on_flow(&mut self, flow: Flow, step: &mut Step<'_>) -> Result<(), Refusal> {
        if self.windows.on_flow(&flow) {
            step.events.push(Event::Window { session: self.id });
        }
        let Some(remote) = flow.handle else {
            //= amqp-1.0 §2.7.4
            // echo: if set to true then the receiver SHOULD send its state at the earliest
            // convenient opportunity. If the handle is not set the sender is requesting the session
            // endpoint's state.
            if flow.echo {
                self.put_flow(None, step.out);
            }
            return Ok(());
        };
        let handle = self.handle_of(remote)?;
        let Some(link) = self.links.get_mut(handle) else { return Ok(()) };
        if matches!(link.state, LinkState::DetachSent { .. }) {
            return Ok(());
        }
        let echo = flow.echo;
        let is_draining = match link.key.role {
            Role::Sender => on_credit(link, flow, step.events),
            Role::Receiver => {
                on_senders_state(link, flow, step.events);
                false
            }
        };
        // What drains is answered when all is sent: a flow would be the answer to both.
        if !echo || is_draining {
            return Ok(());
        }
        match self.links.get_mut(handle) {
            Some(link) if !is_answered(link) => link.is_asked = true,
            _ => self.put_flow(Some(handle), step.out),
        }
        Ok(())
    }

    /// Grants credit on a link that receives.
    fn grant(&mut self, handle: u32, credit: u32, drain: bool, out: &mut BytesMut) -> bool {
        let Some(link) = self.links.get_mut(handle) else { return false };
        let is_possible = link.key.role == Role::Receiver
            && matches!(link.state, LinkState::Attached | LinkState::AttachSent);
        if !is_possible {
            return false;
        }
        //= amqp-1.0 §2.6.7
        // Only the receiver can independently modify the link-credit field.
        link.credit = credit;
        //= amqp-1.0 §2.6.10
        // Stopping the transfers on a given link is accomplished by updating the link-credit to be
        // zero and sending the updated flow state. Messages that were on their way arrive yet.
        link.promised = link.promised.max(credit);
        link.drain = drain;
        self.put_flow(Some(handle), out);
        true
    }
}

fn is_answered(link: &Link) -> bool {
    matches!(link.state, LinkState::Attached | LinkState::AttachSent)
}

/// The receiver's state; true when it drains.
fn on_credit(link: &mut Link, flow: Flow, events: &mut Vec<Event>) -> bool {
    if let Some(link_credit) = flow.link_credit {
        //= amqp-1.0 §2.6.7 limit-kept, credit-by-formula, initial-count-assumed
        // link-credit of the sender = delivery-count of the receiver + link-credit of the receiver
        // - delivery-count of the sender. If the receiver does not know the delivery-count, the
        // sender assumes its initial one.
        let seen = flow.delivery_count.unwrap_or(link.initial_count);
        let credit = link_credit.saturating_sub(on_their_way(link.delivery_count, seen));
        link.credit = credit;
        link.drain = flow.drain;
    }
    events.push(Event::Flow(LinkFlow {
        link: link.id,
        credit: link.credit,
        drain: link.drain,
        available: None,
        properties: flow.properties.map(Box::new),
    }));
    link.drain
}

/// How many deliveries the receiver has not seen.
fn on_their_way(sent: SequenceNo, seen: SequenceNo) -> u32 {
    if sent.precedes(seen) { 0 } else { sent.since(seen) }
}

/// The sender's state.
fn on_senders_state(link: &mut Link, flow: Flow, events: &mut Vec<Event>) {
    let mut unused = 0;
    if let Some(count) = flow.delivery_count {
        //= amqp-1.0 §2.6.7
        // delivery-count: the receiver's value is calculated based on the last known value from the
        // sender and any subsequent messages received on the link.
        if link.delivery_count.precedes(count) {
            let steps = count.since(link.delivery_count);
            unused = steps.min(link.credit);
            link.credit -= unused;
            link.promised = link.promised.saturating_sub(steps);
            link.delivery_count = count;
        }
        if link.drain && link.credit == 0 {
            link.drain = false;
            return events.push(Event::Drained { link: link.id, unused });
        }
    }
    events.push(Event::Flow(LinkFlow {
        link: link.id,
        credit: link.credit,
        drain: link.drain,
        available: flow.available,
        properties: flow.properties.map(Box::new),
    }));
}

impl Connection {
    /// Lets the sender of a link send `credit` deliveries from now on, whatever it had before. What
    /// is on its way already may come beyond that. With `drain` it sends what it has and gives back
    /// the rest, which [`Event::Drained`] tells of. False when the link is none that receives.
    pub fn grant(&mut self, link: LinkId, credit: u32, drain: bool, out: &mut BytesMut) -> bool {
        match self.link(link) {
            Some(session) => session.grant(link.handle, credit, drain, out),
            None => false,
        }
    }

    /// A link's credit, in either direction; 0 when it is gone.
    pub fn credit(&self, link: LinkId) -> u32 {
        let session = self.sessions.get(link.session.channel.into());
        let found = session.and_then(|it| it.links.get(link.handle)).filter(|it| it.id == link);
        found.map_or(0, |it| it.credit)
    }

    /// Tells the peer more about a link, with its state.
    pub fn tell(&mut self, link: LinkId, properties: Map, out: &mut BytesMut) -> bool {
        let max_frame_size = self.max_frame_size;
        let Some(session) = self.link(link) else { return false };
        let channel = session.id.channel;
        let Some(found) = session.links.get(link.handle).filter(|it| is_answered(it)) else {
            return false;
        };
        let mut flow = session.windows.flow();
        fill(&mut flow, found);
        flow.properties = Some(properties);
        super::refusal::put(channel, &flow, max_frame_size, out)
    }

    /// Asks the peer for a link's state.
    pub fn ask(&mut self, link: LinkId, out: &mut BytesMut) -> bool {
        let Some(session) = self.link(link) else { return false };
        let Some(found) = session.links.get(link.handle).filter(|it| is_answered(it)) else {
            return false;
        };
        let mut flow = session.windows.flow();
        fill(&mut flow, found);
        flow.echo = true;
        encode_frame(session.channel(), &flow, out);
        true
    }

    /// Sends a message on a link.
    #[inline]
    pub fn send<O: Outbox>(&mut self, link: LinkId, message: &Outgoing<'_>, out: &mut O) -> Sent {
        let max_frame_size = self.max_frame_size;
        let unsettled_max = self.settings.limits.unsettled_max;
        match self.link(link) {
            Some(session) if session.state == SessionState::Mapped => {
                session.send(link.handle, message, max_frame_size, unsettled_max, out)
            }
            _ => Sent::NotAttached,
        }
    }

    /// Goes on with messages that were sent partly, as far as the window goes. True when none is
    /// left.
    pub fn continue_sending<O: Outbox>(&mut self, session: SessionId, out: &mut O) -> bool {
        let max_frame_size = self.max_frame_size;
        find(&mut self.sessions, session).is_none_or(|it| it.go_on_all(max_frame_size, out))
    }

    /// Whether a message that is sent partly on the link waits for its next octets.
    pub fn is_hungry(&self, link: LinkId) -> bool {
        let session = self.sessions.get(link.session.channel.into());
        let session =
            session.filter(|it| it.links.get(link.handle).is_some_and(|it| it.id == link));
        session.is_some_and(|it| it.is_hungry(link.handle, self.max_frame_size))
    }

    /// Hands over the next octets of a message that was begun with a `rest`, any number of them.
    /// They go out in whole frames. `false` when no message on the link lacks so many.
    pub fn feed<O: Outbox>(&mut self, link: LinkId, octets: Bytes, out: &mut O) -> bool {
        let max_frame_size = self.max_frame_size;
        self.link(link).is_some_and(|it| it.feed(link.handle, octets, max_frame_size, out))
    }

    /// The owner has nothing more to send on a link that the peer drains: credit goes, the peer is
    /// told, after what is sent partly. False when the link does not drain.
    pub fn drained(&mut self, link: LinkId, out: &mut BytesMut) -> bool {
        self.link(link).is_some_and(|session| session.drained(link.handle, out))
    }

    /// Gives up a message that was sent partly. False when there is none, or no window for saying
    /// so.
    pub fn abort(&mut self, link: LinkId, out: &mut BytesMut) -> bool {
        self.link(link).is_some_and(|session| session.abort(link.handle, out))
    }

    /// The session of a link that is there.
    #[inline]
    fn link(&mut self, link: LinkId) -> Option<&mut Session> {
        let session = find(&mut self.sessions, link.session)?;
        session.links.get(link.handle).is_some_and(|it| it.id == link).then_some(session)
    }
}
