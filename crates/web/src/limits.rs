//! Every bound of the pages, in one place. What comes from outside meets one of these.

use std::time::Duration;

/// Events a feed keeps unless told otherwise.
pub(crate) const EVENTS_KEPT: usize = 500;
/// Bytes a feed keeps unless told otherwise, bodies and descriptions counted.
pub(crate) const BYTES_KEPT: usize = 64 * 1024 * 1024;

/// Rows on the page and in an answer, unless asked for others.
pub(crate) const ROWS_DEFAULT: usize = 100;
/// Rows on the page and in an answer, at most; the page's script keeps as many (`ROWS_MAX` there).
pub(crate) const ROWS_MAX: usize = 500;

/// Characters of the text filter.
pub(crate) const FILTER_TEXT_CHARS_MAX: usize = 200;
/// Bytes of an event's text that the filter looks at.
pub(crate) const SEARCHED_BYTES_MAX: usize = 64 * 1024;

/// Characters of a summary in a row, and of a description's text on the event's page.
pub(crate) const SUMMARY_CHARS_MAX: usize = 400;
/// Characters of a description's text.
pub(crate) const TEXT_CHARS_MAX: usize = 16 * 1024;
/// Characters of a name in a chip.
pub(crate) const CHIP_CHARS_MAX: usize = 48;
/// Chips in a row; the event's page shows [`CHIPS_ON_PAGE_MAX`].
pub(crate) const CHIPS_IN_ROW_MAX: usize = 6;
/// Chips on an event's page.
pub(crate) const CHIPS_ON_PAGE_MAX: usize = 200;
/// Headers in an event's table.
pub(crate) const HEADERS_SHOWN_MAX: usize = 256;

/// Bytes of HTML made of a body.
pub(crate) const JSON_SHOWN_BYTES_MAX: usize = 512 * 1024;
/// Characters of one string in a body.
pub(crate) const JSON_STRING_CHARS_MAX: usize = 2000;
/// Lines of a patch.
pub(crate) const PATCH_LINES_MAX: usize = 4000;
/// Bytes of a patch.
pub(crate) const PATCH_BYTES_MAX: usize = 512 * 1024;
/// Characters of one line of a patch.
pub(crate) const PATCH_LINE_CHARS_MAX: usize = 1000;

/// Bytes of a request with events, and how long it may take to come.
pub(crate) const PUBLISH_BODY_BYTES_MAX: usize = 4 << 20;
/// As above.
pub(crate) const PUBLISH_BODY_WAIT: Duration = Duration::from_secs(30);
/// From the login on the bus to the last confirm.
pub(crate) const PUBLISH_WAIT: Duration = Duration::from_secs(20);
/// Requests with events at once; further ones are told to come again.
pub(crate) const PUBLISHES_MAX: usize = 32;
/// Users whose connections to the bus are kept.
pub(crate) const PUBLISHERS_MAX: usize = 32;

/// People's feeds read from the store at once; further readers wait.
pub(crate) const FEEDS_AT_ONCE: usize = 4;

/// Connections at once unless told otherwise.
pub(crate) const CONNECTIONS_MAX: usize = 256;
/// Open live streams at once unless told otherwise. Less than the connections, so that pages and
/// health checks are answered when all streams are taken.
pub(crate) const STREAMS_MAX: usize = 128;
/// Password checks at once: each may cost tens of MiB (argon2id).
pub(crate) const LOGINS_AT_ONCE: usize = 2;
/// Bytes of a request's head. hyper wants at least 8 KiB.
pub(crate) const REQUEST_HEAD_BYTES_MAX: usize = 16 * 1024;
/// A request's head must be here by then; also how long an idle connection is kept.
pub(crate) const REQUEST_HEAD_WAIT: Duration = Duration::from_secs(10);
/// A peer that takes no byte of an answer for so long is dropped.
pub(crate) const WRITE_STALL_MAX: Duration = Duration::from_secs(30);
/// After being told to stop, connections have so long to finish.
pub(crate) const DRAIN_WAIT: Duration = Duration::from_secs(3);

/// A quiet stream says so often that it lives. The page's script reconnects after 40 s of silence.
pub(crate) const STREAM_TICK: Duration = Duration::from_secs(15);
/// A stream sends at most one batch in this time, so that a burst costs a few writes.
pub(crate) const STREAM_PACE: Duration = Duration::from_millis(50);
/// Events looked at in one batch of a stream.
pub(crate) const STREAM_BATCH_MAX: usize = 250;

/// Sessions of people at once, and of one person; the longest idle end for new ones.
pub(crate) const SESSIONS_MAX: usize = 4096;
/// As above.
pub(crate) const SESSIONS_OF_ONE_MAX: usize = 16;
/// A session ends so long after it began.
pub(crate) const SESSION_AGE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// A session ends when nothing came of it for so long.
pub(crate) const SESSION_IDLE_MAX: Duration = Duration::from_secs(24 * 3600);

/// A code for a new address is good for so long, and for so many tries.
pub(crate) const CODE_AGE_MAX: Duration = Duration::from_secs(15 * 60);
/// As above.
pub(crate) const CODE_TRIES_MAX: u32 = 5;
/// Codes that wait to be typed: of all owners, and of one.
pub(crate) const CODES_MAX: usize = 10_000;
/// As above.
pub(crate) const CODES_OF_ONE_MAX: usize = 5;
/// Codes that one person has sent in a day.
pub(crate) const CODES_A_DAY_MAX: usize = 20;

/// Calls of people that work with a store at once; others wait so long for their turn.
pub(crate) const STORE_CALLS_AT_ONCE: usize = 4;
/// As above.
pub(crate) const CALL_TURN_WAIT: Duration = Duration::from_secs(10);
/// Bytes of a call's body, and how long it may take to come.
pub(crate) const CALL_BODY_BYTES_MAX: usize = 256 * 1024;
/// As above.
pub(crate) const CALL_BODY_WAIT: Duration = Duration::from_secs(10);
