//! The options of the broker and the pages, and those of every part.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use super::checks::{
    channel_max, count, frame_max, heartbeat, log_level, path, positive_duration, segment_size,
    sync_interval,
};
use client::parse_size;

use crate::config::{
    checked::{JournalSync, LogFormat},
    declared::{Declaration, Declared, Fallback, Mask, Verb},
    listen::{ListenAddress, ListenAddresses},
    parts::Parts,
};

pub(crate) static DATA_DIR: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "data_dir",
        flag: Some("data-dir"),
        variable: "TUBEPOST_DATA_DIR",
        value: "DIRECTORY",
        default: Fallback::Text("./tubepost-data"),
        help: "Where serve keeps messages and users",
        example: "/var/lib/tubepost",
        mask: Mask::Nothing,
        verbs: &[
            Verb::Serve,
            Verb::Config,
            Verb::User,
            Verb::Management,
            Verb::JournalCheck,
            Verb::Notify,
        ],
    },
    parse: path,
};

pub(crate) static PARTS: Declared<Parts> = Declared {
    declaration: Declaration {
        key: "serve.parts",
        flag: Some("parts"),
        variable: "TUBEPOST_PARTS",
        value: "PART,…",
        default: Fallback::Text("all"),
        help: "What serve runs: all, or some of broker, agent, notify, web; without the broker they \
               need --bus",
        example: "agent,notify,web",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: Parts::parse,
};

pub(crate) static LOG_LEVEL: Declared<String> = Declared {
    declaration: Declaration {
        key: "log.level",
        flag: Some("log-level"),
        variable: "TUBEPOST_LOG_LEVEL",
        value: "LEVEL",
        default: Fallback::Text("info"),
        help: "What is logged to standard error: error, warn, info, debug, trace, also by part",
        example: "info,server=debug",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config, Verb::Agent],
    },
    parse: log_level,
};

pub(crate) static LOG_FORMAT: Declared<LogFormat> = Declared {
    declaration: Declaration {
        key: "log.format",
        flag: Some("log-format"),
        variable: "TUBEPOST_LOG_FORMAT",
        value: "FORMAT",
        default: Fallback::Text("text"),
        help: "How it is logged: text, or json (one object a line)",
        example: "json",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config, Verb::Agent],
    },
    parse: LogFormat::parse,
};

pub(crate) static AMQP_LISTEN: Declared<ListenAddress> = Declared {
    declaration: Declaration {
        key: "amqp.listen",
        flag: Some("amqp"),
        variable: "TUBEPOST_AMQP",
        value: "HOST:PORT",
        default: Fallback::Text("127.0.0.1:5672"),
        help: "Where the broker listens for AMQP; beyond loopback only when users were created",
        example: "0.0.0.0:5672",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: ListenAddress::parse,
};

pub(crate) static AMQP_HEARTBEAT: Declared<Duration> = Declared {
    declaration: Declaration {
        key: "amqp.heartbeat",
        flag: Some("amqp-heartbeat"),
        variable: "TUBEPOST_AMQP_HEARTBEAT",
        value: "DURATION",
        default: Fallback::Text("60s"),
        help: "The heartbeat proposed to clients; a peer silent for twice as long is gone; 0s: none",
        example: "30s",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: heartbeat,
};

pub(crate) static AMQP_FRAME_MAX: Declared<u32> = Declared {
    declaration: Declaration {
        key: "amqp.frame_max",
        flag: Some("amqp-frame-max"),
        variable: "TUBEPOST_AMQP_FRAME_MAX",
        value: "SIZE",
        default: Fallback::Text("128 KiB"),
        help: "The largest AMQP frame, 4 KiB to 16 MiB; larger bodies travel in several",
        example: "64 KiB",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: frame_max,
};

pub(crate) static AMQP_CHANNEL_MAX: Declared<u16> = Declared {
    declaration: Declaration {
        key: "amqp.channel_max",
        flag: Some("amqp-channel-max"),
        variable: "TUBEPOST_AMQP_CHANNEL_MAX",
        value: "NUMBER",
        default: Fallback::Text("2047"),
        help: "How many channels one connection may open",
        example: "128",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: channel_max,
};

pub(crate) static AMQP_MESSAGE_BYTES_MAX: Declared<u64> = Declared {
    declaration: Declaration {
        key: "amqp.message_bytes_max",
        flag: Some("amqp-message-bytes-max"),
        variable: "TUBEPOST_AMQP_MESSAGE_BYTES_MAX",
        value: "SIZE",
        default: Fallback::Text("16 MiB"),
        help: "The largest message body; a larger one is refused",
        example: "1 MiB",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: parse_size,
};

pub(crate) static AMQP_LARGE_MESSAGE_BYTES_MAX: Declared<u64> = Declared {
    declaration: Declaration {
        key: "amqp.large_message_bytes_max",
        flag: Some("amqp-large-message-bytes-max"),
        variable: "TUBEPOST_AMQP_LARGE_MESSAGE_BYTES_MAX",
        value: "SIZE",
        default: Fallback::Text("4 GiB"),
        help: "The largest message of AMQP 1.0, which goes to disk as it comes; a larger one is refused",
        example: "64 MiB",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: parse_size,
};

pub(crate) static AMQP_CONNECTIONS_MAX: Declared<NonZeroU32> = Declared {
    declaration: Declaration {
        key: "amqp.connections_max",
        flag: Some("amqp-connections-max"),
        variable: "TUBEPOST_AMQP_CONNECTIONS_MAX",
        value: "NUMBER",
        default: Fallback::Text("10000"),
        help: "How many AMQP connections may be open at once; further ones are refused",
        example: "500",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: count,
};

pub(crate) static AMQP_HANDSHAKE_TIMEOUT: Declared<Duration> = Declared {
    declaration: Declaration {
        key: "amqp.handshake_timeout",
        flag: Some("amqp-handshake-timeout"),
        variable: "TUBEPOST_AMQP_HANDSHAKE_TIMEOUT",
        value: "DURATION",
        default: Fallback::Text("10s"),
        help: "How long a new connection may take until it has logged in",
        example: "5s",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: positive_duration,
};

pub(crate) static JOURNAL_SYNC: Declared<JournalSync> = Declared {
    declaration: Declaration {
        key: "journal.sync",
        flag: Some("journal-sync"),
        variable: "TUBEPOST_JOURNAL_SYNC",
        value: "WHEN",
        default: Fallback::Text("always"),
        help: "When a message counts as confirmed: always, when it is on disk; or interval, when it \
               is written, and what the last interval brought is lost if the machine dies",
        example: "interval",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: JournalSync::parse,
};

pub(crate) static JOURNAL_SYNC_INTERVAL: Declared<Duration> = Declared {
    declaration: Declaration {
        key: "journal.sync_interval",
        flag: Some("journal-sync-interval"),
        variable: "TUBEPOST_JOURNAL_SYNC_INTERVAL",
        value: "DURATION",
        default: Fallback::Text("200ms"),
        help: "How long a message may wait to be on disk with journal.sync = interval; 1ms to 60s",
        example: "1s",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: sync_interval,
};

pub(crate) static JOURNAL_SEGMENT_SIZE: Declared<u32> = Declared {
    declaration: Declaration {
        key: "journal.segment_size",
        flag: Some("journal-segment-size"),
        variable: "TUBEPOST_JOURNAL_SEGMENT_SIZE",
        value: "SIZE",
        default: Fallback::Text("64 MiB"),
        help: "The size of the journal's files, 64 KiB to 2 GiB, each reserved whole when it is made; \
               space comes back in pieces of it, so make it smaller on a small disk",
        example: "4 MiB",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: segment_size,
};

pub(crate) static JOURNAL_DISK_FREE_MIN: Declared<u64> = Declared {
    declaration: Declaration {
        key: "journal.disk_free_min",
        flag: Some("journal-disk-free-min"),
        variable: "TUBEPOST_JOURNAL_DISK_FREE_MIN",
        value: "SIZE",
        default: Fallback::Text("64 MiB"),
        help: "How much space has to be free on the disk; with less, publishers wait and consumers \
               go on; 0 B: only a full disk counts",
        example: "2 GiB",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: parse_size,
};

pub(crate) static QUEUES_MEMORY_TARGET: Declared<u64> = Declared {
    declaration: Declaration {
        key: "queues.memory_target",
        flag: Some("queues-memory-target"),
        variable: "TUBEPOST_QUEUES_MEMORY_TARGET",
        value: "SIZE",
        default: Fallback::Text("8 MiB"),
        help: "How much memory messages that wait may take before those on disk are let go of",
        example: "256 MiB",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: parse_size,
};

pub(crate) static QUEUES_MEMORY_MAX: Declared<u64> = Declared {
    declaration: Declaration {
        key: "queues.memory_max",
        flag: Some("queues-memory-max"),
        variable: "TUBEPOST_QUEUES_MEMORY_MAX",
        value: "SIZE",
        default: Fallback::Text("1 GiB"),
        help: "How much memory messages that are not on disk may take before publishers wait",
        example: "4 GiB",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: parse_size,
};

pub(crate) static HTTP_LISTEN: Declared<ListenAddress> = Declared {
    declaration: Declaration {
        key: "http.listen",
        flag: Some("http"),
        variable: "TUBEPOST_HTTP",
        value: "HOST:PORT",
        default: Fallback::Text("127.0.0.1:15670"),
        help: "Where the pages are served",
        example: "127.0.0.1:8080",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: ListenAddress::parse,
};

pub(crate) static MANAGEMENT_LISTEN: Declared<ListenAddresses> = Declared {
    declaration: Declaration {
        key: "management.listen",
        flag: Some("management"),
        variable: "TUBEPOST_MANAGEMENT",
        value: "HOST:PORT,…",
        default: Fallback::Text("127.0.0.1:15672"),
        help: "Where the HTTP API (RabbitMQ's) and /metrics are served; off: only on the data \
               directory's socket",
        example: "0.0.0.0:15672",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: ListenAddresses::parse,
};
