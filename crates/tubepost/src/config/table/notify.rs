//! The options of the notifier's rules.

use notify::store::Location;

use crate::config::{
    declared::{Declaration, Declared, Fallback, Mask, Verb},
    settings,
};

pub(crate) static NOTIFY_STORE: Declared<Location> = Declared {
    declaration: Declaration {
        key: "notify.store",
        flag: Some("rules"),
        variable: "TUBEPOST_NOTIFY_STORE",
        value: "FILE|URL",
        default: Fallback::Derived(settings::notify_store, "notify.db in the data directory"),
        help: "Where people's rules are kept: a SQLite file, or PostgreSQL by URL",
        example: "postgres://tubepost:secret@db.example.org/tubepost",
        mask: Mask::UrlPassword,
        verbs: &[Verb::Serve, Verb::Config, Verb::Notify],
    },
    parse: |text| text.parse(),
};
