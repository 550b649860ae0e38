//! A rule's condition as it is asked: its owner known, its expressions compiled.

use std::{fmt, sync::Arc};

use event::{Pattern, Severity};

use super::{Directory, Expression, Facts, Glob, who::People};

/// One test, or several joined.
#[derive(Debug)]
pub(crate) enum Test {
    All(Box<[Test]>),
    Any(Box<[Test]>),
    Not(Box<Test>),
    Topic(Box<[Pattern]>),
    TopicGlob(Box<[Glob]>),
    /// In lower case.
    App(Box<[Box<str>]>),
    Severity(Box<[Severity]>),
    People(People),
    Agent(People),
    Package(Box<[Box<str>]>),
    Maintainer(People),
    /// A prefix ends with `/`.
    Object(Box<[Box<str>]>),
    /// In lower case.
    Text(Box<[Box<str>]>),
    Schema(Box<[Box<str>]>),
    Cel(Arc<Expression>),
}

/// What a test says of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Truth {
    Yes,
    No,
    /// An expression could not be worked out: neither it nor its opposite holds.
    Failed,
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Truth {
        match holds {
            true => Truth::Yes,
            false => Truth::No,
        }
    }
}

/// The first test of a rule that did not hold.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Miss {
    /// Where it stands in the rule: `what.all[1].package`.
    pub path: String,
    /// Why it did not hold, in words.
    pub reason: String,
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}

impl Test {
    /// Asks it. Expressions that fail are told to `failed`.
    pub(crate) fn ask(
        &self,
        facts: &Facts<'_>,
        directory: &Directory,
        failed: &mut dyn FnMut(&str),
    ) -> Truth {
        let told = facts.description;
        let holds = match self {
            Test::All(tests) => {
                return join(tests, Truth::No, Truth::Yes, facts, directory, failed);
            }
            Test::Any(tests) => {
                return join(tests, Truth::Yes, Truth::No, facts, directory, failed);
            }
            Test::Not(test) => {
                return match test.ask(facts, directory, failed) {
                    Truth::Yes => Truth::No,
                    Truth::No => Truth::Yes,
                    Truth::Failed => Truth::Failed,
                };
            }
            Test::Cel(expression) => {
                return match expression.run(facts) {
                    Ok(holds) => holds.into(),
                    Err(reason) => {
                        failed(&reason);
                        Truth::Failed
                    }
                };
            }
            Test::Topic(patterns) => patterns.iter().any(|p| p.matches(&facts.event.topic)),
            Test::TopicGlob(globs) => globs.iter().any(|g| g.matches(facts.event.topic.as_str())),
            Test::App(apps) => apps.iter().any(|app| is_lower_of(app, &told.app)),
            Test::Severity(severities) => severities.contains(&told.severity),
            Test::People(who) => told.people.iter().any(|name| directory.is_one(name, who)),
            Test::Agent(who) => told.agent.as_ref().is_some_and(|name| directory.is_one(name, who)),
            Test::Package(names) => told.packages.iter().any(|package| has(names, package)),
            Test::Maintainer(who) => {
                told.packages.iter().any(|package| directory.is_maintained(package, who))
            }
            Test::Object(wanted) => {
                facts.objects().any(|object| wanted.iter().any(|wanted| is_within(object, wanted)))
            }
            Test::Text(needles) => needles.iter().any(|needle| facts.text().contains(&**needle)),
            Test::Schema(names) => {
                facts.event.schema.as_ref().is_some_and(|schema| has(names, schema))
            }
        };
        holds.into()
    }

    /// The first test that did not hold, with its path below `path`; `None` when all hold.
    pub(crate) fn explain(
        &self,
        facts: &Facts<'_>,
        directory: &Directory,
        path: &str,
    ) -> Option<Miss> {
        let mut said = None;
        if self.ask(facts, directory, &mut |reason| said = Some(reason.to_owned())) == Truth::Yes {
            return None;
        }
        let path = format!("{path}.{}", self.key());
        let reason = match (self, said) {
            (Test::All(tests), _) => {
                return tests.iter().enumerate().find_map(|(index, test)| {
                    test.explain(facts, directory, &format!("{path}[{index}]"))
                });
            }
            (Test::Cel(_), Some(reason)) => format!("could not be worked out: {reason}"),
            (Test::Not(_), Some(reason)) => format!("could not be worked out: {reason}"),
            (Test::Not(test), None) => {
                format!("{} holds, and must not", test.key())
            }
            (Test::Any(tests), _) => {
                let first = tests.iter().enumerate().find_map(|(index, test)| {
                    test.explain(facts, directory, &format!("{path}[{index}]"))
                });
                let first = first.map_or(String::new(), |miss| format!("; the first: {miss}"));
                format!("none of the {} holds{first}", tests.len())
            }
            (test, _) => test.reason(facts),
        };
        Some(Miss { path, reason })
    }

    /// The test's word in a rule.
    fn key(&self) -> &'static str {
        match self {
            Test::All(_) => "all",
            Test::Any(_) => "any",
            Test::Not(_) => "not",
            Test::Topic(_) => "topic",
            Test::TopicGlob(_) => "topic_glob",
            Test::App(_) => "app",
            Test::Severity(_) => "severity",
            Test::People(_) => "people",
            Test::Agent(_) => "agent",
            Test::Package(_) => "package",
            Test::Maintainer(_) => "maintainer",
            Test::Object(_) => "object",
            Test::Text(_) => "text",
            Test::Schema(_) => "schema",
            Test::Cel(_) => "cel",
        }
    }

    /// What the event has instead.
    fn reason(&self, facts: &Facts<'_>) -> String {
        let told = facts.description;
        let or_none = |names: &[String]| match names {
            [] => "none".to_owned(),
            names => names.join(", "),
        };
        match self {
            Test::Topic(_) | Test::TopicGlob(_) => {
                format!("no pattern fits the topic {}", facts.event.topic)
            }
            Test::App(_) => format!("the application is {}", told.app),
            Test::Severity(_) => format!("the severity is {}", told.severity),
            Test::People(_) => {
                format!("it concerns none of them; people: {}", or_none(&told.people))
            }
            Test::Agent(_) => match &told.agent {
                Some(agent) => format!("{agent} did it"),
                None => "it does not say who did it".to_owned(),
            },
            Test::Package(_) => {
                format!("it concerns none of them; packages: {}", or_none(&told.packages))
            }
            Test::Maintainer(_) => {
                format!("none of them maintains one of its packages: {}", or_none(&told.packages))
            }
            Test::Object(_) => {
                let objects: Vec<String> = facts.objects().map(str::to_owned).collect();
                format!("it touches none of them; objects: {}", or_none(&objects))
            }
            Test::Text(_) => "none of the texts stands in its summary or text".to_owned(),
            Test::Schema(_) => match &facts.event.schema {
                Some(schema) => format!("the schema is {schema}"),
                None => "it has no schema".to_owned(),
            },
            Test::Cel(_) => "the expression is false".to_owned(),
            Test::All(_) | Test::Any(_) | Test::Not(_) => String::new(),
        }
    }
}

/// `decided` ends it; a failure outlives the other value.
fn join(
    tests: &[Test],
    decided: Truth,
    otherwise: Truth,
    facts: &Facts<'_>,
    directory: &Directory,
    failed: &mut dyn FnMut(&str),
) -> Truth {
    let mut all = otherwise;
    for test in tests {
        match test.ask(facts, directory, failed) {
            truth if truth == decided => return decided,
            Truth::Failed => all = Truth::Failed,
            _ => {}
        }
    }
    all
}

/// Something of an event by which a rule can be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key<'a> {
    /// The topic fits it.
    Topic(&'a Pattern),
    /// It has this severity.
    Severity(Severity),
    /// This text of at least [`GRAM`] bytes stands in it.
    Text(&'a str),
    /// It has this name.
    Name(Kind, &'a str),
}

/// What a name of a [`Key`] is the name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// In lower case.
    App,
    Person,
    /// One of its members is concerned.
    PersonOf,
    Agent,
    AgentOf,
    Package,
    Maintainer,
    MaintainerOf,
    Object,
    /// What an object's path begins with, `/` at its end.
    ObjectBelow,
    Schema,
    Header,
}

impl Kind {
    /// How many there are.
    pub(crate) const COUNT: usize = 12;

    /// About how many events of a million have one of its names. A guess, and only its order
    /// counts.
    pub(crate) fn often(self) -> u64 {
        match self {
            Kind::App => 100_000,
            Kind::Schema => 10_000,
            Kind::PersonOf | Kind::AgentOf | Kind::MaintainerOf => 2000,
            Kind::ObjectBelow => 1000,
            Kind::Person
            | Kind::Agent
            | Kind::Package
            | Kind::Maintainer
            | Kind::Object
            | Kind::Header => 100,
        }
    }
}

/// The shortest text that rules are found by, in bytes.
pub(crate) const GRAM: usize = 3;

fn has(names: &[Box<str>], name: &str) -> bool {
    match names.len() {
        0..=8 => names.iter().any(|wanted| **wanted == *name),
        _ => names.binary_search_by(|wanted| (**wanted).cmp(name)).is_ok(),
    }
}

fn is_lower_of(lower: &str, name: &str) -> bool {
    match name.is_ascii() {
        true => lower.eq_ignore_ascii_case(name),
        false => lower == name.to_lowercase(),
    }
}

fn is_within(object: &str, wanted: &str) -> bool {
    match wanted.ends_with('/') {
        true => object.starts_with(wanted),
        false => object == wanted,
    }
}
