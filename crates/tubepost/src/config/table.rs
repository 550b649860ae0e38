//! The table: every option of Tubepost, declared once, in the file of its part.

mod agent;
mod amqp_limits;
mod amqp_websocket;
mod auth;
mod checks;
mod events;
mod irc;
mod mail;
mod management;
mod matrix;
mod notify;
mod ntfy;
mod oidc;
mod push;
mod server;
mod signing;
mod tls;
mod webhook;

use super::declared::Group;

pub(crate) use self::{
    agent::{AGENT_SOCKET, AGENT_SOCKET_MODE, AGENT_SYNC, AGENT_SYNC_INTERVAL},
    amqp_limits::{
        AMQP_ARGUMENTS_MAX, AMQP_CONSUMER_TIMEOUT, AMQP_CONSUMERS_PER_CHANNEL_MAX,
        AMQP_NAME_BYTES_MAX, AMQP_TABLE_DEPTH_MAX, AMQP_TRANSACTION_BYTES_MAX,
    },
    amqp_websocket::{AMQP_WEBSOCKET, AMQP_WEBSOCKET_ORIGINS},
    auth::{AUTH_ANONYMOUS_USER, AUTH_SCRAM, AUTH_SCRAM_ITERATIONS},
    events::{
        BUS_URL, GIT_COMMITS_MAX, GIT_NAMESPACE, GIT_PATCH_BYTES_MAX, GIT_URL_TEMPLATE, SCHEMAS,
        SCHEMAS_CACHE, SCHEMAS_REFRESH, SPOOL_DIRECTORY, SPOOL_SIZE_MAX, TOPIC_PREFIX,
    },
    irc::{
        IRC_ACCOUNT, IRC_BURST_LINES, IRC_CA_FILE, IRC_CERTIFICATE_FILE, IRC_KEY_FILE,
        IRC_LINE_PAUSE, IRC_NICK, IRC_PASSWORD, IRC_PASSWORD_FILE, IRC_TIMEOUT, IRC_URL,
    },
    mail::{
        MAIL_CA_FILE, MAIL_CONNECTIONS_MAX, MAIL_DKIM_KEY_FILE, MAIL_DKIM_SELECTOR, MAIL_FROM,
        MAIL_HELLO_NAME, MAIL_HOST, MAIL_LIST_ID_DOMAIN, MAIL_PAGE_URL, MAIL_PASSWORD,
        MAIL_PASSWORD_FILE, MAIL_PATCH_BYTES_MAX, MAIL_PORT, MAIL_SMTP_URL, MAIL_TIMEOUT, MAIL_TLS,
        MAIL_USER,
    },
    management::MANAGEMENT_URL,
    matrix::{
        MATRIX_CA_FILE, MATRIX_DEVICE, MATRIX_PASSWORD, MATRIX_PASSWORD_FILE, MATRIX_PLAIN_HTTP,
        MATRIX_TIMEOUT, MATRIX_TOKEN, MATRIX_TOKEN_FILE, MATRIX_URL, MATRIX_USER,
    },
    notify::{FEED_URL, NOTIFY_STORE, NOTIFY_TEMPLATES},
    ntfy::{NTFY_CA_FILE, NTFY_TIMEOUT, NTFY_TOKEN, NTFY_TOKEN_FILE, NTFY_URL},
    oidc::{
        OIDC_CA_FILE, OIDC_CLIENT_ID, OIDC_CLIENT_SECRET_FILE, OIDC_ISSUER, OIDC_NAME_CLAIM,
        OIDC_OPERATORS,
    },
    push::{PUSH_CA_FILE, PUSH_CONTACT, PUSH_KEY_FILE, PUSH_PRIVATE_ADDRESSES, PUSH_TIMEOUT},
    server::{
        AMQP_CHANNEL_MAX, AMQP_CONNECTIONS_MAX, AMQP_FRAME_MAX, AMQP_HANDSHAKE_TIMEOUT,
        AMQP_HEARTBEAT, AMQP_LARGE_MESSAGE_BYTES_MAX, AMQP_LISTEN, AMQP_MESSAGE_BYTES_MAX,
        DATA_DIR, HTTP_LISTEN, JOURNAL_DISK_FREE_MIN, JOURNAL_SEGMENT_SIZE, JOURNAL_SYNC,
        JOURNAL_SYNC_INTERVAL, LOG_FORMAT, LOG_LEVEL, MANAGEMENT_LISTEN, PARTS, QUEUES_MEMORY_MAX,
        QUEUES_MEMORY_TARGET,
    },
    signing::{AGENT_SIGN_KEY, KEYS, KEYS_CA, SIGN_KEY, SIGNATURES},
    tls::{
        AMQP_TLS_CERTIFICATE, AMQP_TLS_CLIENT_CA, AMQP_TLS_CLIENT_CERTIFICATE, AMQP_TLS_KEY,
        AMQP_TLS_LISTEN, AMQP_TLS_USER_FROM,
    },
    webhook::{
        WEBHOOK_CA_FILE, WEBHOOK_PRIVATE_ADDRESSES, WEBHOOK_REDIRECTS_MAX, WEBHOOK_SECRET,
        WEBHOOK_SECRET_FILE, WEBHOOK_TIMEOUT,
    },
};

/// All options, in the order of help and of `tubepost config`.
pub(crate) static GROUPS: &[Group] = &[
    Group { title: "General", options: &[&DATA_DIR, &PARTS, &LOG_LEVEL, &LOG_FORMAT] },
    Group {
        title: "Broker",
        options: &[
            &AMQP_LISTEN,
            &AMQP_HEARTBEAT,
            &AMQP_FRAME_MAX,
            &AMQP_CHANNEL_MAX,
            &AMQP_MESSAGE_BYTES_MAX,
            &AMQP_LARGE_MESSAGE_BYTES_MAX,
            &AMQP_CONNECTIONS_MAX,
            &AMQP_HANDSHAKE_TIMEOUT,
            &AMQP_CONSUMERS_PER_CHANNEL_MAX,
            &AMQP_TRANSACTION_BYTES_MAX,
            &AMQP_CONSUMER_TIMEOUT,
            &AMQP_NAME_BYTES_MAX,
            &AMQP_ARGUMENTS_MAX,
            &AMQP_TABLE_DEPTH_MAX,
            &AMQP_WEBSOCKET,
            &AMQP_WEBSOCKET_ORIGINS,
        ],
    },
    Group {
        title: "TLS",
        options: &[
            &AMQP_TLS_LISTEN,
            &AMQP_TLS_CERTIFICATE,
            &AMQP_TLS_KEY,
            &AMQP_TLS_CLIENT_CA,
            &AMQP_TLS_CLIENT_CERTIFICATE,
            &AMQP_TLS_USER_FROM,
        ],
    },
    Group {
        title: "Logins",
        options: &[&AUTH_SCRAM, &AUTH_SCRAM_ITERATIONS, &AUTH_ANONYMOUS_USER],
    },
    Group {
        title: "Journal",
        options: &[
            &JOURNAL_SYNC,
            &JOURNAL_SYNC_INTERVAL,
            &JOURNAL_SEGMENT_SIZE,
            &JOURNAL_DISK_FREE_MIN,
        ],
    },
    Group { title: "Queues", options: &[&QUEUES_MEMORY_TARGET, &QUEUES_MEMORY_MAX] },
    Group { title: "Pages", options: &[&HTTP_LISTEN] },
    Group {
        title: "Sign-in",
        options: &[
            &OIDC_ISSUER,
            &OIDC_CLIENT_ID,
            &OIDC_CLIENT_SECRET_FILE,
            &OIDC_NAME_CLAIM,
            &OIDC_OPERATORS,
            &OIDC_CA_FILE,
        ],
    },
    Group { title: "Management", options: &[&MANAGEMENT_LISTEN, &MANAGEMENT_URL] },
    Group { title: "Bus", options: &[&BUS_URL] },
    Group {
        title: "Events",
        options: &[&TOPIC_PREFIX, &SCHEMAS, &SCHEMAS_CACHE, &SCHEMAS_REFRESH],
    },
    Group { title: "Spool", options: &[&SPOOL_DIRECTORY, &SPOOL_SIZE_MAX] },
    Group {
        title: "Agent",
        options: &[
            &AGENT_SOCKET,
            &AGENT_SOCKET_MODE,
            &AGENT_SYNC,
            &AGENT_SYNC_INTERVAL,
            &AGENT_SIGN_KEY,
        ],
    },
    Group { title: "Signatures", options: &[&SIGN_KEY, &KEYS, &KEYS_CA, &SIGNATURES] },
    Group {
        title: "Git",
        options: &[&GIT_PATCH_BYTES_MAX, &GIT_COMMITS_MAX, &GIT_URL_TEMPLATE, &GIT_NAMESPACE],
    },
    Group { title: "Rules", options: &[&NOTIFY_STORE, &NOTIFY_TEMPLATES, &FEED_URL] },
    Group {
        title: "Mail",
        options: &[
            &MAIL_SMTP_URL,
            &MAIL_HOST,
            &MAIL_PORT,
            &MAIL_TLS,
            &MAIL_CA_FILE,
            &MAIL_USER,
            &MAIL_PASSWORD,
            &MAIL_PASSWORD_FILE,
            &MAIL_HELLO_NAME,
            &MAIL_FROM,
            &MAIL_LIST_ID_DOMAIN,
            &MAIL_DKIM_SELECTOR,
            &MAIL_DKIM_KEY_FILE,
            &MAIL_PAGE_URL,
            &MAIL_PATCH_BYTES_MAX,
            &MAIL_TIMEOUT,
            &MAIL_CONNECTIONS_MAX,
        ],
    },
    Group {
        title: "Webhooks",
        options: &[
            &WEBHOOK_SECRET,
            &WEBHOOK_SECRET_FILE,
            &WEBHOOK_PRIVATE_ADDRESSES,
            &WEBHOOK_REDIRECTS_MAX,
            &WEBHOOK_TIMEOUT,
            &WEBHOOK_CA_FILE,
        ],
    },
    Group {
        title: "ntfy",
        options: &[&NTFY_URL, &NTFY_TOKEN, &NTFY_TOKEN_FILE, &NTFY_TIMEOUT, &NTFY_CA_FILE],
    },
    Group {
        title: "IRC",
        options: &[
            &IRC_URL,
            &IRC_NICK,
            &IRC_ACCOUNT,
            &IRC_PASSWORD,
            &IRC_PASSWORD_FILE,
            &IRC_CERTIFICATE_FILE,
            &IRC_KEY_FILE,
            &IRC_BURST_LINES,
            &IRC_LINE_PAUSE,
            &IRC_TIMEOUT,
            &IRC_CA_FILE,
        ],
    },
    Group {
        title: "Matrix",
        options: &[
            &MATRIX_URL,
            &MATRIX_TOKEN,
            &MATRIX_TOKEN_FILE,
            &MATRIX_USER,
            &MATRIX_PASSWORD,
            &MATRIX_PASSWORD_FILE,
            &MATRIX_DEVICE,
            &MATRIX_PLAIN_HTTP,
            &MATRIX_TIMEOUT,
            &MATRIX_CA_FILE,
        ],
    },
    Group {
        title: "Browsers",
        options: &[
            &PUSH_CONTACT,
            &PUSH_KEY_FILE,
            &PUSH_PRIVATE_ADDRESSES,
            &PUSH_TIMEOUT,
            &PUSH_CA_FILE,
        ],
    },
];
