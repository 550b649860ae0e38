//! The open connections and their channels, as operators see them: who, from where, and how much.
//!
//! A connection's task is the only one that writes its counts, so a count costs it what a plain
//! number would; anybody may read. What a channel counted that is gone is kept for the totals.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicBool, AtomicU8, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
};

use amqp091::FieldTable;
use broker::{Arguments, ConnectionId, Mailbox};
use bytes::{Bytes, BytesMut};
use tokio::sync::Notify;

use crate::{
    amqp091::arguments,
    open_channel::{ChannelTotals, Count, OpenChannel},
    tls::PeerCertificate,
    user_place::{UserPlace, UserPlaces},
};

/// How a connection is, in RabbitMQ's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ConnectionState {
    /// Nothing is in its way.
    Running = 0,
    /// It published, and has to wait: memory or disk is short.
    Blocked = 1,
    /// It is on its way out.
    Closing = 2,
}

impl ConnectionState {
    /// RabbitMQ's word.
    pub fn name(self) -> &'static str {
        match self {
            ConnectionState::Running => "running",
            ConnectionState::Blocked => "blocked",
            ConnectionState::Closing => "closing",
        }
    }
}

/// What a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// AMQP 0-9-1.
    Amqp091,
    /// AMQP 1.0.
    Amqp10,
}

/// What is known of a connection when it opens, and stays so.
#[derive(Debug, Clone)]
pub struct ConnectionFacts {
    /// Its number in the broker.
    pub id: ConnectionId,
    /// What it speaks.
    pub protocol: Protocol,
    /// Over a WebSocket.
    pub is_websocket: bool,
    /// Who logged in.
    pub user: String,
    /// To which virtual host.
    pub vhost: String,
    /// From where.
    pub peer: SocketAddr,
    /// To where.
    pub local: SocketAddr,
    /// Milliseconds since 1970-01-01 UTC.
    pub connected_at: u64,
    /// How: `PLAIN`.
    pub mechanism: String,
    /// The version of TLS, where there is TLS: `1.3`.
    pub tls: Option<&'static str>,
    /// The client's certificate, if it showed one.
    pub peer_certificate: Option<Box<PeerCertificate>>,
    /// Bytes of a frame, as agreed.
    pub frame_max: u32,
    /// Channels, as agreed.
    pub channel_max: u16,
    /// Seconds between heartbeats, as agreed; 0 is none.
    pub heartbeat_s: u16,
}

impl ConnectionFacts {
    /// What it speaks and over what, as RabbitMQ's API says it.
    pub fn protocol_name(&self) -> &'static str {
        match (self.protocol, self.is_websocket) {
            (Protocol::Amqp091, false) => "AMQP 0-9-1",
            (Protocol::Amqp091, true) => "Web AMQP 0-9-1",
            (Protocol::Amqp10, false) => "AMQP 1-0",
            (Protocol::Amqp10, true) => "Web AMQP 1-0",
        }
    }
}

/// An open connection.
#[derive(Debug)]
pub struct OpenConnection {
    /// What stays.
    pub facts: ConnectionFacts,
    /// `PEER -> LOCAL`: its name in the HTTP API.
    pub name: String,
    /// What the client said of itself, encoded: decoded it takes many times as much.
    client_properties: Bytes,
    /// Octets read.
    pub received_bytes: Count,
    /// Reads.
    pub received: Count,
    /// Octets written.
    pub sent_bytes: Count,
    /// Writes.
    pub sent: Count,
    state: AtomicU8,
    channels: Mutex<BTreeMap<u16, Arc<OpenChannel>>>,
    mailbox: Option<Arc<Mailbox>>,
    bell: Arc<Notify>,
    is_to_close: AtomicBool,
    close_reason: Mutex<Option<String>>,
}

impl OpenConnection {
    pub(crate) fn new(
        facts: ConnectionFacts,
        client_properties: Bytes,
        mailbox: Option<Arc<Mailbox>>,
        bell: Arc<Notify>,
    ) -> OpenConnection {
        OpenConnection {
            name: format!("{} -> {}", facts.peer, facts.local),
            facts,
            client_properties,
            received_bytes: Count::default(),
            received: Count::default(),
            sent_bytes: Count::default(),
            sent: Count::default(),
            state: AtomicU8::new(0),
            channels: Mutex::default(),
            mailbox,
            bell,
            is_to_close: AtomicBool::new(false),
            close_reason: Mutex::default(),
        }
    }

    /// What the client said of itself.
    pub fn client_properties(&self) -> Arguments {
        FieldTable::decode(&self.client_properties).map(|it| arguments(&it)).unwrap_or_default()
    }

    /// Its open channels by number.
    pub fn channels(&self) -> Vec<(u16, Arc<OpenChannel>)> {
        lock(&self.channels).iter().map(|(number, it)| (*number, it.clone())).collect()
    }

    /// How many channels are open.
    pub fn channels_count(&self) -> usize {
        lock(&self.channels).len()
    }

    /// How it is.
    pub fn state(&self) -> ConnectionState {
        match self.state.load(Relaxed) {
            0 => ConnectionState::Running,
            1 => ConnectionState::Blocked,
            _ => ConnectionState::Closing,
        }
    }

    /// Whether a consumer's deliveries go to this connection.
    pub fn has_mailbox(&self, mailbox: &Arc<Mailbox>) -> bool {
        self.mailbox.as_ref().is_some_and(|it| Arc::ptr_eq(it, mailbox))
    }

    /// The address of its mailbox, to find a consumer's connection among many.
    pub fn mailbox_key(&self) -> usize {
        self.mailbox.as_ref().map_or(0, |it| Arc::as_ptr(it) as usize)
    }

    /// Asks it to close with 320 `CONNECTION_FORCED - REASON`. The client is told, and given some
    /// seconds.
    pub fn close(&self, reason: &str) {
        *lock(&self.close_reason) = Some(reason.to_owned());
        self.is_to_close.store(true, Release);
        self.bell.notify_one();
    }

    /// Why somebody wants it closed, once.
    pub(crate) fn close_asked(&self) -> Option<String> {
        if !self.is_to_close.load(Acquire) {
            return None;
        }
        self.is_to_close.store(false, Relaxed);
        lock(&self.close_reason).take()
    }

    pub(crate) fn set_state(&self, state: ConnectionState) {
        self.state.store(state as u8, Relaxed);
    }
}

/// How connections and channels came and went since the start, and what they counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "counts of what they are named after")]
pub struct ConnectionChurn {
    pub connections_opened: u64,
    pub connections_closed: u64,
    pub channels_opened: u64,
    pub channels_closed: u64,
    /// Logins of AMQP clients that were right.
    pub logins: u64,
    /// And those that were not.
    pub logins_failed: u64,
}

/// All open connections of a server. Shared.
#[derive(Debug, Default)]
pub struct Connections {
    open: Mutex<BTreeMap<String, Arc<OpenConnection>>>,
    pub(crate) users: UserPlaces,
    /// What closed channels counted, by virtual host.
    gone: Mutex<BTreeMap<String, ChannelTotals>>,
    /// Octets read and written of closed connections, by virtual host.
    gone_octets: Mutex<BTreeMap<String, [u64; 2]>>,
    connections_opened: AtomicU64,
    connections_closed: AtomicU64,
    channels_opened: AtomicU64,
    channels_closed: AtomicU64,
    logins: AtomicU64,
    logins_failed: AtomicU64,
}

impl Connections {
    /// Those that are open now, by name.
    pub fn list(&self) -> Vec<Arc<OpenConnection>> {
        lock(&self.open).values().cloned().collect()
    }

    /// The one of that name.
    pub fn get(&self, name: &str) -> Option<Arc<OpenConnection>> {
        lock(&self.open).get(name).cloned()
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        lock(&self.open).len()
    }

    /// How they came and went.
    pub fn churn(&self) -> ConnectionChurn {
        ConnectionChurn {
            connections_opened: self.connections_opened.load(Relaxed),
            connections_closed: self.connections_closed.load(Relaxed),
            channels_opened: self.channels_opened.load(Relaxed),
            channels_closed: self.channels_closed.load(Relaxed),
            logins: self.logins.load(Relaxed),
            logins_failed: self.logins_failed.load(Relaxed),
        }
    }

    /// What channels counted in each virtual host, those that are gone included.
    pub fn totals(&self) -> BTreeMap<String, ChannelTotals> {
        let open = lock(&self.open);
        // Held to the end: a channel that closes moves from the one to the other under it.
        let gone = lock(&self.gone);
        let mut totals = gone.clone();
        for connection in open.values() {
            let of_vhost = totals.entry(connection.facts.vhost.clone()).or_default();
            for channel in lock(&connection.channels).values() {
                of_vhost.add(&channel.counts.now());
            }
        }
        totals
    }

    /// Octets read and written in each virtual host, of closed connections too.
    pub fn octets(&self) -> BTreeMap<String, [u64; 2]> {
        let open = lock(&self.open);
        let mut octets = lock(&self.gone_octets).clone();
        for connection in open.values() {
            add_octets(&mut octets, connection);
        }
        octets
    }

    /// Counts what was done in a virtual host without a connection, over HTTP.
    pub fn count_elsewhere(&self, vhost: &str, totals: &ChannelTotals) {
        lock(&self.gone).entry(vhost.to_owned()).or_default().add(totals);
    }

    /// Forgets what was counted in a virtual host that is gone.
    pub fn forget_vhost(&self, vhost: &str) {
        lock(&self.gone).remove(vhost);
        lock(&self.gone_octets).remove(vhost);
    }

    pub(crate) fn login(&self, is_right: bool) {
        let of = if is_right { &self.logins } else { &self.logins_failed };
        of.fetch_add(1, Relaxed);
    }

    /// Takes a connection in until what is returned is dropped.
    pub(crate) fn enter(
        self: &Arc<Self>,
        connection: Arc<OpenConnection>,
        place: UserPlace,
    ) -> Entered {
        lock(&self.open).insert(connection.name.clone(), connection.clone());
        self.connections_opened.fetch_add(1, Relaxed);
        Entered { connections: self.clone(), connection, place }
    }
}

/// A connection among the open ones.
#[derive(Debug)]
pub(crate) struct Entered {
    connections: Arc<Connections>,
    connection: Arc<OpenConnection>,
    place: UserPlace,
}

impl Entered {
    /// A connection that nobody else sees.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn alone(id: ConnectionId) -> Entered {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let facts = ConnectionFacts {
            id,
            protocol: Protocol::Amqp091,
            is_websocket: false,
            user: "guest".to_owned(),
            vhost: "/".to_owned(),
            peer: address,
            local: address,
            connected_at: 0,
            mechanism: String::new(),
            tls: None,
            peer_certificate: None,
            frame_max: 0,
            channel_max: 0,
            heartbeat_s: 0,
        };
        let connection = OpenConnection::new(facts, Bytes::new(), None, Arc::default());
        let connections = Arc::<Connections>::default();
        let place = connections.users.take("guest", None).expect("there is no limit");
        connections.enter(Arc::new(connection), place)
    }

    /// All that are open, this one too.
    pub(crate) fn connections(&self) -> Vec<Arc<OpenConnection>> {
        self.connections.list()
    }

    /// Opens a channel; `None` when its user has `max` of them.
    pub(crate) fn open_channel(&self, number: u16, max: Option<u64>) -> Option<Arc<OpenChannel>> {
        if !self.place.take_channel(max) {
            return None;
        }
        let channel = Arc::<OpenChannel>::default();
        let before = lock(&self.connection.channels).insert(number, channel.clone());
        debug_assert!(before.is_none(), "a channel is opened once");
        self.connections.channels_opened.fetch_add(1, Relaxed);
        Some(channel)
    }

    pub(crate) fn close_channel(&self, number: u16) {
        let mut gone = lock(&self.connections.gone);
        let Some(channel) = lock(&self.connection.channels).remove(&number) else { return };
        add(&mut gone, &self.connection, &channel);
        self.place.give_back_channels(1);
        self.connections.channels_closed.fetch_add(1, Relaxed);
    }
}

impl std::ops::Deref for Entered {
    type Target = OpenConnection;

    fn deref(&self) -> &OpenConnection {
        &self.connection
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut open = lock(&self.connections.open);
        // The name may be another's by now.
        if open.get(&self.connection.name).is_some_and(|it| Arc::ptr_eq(it, &self.connection)) {
            open.remove(&self.connection.name);
        }
        add_octets(&mut lock(&self.connections.gone_octets), &self.connection);
        let mut gone = lock(&self.connections.gone);
        let channels = std::mem::take(&mut *lock(&self.connection.channels));
        channels.values().for_each(|channel| add(&mut gone, &self.connection, channel));
        self.place.give_back_channels(channels.len());
        self.connections.channels_closed.fetch_add(channels.len() as u64, Relaxed);
        self.connections.connections_closed.fetch_add(1, Relaxed);
    }
}

fn add(
    gone: &mut BTreeMap<String, ChannelTotals>,
    connection: &OpenConnection,
    channel: &OpenChannel,
) {
    gone.entry(connection.facts.vhost.clone()).or_default().add(&channel.counts.now());
}

fn add_octets(into: &mut BTreeMap<String, [u64; 2]>, connection: &OpenConnection) {
    let [received, sent] = into.entry(connection.facts.vhost.clone()).or_default();
    *received += connection.received_bytes.get();
    *sent += connection.sent_bytes.get();
}

/// A client's table as it is kept.
pub(crate) fn encoded(properties: &FieldTable) -> Bytes {
    let mut encoded = BytesMut::new();
    properties.encode(&mut encoded);
    // Its length comes first; what is decoded again is what follows. Copied, to the size it has.
    Bytes::copy_from_slice(encoded.get(LENGTH_BYTES..).unwrap_or_default())
}

/// AMQP 0-9-1 §4.2.5.5: the length of a table.
const LENGTH_BYTES: usize = 4;

pub(crate) fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is left half done under it.
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_channels_and_connections_counted_stays_in_the_totals_when_they_close() {
        let entered = Entered::alone(ConnectionId(1));
        let connections = entered.connections.clone();
        assert_eq!(connections.count(), 1);
        let opened = |number| entered.open_channel(number, Some(2));
        let (one, other) = (opened(1).unwrap(), opened(2).unwrap());
        assert!(opened(3).is_none());
        one.counts.publish.add(3);
        other.counts.publish.add(4);
        entered.received_bytes.add(10);
        let published = |connections: &Connections| connections.totals()["/"].publish;
        assert_eq!(published(&connections), 7);
        entered.close_channel(1);
        entered.close_channel(1);
        assert_eq!((published(&connections), entered.channels_count()), (7, 1));
        drop(entered);
        assert_eq!((published(&connections), connections.count()), (7, 0));
        assert_eq!(connections.octets()["/"], [10, 0]);
        let churn = connections.churn();
        assert_eq!((churn.channels_opened, churn.channels_closed), (2, 2));
        assert_eq!((churn.connections_opened, churn.connections_closed), (1, 1));
        connections.forget_vhost("/");
        assert!(connections.totals().is_empty() && connections.octets().is_empty());
    }

    #[test]
    fn a_connection_is_asked_to_close_once_with_the_reason() {
        let entered = Entered::alone(ConnectionId(1));
        assert_eq!(entered.close_asked(), None);
        entered.close("because");
        assert_eq!(entered.close_asked().as_deref(), Some("because"));
        assert_eq!(entered.close_asked(), None);
    }

    #[test]
    fn what_a_client_says_of_itself_is_kept_small_and_is_the_same() {
        let mut properties = FieldTable::new();
        let name = amqp091::ShortStr::from_static("product");
        properties.insert(name, amqp091::FieldValue::LongStr(Bytes::from_static(b"pika")));
        let facts = Entered::alone(ConnectionId(1)).facts.clone();
        let kept = encoded(&properties);
        let connection = OpenConnection::new(facts, kept, None, Arc::default());
        assert_eq!(connection.client_properties(), arguments(&properties));
    }
}
