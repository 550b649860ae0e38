//! Which events somebody wants to see: a topic pattern and words.
//!
//! Words are looked for in summary, topic, application, people and packages, in any case; all must
//! be there. `"two words"` is one, and `person:`, `package:`, `app:` and `severity:` before a word
//! ask for exactly that.

use event::Pattern;

use crate::{entry::Entry, limits::FILTER_TEXT_CHARS_MAX};

/// What somebody wants to see. The default is everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pattern: Option<Pattern>,
    terms: Vec<Term>,
}

/// Why it cannot be a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// `pattern` or `text`.
    pub(crate) field: &'static str,
    pub(crate) message: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    Anywhere(String),
    Person(String),
    Package(String),
    App(String),
    Severity(String),
}

impl Filter {
    /// An empty pattern is every topic, an empty text every event.
    pub(crate) fn new(pattern: &str, text: &str) -> Result<Filter, Problem> {
        let pattern = match pattern.trim() {
            "" => None,
            pattern => Some(parse_pattern(pattern)?),
        };
        let length = text.chars().count();
        if length > FILTER_TEXT_CHARS_MAX {
            let message =
                format!("{length} characters; at most {FILTER_TEXT_CHARS_MAX} are looked for");
            return Err(Problem { field: "text", message });
        }
        Ok(Filter { pattern, terms: terms(text) })
    }

    pub(crate) fn passes(&self, entry: &Entry) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| pattern.matches(&entry.event.topic))
            && self.terms.iter().all(|term| term.passes(entry))
    }
}

/// The text that asks for exactly this name, `None` when it would be too long to ask for.
pub(crate) fn asking_for(kind: &str, name: &str) -> Option<String> {
    let plain = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '"');
    let text = match plain {
        true => format!("{kind}:{name}"),
        false => format!("{kind}:\"{}\"", name.replace('"', "\"\"")),
    };
    (text.chars().count() <= FILTER_TEXT_CHARS_MAX).then_some(text)
}

impl Term {
    fn new(kind: Option<&str>, word: &str) -> Term {
        let word = word.to_lowercase();
        match kind {
            Some("person") => Term::Person(word),
            Some("package") => Term::Package(word),
            Some("app") => Term::App(word),
            Some("severity") => Term::Severity(word),
            _ => Term::Anywhere(word),
        }
    }

    fn passes(&self, entry: &Entry) -> bool {
        let told = &entry.description;
        let any =
            |names: &[String], word: &str| names.iter().any(|name| name.to_lowercase() == word);
        match self {
            Term::Anywhere(word) => entry.searched.contains(word),
            Term::Person(word) => any(&told.people, word),
            Term::Package(word) => any(&told.packages, word),
            Term::App(word) => told.app.to_lowercase() == *word,
            Term::Severity(word) => told.severity.name() == word,
        }
    }
}

const KINDS: [&str; 4] = ["person", "package", "app", "severity"];

/// Splits at white space outside quotes; in quotes `""` is one quote. A quote left open ends at
/// the end: the text is filtered while it is typed.
fn terms(text: &str) -> Vec<Term> {
    let mut terms = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let kind = KINDS
            .into_iter()
            .find(|kind| rest.strip_prefix(kind).is_some_and(|after| after.starts_with(':')));
        if let Some(kind) = kind {
            rest = rest.get(kind.len() + 1..).unwrap_or_default();
        }
        let (word, after) = word(rest);
        rest = after.trim_start();
        if kind.is_some() || !word.is_empty() {
            terms.push(Term::new(kind, &word));
        }
    }
    // "person:" alone is somebody who has not typed the name yet.
    let unfinished = matches!(text.chars().last(), Some(':'));
    if unfinished && terms.last().is_some_and(Term::is_empty) {
        terms.pop();
    }
    terms
}

impl Term {
    fn is_empty(&self) -> bool {
        match self {
            Term::Anywhere(word)
            | Term::Person(word)
            | Term::Package(word)
            | Term::App(word)
            | Term::Severity(word) => word.is_empty(),
        }
    }
}

fn word(text: &str) -> (String, &str) {
    let mut word = String::new();
    let mut quoted = false;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' if quoted && chars.peek().is_some_and(|(_, next)| *next == '"') => {
                chars.next();
                word.push('"');
            }
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => return (word, text.get(at..).unwrap_or_default()),
            c => word.push(c),
        }
    }
    (word, "")
}

/// AMQP's pattern; also refuses one that no topic can match, since a topic never holds a wildcard
/// (`git*` is not `git.*`).
fn parse_pattern(text: &str) -> Result<Pattern, Problem> {
    let problem = |message: String| {
        let message = crate::shown::line(&message, 400);
        Problem { field: "pattern", message }
    };
    let pattern: Pattern =
        text.parse().map_err(|error: event::Error| problem(error.to_string()))?;
    if text.chars().any(char::is_whitespace) {
        return Err(problem(
            "a topic has no white space; look for words in the field beside it".to_owned(),
        ));
    }
    let is_lost = |word: &&str| word.contains(['*', '#']) && word.chars().count() > 1;
    match text.split('.').find(is_lost) {
        None => Ok(pattern),
        Some(word) => Err(problem(format!(
            "'{}' can match nothing: '*' stands for one whole word and '#' for any number, as in \
             git.* or #.build.#",
            crate::shown::line(word, 40)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        entry::Position,
        sample::{HOSTILE, described, event},
    };
    use event::Severity;

    fn entry() -> Entry {
        let mut told = described("Ada L committed to Valgrind: fix the \"leak\"");
        told.people = vec!["Ada L".to_owned(), "bob".to_owned()];
        told.packages = vec!["valgrind".to_owned()];
        told.app = "git".to_owned();
        told.severity = Severity::Warning;
        let position = Position { epoch: 1, serial: 1 };
        Entry::new(position, "k".to_owned(), event("org.example.git.receive"), told)
    }

    fn passes(pattern: &str, text: &str) -> bool {
        Filter::new(pattern, text).unwrap().passes(&entry())
    }

    #[test]
    fn all_words_must_be_there_in_any_case() {
        for text in ["", "  ", "VALGRIND", "leak ada", "git.receive", "\"Ada L\"", "bob", "\"ada l"]
        {
            assert!(passes("", text), "{text}");
        }
        for text in ["carol", "valgrind carol", "\"L Ada\""] {
            assert!(!passes("", text), "{text}");
        }
    }

    #[test]
    fn a_kind_asks_for_the_whole_name() {
        for text in [
            "person:bob",
            "person:\"ada l\"",
            "package:Valgrind",
            "app:git severity:warning",
            "person:",
        ] {
            assert!(passes("", text), "{text}");
        }
        for text in ["person:bo", "package:bob", "app:koji", "severity:error", "kind:bob"] {
            assert!(!passes("", text), "{text}");
        }
    }

    #[test]
    fn patterns_are_the_bus_s() {
        for (pattern, expected) in [
            ("#", true),
            (" org.example.# ", true),
            ("*.*.git.receive", true),
            ("org.example", false),
            ("koji.#", false),
        ] {
            assert_eq!(passes(pattern, ""), expected, "{pattern}");
        }
    }

    #[test]
    fn a_pattern_that_can_match_nothing_is_explained() {
        for (pattern, said) in [
            ("git*", "whole word"),
            ("a.##", "whole word"),
            ("a b", "white space"),
            ("a\0", "control"),
        ] {
            let problem = Filter::new(pattern, "").unwrap_err();
            assert_eq!(problem.field, "pattern");
            assert!(problem.message.contains(said), "{pattern}: {}", problem.message);
        }
        assert!(Filter::new(&"x".repeat(256), "").is_err());
        assert_eq!(Filter::new("", &"x".repeat(201)).unwrap_err().field, "text");
    }

    #[test]
    fn what_a_chip_asks_for_is_found_whatever_the_name() {
        for name in HOSTILE.iter().copied().chain(["Ada L", "", "a\"b c", " x ", "person:x"]) {
            let Some(text) = asking_for("person", name) else {
                assert!(name.chars().count() > 150, "{name}");
                continue;
            };
            let mut entry = entry();
            entry.description.people = vec![name.to_owned()];
            assert!(Filter::new("", &text).unwrap().passes(&entry), "{name:?} by {text:?}");
            entry.description.people = vec!["someone else".to_owned()];
            assert!(!Filter::new("", &text).unwrap().passes(&entry), "{name:?} by {text:?}");
        }
    }
}
