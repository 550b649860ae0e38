//! The options of ntfy.

use std::path::PathBuf;

use super::checks::{path, text, web_address, whole_seconds};
use crate::config::declared::{Declaration, Declared, Fallback, Mask, Verb};

pub(crate) static NTFY_URL: Declared<String> = Declared {
    declaration: Declaration {
        key: "notify.ntfy.url",
        flag: Some("ntfy-url"),
        variable: "TUBEPOST_NTFY_URL",
        value: "URL",
        default: Fallback::Unset("no ntfy"),
        help: "The ntfy server: its root, where it takes messages as JSON",
        example: "https://ntfy.example.org/",
        mask: Mask::UrlPassword,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: web_address,
};

pub(crate) static NTFY_TOKEN: Declared<String> = Declared {
    declaration: Declaration {
        key: "notify.ntfy.token",
        flag: None,
        variable: "TUBEPOST_NTFY_TOKEN",
        value: "TOKEN",
        default: Fallback::Unset("see notify.ntfy.token_file"),
        help: "The access token at the ntfy server",
        example: "tk_secret",
        mask: Mask::Whole,
        verbs: &[Verb::Config],
    },
    parse: text,
};

pub(crate) static NTFY_TOKEN_FILE: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "notify.ntfy.token_file",
        flag: Some("ntfy-token-file"),
        variable: "TUBEPOST_NTFY_TOKEN_FILE",
        value: "FILE",
        default: Fallback::Unset("no token"),
        help: "A file with the access token at the ntfy server",
        example: "/etc/tubepost/ntfy-token",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: path,
};

pub(crate) static NTFY_TIMEOUT: Declared<u16> = Declared {
    declaration: Declaration {
        key: "notify.ntfy.timeout_s",
        flag: Some("ntfy-timeout-s"),
        variable: "TUBEPOST_NTFY_TIMEOUT_S",
        value: "SECONDS",
        default: Fallback::Text("10"),
        help: "How long the ntfy server may take, from its name to its answer, 1 to 60",
        example: "5",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: whole_seconds,
};

pub(crate) static NTFY_CA_FILE: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "notify.ntfy.ca_file",
        flag: Some("ntfy-ca-file"),
        variable: "TUBEPOST_NTFY_CA_FILE",
        value: "FILE",
        default: Fallback::Unset("those of the system"),
        help: "Authorities (PEM) to trust at the ntfy server instead of the system's",
        example: "/etc/tubepost/ca.pem",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: path,
};
