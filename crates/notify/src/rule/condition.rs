//! What events a rule wants: tests joined by all, any and not. As it is written; see `test` for
//! how it is asked.

use event::{Pattern, Severity};
use serde::{Deserialize, Deserializer, Serialize};

use super::{Glob, Who, texts};

/// A tree of tests. In JSON an object with one key: `{"all": [{"app": "koji"}, …]}`. Where a test
/// takes a list one of it is enough, and one alone needs no list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Each of them holds; of nothing: every event.
    All(Vec<Condition>),
    /// One of them holds; at least one must be there.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// The topic fits one of these patterns: `*` is one word, `#` any number.
    Topic(#[serde(with = "texts::list")] Vec<Pattern>),
    /// The topic fits one of these shell patterns, as Python's `fnmatch` has them: `*` is any
    /// characters, dots included. For rules that come from FMN; a topic pattern is quicker.
    TopicGlob(#[serde(with = "texts::list")] Vec<Glob>),
    /// One of these applications said it; upper and lower case are the same.
    App(Names),
    /// It is of one of these severities: `debug`, `info`, `warning`, `error`.
    Severity(#[serde(with = "texts::severities")] Vec<Severity>),
    /// It concerns one of these people.
    People(#[serde(with = "texts::list")] Vec<Who>),
    /// One of these people did it.
    Agent(#[serde(with = "texts::list")] Vec<Who>),
    /// It concerns one of these packages.
    Package(Names),
    /// It concerns a package that one of these people maintains.
    Maintainer(#[serde(with = "texts::list")] Vec<Who>),
    /// It is about, or touches, one of these objects: `project/infra/ansible`, or all below:
    /// `project/infra/*`.
    Object(Names),
    /// One of these texts stands in its summary or text; upper and lower case are the same.
    Text(Names),
    /// It is of one of these schemas.
    Schema(Names),
    /// A CEL expression that is true of it.
    Cel(String),
}

/// Names, in the order they were written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Names(pub Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Names, D::Error> {
        texts::one_or_many(from).map(Names)
    }
}

impl<T: Into<String>> FromIterator<T> for Names {
    fn from_iter<I: IntoIterator<Item = T>>(names: I) -> Names {
        Names(names.into_iter().map(Into::into).collect())
    }
}

impl Condition {
    /// One that every event fulfils.
    pub fn everything() -> Condition {
        Condition::All(Vec::new())
    }

    /// The first topic pattern in it that fits, for telling a person why; `#` when none is asked
    /// for.
    pub fn pattern_for(&self, topic: &event::Topic) -> &str {
        self.find_pattern(topic).unwrap_or("#")
    }

    fn find_pattern(&self, topic: &event::Topic) -> Option<&str> {
        match self {
            Condition::All(parts) | Condition::Any(parts) => {
                parts.iter().find_map(|part| part.find_pattern(topic))
            }
            Condition::Topic(patterns) => {
                patterns.iter().find(|pattern| pattern.matches(topic)).map(Pattern::as_str)
            }
            Condition::TopicGlob(globs) => {
                globs.iter().find(|glob| glob.matches(topic.as_str())).map(Glob::as_str)
            }
            _ => None,
        }
    }

    /// The topics it can be about at most: what a queue is bound to for it.
    pub(crate) fn topics(&self) -> Option<Vec<Pattern>> {
        match self {
            Condition::Topic(patterns) => Some(patterns.clone()),
            Condition::All(parts) => {
                parts.iter().filter_map(Condition::topics).min_by_key(Vec::len)
            }
            Condition::Any(parts) => {
                let all: Option<Vec<_>> = parts.iter().map(Condition::topics).collect();
                all.map(|all| all.into_iter().flatten().collect())
            }
            _ => None,
        }
    }
}
