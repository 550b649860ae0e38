//! Every bound of the notifier that is not a setting, and where it comes from.

use std::time::Duration;

/// Events taken from the bus and not yet kept. What comes while one transaction is written goes
/// into the next, so this is how many one sync of the disk is for.
pub(crate) const PREFETCH: u16 = 256;

/// For how long a lane is a notifier's that gives no sign. Renewed well before.
pub(crate) const LEASE: Duration = Duration::from_secs(15);

/// How often leases are renewed, and those of others and what is old are looked at.
pub(crate) const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// Notices of one lane in memory.
pub(crate) const LANE_BATCH: usize = 16;

/// Lanes of a kind in memory, for each that is delivered at once.
pub(crate) const LANES_AHEAD: usize = 2;

/// Events of one digest, and bytes of them as kept; older ones are counted.
pub(crate) const DIGEST_MAX: u64 = 10_000;
pub(crate) const DIGEST_BYTES_MAX: u64 = 64 << 20;

/// A kind or an address that takes nothing for so long gives what it has to the fall-back. Longer
/// than any greylisting.
pub(crate) const FALLBACK_AFTER: Duration = Duration::from_secs(900);

/// For how long an address is tried that is put off; then what it has is parked. RFC 5321 §4.5.4.1.
pub(crate) const PUT_OFF_MAX: Duration =
    Duration::from_secs(if cfg!(test) { 7200 } else { 5 * 24 * 3600 });

/// An address that says so often in a row that it is none is told nothing more.
pub(crate) const BOUNCES_MAX: u64 = 5;

/// One try may take so long, whatever a destination's own limits are.
pub(crate) const TRY_MAX: Duration = Duration::from_secs(600);

/// What was told is remembered so long, and so many notices.
pub(crate) const TOLD_AGE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
pub(crate) const TOLD_MAX: u64 = 1_000_000;

/// Parked notices; beyond, the oldest are dropped, with a warning.
pub(crate) const PARKED_MAX: u64 = 100_000;

/// The pause after a store failed, and the longest.
pub(crate) const STORE_BACKOFF: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_secs(10));

/// Characters of a subject. RFC 5322 §2.1.1 allows any number on folded lines; people do not.
pub(crate) const SUBJECT_CHARS_MAX: usize = 200;

/// Characters of any other header value: with its name below the 998 of RFC 5322 §2.1.1, also
/// when there is no space to fold at.
pub(crate) const HEADER_CHARS_MAX: usize = 800;

/// Bytes of a description's text that go into a mail.
pub(crate) const TEXT_BYTES_MAX: usize = 64 * 1024;

/// The pause after the first failed try to reach the mail server, and the longest.
pub(crate) const AWAY_BACKOFF: (Duration, Duration) =
    (Duration::from_millis(500), Duration::from_secs(60));

/// The pause after the first time one address was put off, and the longest. Greylisting servers
/// want a minute to five.
pub(crate) const DEFERRED_BACKOFF: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(300));

/// After so long without a mail, idle connections to the mail server are closed. Servers close
/// them after five minutes (RFC 5321 §4.5.3.2.7).
pub(crate) const IDLE_MAX: Duration = Duration::from_secs(30);

/// What is in sending at shutdown may take so long to end.
pub(crate) const DRAIN_MAX: Duration = Duration::from_secs(5);

/// How far in the future an event's time may lie to be believed.
pub(crate) const CLOCK_SKEW_MAX: Duration = Duration::from_secs(3600);
