//! What is shown of what came: one bubble for each object, one for a burst, one for all that came
//! while nobody was here. Pure: the time is handed in, and nothing is shown here.

use std::{collections::VecDeque, time::Duration};

use jiff::{SignedDuration, Timestamp};
use notify::Slip;

/// How loud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// For the list only.
    Low,
    /// The ordinary.
    Normal,
    /// It stays until it is seen.
    Critical,
}

/// One notification. Its texts are text: not escaped yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bubble {
    /// A later bubble with the same replaces this one; of `None` none.
    pub place: Option<String>,
    /// One line.
    pub summary: String,
    /// Some lines, or nothing.
    pub body: String,
    /// What a click opens.
    pub link: Option<String>,
    /// How loud.
    pub urgency: Urgency,
}

/// What waits to be shown, and what was shown lately.
#[derive(Debug)]
pub struct Board {
    /// Since when somebody is here.
    since: Timestamp,
    /// Came while nobody was here.
    missed: Pile,
    /// Came faster than people read.
    burst: Pile,
    /// When the last single bubbles were shown.
    shown: VecDeque<Timestamp>,
    /// When the piles may be shown.
    due: Option<Timestamp>,
    /// Keys of slips, so that what comes twice is shown once.
    seen: VecDeque<String>,
}

/// Slips that become one bubble.
#[derive(Debug, Default)]
struct Pile {
    count: usize,
    /// The last, which say what it is about.
    last: VecDeque<Slip>,
    urgency: Option<Urgency>,
}

impl Board {
    /// An empty one, of a session that begins now.
    pub fn new(now: Timestamp) -> Board {
        Board {
            since: now,
            missed: Pile::default(),
            burst: Pile::default(),
            shown: VecDeque::new(),
            due: None,
            seen: VecDeque::new(),
        }
    }

    /// Takes a slip; a bubble when it is to be shown at once. Others wait for [`Board::flush`] at
    /// [`Board::due`].
    pub fn arrive(&mut self, slip: Slip, now: Timestamp) -> Option<Bubble> {
        if self.seen.contains(&slip.key) {
            return None;
        }
        self.seen.push_back(slip.key.clone());
        if self.seen.len() > SEEN_MAX {
            self.seen.pop_front();
        }
        if slip.at < self.since || now.duration_since(slip.at) > AWAY_AFTER {
            self.missed.push(slip);
            // What waited comes at once; the summary waits until no more of it does.
            self.due = Some(later(now, CATCH_UP_QUIET));
            return None;
        }
        while self.shown.front().is_some_and(|at| now.duration_since(*at) > BURST_WINDOW) {
            self.shown.pop_front();
        }
        if self.shown.len() >= BURST_MAX || self.burst.count > 0 {
            self.burst.push(slip);
            self.due.get_or_insert(later(now, BURST_PACE));
            return None;
        }
        self.shown.push_back(now);
        Some(single(slip))
    }

    /// When something has to be shown, if nothing comes before.
    pub fn due(&self) -> Option<Timestamp> {
        self.due
    }

    /// The bubbles of what has waited long enough.
    pub fn flush(&mut self, now: Timestamp) -> Vec<Bubble> {
        if self.due.is_none_or(|due| now < due) {
            return Vec::new();
        }
        self.due = None;
        let missed = self.missed.take(|count| format!("While you were away: {count} notices"));
        let burst = self.burst.take(|count| format!("{count} notices"));
        // A summary counts as a bubble, so that in a long burst one comes a window and no more.
        if burst.is_some() {
            self.shown.push_back(now);
        }
        missed.into_iter().chain(burst).collect()
    }
}

impl Pile {
    fn push(&mut self, slip: Slip) {
        self.count = self.count.saturating_add(slip.count.max(1));
        self.urgency = self.urgency.max(Some(urgency_of(&slip)));
        self.last.push_back(slip);
        if self.last.len() > LINES_MAX {
            self.last.pop_front();
        }
    }

    fn take(&mut self, title: impl FnOnce(usize) -> String) -> Option<Bubble> {
        let Pile { count, mut last, urgency } = std::mem::take(self);
        if count == 1 || last.len() == 1 {
            return last.pop_front().map(single);
        }
        if last.is_empty() {
            return None;
        }
        let mut lines: Vec<&str> = last.iter().rev().map(|slip| slip.summary.as_str()).collect();
        let told: usize = last.iter().map(|slip| slip.count.max(1)).sum();
        let more = format!("and {} more", count.saturating_sub(told));
        if count > told {
            lines.push(&more);
        }
        Some(Bubble {
            place: None,
            summary: title(count),
            body: lines.join("\n"),
            link: None,
            urgency: urgency.unwrap_or(Urgency::Normal),
        })
    }
}

fn single(slip: Slip) -> Bubble {
    let urgency = urgency_of(&slip);
    let body = match slip.text.trim() {
        text if text == slip.summary => String::new(),
        text => text.to_owned(),
    };
    Bubble { place: slip.object, summary: slip.summary, body, link: slip.link, urgency }
}

fn urgency_of(slip: &Slip) -> Urgency {
    match slip.severity.as_str() {
        "debug" => Urgency::Low,
        "error" => Urgency::Critical,
        _ => Urgency::Normal,
    }
}

fn later(now: Timestamp, pause: Duration) -> Timestamp {
    now.checked_add(pause).unwrap_or(now)
}

/// What is older than this came while nobody was here. A bus that was away for less is no absence.
const AWAY_AFTER: SignedDuration = SignedDuration::from_secs(60);
/// So long nothing must come before what was missed is summed up.
const CATCH_UP_QUIET: Duration = Duration::from_millis(300);
/// Bubbles of their own in [`BURST_WINDOW`]; more become one.
const BURST_MAX: usize = 4;
const BURST_WINDOW: SignedDuration = SignedDuration::from_secs(3);
/// How long a burst is gathered before it is shown.
const BURST_PACE: Duration = Duration::from_secs(1);
/// Lines of a summary.
const LINES_MAX: usize = 5;
const SEEN_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(1_764_000_000_000 + milliseconds).unwrap()
    }

    fn slip(number: usize, sent: Timestamp) -> Slip {
        Slip {
            version: 1,
            key: format!("key-{number}"),
            summary: format!("build {number}"),
            text: "it works".to_owned(),
            link: Some("https://example.org/".to_owned()),
            app: "koji".to_owned(),
            object: Some("package/kernel".to_owned()),
            severity: "info".to_owned(),
            at: sent,
            count: 1,
        }
    }

    #[test]
    fn one_notice_is_shown_at_once_and_once() {
        let mut board = Board::new(at(0));
        let bubble = board.arrive(slip(1, at(0)), at(5)).unwrap();
        assert_eq!((bubble.summary.as_str(), bubble.body.as_str()), ("build 1", "it works"));
        assert_eq!(bubble.place.as_deref(), Some("package/kernel"));
        assert_eq!(board.arrive(slip(1, at(0)), at(6)), None);
        assert_eq!(board.due(), None);
    }

    #[test]
    fn many_at_once_become_one_and_then_single_ones_again() {
        let mut board = Board::new(at(0));
        let shown = (0..50).filter_map(|n| board.arrive(slip(n, at(0)), at(n as i64))).count();
        assert_eq!(shown, BURST_MAX);
        let due = board.due().unwrap();
        assert!(board.flush(at(100)).is_empty());
        let bubbles = board.flush(due);
        let [summary] = bubbles.as_slice() else { panic!("{bubbles:?}") };
        assert_eq!(summary.summary, "46 notices");
        assert_eq!(summary.body, "build 49\nbuild 48\nbuild 47\nbuild 46\nbuild 45\nand 41 more");
        assert!(board.arrive(slip(100, at(9_000)), at(9_000)).is_some());
    }

    #[test]
    fn what_came_before_the_session_is_one_summary_however_young() {
        let mut board = Board::new(at(5_000));
        for n in 0..5 {
            assert_eq!(board.arrive(slip(n, at(4_000)), at(5_100)), None);
        }
        let due = board.due().unwrap();
        assert_eq!(due, at(5_100) + CATCH_UP_QUIET);
        assert_eq!(board.flush(due)[0].summary, "While you were away: 5 notices");
        assert!(board.arrive(slip(9, at(5_500)), at(5_500)).is_some());
    }

    #[test]
    fn what_came_in_an_absence_is_one_summary_when_no_more_comes() {
        let mut board = Board::new(at(0));
        let hour = at(3_600_000);
        for n in 0..50 {
            let mut slip = slip(n, at(n as i64));
            slip.severity = if n == 7 { "error" } else { "info" }.to_owned();
            assert_eq!(board.arrive(slip, hour), None);
        }
        let bubbles = board.flush(board.due().unwrap());
        let [summary] = bubbles.as_slice() else { panic!("{bubbles:?}") };
        assert_eq!(summary.summary, "While you were away: 50 notices");
        assert_eq!(summary.urgency, Urgency::Critical);
        // One alone needs no summary.
        assert_eq!(board.arrive(slip(60, at(0)), hour), None);
        assert_eq!(board.flush(at(4_000_000)).pop().unwrap().summary, "build 60");
    }
}
