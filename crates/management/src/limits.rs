//! Every bound of the HTTP API, in one place.

use std::time::Duration;

/// Connections at once; further ones wait.
pub(crate) const CONNECTIONS_MAX: usize = 256;
/// Requests worked on at once; further ones wait. Each has a thread of its own meanwhile.
pub(crate) const REQUESTS_AT_ONCE: usize = 8;
/// Password checks at once: each may cost tens of MiB (argon2id).
pub(crate) const LOGINS_AT_ONCE: usize = 2;
/// Bytes of a request's head. hyper wants at least 8 KiB.
pub(crate) const REQUEST_HEAD_BYTES_MAX: usize = 16 * 1024;
/// A request's head must be here by then; also how long an idle connection is kept.
pub(crate) const REQUEST_HEAD_WAIT: Duration = Duration::from_secs(30);
/// And its body by then.
pub(crate) const REQUEST_BODY_WAIT: Duration = Duration::from_secs(60);
/// A peer that takes no byte of an answer for so long is dropped.
pub(crate) const WRITE_STALL_MAX: Duration = Duration::from_secs(30);
/// After being told to stop, connections have so long to finish.
pub(crate) const DRAIN_WAIT: Duration = Duration::from_secs(3);
/// Bytes of a body; RabbitMQ's default (`management.http.max_body_size` 20,000,000) and a little.
pub(crate) const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes of a long answer that are made ahead of what the peer has taken, four times over.
pub(crate) const ANSWER_PIECE_BYTES: usize = 64 * 1024;
/// Items of a page, at most and unless asked otherwise (RabbitMQ).
pub(crate) const PAGE_SIZE_MAX: usize = 500;
/// Items of a page, unless asked otherwise (RabbitMQ).
pub(crate) const PAGE_SIZE_DEFAULT: usize = 100;
/// Bytes that a pattern for names may take when it is compiled.
pub(crate) const PATTERN_BYTES_MAX: usize = 1024 * 1024;
/// Messages fetched by one request.
pub(crate) const GET_MESSAGES_MAX: usize = 10_000;
/// Bytes of bodies fetched by one request; the last message may go past it.
pub(crate) const GET_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How long a published message may take to be on disk before the answer says that it is unknown.
pub(crate) const PUBLISH_WAIT: Duration = Duration::from_secs(30);
/// How often counts are looked at.
pub(crate) const SAMPLE_EVERY: Duration = Duration::from_secs(5);
/// How many of the broker's own totals are kept: ten minutes.
pub(crate) const SAMPLES_KEPT: usize = 120;
