//! The options of webhooks.

use std::path::PathBuf;

use super::checks::{on_or_off, path, redirects, text, whole_seconds};
use crate::config::declared::{Declaration, Declared, Fallback, Mask, Verb};

pub(crate) static WEBHOOK_SECRET: Declared<String> = Declared {
    declaration: Declaration {
        key: "notify.webhook.secret",
        flag: None,
        variable: "TUBEPOST_WEBHOOK_SECRET",
        value: "TEXT",
        default: Fallback::Unset("see notify.webhook.secret_file"),
        help: "What the signatures of webhooks are made from",
        example: "a line of openssl rand -hex 32",
        mask: Mask::Whole,
        verbs: &[Verb::Config],
    },
    parse: text,
};

pub(crate) static WEBHOOK_SECRET_FILE: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "notify.webhook.secret_file",
        flag: Some("webhook-secret-file"),
        variable: "TUBEPOST_WEBHOOK_SECRET_FILE",
        value: "FILE",
        default: Fallback::Unset("no webhooks"),
        help: "A file with what the signatures of webhooks are made from",
        example: "/etc/tubepost/webhook-secret",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: path,
};

pub(crate) static WEBHOOK_PRIVATE_ADDRESSES: Declared<bool> = Declared {
    declaration: Declaration {
        key: "notify.webhook.private_addresses",
        flag: Some("webhook-private-addresses"),
        variable: "TUBEPOST_WEBHOOK_PRIVATE_ADDRESSES",
        value: "true|false",
        default: Fallback::Text("false"),
        help: "Whether webhooks may lead to this machine and its own network; whoever may add a \
               destination can have them called",
        example: "true",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: on_or_off,
};

pub(crate) static WEBHOOK_REDIRECTS_MAX: Declared<u8> = Declared {
    declaration: Declaration {
        key: "notify.webhook.redirects_max",
        flag: Some("webhook-redirects-max"),
        variable: "TUBEPOST_WEBHOOK_REDIRECTS_MAX",
        value: "NUMBER",
        default: Fallback::Text("0"),
        help: "How many redirects a webhook may make, 0 to 5",
        example: "1",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: redirects,
};

pub(crate) static WEBHOOK_TIMEOUT: Declared<u16> = Declared {
    declaration: Declaration {
        key: "notify.webhook.timeout_s",
        flag: Some("webhook-timeout-s"),
        variable: "TUBEPOST_WEBHOOK_TIMEOUT_S",
        value: "SECONDS",
        default: Fallback::Text("10"),
        help: "How long a webhook's server may take, from its name to its answer, 1 to 60",
        example: "5",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: whole_seconds,
};

pub(crate) static WEBHOOK_CA_FILE: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "notify.webhook.ca_file",
        flag: Some("webhook-ca-file"),
        variable: "TUBEPOST_WEBHOOK_CA_FILE",
        value: "FILE",
        default: Fallback::Unset("those of the system"),
        help: "Authorities (PEM) to trust at webhooks instead of the system's",
        example: "/etc/tubepost/ca.pem",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: path,
};
