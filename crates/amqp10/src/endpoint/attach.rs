//! Attaching: the peer's attach, this side's, and the owner's answer (AMQP 1.0 §2.6.3, §2.6.4).

use bytes::BytesMut;
use bytestring::ByteString;

use super::{
    Connection, Event, LinkId, SessionId, Side,
    connection::{find, step},
    link::{Half, Link, LinkKey, LinkState, opposite},
    refusal::{Refusal, Scope, error, put},
    session::Session,
};
use crate::{ErrorCondition, definition::Role, performative::Attach};

/// How the owner wants a link that receives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Intake {
    /// Which deliveries of several frames are handed on part by part.
    pub streaming: Streaming,
    /// Tags are kept while deliveries are unsettled, so that the link can be resumed.
    pub resumable: bool,
}

/// Which deliveries are handed on part by part; the others as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Streaming {
    /// None.
    #[default]
    Never,
    /// All.
    Always,
    /// Those of more octets, once all that stands before the body is there. None that belongs to a
    /// transaction, or is resumed.
    Above(u64),
}

impl Connection {
    /// Attaches a link to a session, which may not have been answered yet. Name, role, terminus and
    /// modes are the owner's to say, handle and initial-delivery-count are filled in.
    /// [`Event::Attached`] tells of the answer. None when there is no handle for it, a link of this
    /// name is attached, or the frame would be too large.
    pub fn attach(
        &mut self,
        session: SessionId,
        attach: Attach,
        intake: Intake,
        out: &mut BytesMut,
    ) -> Option<LinkId> {
        let key = LinkKey { name: attach.name.clone(), role: attach.role };
        if self.names.contains_key(&key) {
            return None;
        }
        let serial = self.next_serial();
        let max_frame_size = self.max_frame_size;
        let session = find(&mut self.sessions, session)?;
        //= amqp-1.0 §2.7.2 handle-max-kept
        //= amqp-1.0 §2.7.3 handle-free
        let handle = session.links.lowest_free(session.remote_handle_max)?;
        let id = LinkId { session: session.id, handle, serial };
        let first = self.settings.numbering.delivery_count;
        let mut link = Link::new(id, key.clone(), Side::Local, first);
        link.agree(&attach);
        link.promise(&attach, intake);
        if !put(id.session.channel, &link.complete(attach), max_frame_size, out) {
            return None;
        }
        session.links.insert(handle, link);
        session.awaited += 1;
        self.names.insert(key, id);
        Some(id)
    }

    /// Answers the peer's attach: the link is attached. Source, target and modes are those that
    /// hold; name, role, handle and initial-delivery-count are filled in. False when the link is
    /// gone, or the answer is too large for the peer: then the link is refused.
    pub fn accept(
        &mut self,
        link: LinkId,
        answer: Attach,
        intake: Intake,
        out: &mut BytesMut,
    ) -> bool {
        let max_frame_size = self.max_frame_size;
        let Some(session) = find(&mut self.sessions, link.session) else { return false };
        let found = session.links.get_mut(link.handle).filter(|it| it.id == link);
        let Some(found) = found.filter(|it| it.state == LinkState::AttachReceived) else {
            return false;
        };
        found.agree(&answer);
        found.promise(&answer, intake);
        if put(link.session.channel, &found.complete(answer), max_frame_size, out) {
            found.state = LinkState::Attached;
            if std::mem::take(&mut found.is_asked) {
                session.put_flow(Some(link.handle), out);
            }
            return true;
        }
        let words = "the answer to attach is larger than max-frame-size";
        let error = *error(ErrorCondition::FrameSizeTooSmall, words);
        self.detach(link, true, Some(error), out);
        false
    }

    pub(super) fn on_attach(
        &mut self,
        local: u32,
        attach: Box<Attach>,
        out: &mut BytesMut,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get_mut(local) else { return Ok(()) };
        let (remote, max) = (attach.handle.0, self.settings.handle_max);
        //= amqp-1.0 §2.7.2 handle-outside-closes
        // If a session frame is received with a handle outside the supported handle range, the
        // connection MUST be closed with a framing-error error-code.
        if remote > max {
            let words = format!("handle {remote}, handle-max is {max}");
            return Err(Refusal::connection(ErrorCondition::ConnectionFramingError, words));
        }
        //= amqp-1.0 §2.8.17
        //= amqp-1.0 §2.7.3 handle-in-use
        // amqp:session:handle-in-use: an attach was received using a handle that is already in use
        // for an attached link.
        if session.by_remote.get(remote).is_some() {
            let words = format!("handle {remote} belongs to another link");
            return Err(Refusal::session(ErrorCondition::SessionHandleInUse, words));
        }
        let session_id = session.id;
        let role = opposite(attach.role);
        let key = LinkKey { name: ByteString::from(&*attach.name), role };
        // Told apart by session: both sides may attach the link at once, in different ones.
        if let Some(awaited) = session.awaited(&key) {
            return on_answer(session, awaited, attach, events);
        }
        if let Some(&attached) = self.names.get(&key) {
            self.steal(attached, out, events);
        }
        let links: usize = self.sessions.iter().map(|it| it.links.len()).sum();
        let serial = self.next_serial();
        let Some(session) = self.sessions.get_mut(local) else { return Ok(()) };
        //= amqp-1.0 §2.7.2 handle-max-kept
        //= amqp-1.0 §2.7.3 handle-free
        let Some(handle) = session.links.lowest_free(session.remote_handle_max) else {
            let words = "handle-max leaves no handle for another link";
            return Err(Refusal::session(ErrorCondition::ResourceLimitExceeded, words));
        };
        let id = LinkId { session: session_id, handle, serial };
        let first = self.settings.numbering.delivery_count;
        let mut link = Link::new(id, key.clone(), Side::Peer, first);
        link.remote = Some(remote);
        link.learn(&attach);
        session.by_remote.insert(remote, handle);
        session.links.insert(handle, link);
        self.names.insert(key, id);
        if links >= self.settings.limits.links_max {
            return Err(refuse_unseen(id, ErrorCondition::ResourceLimitExceeded, "too many links"));
        }
        if role == Role::Receiver && attach.initial_delivery_count.is_none() {
            return Err(no_initial_count(id));
        }
        events.push(Event::Attached { link: id, by: Side::Peer, attach });
        Ok(())
    }

    /// A link was attached again: its attachment of before ends.
    fn steal(&mut self, id: LinkId, out: &mut BytesMut, events: &mut Vec<Event>) {
        //= amqp-1.0 §2.8.18
        // amqp:link:stolen: the link has been attached elsewhere, causing the existing attachment
        // to be forcibly closed.
        let Some(session) = find(&mut self.sessions, id.session) else { return };
        let words = "the link was attached again";
        let error = Some(error(ErrorCondition::LinkStolen, words));
        // Not closed: the link lives on, where it is attached now.
        session.detach(id.handle, false, error, true, &mut step!(self, out, events));
    }
}

/// The peer's attach is the answer to this side's.
fn on_answer(
    session: &mut Session,
    handle: u32,
    attach: Box<Attach>,
    events: &mut Vec<Event>,
) -> Result<(), Refusal> {
    session.awaited -= 1;
    session.by_remote.insert(attach.handle.0, handle);
    let Some(link) = session.links.get_mut(handle) else { return Ok(()) };
    link.remote = Some(attach.handle.0);
    link.learn(&attach);
    // One that was detached meanwhile is only waited for.
    if link.state != LinkState::AttachSent {
        return Ok(());
    }
    link.state = LinkState::Attached;
    link.agree(&attach);
    let (id, is_refused) = (link.id, attach.source.is_none() && attach.target.is_none());
    if link.key.role == Role::Receiver && attach.initial_delivery_count.is_none() && !is_refused {
        return Err(no_initial_count(id));
    }
    events.push(Event::Attached { link: id, by: Side::Local, attach });
    Ok(())
}

impl Session {
    /// This side's handle of the link that it attached under this name and the peer has not.
    fn awaited(&self, key: &LinkKey) -> Option<u32> {
        let is_awaited =
            |link: &&Link| link.by == Side::Local && link.remote.is_none() && link.key == *key;
        let link = (self.awaited > 0).then(|| self.links.iter().find(is_awaited)).flatten()?;
        Some(link.id.handle)
    }
}

fn no_initial_count(id: LinkId) -> Refusal {
    //= amqp-1.0 §2.7.3 initial-count
    // initial-delivery-count MUST NOT be null if role is sender.
    let words = "a sender's attach has no initial-delivery-count";
    refuse_unseen(id, ErrorCondition::InvalidField, words)
}

/// A refusal of a link that the owner has not heard of.
fn refuse_unseen(id: LinkId, condition: ErrorCondition, words: &str) -> Refusal {
    Refusal::new(Scope::Link(id.handle), condition, words)
}

impl Link {
    /// What this side promised to take.
    fn promise(&mut self, attach: &Attach, intake: Intake) {
        if let Half::Receiver(receiver) = &mut self.half {
            receiver.message_size_max =
                attach.max_message_size.filter(|&max| max > 0).unwrap_or(u64::MAX);
            receiver.streaming = intake.streaming;
            receiver.is_resumable = intake.resumable;
        }
    }
}
