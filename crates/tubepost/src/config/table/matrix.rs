//! The options of Matrix.

use std::path::PathBuf;

use super::checks::{on_or_off, path, text, web_address, whole_seconds};
use crate::config::declared::{Declaration, Declared, Fallback, Mask, Verb};

pub(crate) static MATRIX_URL: Declared<String> = Declared {
    declaration: Declaration {
        key: "notify.matrix.url",
        flag: Some("matrix-url"),
        variable: "TUBEPOST_MATRIX_URL",
        value: "URL",
        default: Fallback::Unset("no Matrix"),
        help: "The homeserver of Matrix: the root of its client API",
        example: "https://matrix.example.org/",
        mask: Mask::UrlPassword,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: web_address,
};

pub(crate) static MATRIX_TOKEN: Declared<String> = Declared {
    declaration: Declaration {
        key: "notify.matrix.token",
        flag: None,
        variable: "TUBEPOST_MATRIX_TOKEN",
        value: "TOKEN",
        default: Fallback::Unset("see notify.matrix.token_file"),
        help: "The access token at the homeserver",
        example: "syt_secret",
        mask: Mask::Whole,
        verbs: &[Verb::Config],
    },
    parse: text,
};

pub(crate) static MATRIX_TOKEN_FILE: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "notify.matrix.token_file",
        flag: Some("matrix-token-file"),
        variable: "TUBEPOST_MATRIX_TOKEN_FILE",
        value: "FILE",
        default: Fallback::Unset("a login by password"),
        help: "A file with the access token at the homeserver",
        example: "/etc/tubepost/matrix-token",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: path,
};

pub(crate) static MATRIX_USER: Declared<String> = Declared {
    declaration: Declaration {
        key: "notify.matrix.user",
        flag: Some("matrix-user"),
        variable: "TUBEPOST_MATRIX_USER",
        value: "NAME",
        default: Fallback::Unset("whose token it is"),
        help: "Who logs in at the homeserver by password",
        example: "tubepost",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: text,
};

pub(crate) static MATRIX_PASSWORD: Declared<String> = Declared {
    declaration: Declaration {
        key: "notify.matrix.password",
        flag: None,
        variable: "TUBEPOST_MATRIX_PASSWORD",
        value: "PASSWORD",
        default: Fallback::Unset("see notify.matrix.password_file"),
        help: "The password at the homeserver",
        example: "secret",
        mask: Mask::Whole,
        verbs: &[Verb::Config],
    },
    parse: text,
};

pub(crate) static MATRIX_PASSWORD_FILE: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "notify.matrix.password_file",
        flag: Some("matrix-password-file"),
        variable: "TUBEPOST_MATRIX_PASSWORD_FILE",
        value: "FILE",
        default: Fallback::Unset("a token"),
        help: "A file with the password at the homeserver",
        example: "/etc/tubepost/matrix-password",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: path,
};

pub(crate) static MATRIX_DEVICE: Declared<String> = Declared {
    declaration: Declaration {
        key: "notify.matrix.device",
        flag: Some("matrix-device"),
        variable: "TUBEPOST_MATRIX_DEVICE",
        value: "NAME",
        default: Fallback::Text("TUBEPOST"),
        help: "The device that a login by password is for; another for each notifier",
        example: "TUBEPOST2",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: text,
};

pub(crate) static MATRIX_PLAIN_HTTP: Declared<bool> = Declared {
    declaration: Declaration {
        key: "notify.matrix.plain_http",
        flag: Some("matrix-plain-http"),
        variable: "TUBEPOST_MATRIX_PLAIN_HTTP",
        value: "true|false",
        default: Fallback::Text("false"),
        help: "Whether a homeserver on another machine may be called without TLS",
        example: "true",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: on_or_off,
};

pub(crate) static MATRIX_TIMEOUT: Declared<u16> = Declared {
    declaration: Declaration {
        key: "notify.matrix.timeout_s",
        flag: Some("matrix-timeout-s"),
        variable: "TUBEPOST_MATRIX_TIMEOUT_S",
        value: "SECONDS",
        default: Fallback::Text("20"),
        help: "How long the homeserver may take, from its name to its answer, 1 to 60",
        example: "5",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: whole_seconds,
};

pub(crate) static MATRIX_CA_FILE: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "notify.matrix.ca_file",
        flag: Some("matrix-ca-file"),
        variable: "TUBEPOST_MATRIX_CA_FILE",
        value: "FILE",
        default: Fallback::Unset("those of the system"),
        help: "Authorities (PEM) to trust at the homeserver instead of the system's",
        example: "/etc/tubepost/ca.pem",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: path,
};
