//! Clocks that disagree: an event is flagged for it, and never refused.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::Event;

/// How far the time of an event is from that of whoever looks at it, where that is worth a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skew {
    /// It was sent in the future: the publisher's clock, or this one, is wrong.
    Ahead(SignedDuration),
    /// It was sent long ago: it waited somewhere, was replayed, or the publisher's clock is wrong.
    Behind(SignedDuration),
}

impl Event {
    /// Whether the event's time is more than a minute after `now`, or more than a day before. An
    /// event without a time has none.
    pub fn skew(&self, now: Timestamp) -> Option<Skew> {
        let ahead = self.sent_at?.duration_since(now);
        if ahead > AHEAD_MAX {
            Some(Skew::Ahead(ahead))
        } else if ahead < -BEHIND_MAX {
            Some(Skew::Behind(-ahead))
        } else {
            None
        }
    }
}

impl Skew {
    /// Seconds; those of the future are positive.
    pub fn seconds(self) -> i64 {
        match self {
            Skew::Ahead(by) => by.as_secs(),
            Skew::Behind(by) => -by.as_secs(),
        }
    }
}

/// `sent 2h in the future`.
impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Skew::Ahead(by) | Skew::Behind(by)) = *self;
        let seconds = by.as_secs();
        let (count, unit) = match seconds {
            0..7200 => (seconds / 60, "min"),
            7200..172_800 => (seconds / 3600, "h"),
            _ => (seconds / 86_400, "days"),
        };
        let where_to = if matches!(self, Skew::Ahead(_)) { "in the future" } else { "ago" };
        write!(f, "sent {count} {unit} {where_to}")
    }
}

/// Clocks that are set by NTP are nearer than this, and a second is cut off besides.
const AHEAD_MAX: SignedDuration = SignedDuration::from_mins(1);
/// Longer than a night's outage.
const BEHIND_MAX: SignedDuration = SignedDuration::from_hours(24);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_that_are_off_are_flagged_and_the_event_is_read_all_the_same() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        for (sent_at, flag) in [
            (None, None),
            (Some("2026-11-24T12:01:00Z"), None),
            (Some("2026-11-24T12:01:01Z"), Some((61, "sent 1 min in the future"))),
            (Some("2026-11-24T15:30:00Z"), Some((12_600, "sent 3 h in the future"))),
            (Some("2126-11-24T12:00:00Z"), Some((3_155_673_600, "sent 36524 days in the future"))),
            (Some("2026-11-23T12:00:00Z"), None),
            (Some("2026-11-23T11:00:00Z"), Some((-90_000, "sent 25 h ago"))),
            (Some("1970-01-01T00:00:00Z"), Some((-1_795_521_600, "sent 20781 days ago"))),
        ] {
            let headers = sent_at.map_or(json!({}), |it| json!({"sent-at": it}));
            let line = json!({"topic": "a", "body": {}, "headers": headers}).to_string();
            let skew = Event::from_dump(&line).unwrap().skew(now);
            let found = skew.map(|skew| (skew.seconds(), skew.to_string()));
            assert_eq!(found, flag.map(|(n, text)| (n, text.to_owned())), "{sent_at:?}");
        }
    }
}
