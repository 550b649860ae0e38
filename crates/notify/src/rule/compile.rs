//! From a rule as it is written to one that can be asked and found: its owner's names put in, its
//! expressions compiled, the cheapest keys chosen that a matching event must have one of.

use std::sync::Arc;

use event::Severity;

use super::{
    Condition, Directory, Expression, Facts, Key, Kind, Miss, Names, Owner, Rule, Test, Truth, Who,
    test::GRAM, who::People,
};

/// A rule that can be asked.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) test: Test,
    /// It says `@my-groups`: made again when its owner joins a group or leaves one.
    pub(crate) by_groups: bool,
}

impl Compiled {
    /// Compiles a condition for its owner.
    ///
    /// # Errors
    /// What [`Rule::check`] finds too: an expression that is wrong.
    pub(crate) fn of(
        what: &Condition,
        owner: &Owner,
        directory: &Directory,
    ) -> Result<Compiled, String> {
        let mut compiler = Compiler { owner, directory, by_groups: false };
        let test = compiler.test(what)?;
        Ok(Compiled { test, by_groups: compiler.by_groups })
    }

    /// Whether the event is wanted.
    pub(crate) fn wants(
        &self,
        facts: &Facts<'_>,
        directory: &Directory,
        failed: &mut dyn FnMut(&str),
    ) -> bool {
        self.test.ask(facts, directory, failed) == Truth::Yes
    }

    /// What an event that is wanted has at least one of; `None`: nothing that would be found
    /// sooner than by asking.
    pub(crate) fn keys(&self) -> Option<Vec<Key<'_>>> {
        cover(&self.test, false).map(|cover| cover.keys)
    }
}

impl Rule {
    /// The first test that does not hold for an event; `None` when the rule wants it.
    ///
    /// # Errors
    /// The rule itself is wrong; see [`Rule::check`].
    pub fn explain(
        &self,
        facts: &Facts<'_>,
        directory: &Directory,
    ) -> Result<Option<Miss>, String> {
        if !self.enabled {
            let reason = "the rule is not enabled".to_owned();
            return Ok(Some(Miss { path: "enabled".to_owned(), reason }));
        }
        let compiled = Compiled::of(&self.what, &self.owner, directory)?;
        Ok(compiled.test.explain(facts, directory, "what"))
    }
}

/// A rule that is asked of many events, outside of any matcher.
#[derive(Debug)]
pub struct Probe(Compiled);

impl Rule {
    /// Compiles it to be asked of many events.
    ///
    /// # Errors
    /// The rule is wrong; see [`Rule::check`].
    pub fn probe(&self, directory: &Directory) -> Result<Probe, String> {
        Compiled::of(&self.what, &self.owner, directory).map(Probe)
    }
}

impl Probe {
    /// Whether the event is wanted. Expressions that fail are told to `failed`.
    pub fn wants(
        &self,
        facts: &Facts<'_>,
        directory: &Directory,
        failed: &mut dyn FnMut(&str),
    ) -> bool {
        self.0.wants(facts, directory, failed)
    }
}

struct Compiler<'a> {
    owner: &'a Owner,
    directory: &'a Directory,
    by_groups: bool,
}

impl Compiler<'_> {
    fn test(&mut self, what: &Condition) -> Result<Test, String> {
        Ok(match what {
            Condition::All(parts) => Test::All(self.tests(parts)?),
            Condition::Any(parts) => Test::Any(self.tests(parts)?),
            Condition::Not(part) => Test::Not(Box::new(self.test(part)?)),
            Condition::Topic(patterns) => Test::Topic(patterns.clone().into()),
            Condition::TopicGlob(globs) => Test::TopicGlob(globs.clone().into()),
            Condition::App(names) => Test::App(lower(names)),
            Condition::Severity(severities) => Test::Severity(severities.clone().into()),
            Condition::People(who) => Test::People(self.people(who)),
            Condition::Agent(who) => Test::Agent(self.people(who)),
            Condition::Package(names) => Test::Package(sorted(names)),
            Condition::Maintainer(who) => Test::Maintainer(self.people(who)),
            Condition::Object(names) => {
                let path = |name: &String| name.strip_suffix('*').unwrap_or(name).into();
                Test::Object(names.0.iter().map(path).collect())
            }
            Condition::Text(names) => Test::Text(lower(names)),
            Condition::Schema(names) => Test::Schema(sorted(names)),
            Condition::Cel(text) => {
                let expression = Expression::parse(text).map_err(|fault| fault.to_string())?;
                Test::Cel(Arc::new(expression))
            }
        })
    }

    fn tests(&mut self, parts: &[Condition]) -> Result<Box<[Test]>, String> {
        parts.iter().map(|part| self.test(part)).collect()
    }

    fn people(&mut self, who: &[Who]) -> People {
        self.by_groups |= who.contains(&Who::MyGroups);
        People::resolve(who, self.owner, self.directory.groups_of_owner(self.owner))
    }
}

fn lower(names: &Names) -> Box<[Box<str>]> {
    names.0.iter().map(|name| name.to_lowercase().into()).collect()
}

fn sorted(names: &Names) -> Box<[Box<str>]> {
    let mut names: Vec<Box<str>> = names.0.iter().map(|name| name.as_str().into()).collect();
    names.sort_unstable();
    names.dedup();
    names.into()
}

/// Keys of which an event that is wanted has at least one, and about how often an event has one of
/// them, in millionths.
struct Cover<'a> {
    keys: Vec<Key<'a>>,
    often: u64,
}

/// The cover of a test, or of its opposite (`not`). Negation goes down to the leaves; what a leaf
/// is not, nothing is found by.
fn cover(test: &Test, not: bool) -> Option<Cover<'_>> {
    match (test, not) {
        // All must hold: the rarest is enough.
        (Test::All(tests), false) | (Test::Any(tests), true) => {
            tests.iter().filter_map(|test| cover(test, not)).min_by_key(|cover| cover.often)
        }
        // One must hold: all are needed.
        (Test::Any(tests), false) | (Test::All(tests), true) => tests
            .iter()
            .map(|test| cover(test, not))
            .try_fold(Cover { keys: Vec::new(), often: 0 }, |mut all, one| {
                let one = one?;
                all.keys.extend(one.keys);
                all.often += one.often;
                Some(all)
            }),
        (Test::Not(test), _) => cover(test, !not),
        (_, true) => None,
        (leaf, false) => of_leaf(leaf),
    }
}

fn of_leaf(leaf: &Test) -> Option<Cover<'_>> {
    let keys: Vec<(Key<'_>, u64)> = match leaf {
        Test::Topic(patterns) => {
            let key = |pattern| Some((Key::Topic(pattern), topic_often(pattern)?));
            patterns.iter().map(key).collect::<Option<_>>()?
        }
        Test::Severity(severities) => {
            let key = |severity: &Severity| {
                let often = match severity {
                    Severity::Debug | Severity::Info => return None,
                    Severity::Warning => 50_000,
                    Severity::Error => 30_000,
                };
                Some((Key::Severity(*severity), often))
            };
            severities.iter().map(key).collect::<Option<_>>()?
        }
        Test::Text(needles) => {
            if needles.iter().any(|needle| needle.len() < GRAM) {
                return None;
            }
            needles.iter().map(|needle| (Key::Text(needle), 5000)).collect()
        }
        Test::App(names) => of_names(Kind::App, names),
        Test::People(people) => of_people(Kind::Person, Kind::PersonOf, people),
        Test::Agent(people) => of_people(Kind::Agent, Kind::AgentOf, people),
        Test::Maintainer(people) => of_people(Kind::Maintainer, Kind::MaintainerOf, people),
        Test::Package(names) => of_names(Kind::Package, names),
        Test::Schema(names) => of_names(Kind::Schema, names),
        Test::Object(paths) => {
            let kind = |path: &str| match path.ends_with('/') {
                true => Kind::ObjectBelow,
                false => Kind::Object,
            };
            paths.iter().map(|path| keyed(kind(path), path)).collect()
        }
        Test::Cel(expression) => {
            expression.keys()?.into_iter().map(|(kind, name)| keyed(kind, name)).collect()
        }
        Test::TopicGlob(_) | Test::All(_) | Test::Any(_) | Test::Not(_) => return None,
    };
    let often = keys.iter().map(|(_, often)| often).sum();
    Some(Cover { keys: keys.into_iter().map(|(key, _)| key).collect(), often })
}

/// A topic is as rare as its pattern has words that are words; of `#` and the like nothing is
/// found. The figures are guesses, and only their order counts.
fn topic_often(pattern: &event::Pattern) -> Option<u64> {
    match pattern.as_str().split('.').filter(|word| !matches!(*word, "#" | "*")).count() {
        0 => None,
        1 => Some(200_000),
        2 => Some(20_000),
        _ => Some(10_000),
    }
}

fn keyed(kind: Kind, name: &str) -> (Key<'_>, u64) {
    (Key::Name(kind, name), kind.often())
}

fn of_names(kind: Kind, names: &[Box<str>]) -> Vec<(Key<'_>, u64)> {
    names.iter().map(|name| keyed(kind, name)).collect()
}

fn of_people(person: Kind, group: Kind, people: &People) -> Vec<(Key<'_>, u64)> {
    let mut keys = of_names(person, &people.people);
    keys.extend(of_names(group, &people.groups));
    keys
}
