//! Bounds of what a login may cost.

use std::time::Duration;

/// Bytes of a user's name (AMQP: the user-id property is a short string).
pub(crate) const NAME_BYTES_MAX: usize = 255;

/// Bytes of a password; hashing costs time by its length, and a peer chooses it.
pub(crate) const PASSWORD_BYTES_MAX: usize = 1024;

/// Logins remembered at once.
pub(crate) const REMEMBERED_MAX: usize = 4096;

/// How long a verified login is remembered, so that a reconnect storm is not a hashing storm.
pub(crate) const REMEMBERED_FOR: Duration = Duration::from_secs(60);

/// Hashes computed at once: each takes 19 MiB and some ten milliseconds of a core.
pub(crate) const HASHING_MAX: usize = 2;

/// Bytes of the users file; a larger one is not ours.
pub(crate) const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
