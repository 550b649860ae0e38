//! An AMQP topic pattern: `*` is one word, `#` is any number of words, also none.

use std::{fmt, str::FromStr};

use crate::{Error, Topic};

/// A binding key of a topic exchange, matched here the way a broker matches it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern(String);

impl Pattern {
    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `topic` is one of those the pattern asks for.
    pub fn matches(&self, topic: &Topic) -> bool {
        // Greedy with one point of return, the last '#': linear in practice, at worst
        // words(pattern) × words(topic), never exponential. `None` is the end of the words.
        let (mut pattern, mut topic) = (Some(self.0.as_str()), Some(topic.as_str()));
        let mut back: Option<(Option<&str>, &str)> = None;
        while let Some(rest) = topic {
            let (word, after_word) = split_word(rest);
            match pattern.map(split_word) {
                Some(("#", after_hash)) => {
                    back = Some((after_hash, rest));
                    pattern = after_hash;
                }
                Some((wanted, after_wanted)) if wanted == "*" || wanted == word => {
                    pattern = after_wanted;
                    topic = after_word;
                }
                _ => {
                    // One word more for the last '#'.
                    let Some((after_hash, taken)) = back else { return false };
                    topic = split_word(taken).1;
                    pattern = after_hash;
                    back = topic.map(|rest| (after_hash, rest));
                }
            }
        }
        pattern.is_none_or(|rest| rest.split('.').all(|word| word == "#"))
    }
}

/// The first word, and what is behind its dot.
fn split_word(words: &str) -> (&str, Option<&str>) {
    words.split_once('.').map_or((words, None), |(word, rest)| (word, Some(rest)))
}

impl FromStr for Pattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Pattern, Error> {
        if text.len() > 255 {
            let reason = format!("has {} bytes, more than 255", text.len());
            return Err(Error::Pattern { pattern: text.to_owned(), reason });
        }
        if text.chars().any(char::is_control) {
            let reason = "has a control character".to_owned();
            return Err(Error::Pattern { pattern: text.to_owned(), reason });
        }
        Ok(Pattern(text.to_owned()))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stars_and_hashes() {
        for (pattern, topic, expected) in [
            ("#", "a.b.c", true),
            ("a.#", "a", true),
            ("a.*", "a", false),
            ("*.b", "a.b", true),
            ("#.git.receive", "git.receive", true),
            ("#.git.receive", "org.example.git.receive", true),
            ("a.#.c.#.e", "a.b.c.d.c.e", true),
            ("a.#.c", "a.c.b", false),
            ("a.b", "a.b.c", false),
            ("#.#", "a", true),
        ] {
            let pattern: Pattern = pattern.parse().unwrap();
            assert_eq!(pattern.matches(&topic.parse().unwrap()), expected, "{pattern} {topic}");
        }
    }
}
