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
        // words(pattern) × words(topic), never exponential.
        let pattern: Vec<&str> = self.0.split('.').collect();
        let topic: Vec<&str> = topic.words().collect();
        let (mut p, mut t) = (0, 0);
        let mut back: Option<(usize, usize)> = None;
        while t < topic.len() {
            match pattern.get(p) {
                Some(&"#") => {
                    back = Some((p, t));
                    p += 1;
                }
                Some(&word) if word == "*" || word == topic[t] => {
                    p += 1;
                    t += 1;
                }
                _ => match &mut back {
                    Some((hash, resume)) => {
                        *resume += 1;
                        (p, t) = (*hash + 1, *resume);
                    }
                    None => return false,
                },
            }
        }
        pattern[p..].iter().all(|&word| word == "#")
    }
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
