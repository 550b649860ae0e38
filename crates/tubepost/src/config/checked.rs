//! The configuration as values. What needs the world (a password file, a name server) is left to
//! the command that needs it, so that one command does not fail over another's settings.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use client::Signing;
use http_door::Origins;
pub(crate) use intake::git::NamespaceRule as Namespace;
use intake::git::UrlTemplate;

use super::{
    fault::Fault,
    listen::{ListenAddress, ListenAddresses},
    parts::Parts,
    settings::Settings,
    table,
    tls::{self, AmqpTls},
};
use crate::schemas::source::Source;

/// Everything but mail, which [`super::notifier`] resolves.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Where serve keeps messages and users.
    pub(crate) data_dir: PathBuf,
    /// What serve runs.
    pub(crate) parts: Parts,
    /// What is logged.
    pub(crate) log_level: String,
    /// How it is logged.
    pub(crate) log_format: LogFormat,
    /// The broker's protocol.
    pub(crate) amqp: Amqp,
    /// The same over TLS, if there is a certificate.
    pub(crate) amqp_tls: Option<AmqpTls>,
    /// Whose pages may speak it over WebSockets, if it is spoken so.
    pub(crate) amqp_websocket: Option<Origins>,
    /// How users may log in.
    pub(crate) auth: auth::Options,
    /// The broker's memory on disk.
    pub(crate) journal: Journal,
    /// The memory of its queues.
    pub(crate) queues: Queues,
    /// When a message counts as on disk.
    pub(crate) journal_sync: journal::Sync,
    /// Where the pages are served.
    pub(crate) http_listen: ListenAddress,
    /// Where the HTTP API is served; nowhere if there is none.
    pub(crate) management_listen: ListenAddresses,
    /// The file that was read.
    pub(crate) file: Option<PathBuf>,
    /// The bus that commands use.
    pub(crate) bus_url: String,
    /// Whether somebody named it; else it is the local broker.
    pub(crate) bus_named: bool,
    /// Stands before each topic.
    pub(crate) topic_prefix: String,
    /// Further schemas.
    pub(crate) schemas: Schemas,
    /// Where people's rules are.
    pub(crate) notify_store: notify::store::Location,
    /// Whether somebody named it; else it is looked for.
    pub(crate) notify_store_named: bool,
    /// Where people's feeds are fetched, without `/feeds`.
    pub(crate) feed_url: String,
    /// Where events wait for the bus.
    pub(crate) spool_directory: PathBuf,
    /// How many bytes may wait there.
    pub(crate) spool_size_max: u64,
    /// What a publisher signs with, and whose signatures a subscriber trusts.
    pub(crate) signing: Signing,
    /// Where events are handed over.
    pub(crate) agent: Agent,
    /// How pushes become events.
    pub(crate) git: Git,
}

/// Where schemas come from besides those that ship.
#[derive(Debug, Clone)]
pub(crate) struct Schemas {
    /// The places, in their order.
    pub(crate) sources: Vec<Source>,
    /// Where copies of other machines' registries are kept.
    pub(crate) cache: PathBuf,
    /// How often those are asked, 1 s to a day.
    pub(crate) refresh: Duration,
}

impl Schemas {
    /// The directories among them.
    pub(crate) fn directories(self) -> Vec<PathBuf> {
        let directory = |source| match source {
            Source::Directory(path) => Some(path),
            Source::Registry(_) => None,
        };
        self.sources.into_iter().filter_map(directory).collect()
    }
}

/// Where services hand events over.
#[derive(Debug, Clone)]
pub(crate) struct Agent {
    /// The socket.
    pub(crate) socket: PathBuf,
    /// Whether somebody named it.
    pub(crate) named: bool,
    /// The socket's rights.
    pub(crate) mode: u32,
    /// When an event counts as kept.
    pub(crate) sync: journal::Sync,
    /// What signs those that nobody signed.
    pub(crate) sign_key: Option<PathBuf>,
}

/// The limits of the AMQP listener.
#[derive(Debug, Clone)]
pub(crate) struct Amqp {
    /// Where it listens.
    pub(crate) listen: ListenAddress,
    /// Whole seconds; zero is none.
    pub(crate) heartbeat: Duration,
    /// Bytes, 4096 to 16 MiB.
    pub(crate) frame_max: u32,
    /// At least 1.
    pub(crate) channel_max: u16,
    /// Bytes of one message's body.
    pub(crate) message_bytes_max: u64,
    pub(crate) large_message_bytes_max: u64,
    /// Connections at once.
    pub(crate) connections_max: NonZeroU32,
    /// From accept to open.
    pub(crate) handshake_timeout: Duration,
    pub(crate) consumer_timeout: Duration,
    /// Consumers of one channel.
    pub(crate) consumers_per_channel_max: NonZeroU32,
    /// Bytes that one transaction holds back.
    pub(crate) transaction_bytes_max: u64,
    /// Bytes of a new name, 32 to 255.
    pub(crate) name_bytes_max: u8,
    /// Arguments of one declaration or binding.
    pub(crate) arguments_max: NonZeroU32,
    /// Tables in tables, 3 to 32.
    pub(crate) table_depth_max: u8,
}

/// How messages are kept on disk.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    /// Bytes of a segment file, 64 KiB to 2 GiB.
    pub(crate) segment_size: u32,
    /// Bytes that have to be free on the disk.
    pub(crate) disk_free_min: u64,
}

/// What messages that wait may take of the memory.
#[derive(Debug, Clone)]
pub(crate) struct Queues {
    /// Bytes past which messages that are on disk are let go of.
    pub(crate) memory_target: u64,
    /// Bytes past which publishers wait.
    pub(crate) memory_max: u64,
}

/// How pushes become events.
#[derive(Debug, Clone)]
pub(crate) struct Git {
    /// Bytes of a patch.
    pub(crate) patch_bytes_max: u64,
    /// Commits of a push that are told one by one.
    pub(crate) commits_max: NonZeroU32,
    /// Where a commit can be looked at.
    pub(crate) url_template: Option<UrlTemplate>,
    /// Where the namespace comes from.
    pub(crate) namespace: Namespace,
}

/// How it is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

impl LogFormat {
    pub(super) fn parse(text: &str) -> Result<LogFormat, String> {
        match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err("is not a format: expected text or json".to_owned()),
        }
    }
}

/// When a message counts as on disk, before it is known what the interval is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JournalSync {
    /// When it is there.
    Always,
    /// When it is written.
    Interval,
}

impl JournalSync {
    pub(super) fn parse(text: &str) -> Result<JournalSync, String> {
        match text {
            "always" => Ok(JournalSync::Always),
            "interval" => Ok(JournalSync::Interval),
            _ => Err("is not a time to sync: expected always or interval".to_owned()),
        }
    }
}

impl Config {
    /// The values in force.
    ///
    /// # Errors
    /// An option without a value, for instance a spool when there is no home directory.
    pub(crate) fn check(settings: &Settings) -> Result<Config, Fault> {
        Ok(Config {
            data_dir: settings.need(&table::DATA_DIR)?,
            parts: settings.need(&table::PARTS)?,
            log_level: settings.need(&table::LOG_LEVEL)?,
            log_format: settings.need(&table::LOG_FORMAT)?,
            amqp: Amqp {
                listen: settings.need(&table::AMQP_LISTEN)?,
                heartbeat: settings.need(&table::AMQP_HEARTBEAT)?,
                frame_max: settings.need(&table::AMQP_FRAME_MAX)?,
                channel_max: settings.need(&table::AMQP_CHANNEL_MAX)?,
                message_bytes_max: settings.need(&table::AMQP_MESSAGE_BYTES_MAX)?,
                large_message_bytes_max: settings.need(&table::AMQP_LARGE_MESSAGE_BYTES_MAX)?,
                connections_max: settings.need(&table::AMQP_CONNECTIONS_MAX)?,
                handshake_timeout: settings.need(&table::AMQP_HANDSHAKE_TIMEOUT)?,
                consumer_timeout: settings.need(&table::AMQP_CONSUMER_TIMEOUT)?,
                consumers_per_channel_max: settings.need(&table::AMQP_CONSUMERS_PER_CHANNEL_MAX)?,
                transaction_bytes_max: settings.need(&table::AMQP_TRANSACTION_BYTES_MAX)?,
                name_bytes_max: settings.need(&table::AMQP_NAME_BYTES_MAX)?,
                arguments_max: settings.need(&table::AMQP_ARGUMENTS_MAX)?,
                table_depth_max: settings.need(&table::AMQP_TABLE_DEPTH_MAX)?,
            },
            amqp_tls: tls::resolve(settings)?,
            amqp_websocket: match settings.need(&table::AMQP_WEBSOCKET)? {
                true => Some(settings.get(&table::AMQP_WEBSOCKET_ORIGINS)?.unwrap_or_default()),
                false => None,
            },
            auth: auth::Options {
                scram: match settings.need(&table::AUTH_SCRAM)? {
                    true => Some(settings.need(&table::AUTH_SCRAM_ITERATIONS)?),
                    false => None,
                },
                anonymous_user: settings.get(&table::AUTH_ANONYMOUS_USER)?,
            },
            journal: Journal {
                segment_size: settings.need(&table::JOURNAL_SEGMENT_SIZE)?,
                disk_free_min: settings.need(&table::JOURNAL_DISK_FREE_MIN)?,
            },
            queues: Queues {
                memory_target: settings.need(&table::QUEUES_MEMORY_TARGET)?,
                memory_max: settings.need(&table::QUEUES_MEMORY_MAX)?,
            },
            journal_sync: match settings.need(&table::JOURNAL_SYNC)? {
                JournalSync::Always => journal::Sync::Always,
                JournalSync::Interval => {
                    journal::Sync::Interval(settings.need(&table::JOURNAL_SYNC_INTERVAL)?)
                }
            },
            http_listen: settings.need(&table::HTTP_LISTEN)?,
            management_listen: settings.need(&table::MANAGEMENT_LISTEN)?,
            file: settings.file().map(Into::into),
            bus_url: settings.need(&table::BUS_URL)?,
            bus_named: settings.said(table::BUS_URL.declaration.key).is_some(),
            topic_prefix: settings.need(&table::TOPIC_PREFIX)?,
            schemas: Schemas {
                sources: settings.get(&table::SCHEMAS)?.unwrap_or_default(),
                cache: settings.need(&table::SCHEMAS_CACHE)?,
                refresh: settings.need(&table::SCHEMAS_REFRESH)?,
            },
            notify_store: settings.need(&table::NOTIFY_STORE)?,
            notify_store_named: settings.said(table::NOTIFY_STORE.declaration.key).is_some(),
            feed_url: settings.need(&table::FEED_URL)?,
            spool_directory: settings.need(&table::SPOOL_DIRECTORY)?,
            spool_size_max: settings.need(&table::SPOOL_SIZE_MAX)?,
            signing: Signing {
                key: settings.get(&table::SIGN_KEY)?,
                keys: settings.get(&table::KEYS)?,
                authorities: settings.get(&table::KEYS_CA)?,
                policy: settings.need(&table::SIGNATURES)?,
            },
            agent: Agent {
                socket: settings.need(&table::AGENT_SOCKET)?,
                named: settings.said(table::AGENT_SOCKET.declaration.key).is_some(),
                mode: settings.need(&table::AGENT_SOCKET_MODE)?,
                sync: match settings.need(&table::AGENT_SYNC)? {
                    JournalSync::Always => journal::Sync::Always,
                    JournalSync::Interval => {
                        journal::Sync::Interval(settings.need(&table::AGENT_SYNC_INTERVAL)?)
                    }
                },
                sign_key: settings.get(&table::AGENT_SIGN_KEY)?,
            },
            git: Git {
                patch_bytes_max: settings.need(&table::GIT_PATCH_BYTES_MAX)?,
                commits_max: settings.need(&table::GIT_COMMITS_MAX)?,
                url_template: settings.get(&table::GIT_URL_TEMPLATE)?,
                namespace: settings.need(&table::GIT_NAMESPACE)?,
            },
        })
    }
}
