//! What a server's answer to a notice means, and how long it asks to be left alone.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http_door::call::Reply;
use jiff::Timestamp;
use tokio::time::Instant;

use crate::{Failure, mail::one_line};

/// What an answer means for whoever waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It took the notice.
    Taken,
    /// Asking again may help.
    Later,
    /// It leads elsewhere.
    Moved,
    /// Asking again does not help.
    Never,
    /// Nor does asking for anything else.
    Gone,
}

impl Meaning {
    /// RFC 9110 §15; 408, 425 and 429 are about this moment, 404 and 410 about the address, all
    /// others of 4xx about the request.
    pub(crate) fn of(status: u16) -> Meaning {
        match status {
            200..=299 => Meaning::Taken,
            300..=399 => Meaning::Moved,
            408 | 425 | 429 | 500..=599 => Meaning::Later,
            404 | 410 => Meaning::Gone,
            _ => Meaning::Never,
        }
    }
}

/// What the server said, for the operator: status and the beginning of its text, as one line.
pub(crate) async fn quoted(reply: Reply) -> String {
    let status = reply.status;
    let text = reply.beginning(QUOTED_BYTES_MAX).await;
    match one_line(&String::from_utf8_lossy(&text), QUOTED_CHARS_MAX) {
        text if text.is_empty() => format!("answered {status}"),
        text => format!("answered {status}: {text}"),
    }
}

/// How long `Retry-After` (RFC 9110 §10.2.3) asks to wait: seconds, or a date.
pub(crate) fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
            Duration::try_from(date.duration_since(now)).ok()?
        }
    };
    (!wait.is_zero()).then_some(wait.min(WAIT_MAX))
}

/// Who asked to be left alone, and until when. They are not asked before.
#[derive(Debug, Default)]
pub(crate) struct Waits(Mutex<HashMap<String, Instant>>);

impl Waits {
    /// From now on.
    pub(crate) fn begin(&self, whom: &str, wait: Duration) {
        let mut waits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if waits.len() >= WAITS_MAX {
            waits.retain(|_, until| *until > now);
        }
        // Beyond that they are asked at the usual pace; a table without end would be worse.
        if waits.len() < WAITS_MAX {
            waits.insert(whom.to_owned(), now + wait);
        }
    }

    /// Whether it is over.
    ///
    /// # Errors
    /// [`Failure::Deferred`] while it is not.
    pub(crate) fn check(&self, whom: &str, shown: &str) -> Result<(), Failure> {
        let mut waits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(until) = waits.get(whom) else { return Ok(()) };
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            waits.remove(whom);
            return Ok(());
        }
        let seconds = left.as_secs_f32().ceil();
        Err(Failure::Deferred(format!("{shown} asked to be left alone for {seconds} s more")))
    }
}

/// A server that names a date in another year is not believed.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(3600);
const WAITS_MAX: usize = 10_000;
const QUOTED_BYTES_MAX: usize = 1024;
const QUOTED_CHARS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_one_meaning() {
        for (statuses, meaning) in [
            (&[200, 202, 204, 299][..], Meaning::Taken),
            (&[301, 302, 304, 307, 308], Meaning::Moved),
            (&[408, 425, 429, 500, 502, 503, 599], Meaning::Later),
            (&[400, 401, 403, 405, 413, 422, 600, 999], Meaning::Never),
            (&[404, 410], Meaning::Gone),
        ] {
            for status in statuses {
                assert_eq!(Meaning::of(*status), meaning, "{status}");
            }
        }
    }

    #[test]
    fn a_wait_is_seconds_or_a_date_and_bounded() {
        let now: Timestamp = "2026-11-25T09:00:00Z".parse().unwrap();
        let seconds = |text| retry_after(text, now).map(|wait| wait.as_secs());
        assert_eq!(seconds("7"), Some(7));
        assert_eq!(seconds("Wed, 25 Nov 2026 09:01:30 GMT"), Some(90));
        assert_eq!(seconds("99999999999"), Some(3600));
        for none in ["0", "", "-1", "soon", "Wed, 25 Nov 2026 08:00:00 GMT"] {
            assert_eq!(seconds(none), None, "{none}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_asked_to_be_left_alone_is_and_nobody_else() {
        let waits = Waits::default();
        waits.begin("a", Duration::from_secs(10));
        assert!(matches!(waits.check("a", "a"), Err(Failure::Deferred(_))));
        assert!(waits.check("b", "b").is_ok());
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(waits.check("a", "a").is_ok());
        for n in 0..WAITS_MAX + 10 {
            waits.begin(&n.to_string(), Duration::from_secs(10));
        }
        assert_eq!(waits.0.lock().unwrap().len(), WAITS_MAX);
    }
}
