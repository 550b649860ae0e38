//! The options of AMQP over WebSockets.

use http_door::Origins;

use super::checks::on_or_off;
use crate::config::declared::{Declaration, Declared, Fallback, Mask, Verb};

pub(crate) static AMQP_WEBSOCKET: Declared<bool> = Declared {
    declaration: Declaration {
        key: "amqp.websocket",
        flag: Some("amqp-websocket"),
        variable: "TUBEPOST_AMQP_WEBSOCKET",
        value: "true|false",
        default: Fallback::Text("true"),
        help: "Whether AMQP is spoken over WebSockets too, at /amqp and /ws of the ports of the pages \
               and the HTTP API",
        example: "false",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: on_or_off,
};

pub(crate) static AMQP_WEBSOCKET_ORIGINS: Declared<Origins> = Declared {
    declaration: Declaration {
        key: "amqp.websocket_origins",
        flag: Some("amqp-websocket-origins"),
        variable: "TUBEPOST_AMQP_WEBSOCKET_ORIGINS",
        value: "ORIGIN,…",
        default: Fallback::Unset("pages of the same host and port only"),
        help: "Of which sites the pages may open a WebSocket, as browsers say it; *: any. Programs \
               that are no browsers need no entry",
        example: "https://app.example.org,http://localhost:3000",
        mask: Mask::Nothing,
        verbs: &[Verb::Serve, Verb::Config],
    },
    parse: Origins::parse,
};
