//! Every wait and every bound of this crate, in one place.

use std::{ops::Range, time::Duration};

/// From the name's look-up to an open channel. A bus that takes longer counts as away.
pub(crate) const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// From the publish to its confirm. RabbitMQ confirms after the disk, so
/// this is the time a disk may take; fedora-messaging waits as long (`publish_timeout`).
pub(crate) const CONFIRM_WAIT: Duration = Duration::from_secs(30);
/// For the answer to `connection.close`; after that the socket is cut.
pub(crate) const CLOSE_WAIT: Duration = Duration::from_secs(2);
/// AMQP 0-9-1 §4.2.7: a peer that is silent for two intervals is dead. A broker that asks for
/// less gets less.
pub(crate) const HEARTBEAT_S: u16 = 30;

/// How many events are under way at once: sent, and not confirmed. One fdatasync of the broker
/// covers many.
pub(crate) const WINDOW_EVENTS: usize = 4096;
/// How many bytes may wait to be written to the bus before no more is added.
pub(crate) const UNWRITTEN_BYTES_MAX: usize = 1 << 20;
/// The largest frame, as most clients have it.
pub(crate) const FRAME_BYTES_MAX: u32 = 128 << 10;
/// The largest message that is taken: what RabbitMQ takes at most.
pub(crate) const MESSAGE_BYTES_MAX: u64 = 512 << 20;
/// How many events may wait for the connection; who publishes more waits.
pub(crate) const INBOX_EVENTS: usize = 2048;

/// First pause after a failure.
pub(crate) const BACK_OFF_FIRST: Duration = Duration::from_millis(100);
/// Longest pause: after an outage of days the bus is found again within this time.
pub(crate) const BACK_OFF_MAX: Duration = Duration::from_secs(5);
/// A connection that lived this long was good: the next failure is a new one.
pub(crate) const HEALTHY_AFTER: Duration = Duration::from_secs(10);

/// How often a waiting agent looks at its spool, whatever inotify says.
pub(crate) const SPOOL_POLL: Duration = Duration::from_millis(100);
/// How often a stand-by agent tries for the lock.
pub(crate) const LOCK_POLL: Duration = Duration::from_secs(1);
/// How many batches an agent holds at once.
pub(crate) const READ_AHEAD_BATCHES: usize = 64;
/// How many bytes of batches an agent holds at once, unless one batch is larger.
pub(crate) const READ_AHEAD_BYTES: u64 = 4 << 20;
/// How often the bus may refuse an event before the event is set aside.
pub(crate) const REFUSALS_MAX: u32 = 5;
/// With so many events in a round they come fast, and are not a backlog. More of them are waited
/// for.
pub(crate) const GATHERED_EVENTS: Range<usize> = 4..1024;
/// How long.
pub(crate) const GATHER_WAIT: Duration = Duration::from_millis(1);
/// How old the knowledge of a spool's size may be before a hand-over looks again.
pub(crate) const SIZE_KNOWN_FOR: Duration = Duration::from_secs(1);
/// A half-written batch older than this has lost its writer.
pub(crate) const ABANDONED_AFTER: Duration = Duration::from_secs(3600);

/// How deep a header may nest. RabbitMQ's own headers (`x-death`) need 3.
pub(crate) const HEADER_DEPTH_MAX: usize = 32;

/// A segment of the outbox's journal: a sixteenth of what the outbox may hold, within these. Bytes.
pub(crate) const OUTBOX_SEGMENT_BYTES_MIN: u32 = 64 << 10;
pub(crate) const OUTBOX_SEGMENT_BYTES_MAX: u32 = 8 << 20;
/// How often the outbox looks what is to be synced, unless it has to more often.
pub(crate) const OUTBOX_SYNC_POLL: Duration = Duration::from_millis(50);

/// The longest line that an agent's socket takes, in bytes.
pub(crate) const LINE_BYTES_MAX: usize = 4 << 20;
/// How many may be connected to an agent at once, and how many of one user.
pub(crate) const PEERS_MAX: usize = 256;
pub(crate) const PEERS_OF_USER_MAX: usize = 128;
/// How long a peer may leave answers unread before it is cut.
pub(crate) const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// How long an agent may take to answer: the time its disk may take.
pub(crate) const AGENT_WAIT: Duration = Duration::from_secs(30);
/// How many bytes of lines go to the agent before its answers are read.
pub(crate) const BURST_BYTES_MAX: usize = 64 << 10;
/// How many lines; answers of all of them fit a socket's buffer.
pub(crate) const BURST_EVENTS_MAX: usize = 256;

/// How long handlers may take to end after a stop.
pub(crate) const APP_WAIT: Duration = Duration::from_secs(30);
/// How many deliveries for each handler may come when some wait for their key.
pub(crate) const KEYED_AHEAD: u16 = 4;

/// How often it is said how many events nobody wanted, and of how many topics.
pub(crate) const UNROUTED_SAID_EVERY: Duration = Duration::from_secs(60);
pub(crate) const UNROUTED_TOPICS_MAX: usize = 1000;
