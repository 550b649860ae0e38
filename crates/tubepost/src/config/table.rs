//! The table: every option of Tubepost, once.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use event::Topic;
use intake::git::{NamespaceRule, UrlTemplate};

use super::{
    checked::LogFormat,
    declared::{Declaration, Declared, Fallback, Group, Mask, Verb},
    duration::parse_duration,
    listen::ListenAddress,
    mail, settings,
    size::parse_size,
};

/// All options, in the order of help and of `tubepost config`.
pub(crate) static GROUPS: &[Group] = &[
    Group { title: "General", options: &[&DATA_DIR, &LOG_LEVEL, &LOG_FORMAT] },
    Group {
        title: "Broker",
        options: &[
            &AMQP_LISTEN,
            &AMQP_HEARTBEAT,
            &AMQP_FRAME_MAX,
            &AMQP_CHANNEL_MAX,
            &AMQP_MESSAGE_BYTES_MAX,
            &AMQP_CONNECTIONS_MAX,
            &AMQP_HANDSHAKE_TIMEOUT,
        ],
    },
    Group { title: "Pages", options: &[&HTTP_LISTEN] },
    Group { title: "Bus", options: &[&BUS_URL] },
    Group { title: "Events", options: &[&TOPIC_PREFIX, &SCHEMAS] },
    Group { title: "Spool", options: &[&SPOOL_DIRECTORY, &SPOOL_SIZE_MAX] },
    Group {
        title: "Git",
        options: &[&GIT_PATCH_BYTES_MAX, &GIT_COMMITS_MAX, &GIT_URL_TEMPLATE, &GIT_NAMESPACE],
    },
    Group {
        title: "Mail",
        options: &[
            &MAIL_SMTP_URL,
            &MAIL_HOST,
            &MAIL_PORT,
            &MAIL_TLS,
            &MAIL_CA_FILE,
            &MAIL_USER,
            &MAIL_PASSWORD,
            &MAIL_PASSWORD_FILE,
            &MAIL_HELLO_NAME,
            &MAIL_FROM,
            &MAIL_LIST_ID_DOMAIN,
            &MAIL_BASE_URL,
            &MAIL_PATCH_BYTES_MAX,
            &MAIL_TIMEOUT,
            &MAIL_CONNECTIONS_MAX,
        ],
    },
];

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
        verbs: &[Verb::Serve, Verb::Config, Verb::User],
    },
    parse: path,
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

pub(crate) static AMQP_CONNECTIONS_MAX: Declared<NonZeroU32> = Declared {
    declaration: Declaration {
        key: "amqp.connections_max",
        flag: Some("amqp-connections-max"),
        variable: "TUBEPOST_AMQP_CONNECTIONS_MAX",
        value: "NUMBER",
        default: Fallback::Text("10000"),
        help: "How many AMQP connections at once; further ones wait to be accepted",
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

pub(crate) static HTTP_LISTEN: Declared<ListenAddress> = Declared {
    declaration: Declaration {
        key: "http.listen",
        flag: Some("http"),
        variable: "TUBEPOST_HTTP",
        value: "HOST:PORT",
        default: Fallback::Text("127.0.0.1:15672"),
        help: "Where the pages are served",
        example: "127.0.0.1:8080",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: ListenAddress::parse,
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

pub(crate) static SCHEMAS: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "event.schemas",
        flag: Some("schemas"),
        variable: "TUBEPOST_SCHEMAS",
        value: "DIRECTORY",
        default: Fallback::Unset("the schemas that ship"),
        help: "A directory of further schema files (*.json)",
        example: "/etc/tubepost/schemas",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config, Verb::Publish, Verb::Tail, Verb::On, Verb::HookGit],
    },
    parse: path,
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

pub(crate) static MAIL_SMTP_URL: Declared<mail::SmtpUrl> = Declared {
    declaration: Declaration {
        key: "notify.mail.smtp_url",
        flag: Some("mail-smtp-url"),
        variable: "TUBEPOST_MAIL_SMTP_URL",
        value: "URL",
        default: Fallback::Unset("see notify.mail.host"),
        help: "The mail server in one: smtp:// (none), smtp+starttls:// or smtps:// (implicit TLS)",
        example: "smtp+starttls://tubepost:secret@mail.example.org:587",
        mask: Mask::UrlPassword,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: mail::SmtpUrl::parse,
};

pub(crate) static MAIL_HOST: Declared<String> = Declared {
    declaration: Declaration {
        key: "notify.mail.host",
        flag: Some("mail-host"),
        variable: "TUBEPOST_MAIL_HOST",
        value: "HOST",
        default: Fallback::Text("localhost"),
        help: "The mail server",
        example: "mail.example.org",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: host,
};

pub(crate) static MAIL_PORT: Declared<u16> = Declared {
    declaration: Declaration {
        key: "notify.mail.port",
        flag: Some("mail-port"),
        variable: "TUBEPOST_MAIL_PORT",
        value: "PORT",
        default: Fallback::Unset("25, with starttls 587, with implicit TLS 465"),
        help: "Its port",
        example: "587",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: port,
};

pub(crate) static MAIL_TLS: Declared<notify::Tls> = Declared {
    declaration: Declaration {
        key: "notify.mail.tls",
        flag: Some("mail-tls"),
        variable: "TUBEPOST_MAIL_TLS",
        value: "KIND",
        default: Fallback::Unset("none to a server on this machine, else starttls"),
        help: "How the way there is protected: none, starttls or implicit",
        example: "starttls",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: mail::tls,
};

pub(crate) static MAIL_USER: Declared<String> = Declared {
    declaration: Declaration {
        key: "notify.mail.user",
        flag: Some("mail-user"),
        variable: "TUBEPOST_MAIL_USER",
        value: "NAME",
        default: Fallback::Unset("no login"),
        help: "The login at the mail server",
        example: "tubepost",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: text,
};

pub(crate) static MAIL_PASSWORD: Declared<String> = Declared {
    declaration: Declaration {
        key: "notify.mail.password",
        flag: None,
        variable: "TUBEPOST_MAIL_PASSWORD",
        value: "PASSWORD",
        default: Fallback::Unset("see notify.mail.password_file"),
        help: "The login's password",
        example: "secret",
        mask: Mask::Whole,
        verbs: &[Verb::Config],
    },
    parse: text,
};

pub(crate) static MAIL_PASSWORD_FILE: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "notify.mail.password_file",
        flag: Some("mail-password-file"),
        variable: "TUBEPOST_MAIL_PASSWORD_FILE",
        value: "FILE",
        default: Fallback::Unset("no file"),
        help: "A file whose first line is the login's password",
        example: "/etc/tubepost/mail-password",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: path,
};

pub(crate) static MAIL_FROM: Declared<notify::Mailbox> = Declared {
    declaration: Declaration {
        key: "notify.mail.from",
        flag: Some("mail-from"),
        variable: "TUBEPOST_MAIL_FROM",
        value: "ADDRESS",
        default: Fallback::Derived(settings::mail_from, "tubepost at this host's name"),
        help: "The sender of the mails",
        example: "Tubepost <tubepost@example.org>",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: mail::address,
};

pub(crate) static MAIL_LIST_ID_DOMAIN: Declared<String> = Declared {
    declaration: Declaration {
        key: "notify.mail.list_id_domain",
        flag: Some("mail-list-id-domain"),
        variable: "TUBEPOST_MAIL_LIST_ID_DOMAIN",
        value: "DOMAIN",
        default: Fallback::Unset("the domain of notify.mail.from"),
        help: "The end of the List-Id and Message-ID headers",
        example: "events.example.org",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: host,
};

pub(crate) static MAIL_BASE_URL: Declared<String> = Declared {
    declaration: Declaration {
        key: "notify.mail.base_url",
        flag: Some("mail-base-url"),
        variable: "TUBEPOST_MAIL_BASE_URL",
        value: "URL",
        default: Fallback::Unset("mails have no link to the pages"),
        help: "Where a reader of the mails reaches Tubepost's pages",
        example: "https://events.example.org/",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: web_address,
};

pub(crate) static MAIL_PATCH_BYTES_MAX: Declared<u32> = Declared {
    declaration: Declaration {
        key: "notify.mail.patch_bytes_max",
        flag: Some("mail-patch-bytes-max"),
        variable: "TUBEPOST_MAIL_PATCH_BYTES_MAX",
        value: "SIZE",
        default: Fallback::Text("64 KiB"),
        help: "A patch in a mail is cut beyond this",
        example: "16 KiB",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: mail_patch,
};

pub(crate) static MAIL_CA_FILE: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "notify.mail.ca_file",
        flag: Some("mail-ca-file"),
        variable: "TUBEPOST_MAIL_CA_FILE",
        value: "FILE",
        default: Fallback::Unset("those of the system"),
        help: "Certificates (PEM) to trust at the mail server beside the system's",
        example: "/etc/tubepost/mail-ca.pem",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: path,
};

pub(crate) static MAIL_HELLO_NAME: Declared<String> = Declared {
    declaration: Declaration {
        key: "notify.mail.hello_name",
        flag: Some("mail-hello-name"),
        variable: "TUBEPOST_MAIL_HELLO_NAME",
        value: "HOST",
        default: Fallback::Unset("this host's name"),
        help: "The name to greet the mail server with",
        example: "bus.example.org",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: host,
};

pub(crate) static MAIL_TIMEOUT: Declared<u16> = Declared {
    declaration: Declaration {
        key: "notify.mail.timeout",
        flag: Some("mail-timeout"),
        variable: "TUBEPOST_MAIL_TIMEOUT",
        value: "DURATION",
        default: Fallback::Text("60s"),
        help: "How long the mail server may take for one answer",
        example: "30s",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: whole_seconds,
};

pub(crate) static MAIL_CONNECTIONS_MAX: Declared<u8> = Declared {
    declaration: Declaration {
        key: "notify.mail.connections_max",
        flag: Some("mail-connections-max"),
        variable: "TUBEPOST_MAIL_CONNECTIONS_MAX",
        value: "NUMBER",
        default: Fallback::Text("4"),
        help: "How many connections to the mail server at once, 1 to 32",
        example: "1",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: mail_connections,
};

fn text(text: &str) -> Result<String, String> {
    match text.chars().any(char::is_control) {
        true => Err("has a control character: expected one line of text".to_owned()),
        false => Ok(text.to_owned()),
    }
}

fn path(text: &str) -> Result<PathBuf, String> {
    match text.is_empty() || text.contains('\0') {
        true => Err("is not a path: expected one such as /srv/tubepost".to_owned()),
        false => Ok(text.into()),
    }
}

fn host(text: &str) -> Result<String, String> {
    let named = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    match !text.is_empty() && text.chars().all(named) {
        true => Ok(text.to_owned()),
        false => Err("is not a host: expected a name such as mail.example.org".to_owned()),
    }
}

fn port(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err("is not a port: expected a number from 1 to 65535".to_owned()),
    }
}

fn count(text: &str) -> Result<NonZeroU32, String> {
    text.parse().map_err(|_| "is not a number: expected one from 1 to 4294967295".to_owned())
}

fn log_level(text: &str) -> Result<String, String> {
    tracing_subscriber::EnvFilter::builder()
        .parse(text)
        .map(|_| text.to_owned())
        .map_err(|error| format!("is not a log level: {error}; expected one such as info"))
}

fn heartbeat(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    let whole = duration.subsec_nanos() == 0 && duration.as_secs() <= u16::MAX.into();
    match whole {
        true => Ok(duration),
        false => Err("is not a heartbeat: expected whole seconds, at most 65535s".to_owned()),
    }
}

fn positive_duration(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("is too short: expected more than 0s".to_owned()),
        duration => Ok(duration),
    }
}

fn whole_seconds(text: &str) -> Result<u16, String> {
    let duration = positive_duration(text)?;
    let whole = duration.subsec_nanos() == 0;
    u16::try_from(duration.as_secs())
        .ok()
        .filter(|_| whole)
        .ok_or_else(|| "is not whole seconds: expected 1s to 65535s".to_owned())
}

fn mail_patch(text: &str) -> Result<u32, String> {
    u32::try_from(parse_size(text)?)
        .map_err(|_| "is too large: expected less than 4 GiB".to_owned())
}

fn mail_connections(text: &str) -> Result<u8, String> {
    match text.parse() {
        Ok(count @ 1..=32) => Ok(count),
        _ => Err("is not a number of connections: expected 1 to 32".to_owned()),
    }
}

// AMQP 0-9-1 §4.2.3: at least 4096. Above 16 MiB a frame holds up too much behind it.
fn frame_max(text: &str) -> Result<u32, String> {
    match parse_size(text)? {
        size @ 4096..=0x100_0000 => Ok(u32::try_from(size).unwrap_or(u32::MAX)),
        _ => Err("is out of bounds: expected 4 KiB to 16 MiB".to_owned()),
    }
}

fn channel_max(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(max) if max > 0 => Ok(max),
        _ => Err("is not a number: expected one from 1 to 65535".to_owned()),
    }
}

fn bus_url(text: &str) -> Result<String, String> {
    match text.starts_with("amqp://") || text.starts_with("amqps://") {
        true => Ok(text.to_owned()),
        false => Err("is not the address of a bus: expected one such as \
                      amqp://user:password@host:5672/vhost"
            .to_owned()),
    }
}

fn web_address(text: &str) -> Result<String, String> {
    match text.starts_with("http://") || text.starts_with("https://") {
        true => Ok(text.to_owned()),
        false => Err("is not a web address: expected http:// or https://".to_owned()),
    }
}

fn topic_prefix(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let prefix = text.trim_end_matches('.');
    match prefix.parse::<Topic>() {
        Ok(_) if prefix.len() <= 128 => Ok(prefix.to_owned()),
        _ => Err("is not a topic prefix: expected dotted words such as org.example".to_owned()),
    }
}

fn url_template(text: &str) -> Result<UrlTemplate, String> {
    text.parse().map_err(|error: intake::Error| error.to_string())
}

fn namespace(text: &str) -> Result<NamespaceRule, String> {
    match text {
        "none" => Ok(NamespaceRule::None),
        "parent" => Ok(NamespaceRule::Parent),
        _ => match text.strip_prefix("below:") {
            Some(root) if root.starts_with('/') => Ok(NamespaceRule::Below(root.into())),
            _ => Err("is not a rule: expected none, parent or below:/srv/git".to_owned()),
        },
    }
}
