//! The options of signing in to the pages by an OpenID Connect provider.

use std::path::PathBuf;

use super::checks::{path, text, web_address};
use crate::config::declared::{Declaration, Declared, Fallback, Mask, Verb};

pub(crate) static OIDC_ISSUER: Declared<String> = Declared {
    declaration: Declaration {
        key: "http.oidc.issuer",
        flag: Some("oidc-issuer"),
        variable: "TUBEPOST_OIDC_ISSUER",
        value: "URL",
        default: Fallback::Unset("people sign in as users only"),
        help: "The OpenID Connect provider that people sign in to the pages by, as it calls itself",
        example: "https://id.example.org/realms/main",
        mask: Mask::UrlPassword,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: web_address,
};

pub(crate) static OIDC_CLIENT_ID: Declared<String> = Declared {
    declaration: Declaration {
        key: "http.oidc.client_id",
        flag: Some("oidc-client-id"),
        variable: "TUBEPOST_OIDC_CLIENT_ID",
        value: "ID",
        default: Fallback::Text("tubepost"),
        help: "What the provider knows the pages by",
        example: "tubepost",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: text,
};

pub(crate) static OIDC_CLIENT_SECRET_FILE: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "http.oidc.client_secret_file",
        flag: Some("oidc-client-secret-file"),
        variable: "TUBEPOST_OIDC_CLIENT_SECRET_FILE",
        value: "FILE",
        default: Fallback::Unset("a public client, by PKCE alone"),
        help: "A file with the client's secret at the provider",
        example: "/etc/tubepost/oidc-secret",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: path,
};

pub(crate) static OIDC_NAME_CLAIM: Declared<String> = Declared {
    declaration: Declaration {
        key: "http.oidc.name_claim",
        flag: Some("oidc-name-claim"),
        variable: "TUBEPOST_OIDC_NAME_CLAIM",
        value: "CLAIM",
        default: Fallback::Text("preferred_username"),
        help: "The provider's claim that is a person's name, as events use it; one that people \
               cannot choose for themselves",
        example: "nickname",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: text,
};

pub(crate) static OIDC_OPERATORS: Declared<String> = Declared {
    declaration: Declaration {
        key: "http.oidc.operators",
        flag: Some("oidc-operators"),
        variable: "TUBEPOST_OIDC_OPERATORS",
        value: "GROUP",
        default: Fallback::Unset("nobody who signs in by the provider"),
        help: "Who is in this group, by the provider's claim 'groups', is an operator",
        example: "sysadmin-main",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: text,
};

pub(crate) static OIDC_CA_FILE: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "http.oidc.ca_file",
        flag: Some("oidc-ca-file"),
        variable: "TUBEPOST_OIDC_CA_FILE",
        value: "FILE",
        default: Fallback::Unset("those of the system"),
        help: "Authorities (PEM) to trust at the provider instead of the system's",
        example: "/etc/tubepost/ca.pem",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: path,
};
