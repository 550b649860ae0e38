//! The options of the agent: where services hand events over, and when those count as kept.

use std::{path::PathBuf, time::Duration};

use super::checks::{path, socket_mode, sync_interval};
use crate::config::{
    checked::JournalSync,
    declared::{Declaration, Declared, Fallback, Mask, Verb},
    settings,
};

pub(crate) static AGENT_SOCKET: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "agent.socket",
        flag: Some("agent"),
        variable: "TUBEPOST_AGENT_SOCKET",
        value: "SOCKET",
        default: Fallback::Derived(
            settings::agent_socket,
            "tubepost/agent.sock in $XDG_RUNTIME_DIR, else /run/tubepost/agent.sock",
        ),
        help: "The Unix socket on which the agent takes events over, and publish hands them over",
        example: "/run/tubepost/agent.sock",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config, Verb::Agent, Verb::Publish],
    },
    parse: path,
};

pub(crate) static AGENT_SOCKET_MODE: Declared<u32> = Declared {
    declaration: Declaration {
        key: "agent.socket_mode",
        flag: Some("agent-socket-mode"),
        variable: "TUBEPOST_AGENT_SOCKET_MODE",
        value: "OCTAL",
        default: Fallback::Text("660"),
        help: "The rights on the socket: who may write it may publish",
        example: "666",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config, Verb::Agent],
    },
    parse: socket_mode,
};

pub(crate) static AGENT_SYNC: Declared<JournalSync> = Declared {
    declaration: Declaration {
        key: "agent.sync",
        flag: Some("agent-sync"),
        variable: "TUBEPOST_AGENT_SYNC",
        value: "WHEN",
        default: Fallback::Text("always"),
        help: "When the agent answers: always, when the event is on disk; or interval, when it is \
               written, and what the last interval brought is lost if the machine dies",
        example: "interval",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config, Verb::Agent],
    },
    parse: JournalSync::parse,
};

pub(crate) static AGENT_SYNC_INTERVAL: Declared<Duration> = Declared {
    declaration: Declaration {
        key: "agent.sync_interval",
        flag: Some("agent-sync-interval"),
        variable: "TUBEPOST_AGENT_SYNC_INTERVAL",
        value: "DURATION",
        default: Fallback::Text("200ms"),
        help: "How long an event may wait to be on disk with agent.sync = interval; 1ms to 60s",
        example: "1s",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config, Verb::Agent],
    },
    parse: sync_interval,
};
