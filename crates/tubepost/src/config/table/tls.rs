//! The options of AMQP over TLS.

use std::path::PathBuf;

use super::checks::path;
use crate::config::{
    declared::{Declaration, Declared, Fallback, Mask, Verb},
    listen::ListenAddress,
    tls::{self, ClientCertificate},
};

pub(crate) static AMQP_TLS_LISTEN: Declared<ListenAddress> = Declared {
    declaration: Declaration {
        key: "amqp.tls.listen",
        flag: Some("amqp-tls"),
        variable: "TUBEPOST_AMQP_TLS",
        value: "HOST:PORT",
        default: Fallback::Text("127.0.0.1:5671"),
        help: "Where the broker listens for AMQP over TLS, if there is a certificate; beyond loopback \
               only when users were created",
        example: "0.0.0.0:5671",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: ListenAddress::parse,
};

pub(crate) static AMQP_TLS_CERTIFICATE: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "amqp.tls.certificate",
        flag: Some("amqp-tls-certificate"),
        variable: "TUBEPOST_AMQP_TLS_CERTIFICATE",
        value: "FILE",
        default: Fallback::Unset("no TLS"),
        help: "The broker's certificate and the chain to its authority (PEM), read again when it \
               changes; more in [[amqp.tls.name]]",
        example: "/etc/tubepost/tls/mq.crt",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: path,
};

pub(crate) static AMQP_TLS_KEY: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "amqp.tls.key",
        flag: Some("amqp-tls-key"),
        variable: "TUBEPOST_AMQP_TLS_KEY",
        value: "FILE",
        default: Fallback::Unset("no TLS"),
        help: "The certificate's private key (PEM, not encrypted), which not everybody may read",
        example: "/etc/tubepost/tls/mq.key",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: path,
};

pub(crate) static AMQP_TLS_CLIENT_CA: Declared<PathBuf> = Declared {
    declaration: Declaration {
        key: "amqp.tls.client_ca",
        flag: Some("amqp-tls-client-ca"),
        variable: "TUBEPOST_AMQP_TLS_CLIENT_CA",
        value: "FILE",
        default: Fallback::Unset("no certificates of clients"),
        help: "The authorities that sign the certificates of clients (PEM), who may then log in with \
               EXTERNAL",
        example: "/etc/tubepost/tls/clients-ca.crt",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: path,
};

pub(crate) static AMQP_TLS_CLIENT_CERTIFICATE: Declared<ClientCertificate> = Declared {
    declaration: Declaration {
        key: "amqp.tls.client_certificate",
        flag: Some("amqp-tls-client-certificate"),
        variable: "TUBEPOST_AMQP_TLS_CLIENT_CERTIFICATE",
        value: "WHEN",
        default: Fallback::Derived(
            tls::client_certificate,
            "optional with amqp.tls.client_ca, else none",
        ),
        help: "Whether clients show a certificate: none is asked for; optional, a bad one is refused; \
               required, without one there is no connection",
        example: "required",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: ClientCertificate::parse,
};

pub(crate) static AMQP_TLS_USER_FROM: Declared<server::tls::UserFrom> = Declared {
    declaration: Declaration {
        key: "amqp.tls.user_from",
        flag: Some("amqp-tls-user-from"),
        variable: "TUBEPOST_AMQP_TLS_USER_FROM",
        value: "FIELD",
        default: Fallback::Text("cn"),
        help: "What of a client's certificate is the user's name: cn, the subject's common name; or san, \
               the first alternative name: DNS, else e-mail, else URI",
        example: "san",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: tls::user_from,
};
