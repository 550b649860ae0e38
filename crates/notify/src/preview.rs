//! What a rule would have told of past events, before it is kept: counted by day, the newest shown.

use std::collections::{BTreeMap, VecDeque};

use event::{Description, Event};
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::rule::{Directory, Facts, Probe, Rule};

/// The count, and the rule that is asked. `enabled` means nothing here.
#[derive(Debug, Serialize)]
pub struct Preview {
    #[serde(skip)]
    rule: Rule,
    #[serde(skip)]
    probe: Probe,
    #[serde(skip)]
    show: usize,
    /// How many events were looked at.
    pub events: u64,
    /// How many of them would have been told.
    pub matched: u64,
    /// The same by day, in UTC; `without a time` for events that do not say.
    pub days: BTreeMap<String, u64>,
    /// The last of those that matched, in the order they came.
    pub last: VecDeque<Past>,
    /// For how many an expression could not be worked out.
    pub failed: u64,
    /// Why not, of the last.
    pub failure: Option<String>,
}

/// An event that would have been told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Past {
    /// Its id.
    pub id: String,
    /// Its topic.
    pub topic: String,
    /// When it was sent, RFC 3339.
    pub sent_at: Option<String>,
    /// What is said of it.
    pub summary: String,
}

impl Preview {
    /// Of a rule; shows so many of those that match.
    ///
    /// # Errors
    /// The rule is wrong; see [`Rule::check`].
    pub fn new(rule: Rule, show: usize, directory: &Directory) -> Result<Preview, String> {
        let probe = rule.probe(directory)?;
        Ok(Preview {
            rule,
            probe,
            show,
            events: 0,
            matched: 0,
            days: BTreeMap::new(),
            last: VecDeque::new(),
            failed: 0,
            failure: None,
        })
    }

    /// Looks at an event, the oldest first.
    pub fn look(&mut self, event: &Event, told: &Description, directory: &Directory) {
        self.events += 1;
        let (failed, failure) = (&mut self.failed, &mut self.failure);
        let wants = self.probe.wants(&Facts::new(event, told), directory, &mut |reason| {
            *failed += 1;
            *failure = Some(reason.to_owned());
        });
        if !wants || !self.rule.outlets.iter().any(|outlet| outlet.takes(told.severity)) {
            return;
        }
        self.matched += 1;
        let day = event.sent_at.map_or("without a time".to_owned(), |sent_at| {
            sent_at.to_zoned_datetime(TimeZone::UTC).date().to_string()
        });
        *self.days.entry(day).or_default() += 1;
        if self.show == 0 {
            return;
        }
        if self.last.len() == self.show {
            self.last.pop_front();
        }
        self.last.push_back(Past {
            id: event.id.clone(),
            topic: event.topic.to_string(),
            sent_at: event.sent_at.map(|at| at.to_string()),
            summary: told.summary.clone(),
        });
    }
}
