//! The options of browsers, which are told by Web Push.

use std::path::PathBuf;

use super::checks::{on_or_off, path, text, whole_seconds};
use crate::config::{
    declared::{Declaration, Declared, Fallback, Mask, Verb},
    settings,
};

pub(crate) static PUSH_CONTACT: Declared<String> = Declared {
    declaration: Declaration {
        key: "notify.push.contact",
        flag: Some("push-contact"),
        variable: "TUBEPOST_PUSH_CONTACT",
        value: "ADDRESS",
        default: Fallback::Unset("no browsers"),
        help: "Whom the services of browser makers may write to about what is sent; mailto: or https:",
        example: "mailto:ops@example.org",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: text,
};

pub(crate) static PUSH_KEY_FILE: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "notify.push.key_file",
        flag: Some("push-key-file"),
        variable: "TUBEPOST_PUSH_KEY_FILE",
        value: "FILE",
        default: Fallback::Derived(settings::push_key_file, "push.key in the data directory"),
        help: "The key that browsers are subscribed with; made when it is not there",
        example: "/etc/tubepost/push.key",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: path,
};

pub(crate) static PUSH_PRIVATE_ADDRESSES: Declared<bool> = Declared {
    declaration: Declaration {
        key: "notify.push.private_addresses",
        flag: Some("push-private-addresses"),
        variable: "TUBEPOST_PUSH_PRIVATE_ADDRESSES",
        value: "true|false",
        default: Fallback::Text("false"),
        help: "Whether a push service may be on this machine or its own network",
        example: "true",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: on_or_off,
};

pub(crate) static PUSH_TIMEOUT: Declared<u16> = Declared {
    declaration: Declaration {
        key: "notify.push.timeout_s",
        flag: Some("push-timeout-s"),
        variable: "TUBEPOST_PUSH_TIMEOUT_S",
        value: "SECONDS",
        default: Fallback::Text("10"),
        help: "How long a push service may take, from its name to its answer, 1 to 60",
        example: "5",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: whole_seconds,
};

pub(crate) static PUSH_CA_FILE: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "notify.push.ca_file",
        flag: Some("push-ca-file"),
        variable: "TUBEPOST_PUSH_CA_FILE",
        value: "FILE",
        default: Fallback::Unset("those of the system"),
        help: "Authorities (PEM) to trust at push services instead of the system's",
        example: "/etc/tubepost/ca.pem",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: path,
};
