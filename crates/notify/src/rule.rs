//! What somebody wants to hear of: a test on an event and its description. Pure.

use std::fmt;

use event::{Description, Event, Pattern, Severity};

/// Tests of different kinds must all hold; within a kind one must. A kind with nothing in it
/// holds for every event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// The topic is one of those.
    pub patterns: Vec<Pattern>,
    /// It concerns one of these people.
    pub people: Vec<String>,
    /// It concerns one of these packages.
    pub packages: Vec<String>,
    /// One of these applications said it; upper and lower case are the same.
    pub apps: Vec<String>,
    /// It matters at least so much.
    pub severity_min: Option<Severity>,
    /// None of these did it: for those who do not want to hear of their own doings.
    pub except_agents: Vec<String>,
}

/// The first test that did not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Miss {
    /// No pattern matches the topic.
    Topic,
    /// None of the people.
    People,
    /// None of the packages.
    Packages,
    /// Another application.
    App,
    /// Matters too little.
    Severity,
    /// Done by one of those left out.
    Agent,
}

impl Rule {
    /// Whether the rule wants the event: the pattern that matched first (`#` when the rule has
    /// none), or the first test that did not hold.
    ///
    /// # Errors
    /// The [`Miss`], for explaining.
    pub fn test(&self, event: &Event, description: &Description) -> Result<&str, Miss> {
        let pattern = match self.patterns.iter().find(|pattern| pattern.matches(&event.topic)) {
            Some(pattern) => pattern.as_str(),
            None if self.patterns.is_empty() => ALL,
            None => return Err(Miss::Topic),
        };
        let same_app = |app: &String| app.eq_ignore_ascii_case(&description.app);
        let (miss, agent) = (Err, description.agent.as_ref());
        if !one_of(&self.people, &description.people) {
            miss(Miss::People)
        } else if !one_of(&self.packages, &description.packages) {
            miss(Miss::Packages)
        } else if !self.apps.is_empty() && !self.apps.iter().any(same_app) {
            miss(Miss::App)
        } else if self.severity_min.is_some_and(|min| description.severity < min) {
            miss(Miss::Severity)
        } else if agent.is_some_and(|agent| self.except_agents.contains(agent)) {
            miss(Miss::Agent)
        } else {
            Ok(pattern)
        }
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Miss::Topic => "no pattern matches the topic",
            Miss::People => "it concerns none of the people",
            Miss::Packages => "it concerns none of the packages",
            Miss::App => "another application said it",
            Miss::Severity => "it matters less than asked for",
            Miss::Agent => "it was done by somebody left out",
        })
    }
}

fn one_of(wanted: &[String], found: &[String]) -> bool {
    wanted.is_empty() || wanted.iter().any(|name| found.contains(name))
}

/// The pattern of a rule without one.
pub(crate) const ALL: &str = "#";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::sample;

    fn rule(change: impl FnOnce(&mut Rule)) -> Rule {
        let mut rule = Rule::default();
        change(&mut rule);
        rule
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn an_empty_rule_wants_everything() {
        let (event, description) = sample();
        assert_eq!(Rule::default().test(&event, &description), Ok("#"));
    }

    #[test]
    fn the_pattern_that_matched_is_named() {
        let (event, description) = sample();
        let rule = rule(|r| {
            r.patterns = ["a.#", "#.git.*", "#"].map(|p| p.parse().unwrap()).into();
        });
        assert_eq!(rule.test(&event, &description), Ok("#.git.*"));
    }

    #[test]
    fn within_a_kind_one_is_enough_and_between_kinds_all_must_hold() {
        let (event, description) = sample();
        let both = |people: &[&str], packages: &[&str]| {
            rule(|r| (r.people, r.packages) = (names(people), names(packages)))
                .test(&event, &description)
                .map(drop)
        };
        assert_eq!(both(&["nobody", "ada"], &["kernel", "glibc"]), Ok(()));
        assert_eq!(both(&["nobody"], &["kernel"]), Err(Miss::People));
        assert_eq!(both(&["ada"], &["glibc"]), Err(Miss::Packages));
        assert_eq!(both(&["ad"], &[]), Err(Miss::People), "names are whole");
        assert_eq!(both(&["Ada"], &[]), Err(Miss::People), "names have their case");
    }

    #[test]
    fn every_kind_of_test_can_say_no() {
        let (event, description) = sample();
        for (rule, expected) in [
            (rule(|r| r.patterns = vec!["#.koji.#".parse().unwrap()]), Err(Miss::Topic)),
            (rule(|r| r.apps = names(&["koji"])), Err(Miss::App)),
            (rule(|r| r.apps = names(&["koji", "GIT"])), Ok("#")),
            (rule(|r| r.severity_min = Some(Severity::Warning)), Err(Miss::Severity)),
            (rule(|r| r.severity_min = Some(Severity::Info)), Ok("#")),
            (rule(|r| r.except_agents = names(&["ada"])), Err(Miss::Agent)),
            (rule(|r| r.except_agents = names(&["grace"])), Ok("#")),
        ] {
            assert_eq!(rule.test(&event, &description), expected, "{rule:?}");
        }
    }

    #[test]
    fn an_event_nobody_did_is_nobodys_own() {
        let (event, mut description) = sample();
        description.agent = None;
        let rule = rule(|r| r.except_agents = names(&["ada"]));
        assert_eq!(rule.test(&event, &description), Ok("#"));
    }
}
