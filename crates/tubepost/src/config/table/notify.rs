//! The options of the notifier's rules.

use std::path::PathBuf;

use notify::store::Location;

use super::checks::{path, web_address};
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

pub(crate) static FEED_URL: Declared<String> = Declared {
    declaration: Declaration {
        key: "notify.feed.url",
        flag: Some("feed-url"),
        variable: "TUBEPOST_FEED_URL",
        value: "URL",
        default: Fallback::Derived(settings::feed_url, "http:// and http.listen"),
        help: "Where people's feeds are fetched from outside, without /feeds",
        example: "https://bus.example.org",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config, Verb::Notify],
    },
    parse: web_address,
};

pub(crate) static NOTIFY_TEMPLATES: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "notify.templates",
        flag: Some("notify-templates"),
        variable: "TUBEPOST_NOTIFY_TEMPLATES",
        value: "DIR",
        default: Fallback::Unset("Tubepost's own words"),
        help: "A directory of templates that say notices in your words: mail.txt, mail.html, chat.txt …",
        example: "/etc/tubepost/templates",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: path,
};
