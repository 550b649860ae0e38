//! The broker of the server: its journals in the data directory, its listeners, its end.

use std::{sync::Arc, time::Duration};

use auth::Users;
use broker::{Broker, Disks};
use journal::{Disk, FileDisk};
use server::{Connections, Limits, Listener, Server, WebSocketEntrance};

use crate::{config::Config, failure::Failure, serve::data_directory::DataDirectory};

/// A running broker.
#[derive(Debug)]
pub(crate) struct BrokerPart {
    server: Server,
    broker: Arc<Broker>,
    /// What the start found that somebody has to look into.
    damage_found: usize,
}

/// Starts it; on return it accepts connections.
///
/// # Errors
/// The journal cannot be opened.
pub(crate) fn start(
    config: &Config,
    data: &DataDirectory,
    users: Arc<Users>,
    listeners: Vec<Listener>,
) -> Result<BrokerPart, Failure> {
    let cannot = |error: &dyn std::fmt::Display| {
        Failure::failed(format!("{}: the broker cannot start: {error}", data.path().display()))
    };
    let open = |name: &str| -> Result<Arc<dyn Disk>, Failure> {
        Ok(Arc::new(FileDisk::open(data.path().join(name)).map_err(|error| cannot(&error))?))
    };
    let (messages, ledger, index) = (open("messages")?, open("ledger")?, open("index")?);
    let disks = Disks { messages, ledger, index };
    let sync = config.journal_sync;
    let journal = journal::Options {
        sync,
        segment_bytes: config.journal.segment_size,
        ..journal::Options::default()
    };
    let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let options = broker::Options {
        paged_bytes_min: bytes(config.queues.memory_target),
        memory_bytes_max: bytes(config.queues.memory_max),
        disk_free_bytes_min: config.journal.disk_free_min,
        properties: Arc::new(server::MessageProperties),
        journal,
        ..broker::Options::default()
    };
    let (broker, report) = Broker::open(&disks, &options).map_err(|error| cannot(&error))?;
    if let Some(notice) = sync_notice(sync) {
        tracing::warn!("{notice}");
    }
    for damage in &report.damage {
        tracing::error!("the journal needs a look; all else is served: {damage}");
    }
    if report.torn_bytes > 0 {
        tracing::info!(
            "{} bytes of an unfinished write were cut off; nothing of it was confirmed",
            report.torn_bytes
        );
    }
    if report.queues > 0 {
        tracing::info!(queues = report.queues, messages = report.messages, "recovered");
    }
    let limits = &config.amqp;
    let config = server::Config {
        limits: Limits {
            frame_max: limits.frame_max,
            channel_max: limits.channel_max,
            heartbeat_s: u16::try_from(limits.heartbeat.as_secs()).unwrap_or(u16::MAX),
            message_bytes_max: limits.message_bytes_max,
            large_message_bytes_max: limits.large_message_bytes_max,
            consumers_per_channel_max: limits.consumers_per_channel_max.get(),
            arguments_max: limits.arguments_max.get(),
            table_depth_max: limits.table_depth_max,
            consumer_timeout: limits.consumer_timeout,
            consumer_timeout_tick: Limits::default().consumer_timeout_tick,
            name_bytes_max: limits.name_bytes_max,
            transaction_bytes_max: limits.transaction_bytes_max,
            handshake_timeout: limits.handshake_timeout,
            connections_max: limits.connections_max.get() as usize,
        },
        cluster_name: cluster_name(),
    };
    let broker = Arc::new(broker);
    let server =
        Server::start(config, broker.clone(), users, listeners).map_err(|error| cannot(&error))?;
    Ok(BrokerPart { server, broker, damage_found: report.damage.len() })
}

/// The name that clients are shown: the machine's.
pub(crate) fn cluster_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// What everybody has to know of a journal that does not sync at once.
pub(crate) fn sync_notice(sync: journal::Sync) -> Option<String> {
    let journal::Sync::Interval(interval) = sync else { return None };
    Some(format!(
        "journal.sync = interval: a confirmed message is up to {interval:?} from the disk, and lost \
         if this machine dies meanwhile; journal.sync = always keeps it"
    ))
}

impl BrokerPart {
    /// Ends when the broker cannot go on, with the reason. Never ends otherwise.
    pub(crate) async fn failed(&mut self) -> Failure {
        Failure::failed(format!(
            "{}; ended so that nothing false is confirmed",
            self.server.failed().await
        ))
    }

    /// The broker, for as long as anybody asks.
    pub(crate) fn broker(&self) -> &Arc<Broker> {
        &self.broker
    }

    /// Its open connections.
    pub(crate) fn connections(&self) -> &Arc<Connections> {
        self.server.connections()
    }

    /// Where those come in who speak AMQP over a WebSocket.
    pub(crate) fn websockets(&self) -> &WebSocketEntrance {
        self.server.websockets()
    }

    /// Places that the start found damaged.
    pub(crate) fn damage_found(&self) -> usize {
        self.damage_found
    }

    /// Accepts no more connections, closes those there are, and makes everything durable.
    pub(crate) async fn drain(self) {
        self.server.stop(DRAIN_PATIENCE).await;
    }
}

/// How long clients have to answer that the broker closes.
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);
