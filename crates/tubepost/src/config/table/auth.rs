//! The options of logins.

use super::checks::{iterations, on_or_off, user_name};
use crate::config::declared::{Declaration, Declared, Fallback, Mask, Verb};

pub(crate) static AUTH_SCRAM: Declared<bool> = Declared {
    declaration: Declaration {
        key: "auth.scram",
        flag: Some("auth-scram"),
        variable: "TUBEPOST_AUTH_SCRAM",
        value: "true|false",
        default: Fallback::Text("false"),
        help: "Whether AMQP 1.0 clients may log in with SCRAM, for which a weaker hash of each \
               password is kept beside argon2id's",
        example: "true",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config, Verb::User],
    },
    parse: on_or_off,
};

pub(crate) static AUTH_SCRAM_ITERATIONS: Declared<auth::Iterations> = Declared {
    declaration: Declaration {
        key: "auth.scram_iterations",
        flag: Some("auth-scram-iterations"),
        variable: "TUBEPOST_AUTH_SCRAM_ITERATIONS",
        value: "NUMBER",
        default: Fallback::Text("600000"),
        help: "How many rounds of SHA-256 SCRAM takes, which clients compute at each login; of \
               SHA-512 it takes 7 for every 20",
        example: "100000",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config, Verb::User],
    },
    parse: iterations,
};

pub(crate) static AUTH_ANONYMOUS_USER: Declared<String> = Declared {
    declaration: Declaration {
        key: "auth.anonymous_user",
        flag: Some("auth-anonymous-user"),
        variable: "TUBEPOST_AUTH_ANONYMOUS_USER",
        value: "NAME",
        default: Fallback::Unset("nobody: logins need a proof"),
        help: "The user that clients are who log in with SASL ANONYMOUS, from everywhere and \
               without any proof",
        example: "guest-reader",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: user_name,
};
