//! Patterns of names, as operators write them in permissions and policies: regular expressions,
//! searched anywhere in the name. Compiled once; matched in time linear in the name's length.

use std::{fmt, str::FromStr, sync::Arc};

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use super::lookahead;

/// A compiled pattern. Cheap to clone. Two are equal when they are written the same.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(Arc<Compiled>);

struct Compiled {
    text: Box<str>,
    matcher: Matcher,
}

enum Matcher {
    /// Such as `.*`, which most permissions are: nothing to compile, nothing to run.
    All,
    One(Regex),
    /// Looks ahead that must hold, and what must be found.
    Behind(Box<[(Regex, bool)]>, Regex),
}

/// Why a pattern cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is longer than any that is written by hand.
    #[error("must not exceed {} bytes", PATTERN_BYTES_MAX)]
    TooLong,
    /// It means more states than a broker should keep for one pattern.
    #[error("is too costly: it asks for too many repetitions; write it with smaller counts")]
    TooCostly,
    /// It is not a regular expression, or not of the kind that is matched in linear time.
    #[error("should be regular expression but is invalid: {reason}")]
    Invalid {
        /// What is wrong and where.
        reason: String,
    },
}

/// Bytes of a pattern, as RabbitMQ has it since 4.3.
pub const PATTERN_BYTES_MAX: usize = 1024;

/// Bytes of a compiled pattern: some thousand states.
const COMPILED_BYTES_MAX: usize = 512 * 1024;

impl Pattern {
    /// Compiles a pattern of a policy: an empty one is found in every name.
    ///
    /// # Errors
    /// It is not a regular expression; it is too long or too costly.
    pub fn new(text: &str) -> Result<Pattern, PatternError> {
        match text.len() {
            0..=PATTERN_BYTES_MAX => Pattern::of_any_length(text),
            _ => Err(PatternError::TooLong),
        }
    }

    /// For a pattern that was not too long before names were put into it.
    pub(super) fn of_any_length(text: &str) -> Result<Pattern, PatternError> {
        let matcher = match text {
            "" | "^" | "$" | ".*" | "^.*" | ".*$" | "^.*$" => Matcher::All,
            _ => match lookahead::split(text) {
                None => Matcher::One(compile(text)?),
                Some((looks, rest)) => {
                    let look = |look: lookahead::Lookahead<'_>| {
                        Ok((compile(&format!("^(?:{})", look.inner))?, look.wanted))
                    };
                    let looks = looks.into_iter().map(look).collect::<Result<_, PatternError>>()?;
                    Matcher::Behind(looks, compile(&format!("^(?:{rest})"))?)
                }
            },
        };
        Ok(Pattern(Arc::new(Compiled { text: text.into(), matcher })))
    }

    /// Whether it is found in the name.
    pub fn is_in(&self, name: &str) -> bool {
        match &self.0.matcher {
            Matcher::All => true,
            Matcher::One(regex) => regex.is_match(name),
            Matcher::Behind(looks, rest) => {
                rest.is_match(name)
                    && looks.iter().all(|(regex, wanted)| regex.is_match(name) == *wanted)
            }
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }
}

fn compile(text: &str) -> Result<Regex, PatternError> {
    RegexBuilder::new(text)
        .size_limit(COMPILED_BYTES_MAX)
        .dfa_size_limit(COMPILED_BYTES_MAX)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => PatternError::TooCostly,
            error => PatternError::Invalid { reason: on_one_line(&error.to_string()) },
        })
}

/// The crate draws an arrow under the fault; a refusal has one line.
fn on_one_line(error: &str) -> String {
    let said = error.lines().rev().find_map(|line| line.strip_prefix("error: "));
    let said = said.unwrap_or(error).replace('\n', " ");
    match said.contains("look-around") {
        true => format!("{said}, except looking ahead at the beginning: ^(?!…)"),
        false => said,
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Pattern, PatternError> {
        Pattern::new(text)
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Pattern, PatternError> {
        Pattern::new(&text)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> String {
        pattern.as_str().to_owned()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.0.text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn is_in(pattern: &str, name: &str) -> bool {
        Pattern::new(pattern).unwrap().is_in(name)
    }

    #[test]
    fn a_pattern_is_searched_anywhere_in_the_name() {
        assert!(is_in("b", "abc") && is_in("^a", "abc") && !is_in("^b", "abc"));
        assert!(is_in("", "abc") && is_in(".*", "") && is_in("^$", "") && !is_in("^$", "a"));
        assert!(is_in("^(amq\\.gen.*|amq\\.default)$", "amq.default"));
        assert!(is_in(r"^team-\d+/", "team-7/q"));
        for all in ["", "^", "$", ".*", "^.*", ".*$", "^.*$"] {
            assert!(is_in(all, "ünï") && Regex::new(all).unwrap().is_match("ünï"), "{all}");
        }
    }

    #[test]
    fn all_but_the_systems_own_can_be_said_as_in_rabbitmq() {
        let pattern = Pattern::new(r"^(?!amq\.|tmp)(?=.*-eu).*$").unwrap();
        for (name, expected) in
            [("jobs-eu", true), ("amq.topic-eu", false), ("tmp-eu", false), ("jobs-us", false)]
        {
            assert_eq!(pattern.is_in(name), expected, "{name}");
        }
        assert!(!is_in("^(?!a)b$", "cb"), "what follows is searched from the beginning");
    }

    #[test]
    fn what_cannot_be_compiled_is_refused_with_the_reason() {
        for (pattern, expected) in [
            ("(", "unclosed group"),
            ("a(?!b)", "except looking ahead at the beginning"),
            (r"(a)\1", "backreferences are not supported"),
            ("^(?!(?<=a)b)c", "look-around"),
            (r"(\w{1000}){1000}", "too costly"),
            (&"x".repeat(1025), "must not exceed 1024 bytes"),
        ] {
            let said = Pattern::new(pattern).unwrap_err().to_string();
            assert!(said.contains(expected) && !said.contains('\n'), "{pattern}: {said}");
        }
        assert!(Pattern::new(&"x".repeat(1024)).is_ok());
    }

    #[test]
    fn a_pattern_made_to_explode_is_matched_in_linear_time() {
        let pattern = Pattern::new("^(a+)+$").unwrap();
        let started = Instant::now();
        assert!(!pattern.is_in(&format!("{}b", "a".repeat(255))));
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "an engine that backtracks takes years"
        );
    }

    #[test]
    fn it_is_written_as_its_text() {
        let pattern: Pattern = serde_json::from_str(r#""^a""#).unwrap();
        assert_eq!(serde_json::to_string(&pattern).unwrap(), r#""^a""#);
        assert!(serde_json::from_str::<Pattern>(r#""(""#).is_err());
    }
}
