//! The options of bus, events, spool and git: what publishers and subscribers need.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use client::parse_size;
use intake::git::{NamespaceRule, UrlTemplate};

use super::checks::{
    bus_url, count, namespace, path, refresh_interval, topic_prefix, url_template,
};
use crate::{
    config::{
        declared::{Declaration, Declared, Fallback, Mask, Verb},
        settings,
    },
    schemas::source::Source,
};

pub(crate) static BUS_URL: Declared<String> = Declared {
    declaration: Declaration {
        key: "bus.url",
        flag: Some("bus"),
        variable: "TUBEPOST_BUS",
        value: "URL",
        default: Fallback::Derived(
            settings::local_bus,
            "the local broker: guest on the address of amqp.listen",
        ),
        help: "The bus that events are published to and received from",
        example: "amqps://ada:secret@mq.example.org/events",
        mask: Mask::UrlPassword,
        verbs: &[
            Verb::Serve,
            Verb::Config,
            Verb::Publish,
            Verb::Tail,
            Verb::Desktop,
            Verb::On,
            Verb::Agent,
            Verb::HookGit,
        ],
    },
    parse: bus_url,
};

pub(crate) static TOPIC_PREFIX: Declared<String> = Declared {
    declaration: Declaration {
        key: "event.topic_prefix",
        flag: Some("topic-prefix"),
        variable: "TUBEPOST_TOPIC_PREFIX",
        value: "WORDS",
        default: Fallback::Text(""),
        help: "Stands before the topic of every event published: org.example makes of git.receive \
               org.example.git.receive",
        example: "org.example",
        mask: Mask::Nothing,
        verbs: &[Verb::Config, Verb::Publish, Verb::HookGit],
    },
    parse: topic_prefix,
};

pub(crate) static SCHEMAS: Declared<Vec<Source>> = Declared {
    declaration: Declaration {
        key: "event.schemas",
        flag: Some("schemas"),
        variable: "TUBEPOST_SCHEMAS",
        value: "PLACE,…",
        default: Fallback::Unset("the schemas that ship"),
        help: "Further schemas: directories or git checkouts of files (*.json, also below), and \
               addresses of another machine's /schemas/; taken over again when they change",
        example: "/etc/tubepost/schemas,https://mq.example.org/schemas/",
        mask: Mask::UrlPassword,
        verbs: &[
            Verb::Serve,
            Verb::Config,
            Verb::Publish,
            Verb::Tail,
            Verb::On,
            Verb::Agent,
            Verb::HookGit,
            Verb::EventRender,
            Verb::Schema,
            Verb::Notify,
        ],
    },
    parse: Source::parse_all,
};

/// The commands that say events, and so ask registries.
const SAYING: &[Verb] = &[
    Verb::Serve,
    Verb::Config,
    Verb::Publish,
    Verb::Tail,
    Verb::On,
    Verb::Agent,
    Verb::HookGit,
    Verb::EventRender,
    Verb::Notify,
];

pub(crate) static SCHEMAS_CACHE: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "event.schemas_cache",
        flag: Some("schemas-cache"),
        variable: "TUBEPOST_SCHEMAS_CACHE",
        value: "DIRECTORY",
        default: Fallback::Derived(
            settings::schemas_cache,
            "tubepost/schemas in $XDG_CACHE_HOME, else in ~/.cache, else in /var/cache",
        ),
        help: "Where copies of other machines' schemas are kept, for when those are away",
        example: "/var/cache/tubepost/schemas",
        mask: Mask::Nothing,
        verbs: SAYING,
    },
    parse: path,
};

pub(crate) static SCHEMAS_REFRESH: Declared<Duration> = Declared {
    declaration: Declaration {
        key: "event.schemas_refresh",
        flag: Some("schemas-refresh"),
        variable: "TUBEPOST_SCHEMAS_REFRESH",
        value: "DURATION",
        default: Fallback::Text("60s"),
        help: "How often another machine is asked for its schemas; 1s to 24h",
        example: "10m",
        mask: Mask::Nothing,
        verbs: SAYING,
    },
    parse: refresh_interval,
};

pub(crate) static SPOOL_DIRECTORY: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "spool.directory",
        flag: Some("spool"),
        variable: "TUBEPOST_SPOOL",
        value: "DIRECTORY",
        default: Fallback::Derived(
            settings::spool_directory,
            "/var/spool/tubepost where it can be written, else tubepost/spool in $XDG_STATE_HOME",
        ),
        help: "Where events wait until the bus has them",
        example: "/var/spool/tubepost",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config, Verb::Agent, Verb::HookGit],
    },
    parse: path,
};

pub(crate) static SPOOL_SIZE_MAX: Declared<u64> = Declared {
    declaration: Declaration {
        key: "spool.size_max",
        flag: Some("spool-size-max"),
        variable: "TUBEPOST_SPOOL_SIZE_MAX",
        value: "SIZE",
        default: Fallback::Text("1 GiB"),
        help: "How much may wait there; beyond, events are refused and that is said",
        example: "256 MiB",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config, Verb::Agent, Verb::HookGit],
    },
    parse: parse_size,
};

pub(crate) static GIT_PATCH_BYTES_MAX: Declared<u64> = Declared {
    declaration: Declaration {
        key: "git.patch_bytes_max",
        flag: Some("patch-bytes-max"),
        variable: "TUBEPOST_GIT_PATCH_BYTES_MAX",
        value: "SIZE",
        default: Fallback::Text("256 KiB"),
        help: "A commit's patch is cut beyond this; 0 leaves patches out",
        example: "64 KiB",
        mask: Mask::Nothing,
        verbs: &[Verb::Config, Verb::HookGit],
    },
    parse: parse_size,
};

pub(crate) static GIT_COMMITS_MAX: Declared<NonZeroU32> = Declared {
    declaration: Declaration {
        key: "git.commits_max",
        flag: Some("commits-max"),
        variable: "TUBEPOST_GIT_COMMITS_MAX",
        value: "NUMBER",
        default: Fallback::Text("1000"),
        help: "How many commits of one push are told one by one; the rest is one event",
        example: "100",
        mask: Mask::Nothing,
        verbs: &[Verb::Config, Verb::HookGit],
    },
    parse: count,
};

pub(crate) static GIT_URL_TEMPLATE: Declared<UrlTemplate> = Declared {
    declaration: Declaration {
        key: "git.url_template",
        flag: Some("url-template"),
        variable: "TUBEPOST_GIT_URL_TEMPLATE",
        value: "URL",
        default: Fallback::Unset("events have no link"),
        help: "Where a commit can be looked at, of {repo}, {namespace}, {repo_fullname}, {rev} \
               and {branch}",
        example: "https://src.example.org/{repo_fullname}/c/{rev}?branch={branch}",
        mask: Mask::Nothing,
        verbs: &[Verb::Config, Verb::HookGit],
    },
    parse: url_template,
};

pub(crate) static GIT_NAMESPACE: Declared<NamespaceRule> = Declared {
    declaration: Declaration {
        key: "git.namespace",
        flag: Some("namespace"),
        variable: "TUBEPOST_GIT_NAMESPACE",
        value: "RULE",
        default: Fallback::Text("none"),
        help: "A repository's namespace: none; parent (the directory it is in); or \
               below:DIRECTORY (all directories between that one and the repository)",
        example: "below:/srv/git",
        mask: Mask::Nothing,
        verbs: &[Verb::Config, Verb::HookGit],
    },
    parse: namespace,
};
