//! A rule: what somebody wants to hear of, where, and when. The model and its checks; pure.
//!
//! The JSON form is the one people write and stores keep; `docs/notify.md` has it. It says
//! `"version": 1`, and a reader refuses versions it does not know.

mod check;
mod compile;
mod condition;
mod cost;
mod directory;
mod expression;
mod facts;
mod fault;
mod glob;
mod schedule;
mod test;
pub(crate) mod texts;
mod when;
mod who;

use event::Severity;
use serde::{Deserialize, Serialize};

pub(crate) use compile::Compiled;
pub use compile::Probe;
pub use condition::{Condition, Names};
pub use directory::{Directory, Maintainers};
pub use expression::Expression;
pub use facts::Facts;
pub use fault::Fault;
pub use glob::Glob;
pub use schedule::{Due, next_due};
pub use test::Miss;
pub(crate) use test::{GRAM, Key, Kind, Test, Truth};
pub use when::{Clock, Digest, Quiet, Rate, Weekday, Weekly, When};
pub use who::Who;

/// What a person or a group wants to hear of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The version of this form: 1.
    #[serde(default = "version")]
    pub version: u32,
    /// Unique among all rules, 1 to 64 letters, digits, `-`, `_` and `.`. Empty in a rule that is
    /// new: the store gives it one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Whose it is.
    pub owner: Owner,
    /// What its owner calls it, a line of 1 to 100 characters; shown in each notice.
    pub name: String,
    /// A rule that is not enabled matches nothing.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// What events it wants.
    pub what: Condition,
    /// Where they go; at least one.
    pub outlets: Vec<Outlet>,
}

/// Whose a rule, a destination or a mute is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// One person, by the name that events use.
    Person(String),
    /// All members of a group together.
    Group(String),
}

/// Where events of some severities go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outlet {
    /// Only events of these; empty: of all.
    #[serde(default, with = "texts::severities", skip_serializing_if = "Vec::is_empty")]
    pub severities: Vec<Severity>,
    /// Destinations of the owner, by id: `mail:ada@example.org`. At least one.
    pub to: Vec<String>,
    /// When they go; at once if nothing is said.
    #[serde(default, skip_serializing_if = "When::is_at_once")]
    pub when: When,
}

impl Rule {
    /// Reads one from JSON and checks it.
    ///
    /// # Errors
    /// Every [`Fault`] there is; a fault of syntax comes alone, with line and column.
    pub fn from_json(text: &str) -> Result<Rule, Vec<Fault>> {
        let rule: Rule = serde_json::from_str(text).map_err(|error| vec![Fault::syntax(&error)])?;
        rule.check()?;
        Ok(rule)
    }

    /// One line of JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a rule has only strings as keys")
    }
}

impl Owner {
    /// The name of the person or group.
    pub fn name(&self) -> &str {
        let (Owner::Person(name) | Owner::Group(name)) = self;
        name
    }

    /// `person` or `group`.
    pub fn kind(&self) -> &'static str {
        match self {
            Owner::Person(_) => "person",
            Owner::Group(_) => "group",
        }
    }
}

/// `ada` or `group:kernel`, as commands take it.
impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Owner::Person(name) => f.write_str(name),
            Owner::Group(name) => write!(f, "group:{name}"),
        }
    }
}

impl std::str::FromStr for Owner {
    type Err = String;

    fn from_str(text: &str) -> Result<Owner, String> {
        let (owner, name) = match text.strip_prefix("group:") {
            Some(name) => (Owner::Group(name.to_owned()), name),
            None => (Owner::Person(text.to_owned()), text),
        };
        match who::is_name(name) {
            true => Ok(owner),
            false => Err(format!("'{text}' is nobody's name; write ada, or group:kernel")),
        }
    }
}

impl Outlet {
    /// Whether it takes events of this severity.
    pub fn takes(&self, severity: Severity) -> bool {
        self.severities.is_empty() || self.severities.contains(&severity)
    }
}

fn version() -> u32 {
    VERSION
}

fn yes() -> bool {
    true
}

/// The form this release reads and writes.
pub const VERSION: u32 = 1;

#[cfg(test)]
mod tests;
