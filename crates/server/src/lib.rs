//! Sockets to broker: listeners and a connection driver for each protocol.
//!
//! [`Server::start`] accepts connections and drives the journal's commits; [`Server::stop`] drains.
//! A connection is one task that owns its socket; it shares the broker and nothing else.
#![forbid(unsafe_code)]

mod admission;
mod amqp091;
mod amqp10;
mod bell;
mod committer;
mod connections;
mod driver;
mod entrance;
mod housekeeper;
mod listener;
mod open_channel;
mod opening;
mod pager;
mod plaintext;
mod properties;
mod publish_cache;
mod read_buffer;
mod revocation;
mod socket;
mod tally;
pub mod tls;
mod transaction;
mod turn;
mod unacked;
mod user_place;
mod websocket;
mod worker;
mod write_buffer;

use std::{sync::Arc, time::Duration};

use broker::Broker;
use tokio::sync::{Semaphore, watch};

#[cfg(feature = "fuzzing")]
pub use amqp091::Stepped;
pub use amqp091::{PRODUCT_VERSION, in_amqp091, properties_shown, publish_one};
pub use connections::{
    ConnectionChurn, ConnectionFacts, ConnectionState, Connections, OpenConnection, Protocol,
};
pub use listener::{Listener, Server};
pub use open_channel::{ChannelCounts, ChannelTotals, Count, OpenChannel};
pub use properties::MessageProperties;
pub use revocation::{forget_departed, identity};
pub use tally::{Tallied, TalliedExchange, TalliedQueue};
pub use turn::TURNS_BETWEEN_LOOKS;
#[cfg(any(test, feature = "fuzzing"))]
pub use websocket::unframed;
pub use websocket::{WebSocketEntrance, WebSocketPlace};

use revocation::Rights;

/// What a peer may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The largest frame offered, in bytes.
    pub frame_max: u32,
    /// The highest channel number offered.
    pub channel_max: u16,
    /// Seconds between heartbeats, as offered; the client decides. 0 offers none.
    pub heartbeat_s: u16,
    /// The largest message, in bytes of body.
    pub message_bytes_max: u64,
    /// The largest message of AMQP 1.0, in bytes, that goes to disk as it comes.
    pub large_message_bytes_max: u64,
    /// Consumers on one channel.
    pub consumers_per_channel_max: u32,
    /// Arguments of one declaration or binding.
    pub arguments_max: u32,
    /// How deep tables and arrays may lie in each other; never more than 32.
    pub table_depth_max: u8,
    /// Bytes of the name of a new exchange, queue or consumer.
    pub name_bytes_max: u8,
    /// Bytes of messages that one transaction may hold back in memory.
    pub transaction_bytes_max: u64,
    /// How long a peer has from its first packet to an open connection.
    pub handshake_timeout: Duration,
    /// How long a delivery may wait for its acknowledgement; a queue may ask for less.
    pub consumer_timeout: Duration,
    /// How often a channel is looked at for that; RabbitMQ's `channel_tick_interval`.
    pub consumer_timeout_tick: Duration,
    /// Open connections at one time.
    pub connections_max: usize,
}

impl Default for Limits {
    /// RabbitMQ's defaults (`deps/rabbit/Makefile`), and room for as many connections as it has
    /// file descriptors for by default.
    fn default() -> Limits {
        Limits {
            frame_max: 131_072,
            channel_max: 2047,
            heartbeat_s: 60,
            message_bytes_max: 16 * 1024 * 1024,
            large_message_bytes_max: 4 << 30,
            consumers_per_channel_max: 10_000,
            arguments_max: 1024,
            table_depth_max: 32,
            name_bytes_max: 255,
            transaction_bytes_max: 64 * 1024 * 1024,
            handshake_timeout: Duration::from_secs(10),
            consumer_timeout: Duration::from_secs(30 * 60),
            consumer_timeout_tick: Duration::from_secs(60),
            connections_max: 65_536,
        }
    }
}

/// What a server needs.
#[derive(Debug, Clone)]
pub struct Config {
    /// What peers may take.
    pub limits: Limits,
    /// The name clients are shown.
    pub cluster_name: String,
}

/// What every connection shares.
pub(crate) struct Context {
    pub(crate) broker: Arc<Broker>,
    pub(crate) users: Arc<auth::Users>,
    pub(crate) limits: Limits,
    pub(crate) cluster_name: String,
    /// The open connections.
    pub(crate) connections: Arc<Connections>,
    /// Places for open connections.
    pub(crate) open: Arc<Semaphore>,
    /// Links of AMQP 1.0 that wait to be attached again.
    pub(crate) suspended: Arc<amqp10::SuspendedLinks>,
    /// Changes when connections have to close.
    pub(crate) drain: watch::Receiver<bool>,
    /// Changes when users or what they may do changed.
    pub(crate) rights: watch::Receiver<Rights>,
}

/// Runs what may wait for the disk, so that the runtime can move its other tasks elsewhere.
pub(crate) fn blocking<T>(work: impl FnOnce() -> T) -> T {
    bell::ring_held();
    tokio::task::block_in_place(work)
}
