//! The options of IRC.

use std::path::PathBuf;

use super::checks::{irc_burst, irc_line_pause, irc_server, path, text, whole_seconds};
use crate::config::declared::{Declaration, Declared, Fallback, Mask, Verb};

pub(crate) static IRC_URL: Declared<String> = Declared {
    declaration: Declaration {
        key: "notify.irc.url",
        flag: Some("irc-url"),
        variable: "TUBEPOST_IRC_URL",
        value: "URL",
        default: Fallback::Unset("no IRC"),
        help: "The IRC server: ircs:// is by TLS on port 6697, irc:// without on 6667",
        example: "ircs://irc.example.org",
        mask: Mask::UrlPassword,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: irc_server,
};

pub(crate) static IRC_NICK: Declared<String> = Declared {
    declaration: Declaration {
        key: "notify.irc.nick",
        flag: Some("irc-nick"),
        variable: "TUBEPOST_IRC_NICK",
        value: "NICK",
        default: Fallback::Text("tubepost"),
        help: "How it is called on IRC; when that is in use, with underscores behind it",
        example: "builds",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: text,
};

pub(crate) static IRC_ACCOUNT: Declared<String> = Declared {
    declaration: Declaration {
        key: "notify.irc.account",
        flag: Some("irc-account"),
        variable: "TUBEPOST_IRC_ACCOUNT",
        value: "NAME",
        default: Fallback::Unset("the nick"),
        help: "The account to log in to on IRC, by SASL PLAIN",
        example: "tubepost",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: text,
};

pub(crate) static IRC_PASSWORD: Declared<String> = Declared {
    declaration: Declaration {
        key: "notify.irc.password",
        flag: None,
        variable: "TUBEPOST_IRC_PASSWORD",
        value: "PASSWORD",
        default: Fallback::Unset("see notify.irc.password_file"),
        help: "The password of the account on IRC",
        example: "secret",
        mask: Mask::Whole,
        verbs: &[Verb::Config],
    },
    parse: text,
};

pub(crate) static IRC_PASSWORD_FILE: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "notify.irc.password_file",
        flag: Some("irc-password-file"),
        variable: "TUBEPOST_IRC_PASSWORD_FILE",
        value: "FILE",
        default: Fallback::Unset("no login by password"),
        help: "A file with the password of the account on IRC",
        example: "/etc/tubepost/irc-password",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: path,
};

pub(crate) static IRC_CERTIFICATE_FILE: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "notify.irc.certificate_file",
        flag: Some("irc-certificate-file"),
        variable: "TUBEPOST_IRC_CERTIFICATE_FILE",
        value: "FILE",
        default: Fallback::Unset("no login by certificate"),
        help: "A certificate (PEM) to log in with on IRC, by SASL EXTERNAL",
        example: "/etc/tubepost/irc.pem",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: path,
};

pub(crate) static IRC_KEY_FILE: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "notify.irc.key_file",
        flag: Some("irc-key-file"),
        variable: "TUBEPOST_IRC_KEY_FILE",
        value: "FILE",
        default: Fallback::Unset("no login by certificate"),
        help: "The key (PEM) of the certificate on IRC",
        example: "/etc/tubepost/irc-key.pem",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: path,
};

pub(crate) static IRC_BURST_LINES: Declared<u8> = Declared {
    declaration: Declaration {
        key: "notify.irc.burst_lines",
        flag: Some("irc-burst-lines"),
        variable: "TUBEPOST_IRC_BURST_LINES",
        value: "COUNT",
        default: Fallback::Text("5"),
        help: "How many lines may go to the IRC server at once, 1 to 100",
        example: "20",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: irc_burst,
};

pub(crate) static IRC_LINE_PAUSE: Declared<u16> = Declared {
    declaration: Declaration {
        key: "notify.irc.line_pause_ms",
        flag: Some("irc-line-pause-ms"),
        variable: "TUBEPOST_IRC_LINE_PAUSE_MS",
        value: "MILLISECONDS",
        default: Fallback::Text("2000"),
        help: "After those, how long from one line to the next, up to 10000",
        example: "500",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: irc_line_pause,
};

pub(crate) static IRC_TIMEOUT: Declared<u16> = Declared {
    declaration: Declaration {
        key: "notify.irc.timeout_s",
        flag: Some("irc-timeout-s"),
        variable: "TUBEPOST_IRC_TIMEOUT_S",
        value: "SECONDS",
        default: Fallback::Text("30"),
        help: "How long the IRC server may take to be ready, and for each answer, 1 to 120",
        example: "60",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: whole_seconds,
};

pub(crate) static IRC_CA_FILE: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "notify.irc.ca_file",
        flag: Some("irc-ca-file"),
        variable: "TUBEPOST_IRC_CA_FILE",
        value: "FILE",
        default: Fallback::Unset("those of the system"),
        help: "Authorities (PEM) to trust at the IRC server instead of the system's",
        example: "/etc/tubepost/ca.pem",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: path,
};
