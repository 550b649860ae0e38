//! Why somebody hears of an event, or does not.

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    rule::{Directory, Facts, Miss, Rule},
    store::Silence,
};

/// What a rule says of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Whether the event is told.
    pub matches: bool,
    /// Where, when it is: destinations by id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// The first test that did not hold, when it is not.
    #[serde(flatten)]
    pub miss: Option<Miss>,
}

impl Rule {
    /// What this rule says of an event at the time `now`, its owner's silence counted.
    ///
    /// # Errors
    /// The rule is wrong; see [`Rule::check`].
    pub fn judge(
        &self,
        facts: &Facts<'_>,
        directory: &Directory,
        silence: &Silence,
        now: Timestamp,
    ) -> Result<Verdict, String> {
        let severity = facts.description.severity;
        let outlets = self.outlets.iter().filter(|outlet| outlet.takes(severity));
        let to: Vec<String> = outlets.flat_map(|outlet| outlet.to.iter().cloned()).collect();
        let miss = |path: &str, reason: String| Some(Miss { path: path.to_owned(), reason });
        let miss = match self.explain(facts, directory)? {
            Some(found) => Some(found),
            None if to.is_empty() => {
                miss("outlets", format!("none takes events of severity {severity}"))
            }
            None if silence.covers(facts.description, now) => {
                miss("silence", "its owner wants to be left alone now".to_owned())
            }
            None => None,
        };
        let to = if miss.is_none() { to } else { Vec::new() };
        Ok(Verdict { matches: miss.is_none(), to, miss })
    }
}
