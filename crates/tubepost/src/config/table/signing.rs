//! The options of signatures: which key signs, and which are trusted.

use std::path::PathBuf;

use client::SignaturePolicy;

use super::checks::path;
use crate::config::declared::{Declaration, Declared, Fallback, Mask, Verb};

pub(crate) static SIGN_KEY: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "event.sign_key",
        flag: Some("sign"),
        variable: "TUBEPOST_SIGN_KEY",
        value: "FILE",
        default: Fallback::Unset("nothing is signed"),
        help: "Signs every event published with this key, as tubepost key generate makes them",
        example: "/etc/tubepost/hall.key",
        mask: Mask::Nothing,
        verbs: &[Verb::Config, Verb::Publish, Verb::HookGit],
    },
    parse: path,
};

pub(crate) static AGENT_SIGN_KEY: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "agent.sign_key",
        flag: Some("agent-sign-key"),
        variable: "TUBEPOST_AGENT_SIGN_KEY",
        value: "FILE",
        default: Fallback::Unset("nothing is signed"),
        help: "Signs every event that the agent takes over, and that nobody signed, with this key",
        example: "/etc/tubepost/builder7.key",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config, Verb::Agent],
    },
    parse: path,
};

/// The commands that receive events.
const RECEIVING: &[Verb] = &[Verb::Serve, Verb::Config, Verb::Tail, Verb::On];

pub(crate) static KEYS: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "event.keys",
        flag: Some("keys"),
        variable: "TUBEPOST_KEYS",
        value: "DIRECTORY",
        default: Fallback::Unset("signatures are not looked at"),
        help: "The trusted keys: NAME.pub, or a certificate NAME.pem or NAME.crt; NAME.topics has \
               patterns of topics it is for",
        example: "/etc/tubepost/keys",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config, Verb::Tail, Verb::On, Verb::Verify],
    },
    parse: path,
};

pub(crate) static KEYS_CA: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "event.keys_ca",
        flag: Some("keys-ca"),
        variable: "TUBEPOST_KEYS_CA",
        value: "FILE",
        default: Fallback::Unset("a certificate among the keys is trusted itself"),
        help: "The authorities (PEM) that have to vouch for the certificates among the keys",
        example: "/etc/pki/ca-trust/example-ca.pem",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config, Verb::Tail, Verb::On, Verb::Verify],
    },
    parse: path,
};

pub(crate) static SIGNATURES: Declared<SignaturePolicy> = Declared {
    declaration: Declaration {
        key: "event.signatures",
        flag: Some("signatures"),
        variable: "TUBEPOST_SIGNATURES",
        value: "POLICY",
        default: Fallback::Text("flag"),
        help: "What becomes of an event that no trusted key signed: flag says so with it; require \
               refuses it",
        example: "require",
        mask: Mask::Nothing,
        verbs: RECEIVING,
    },
    parse: str::parse,
};
