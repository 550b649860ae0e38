//! Bounds of what a login may cost, and of how often it may fail.

use std::time::Duration;

/// Bytes of a user's name (AMQP: the user-id property is a short string).
pub(crate) const NAME_BYTES_MAX: usize = 255;

/// Bytes of a password; hashing costs time by its length, and a peer chooses it.
pub(crate) const PASSWORD_BYTES_MAX: usize = 1024;

/// Bytes of a tag (RabbitMQ: an atom).
pub(crate) const TAG_BYTES_MAX: usize = 255;

/// Tags of a user.
pub(crate) const TAGS_MAX: usize = 32;

/// Logins remembered at once.
pub(crate) const REMEMBERED_MAX: usize = 4096;

/// How long a verified login is remembered, so that a reconnect storm is not a hashing storm.
pub(crate) const REMEMBERED_FOR: Duration = Duration::from_secs(60);

/// Hashes computed at once: each takes 19 MiB and some ten milliseconds of a core.
pub(crate) const HASHING_MAX: usize = 2;

/// Bytes of the users file; a larger one is not ours.
pub(crate) const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Sources and names whose failed logins are counted at once, at 16 bytes each.
pub(crate) const FAILURES_MAX: usize = 65_536;

/// Failures of one name from one address. Ten at once, then one in six seconds: enough for a
/// person who forgot, and 14,400 guesses a day for who guesses.
pub(crate) const FAILURES_OF_LOGIN: Allowance =
    Allowance { burst: 10, period: Duration::from_secs(6) };

/// Failures from one address, whatever the name: who tries one password on many names. One client
/// that keeps trying an old password does not come this far, [`FAILURES_OF_LOGIN`] stops it.
pub(crate) const FAILURES_OF_ADDRESS: Allowance =
    Allowance { burst: 30, period: Duration::from_secs(2) };

/// Failures of one name from all addresses. Past them an address has one try for it, so that many
/// machines cannot guess one user's password together, and that user still gets in.
pub(crate) const FAILURES_OF_NAME: Allowance =
    Allowance { burst: 100, period: Duration::from_secs(1) };

/// So many failures at once; then one more in each period.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    pub(crate) burst: u32,
    pub(crate) period: Duration,
}
