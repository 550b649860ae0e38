//! The options of the notifier's rules.

use std::path::PathBuf;

use super::checks::path;
use crate::config::{
    declared::{Declaration, Declared, Fallback, Mask, Verb},
    settings,
};

pub(crate) static NOTIFY_STORE: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "notify.store",
        flag: Some("rules"),
        variable: "TUBEPOST_NOTIFY_STORE",
        value: "FILE",
        default: Fallback::Derived(settings::notify_store, "notify.db in the data directory"),
        help: "Where people's rules are kept: a SQLite file",
        example: "/var/lib/tubepost/notify.db",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config, Verb::Notify],
    },
    parse: path,
};
