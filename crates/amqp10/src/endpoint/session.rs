//! A session endpoint: its place in its life, its links by handle, its numbers (AMQP 1.0 §2.5).

use std::collections::VecDeque;

use bytes::BytesMut;

use super::{
    Event, SessionId, Settings, Side, SuspendedLink,
    ledger::Ledger,
    link::{Half, Link, LinkState},
    refusal::{Refusal, put_detach, put_end, put_refusing_attach},
    slots::Slots,
    suspended::Unsettled,
    windows::Windows,
};
use crate::{
    DeliveryTag, ErrorCondition,
    definition::{AmqpError, DeliveryNumber, Handle, Role},
    encode_frame,
    performative::{Attach, Detach, Flow},
};
use bytes::Bytes;

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionState {
    /// This side began, the peer has not answered.
    BeginSent,
    Mapped,
    /// This side ended: what comes is passed over until the peer's end.
    EndSent {
        /// The owner knows already.
        is_told: bool,
    },
}

/// What a step of the connection hands down.
pub(super) struct Step<'a> {
    pub(super) out: &'a mut BytesMut,
    pub(super) events: &'a mut Vec<Event>,
    pub(super) settings: &'a Settings,
    /// The peer's.
    pub(super) max_frame_size: u32,
    /// Octets of incomplete deliveries in the whole connection.
    pub(super) incomplete: &'a mut usize,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) state: SessionState,
    /// The peer's channel, once its begin came.
    pub(super) remote: Option<u16>,
    pub(super) remote_handle_max: u32,
    /// By this side's handles.
    pub(super) links: Slots<Link>,
    /// How many of them this side attached and the peer has not.
    pub(super) awaited: usize,
    /// From the peer's handles to this side's.
    pub(super) by_remote: Slots<u32>,
    pub(super) windows: Windows,
    pub(super) incoming: Ledger<Option<DeliveryTag>>,
    pub(super) outgoing: Ledger<u64>,
    /// Of the last delivery that came in.
    pub(super) last_incoming: Option<DeliveryNumber>,
    pub(super) next_outgoing: DeliveryNumber,
    /// Links with a delivery that is sent partly, in the order they go on.
    pub(super) unfinished: VecDeque<u32>,
}

impl Session {
    pub(super) fn new(id: SessionId, settings: &Settings, is_paused: bool) -> Self {
        let first = settings.numbering.transfer;
        Self {
            id,
            state: SessionState::BeginSent,
            remote: None,
            remote_handle_max: u32::MAX,
            links: Slots::new(),
            awaited: 0,
            by_remote: Slots::new(),
            windows: Windows::new(first, settings.incoming_window, is_paused),
            incoming: Ledger::new(),
            outgoing: Ledger::new(),
            last_incoming: None,
            next_outgoing: settings.numbering.delivery,
            unfinished: VecDeque::new(),
        }
    }

    pub(super) fn channel(&self) -> crate::ChannelId {
        crate::ChannelId(self.id.channel)
    }

    /// This side's handle of the link that the peer means.
    #[inline]
    pub(super) fn handle_of(&self, remote: Handle) -> Result<u32, Refusal> {
        //= amqp-1.0 §2.8.17
        //= amqp-1.0 §2.7.4 unattached-handle
        // amqp:session:unattached-handle: a frame (other than attach) was received referencing a
        // handle which is not currently in use of an attached link.
        match self.by_remote.get(remote.0) {
            Some(&handle) => Ok(handle),
            None => {
                let words = format!("no link is attached to handle {}", remote.0);
                Err(Refusal::session(ErrorCondition::SessionUnattachedHandle, words))
            }
        }
    }

    /// The session's state, and the link's when one is given, to the peer.
    pub(super) fn put_flow(&mut self, link: Option<u32>, out: &mut BytesMut) {
        let mut flow = self.windows.flow();
        if let Some(link) = link.and_then(|it| self.links.get(it)) {
            fill(&mut flow, link);
        }
        encode_frame(self.channel(), &flow, out);
    }

    /// Tells the peer of the window when half of it is used up.
    #[inline]
    pub(super) fn top_up(&mut self, out: &mut BytesMut) {
        if self.windows.is_low() {
            self.put_flow(None, out);
        }
    }

    /// Detaches a link of this side's own accord: of its owner, or because of what the peer did.
    pub(super) fn detach(
        &mut self,
        handle: u32,
        closed: bool,
        error: Option<Box<AmqpError>>,
        is_told: bool,
        step: &mut Step<'_>,
    ) {
        let Some(link) = self.links.get_mut(handle) else { return };
        if matches!(link.state, LinkState::DetachSent { .. }) {
            return;
        }
        if link.state == LinkState::AttachReceived {
            let attach = link.complete(Attach::default());
            put_refusing_attach(self.id.channel, attach, step.out);
        }
        //= amqp-1.0 §2.6.5 error-detaches, error-destroys
        //= amqp-1.0 §2.6.4 detach-told
        // When an error occurs at a link endpoint, the endpoint MUST be detached with appropriate
        // error information supplied in the error field of the detach frame.
        put_detach(self.id.channel, handle, closed, &error, step.max_frame_size, step.out);
        link.state = LinkState::DetachSent { closed, is_told };
        let id = link.id;
        let suspended = self.strip(handle, closed, step.incomplete);
        if is_told {
            let by = Side::Local;
            step.events.push(Event::Detached { link: id, by, closed, error, suspended });
        } else if let Some(link) = self.links.get_mut(handle) {
            link.park(suspended);
        }
    }

    /// Takes from a link what it will not need any more: its deliveries are nobody's now.
    fn strip(
        &mut self,
        handle: u32,
        closed: bool,
        incomplete: &mut usize,
    ) -> Option<Box<SuspendedLink>> {
        let link = self.links.get_mut(handle)?;
        match &mut link.half {
            Half::Sender(sender) => sender.unfinished = None,
            Half::Receiver(receiver) => receiver.drop_partial(incomplete),
        }
        let (key, count) = (link.key.clone(), link.delivery_count);
        self.unfinished.retain(|it| *it != handle);
        let mut unsettled = Vec::new();
        match key.role {
            Role::Sender => self.outgoing.remove_link(handle, |it| {
                if !closed {
                    let octets = Bytes::copy_from_slice(&it.tag.to_be_bytes());
                    let tag = DeliveryTag::try_from(octets).unwrap_or_default();
                    unsettled.push(Unsettled { id: it.id, tag });
                }
            }),
            Role::Receiver => self.incoming.remove_link(handle, |it| {
                if !closed && let Some(tag) = it.tag.take() {
                    unsettled.push(Unsettled { id: it.id, tag });
                }
            }),
        }
        (!closed).then(|| Box::new(SuspendedLink::new(key, count, unsettled)))
    }

    /// The peer's detach. Gives the link when it is gone.
    pub(super) fn on_detach(
        &mut self,
        detach: Detach,
        step: &mut Step<'_>,
    ) -> Result<Option<Link>, Refusal> {
        let handle = self.handle_of(detach.handle)?;
        let Some(link) = self.links.get_mut(handle) else { return Ok(None) };
        let id = link.id;
        if let LinkState::DetachSent { closed, is_told } = link.state {
            let suspended = link.unpark();
            if !is_told {
                // Who only detached and hears that the link is closed has nothing to resume.
                let closed = closed || detach.closed;
                let suspended = suspended.filter(|_| !closed);
                let by = Side::Local;
                let error = detach.error;
                step.events.push(Event::Detached { link: id, by, closed, error, suspended });
            }
        } else {
            let Detach { closed, error, .. } = detach;
            if link.state == LinkState::AttachReceived {
                let attach = link.complete(Attach::default());
                put_refusing_attach(self.id.channel, attach, step.out);
            }
            //= amqp-1.0 §2.6.6
            // A peer closes a link by sending the detach frame with the handle for the specified
            // link, and the closed flag set to true. The partner will destroy the corresponding
            // link endpoint, and reply with its own detach frame with the closed flag set to true.
            put_detach(self.id.channel, handle, closed, &None, step.max_frame_size, step.out);
            let suspended = self.strip(handle, closed, step.incomplete);
            let by = Side::Peer;
            step.events.push(Event::Detached { link: id, by, closed, error, suspended });
        }
        //= amqp-1.0 §2.6.2
        // The two endpoints of a link are not REQUIRED to use the same handle; a handle is free
        // again when both have detached.
        self.by_remote.remove(detach.handle.0);
        Ok(self.links.remove(handle))
    }

    /// Ends the session of this side's own accord.
    pub(super) fn end(
        &mut self,
        error: Option<Box<AmqpError>>,
        is_told: bool,
        step: &mut Step<'_>,
    ) {
        if matches!(self.state, SessionState::EndSent { .. }) {
            return;
        }
        //= amqp-1.0 §2.5.4 error-ends
        // When a session is unable to process input, it MUST indicate this by issuing an end with
        // an appropriate error indicating the cause of the problem. It then proceeds to discard all
        // incoming frames from the remote endpoint until receiving the remote endpoint's
        // corresponding end frame.
        put_end(self.id.channel, &error, step.max_frame_size, step.out);
        self.state = SessionState::EndSent { is_told };
        self.clear(step.incomplete);
        if is_told {
            step.events.push(Event::Ended { session: self.id, by: Side::Local, error });
        }
    }

    /// Lets go of all links and deliveries.
    pub(super) fn clear(&mut self, incomplete: &mut usize) {
        for link in self.links.iter_mut() {
            if let Half::Receiver(receiver) = &mut link.half {
                receiver.drop_partial(incomplete);
            }
        }
        self.by_remote.clear();
        self.incoming = Ledger::new();
        self.outgoing = Ledger::new();
        self.unfinished = VecDeque::new();
    }
}

/// The link's part of a flow.
pub(super) fn fill(flow: &mut Flow, link: &Link) {
    //= amqp-1.0 §2.7.4 senders-count, receivers-count, count-unknown
    // delivery-count: when the handle field is not set, this field MUST NOT be set. When the
    // flow state is being sent from the receiver link endpoint, this field MUST be set to the last
    // known value of the corresponding sending endpoint. In the event that the receiving link
    // endpoint has not yet seen the initial attach frame from the sender this field MUST NOT be
    // set.
    let is_known = link.key.role == Role::Sender || link.remote.is_some();
    flow.handle = Some(Handle(link.id.handle));
    flow.delivery_count = is_known.then_some(link.delivery_count);
    flow.link_credit = Some(link.credit);
    flow.drain = link.drain;
}
