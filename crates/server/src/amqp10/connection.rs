//! A connection's state, stepped by what its engine says happened and by wake-ups. Writes into a
//! buffer; reads no socket.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use amqp10::{
    FrameDecoder,
    definition::{AmqpError, Role},
    endpoint::{self, Event, LinkId, SessionId, Side},
};
use broker::{Access, Broker, ConnectionId, Letter, Mailbox, Publish, Publisher, VirtualHost};
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use hashbrown::HashMap;

use super::{
    credit::Credit,
    heads::Heads,
    inlet::Inlet,
    large::Feeding,
    management::PairedLink,
    outlet::Outlet,
    publish::{Awaited, Waiting},
    publish_whole::KnownPublishes,
    refusal,
    suspended::{SuspendedLinks, TerminusKey},
    transaction::{Discharging, OpenTransaction},
};
use crate::{
    Limits, blocking,
    connections::{ConnectionState, Entered},
    driver::Phase,
    open_channel::OpenChannel,
    unacked::Unacked,
    write_buffer::WriteBuffer,
};

type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// A session: what is out on it, and what waits on it for the journal.
pub(super) struct Session {
    /// Deliveries that are not settled, by their numbers without wrapping.
    pub(super) unacked: VecDeque<Unacked>,
    /// What publishers on it are not told yet.
    pub(super) waiting: Waiting,
    /// How operators see it.
    pub(super) seen: Arc<OpenChannel>,
    /// Queues of links that are gone, which go with the session.
    pub(super) lingering: Vec<String>,
    /// Links that are suspended, and how long they are once the session is gone.
    pub(super) left: Vec<(TerminusKey, Duration)>,
}

/// How a link ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkEnd {
    /// By its peer, for good.
    Closed,
    /// Its peer detached it, or is gone with session or connection: it may come back.
    Detached,
    /// This side closed it: nothing waits for it.
    Refused,
}

/// What the broker has on a link.
pub(super) enum Link {
    Inlet(Box<Inlet>),
    Outlet(Box<Outlet>),
    /// The peer controls transactions by it.
    Coordinator,
    /// For requests, or their answers.
    Paired(Box<PairedLink>),
}

pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) broker: Arc<Broker>,
    pub(super) vhost: Arc<VirtualHost>,
    /// Who logged in, and with what.
    pub(super) login: auth::User,
    /// What they may do.
    pub(super) access: Access,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) publisher: Publisher,
    /// What its messages meant before.
    pub(super) known: KnownPublishes,
    pub(super) protocol: endpoint::Connection,
    pub(super) decoder: FrameDecoder,
    pub(super) sessions: Map<SessionId, Session>,
    pub(super) links: Map<LinkId, Link>,
    /// Links that send, by the number their consumers know them by.
    pub(super) outlets: Map<u32, LinkId>,
    pub(super) last_outlet: u32,
    pub(super) out: WriteBuffer,
    pub(super) limits: Limits,
    /// How operators see it.
    pub(super) entered: Entered,
    /// Transactions that are not discharged, by their numbers.
    pub(super) transactions: Map<u32, OpenTransaction>,
    pub(super) last_transaction: u32,
    /// How the peer calls itself.
    pub(super) container: ByteString,
    /// It asks to settle second and waits for the broker to settle.
    pub(super) settles_first: bool,
    /// Queues of links that are gone, which go with the connection.
    pub(super) lingering: Vec<String>,
    /// Links that wait to be attached again, of all connections.
    pub(super) suspended: Arc<SuspendedLinks>,
    /// Those of them whose time begins with the end of this connection.
    pub(super) left: Vec<(TerminusKey, Duration)>,
    /// There are, or were, links that choose what they take.
    pub(super) chooses: bool,
    /// There are links that publish whose termini live on.
    pub(super) remembers: bool,
    /// What its publishers may send ahead.
    pub(super) credit: Credit,
    /// Commits that wait for the disk, in order.
    pub(super) discharging: VecDeque<Discharging>,
    /// Publishes of this read, and for each whom to tell what became of it.
    pub(super) batch: Vec<Publish>,
    pub(super) awaited: Vec<Option<Awaited>>,
    /// Sessions that wait for the journal.
    pub(super) unconfirmed: Vec<SessionId>,
    /// Deliveries that this read settled.
    pub(super) settled: Vec<Unacked>,
    /// What the last delivery began with.
    pub(super) heads: Heads,
    /// Large messages of which more is to go out.
    pub(super) feeding: Vec<Feeding>,
    /// Letters taken from the mailbox and not yet written.
    pub(super) letters: Vec<Letter>,
    events: Vec<Event>,
    began: Instant,
    is_blocked: bool,
    /// Bytes of messages that came since.
    taken_while_blocked: usize,
    has_published: bool,
}

impl Connection {
    pub(super) fn new(
        broker: Arc<Broker>,
        (login, access): (auth::User, Access),
        mailbox: Arc<Mailbox>,
        (protocol, decoder): (endpoint::Connection, FrameDecoder),
        (container, suspended): (ByteString, Arc<SuspendedLinks>),
        entered: Entered,
        limits: Limits,
    ) -> Connection {
        let vhost = access.vhost().clone();
        Connection {
            id: entered.facts.id,
            publisher: Publisher::new(vhost.clone()),
            broker,
            vhost,
            login,
            access,
            mailbox,
            known: KnownPublishes::default(),
            protocol,
            decoder,
            sessions: Map::default(),
            links: Map::default(),
            outlets: Map::default(),
            last_outlet: 0,
            out: WriteBuffer::default(),
            limits,
            entered,
            transactions: Map::default(),
            last_transaction: 0,
            container,
            settles_first: false,
            lingering: Vec::new(),
            suspended,
            left: Vec::new(),
            chooses: false,
            remembers: false,
            credit: Credit::default(),
            discharging: VecDeque::new(),
            batch: Vec::new(),
            awaited: Vec::new(),
            unconfirmed: Vec::new(),
            settled: Vec::new(),
            heads: Heads::default(),
            feeding: Vec::new(),
            letters: Vec::new(),
            events: Vec::new(),
            began: Instant::now(),
            is_blocked: false,
            taken_while_blocked: 0,
            has_published: false,
        }
    }

    pub(super) fn phase(&self) -> Phase {
        match self.protocol.phase() {
            endpoint::Phase::Closed => Phase::Closed,
            endpoint::Phase::CloseSent => Phase::Closing,
            _ => Phase::Open,
        }
    }

    pub(super) fn give_up(&mut self) {
        self.protocol.give_up(&mut self.events);
        self.act();
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Something was written to the peer.
    pub(super) fn wrote(&mut self) {
        let now = self.now();
        self.protocol.wrote(now);
    }

    /// Acts upon the frames that are complete in what was read, as long as there is room for what
    /// they bring. `true` when there may be more of them.
    pub(super) fn on_read(&mut self, inbox: &mut BytesMut) -> bool {
        let now = self.now();
        let mut is_stalled = false;
        self.known.next_read();
        while self.phase() != Phase::Closed {
            if self.out.is_full() {
                is_stalled = true;
                break;
            }
            if self.publish_whole(inbox, now) {
                continue;
            }
            match self.decoder.decode(inbox) {
                Ok(None) => break,
                Ok(Some(frame)) => {
                    self.protocol.receive(frame, now, self.out.tail(), &mut self.events);
                }
                Err(error) => {
                    self.protocol.fail(&error, self.out.tail(), &mut self.events);
                }
            }
            self.act();
        }
        self.on_read_end();
        self.on_wake();
        is_stalled
    }

    /// The end of one read: what it published and settled goes to the broker, each in one piece.
    pub(super) fn on_read_end(&mut self) {
        self.flush_publishes();
        self.flush_settled();
        self.release_confirms();
        self.release_discharged();
    }

    /// The mailbox has something, or the journal's durable mark moved.
    pub(super) fn on_wake(&mut self) {
        self.release_confirms();
        self.release_discharged();
        self.deliver();
    }

    pub(super) fn on_tick(&mut self, now: Instant) {
        let now = now.saturating_duration_since(self.began);
        let _next = self.protocol.tick(now, self.out.tail(), &mut self.events);
        self.act();
    }

    /// Acts upon what happened.
    fn act(&mut self) {
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            self.on_event(event);
        }
        self.events = events;
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Delivery(delivery) => {
                self.note_publish(delivery.payload.iter().map(Bytes::len).sum());
                match delivery.more {
                    true => self.begin_large(delivery),
                    false => self.on_delivery(delivery),
                }
            }
            Event::Part { link, payload, more, settled, .. } => {
                self.note_part(payload.len());
                self.on_part(link, &payload, more, settled);
            }
            Event::Disposition(disposition) => self.on_disposition(disposition),
            other => {
                // The order in which a client did things is the order in which they happen.
                self.flush_publishes();
                self.on_other(other);
            }
        }
    }

    /// A message came, of so many octets.
    pub(super) fn note_publish(&mut self, bytes: usize) {
        self.has_published = true;
        self.credit.note(bytes);
        self.note_part(bytes);
    }

    /// So many octets came that are published.
    fn note_part(&mut self, bytes: usize) {
        if self.is_blocked {
            self.taken_while_blocked += bytes;
        }
    }

    fn on_other(&mut self, event: Event) {
        match event {
            Event::Begun { session, .. } => self.on_begun(session),
            Event::Attached { link, by: Side::Peer, attach } => self.on_attach(link, attach),
            Event::Flow(flow) => self.on_flow(&flow),
            Event::Window { session } => self.on_window(session),
            Event::Detached { link, closed, .. } => {
                self.flush_settled();
                let end = if closed { LinkEnd::Closed } else { LinkEnd::Detached };
                self.end_link(link, end);
            }
            Event::Ended { session, .. } => {
                self.flush_settled();
                self.end_session(session);
            }
            Event::Closed { error, .. } => {
                self.flush_settled();
                if let Some(text) = error.and_then(|it| it.description) {
                    tracing::info!(connection = self.id.0, "closed: {text}");
                }
                self.end();
            }
            Event::Aborted { link, .. } => self.on_aborted(link),
            // Links here are attached by the peer only, and nothing is drained.
            Event::Attached { .. }
            | Event::Opened(_)
            | Event::Part { .. }
            | Event::Drained { .. }
            | Event::Delivery(_)
            | Event::Disposition(_) => {}
        }
    }

    fn on_begun(&mut self, session: SessionId) {
        let max = self.login.limits.max_channels;
        let Some(seen) = self.entered.open_channel(session.channel().0, max) else {
            let (user, max) = (&self.login.name, max.unwrap_or_default());
            let text = format!(
                "number of channels opened for user '{user}' has reached the maximum allowed user \
                 limit of ({max})"
            );
            return self.protocol.end(session, Some(refusal::full(text)), self.out.tail());
        };
        let (unacked, waiting, lingering, left) = Default::default();
        self.sessions.insert(session, Session { unacked, waiting, seen, lingering, left });
    }

    /// Ends what is open on a session: consumers go, and what was not settled goes back.
    pub(super) fn end_session(&mut self, session: SessionId) {
        let links: Vec<LinkId> =
            self.links.keys().filter(|link| link.session() == session).copied().collect();
        links.into_iter().for_each(|link| self.end_link(link, LinkEnd::Detached));
        if let Some(ended) = self.sessions.remove(&session) {
            crate::unacked::requeue_sent(ended.unacked.into());
            self.delete_lingering(ended.lingering);
            self.give_up_in_time(ended.left);
            self.entered.close_channel(session.channel().0);
        }
        self.unconfirmed.retain(|it| *it != session);
    }

    /// Closes the connection, and tells the peer why.
    pub(super) fn close(&mut self, error: AmqpError) {
        if self.phase() != Phase::Open {
            return;
        }
        let text = error.description.as_deref().unwrap_or_default();
        tracing::info!(connection = self.id.0, "closed by the server: {text}");
        self.protocol.close(Some(error), self.out.tail());
        self.entered.set_state(ConnectionState::Closing);
        self.end();
    }

    /// Gives everything back to the broker: consumers, unsettled deliveries, exclusive queues.
    /// Done once, however the connection ends.
    pub(super) fn end(&mut self) {
        self.flush_settled();
        self.roll_back_all();
        let sessions: Vec<SessionId> = self.sessions.keys().copied().collect();
        sessions.into_iter().for_each(|session| self.end_session(session));
        let lingering = std::mem::take(&mut self.lingering);
        self.delete_lingering(lingering);
        let left = std::mem::take(&mut self.left);
        self.give_up_in_time(left);
        if self.vhost.owns_queues(self.id)
            && let Err(error) = blocking(|| self.vhost.connection_closed(self.id))
        {
            tracing::error!(connection = self.id.0, "exclusive queues are left behind: {error}");
        }
    }

    /// Tells a publishing client that it has to wait, or that it may go on: by its sessions'
    /// windows. It is read all the same, for it may consume; but not when more comes than it may
    /// have had on the way. Returns whether that is so.
    pub(super) fn check_blocked(&mut self) -> bool {
        let block =
            self.phase() == Phase::Open && self.has_published && self.broker.blocked().is_some();
        if block == self.is_blocked {
            return block && self.taken_while_blocked > BLOCKED_BYTES_MAX;
        }
        self.is_blocked = block;
        self.taken_while_blocked = 0;
        match block {
            true => {
                self.entered.set_state(ConnectionState::Blocked);
                self.protocol.pause(self.out.tail());
            }
            false => {
                self.entered.set_state(ConnectionState::Running);
                self.protocol.resume(self.out.tail());
            }
        }
        false
    }

    /// Detaches a link, and tells the peer why.
    pub(super) fn refuse_link(&mut self, link: LinkId, error: AmqpError) {
        let text = error.description.as_deref().unwrap_or_default();
        tracing::debug!(connection = self.id.0, "link refused: {text}");
        self.protocol.detach(link, true, Some(error), self.out.tail());
        self.end_link(link, LinkEnd::Refused);
    }

    /// Settles what a peer sent on a session, with that state.
    pub(super) fn settle_received(
        &mut self,
        session: SessionId,
        range: endpoint::DeliveryRange,
        state: amqp10::messaging::DeliveryState,
    ) {
        if self.remembers {
            self.note_told(session, range, &state);
        }
        self.protocol.settle(session, Role::Receiver, range, Some(state), self.out.tail());
    }
}

/// Puts a delivery back among those that are out, where it stood.
pub(super) fn insert_unacked(unacked: &mut VecDeque<Unacked>, delivery: Unacked) {
    // Numbers wrap around: those that are out lie within half of all.
    let is_before = |it: &Unacked| (it.tag as u32).wrapping_sub(delivery.tag as u32) > u32::MAX / 2;
    let at = unacked.partition_point(is_before);
    unacked.insert(at, delivery);
}

/// What a peer may have sent before it heard that it has to wait.
const BLOCKED_BYTES_MAX: usize = 4 * 1024 * 1024;
