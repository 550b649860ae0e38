//! Every bound of the notifier that is not a setting, and where it comes from.

use std::time::Duration;

/// Events taken from the bus and not yet acknowledged. Small enough that a crash re-delivers
/// little, large enough that one address that is put off for some minutes stops nobody.
pub(crate) const PREFETCH: u16 = 128;

/// With so many events held, an address that is put off for long gives way: it must not be the
/// reason that others hear nothing.
pub(crate) const CROWDED: usize = PREFETCH as usize * 3 / 4;

/// For how long an address must have been put off to give way. Longer than any greylisting.
pub(crate) const GIVE_WAY_AFTER: Duration = Duration::from_secs(900);

/// Events held at once. More than [`PREFETCH`] because an event of a bus connection that broke
/// may still be in sending while the new connection delivers others.
pub(crate) const IN_FLIGHT_MAX: usize = 2 * PREFETCH as usize;

/// Events remembered whose acknowledgement did not reach the bus, so that they are not sent
/// twice when they come again.
pub(crate) const REMEMBERED_MAX: usize = 1024;

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
