//! The options of the mail notifier.

use std::path::PathBuf;

use super::checks::{
    host, mail_connections, mail_patch, path, port, text, web_address, whole_seconds,
};
use crate::config::{
    declared::{Declaration, Declared, Fallback, Mask, Verb},
    mail, settings,
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

pub(crate) static MAIL_DKIM_SELECTOR: Declared<String> = Declared {
    declaration: Declaration {
        key: "notify.mail.dkim_selector",
        flag: Some("mail-dkim-selector"),
        variable: "TUBEPOST_MAIL_DKIM_SELECTOR",
        value: "NAME",
        default: Fallback::Unset("mails are not signed"),
        help: "Where the key is published: NAME._domainkey below the domain of notify.mail.from",
        example: "tubepost2026",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: host,
};

pub(crate) static MAIL_DKIM_KEY_FILE: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "notify.mail.dkim_key_file",
        flag: Some("mail-dkim-key-file"),
        variable: "TUBEPOST_MAIL_DKIM_KEY_FILE",
        value: "FILE",
        default: Fallback::Unset("mails are not signed"),
        help: "The private key (PEM, RSA or Ed25519) that signs mails",
        example: "/etc/tubepost/dkim.pem",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: path,
};

pub(crate) static MAIL_PAGE_URL: Declared<String> = Declared {
    declaration: Declaration {
        key: "notify.mail.page_url",
        flag: Some("mail-page-url"),
        variable: "TUBEPOST_MAIL_PAGE_URL",
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
        key: "notify.mail.timeout_s",
        flag: Some("mail-timeout-s"),
        variable: "TUBEPOST_MAIL_TIMEOUT_S",
        value: "SECONDS",
        default: Fallback::Text("60"),
        help: "How long the mail server may take for one answer",
        example: "30",
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
