//! The options that bound what one AMQP client may take.

use std::{num::NonZeroU32, time::Duration};

use super::checks::{count, name_bytes, positive_duration, table_depth};
use client::parse_size;

use crate::config::declared::{Declaration, Declared, Fallback, Mask, Verb};

pub(crate) static AMQP_CONSUMERS_PER_CHANNEL_MAX: Declared<NonZeroU32> = Declared {
    declaration: Declaration {
        key: "amqp.consumers_per_channel_max",
        flag: Some("amqp-consumers-per-channel-max"),
        variable: "TUBEPOST_AMQP_CONSUMERS_PER_CHANNEL_MAX",
        value: "NUMBER",
        default: Fallback::Text("10000"),
        help: "How many consumers one channel may have",
        example: "100",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: count,
};

pub(crate) static AMQP_CONSUMER_TIMEOUT: Declared<Duration> = Declared {
    declaration: Declaration {
        key: "amqp.consumer_timeout",
        flag: Some("amqp-consumer-timeout"),
        variable: "TUBEPOST_AMQP_CONSUMER_TIMEOUT",
        value: "DURATION",
        default: Fallback::Text("30m"),
        help: "How long a consumer may hold a message without acknowledging it, before its channel \
               is closed and the message goes to another; a queue may ask for less",
        example: "2h",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: positive_duration,
};

pub(crate) static AMQP_TRANSACTION_BYTES_MAX: Declared<u64> = Declared {
    declaration: Declaration {
        key: "amqp.transaction_bytes_max",
        flag: Some("amqp-transaction-bytes-max"),
        variable: "TUBEPOST_AMQP_TRANSACTION_BYTES_MAX",
        value: "SIZE",
        default: Fallback::Text("64 MiB"),
        help: "How much one transaction (tx.select) may hold back in memory before it is committed",
        example: "256 MiB",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: parse_size,
};

pub(crate) static AMQP_NAME_BYTES_MAX: Declared<u8> = Declared {
    declaration: Declaration {
        key: "amqp.name_bytes_max",
        flag: Some("amqp-name-bytes-max"),
        variable: "TUBEPOST_AMQP_NAME_BYTES_MAX",
        value: "NUMBER",
        default: Fallback::Text("255"),
        help: "How long the names of new exchanges, queues and consumers may be, in bytes, 32 to 255",
        example: "128",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: name_bytes,
};

pub(crate) static AMQP_ARGUMENTS_MAX: Declared<NonZeroU32> = Declared {
    declaration: Declaration {
        key: "amqp.arguments_max",
        flag: Some("amqp-arguments-max"),
        variable: "TUBEPOST_AMQP_ARGUMENTS_MAX",
        value: "NUMBER",
        default: Fallback::Text("1024"),
        help: "How many arguments one exchange, queue or binding may have",
        example: "64",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: count,
};

pub(crate) static AMQP_TABLE_DEPTH_MAX: Declared<u8> = Declared {
    declaration: Declaration {
        key: "amqp.table_depth_max",
        flag: Some("amqp-table-depth-max"),
        variable: "TUBEPOST_AMQP_TABLE_DEPTH_MAX",
        value: "NUMBER",
        default: Fallback::Text("32"),
        help: "How deep tables and arrays of headers and arguments may lie in each other, 3 to 32",
        example: "8",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: table_depth,
};
