//! A session's flow control: transfer frames, whatever their link, in both directions
//! (AMQP 1.0 §2.5.6).
//!
//! Invariants: `promised` is what the peer may still send of all it was ever told; what this side
//! sends never exceeds `remote_incoming`.

use crate::{definition::TransferNumber, performative::Flow};

#[derive(Debug)]
pub(super) struct Windows {
    /// None before the peer's `begin`.
    next_incoming: Option<TransferNumber>,
    /// How many transfer frames may still come: a window that was made smaller since is not held
    /// against frames that were on their way.
    promised: u32,
    size: u32,
    is_paused: bool,
    initial_outgoing: TransferNumber,
    next_outgoing: TransferNumber,
    remote_incoming: u32,
    remote_outgoing: u32,
    /// A `send` found no window.
    is_awaited: bool,
}

impl Windows {
    pub(super) fn new(first: TransferNumber, size: u32, is_paused: bool) -> Self {
        Self {
            next_incoming: None,
            promised: 0,
            size: size.max(1),
            is_paused,
            initial_outgoing: first,
            next_outgoing: first,
            remote_incoming: 0,
            remote_outgoing: 0,
            is_awaited: false,
        }
    }

    pub(super) fn on_begin(&mut self, next: TransferNumber, incoming: u32, outgoing: u32) {
        //= amqp-1.0 §2.5.6
        // The next-incoming-id is initialized from the next-outgoing-id of the remote begin; the
        // remote-incoming-window is initialized from its incoming-window.
        self.next_incoming = Some(next);
        self.remote_incoming = incoming;
        self.remote_outgoing = outgoing;
    }

    /// Whether a transfer frame may come.
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.promised > 0
    }

    /// A transfer frame came; false when it should not have.
    #[inline]
    pub(super) fn take(&mut self) -> bool {
        //= amqp-1.0 §2.5.6 received-is-counted
        // Each time a transfer is received, the next-incoming-id is incremented, the
        // remote-outgoing-window is decremented, and the incoming-window is decremented.
        let Some(promised) = self.promised.checked_sub(1) else { return false };
        self.promised = promised;
        self.next_incoming = self.next_incoming.map(TransferNumber::next);
        self.remote_outgoing = self.remote_outgoing.saturating_sub(1);
        true
    }

    /// Half of the window is used up: a flow is due.
    #[inline]
    pub(super) fn is_low(&self) -> bool {
        !self.is_paused && self.promised <= self.size / 2
    }

    /// How many transfer frames may be sent.
    #[inline]
    pub(super) fn room(&self) -> u32 {
        self.remote_incoming
    }

    /// A transfer frame goes out.
    #[inline]
    pub(super) fn give(&mut self) {
        //= amqp-1.0 §2.5.6 sent-is-counted
        // Upon sending a transfer, the sending endpoint will increment its next-outgoing-id,
        // decrement its remote-incoming-window.
        self.next_outgoing = self.next_outgoing.next();
        self.remote_incoming = self.remote_incoming.saturating_sub(1);
    }

    /// Tells the owner when there is window again.
    #[inline]
    pub(super) fn await_room(&mut self) {
        self.is_awaited = true;
    }

    pub(super) fn pause(&mut self, is_paused: bool) -> bool {
        std::mem::replace(&mut self.is_paused, is_paused) != is_paused
    }

    /// The window that the peer is told of, for `begin` and `flow`.
    pub(super) fn announce(&mut self) -> u32 {
        let window = if self.is_paused { 0 } else { self.size };
        self.promised = self.promised.max(window);
        window
    }

    pub(super) fn next_outgoing(&self) -> TransferNumber {
        self.next_outgoing
    }

    /// A flow with the session's state in it, which the peer is now told.
    pub(super) fn flow(&mut self) -> Flow {
        //= amqp-1.0 §2.7.4 next-incoming-set, next-incoming-unset
        // next-incoming-id MUST be set if the peer has received the begin frame for the session,
        // and MUST NOT be set if it has not.
        Flow {
            //= amqp-1.0 §2.7.4 count-with-handle, credit-with-handle
            //= amqp-1.0 §2.7.4 available-with-handle, drain-with-handle
            next_incoming_id: self.next_incoming,
            incoming_window: self.announce(),
            next_outgoing_id: self.next_outgoing,
            outgoing_window: OUTGOING_WINDOW,
            ..Flow::default()
        }
    }

    /// The session's part of the peer's flow. True when there is window that was awaited.
    pub(super) fn on_flow(&mut self, flow: &Flow) -> bool {
        //= amqp-1.0 §2.5.6 flow-is-copied
        // When the endpoint receives a flow frame from its peer, it MUST update the
        // next-incoming-id directly from the next-outgoing-id of the frame, and it MUST update the
        // remote-outgoing-window directly from the outgoing-window of the frame.
        self.next_incoming = Some(flow.next_outgoing_id);
        self.remote_outgoing = flow.outgoing_window;
        //= amqp-1.0 §2.5.6
        // remote-incoming-window: next-incoming-id of the flow (of a peer that has not seen the
        // begin: initial-outgoing-id) + incoming-window of the flow - next-outgoing-id.
        let seen = flow.next_incoming_id.unwrap_or(self.initial_outgoing);
        let on_their_way = match self.next_outgoing.precedes(seen) {
            // It expects what was never sent: it has missed nothing.
            true => 0,
            false => self.next_outgoing.since(seen),
        };
        self.remote_incoming = flow.incoming_window.saturating_sub(on_their_way);
        self.remote_incoming > 0 && std::mem::take(&mut self.is_awaited)
    }
}

/// What this side says of its outgoing window: it holds nothing back on its own account.
pub(super) const OUTGOING_WINDOW: u32 = i32::MAX as u32;

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(seen: Option<u32>, incoming_window: u32) -> Flow {
        let next_incoming_id = seen.map(TransferNumber);
        Flow { next_incoming_id, incoming_window, ..Flow::default() }
    }

    #[test]
    fn frames_on_their_way_are_counted_across_the_wrap() {
        let mut windows = Windows::new(TransferNumber(u32::MAX - 1), 10, false);
        windows.on_begin(TransferNumber(0), 5, 0);
        for _ in 0..4 {
            windows.give();
        }
        assert_eq!((windows.room(), windows.next_outgoing().0), (1, 2));
        windows.on_flow(&flow(Some(u32::MAX), 5));
        assert_eq!(windows.room(), 2, "three of the four were not seen yet");
        windows.on_flow(&flow(None, 5));
        assert_eq!(windows.room(), 1, "the begin was not seen yet");
        windows.on_flow(&flow(Some(2), u32::MAX));
        assert_eq!(windows.room(), u32::MAX);
        windows.on_flow(&flow(Some(0), 1));
        assert_eq!(windows.room(), 0);
        windows.on_flow(&flow(Some(100), 7));
        assert_eq!(windows.room(), 7, "it cannot have seen more than there was");
    }

    #[test]
    fn a_pause_is_not_held_against_what_is_on_its_way() {
        let mut windows = Windows::new(TransferNumber(0), 4, false);
        assert_eq!(windows.announce(), 4);
        assert!(windows.take());
        assert!(windows.pause(true) && !windows.pause(true));
        assert_eq!(windows.flow().incoming_window, 0);
        assert!((0..3).all(|_| windows.take()) && !windows.take());
        assert!(!windows.is_low(), "while paused, nothing is due");
        windows.pause(false);
        assert_eq!(windows.flow().incoming_window, 4);
        assert!((0..4).all(|_| windows.take()) && !windows.take());
    }
}
