//! A shell pattern as Python's `fnmatch.fnmatchcase` has it: `*`, `?`, `[a-z]`, `[!a-z]`. FMN tests
//! topics so; `*` goes over dots.

use std::{fmt, str::FromStr};

use event::Pattern;

/// A shell pattern, at most 255 bytes.
#[derive(Debug, Clone)]
pub struct Glob {
    text: Box<str>,
    parts: Box<[Part]>,
}

/// Two are the same when they are written the same.
impl PartialEq for Glob {
    fn eq(&self, other: &Glob) -> bool {
        self.text == other.text
    }
}

#[derive(Debug, Clone)]
enum Part {
    Any,
    One,
    Char(char),
    Set { not: bool, ranges: Box<[(char, char)]> },
}

impl Part {
    fn takes(&self, c: char) -> bool {
        match self {
            Part::Any => false,
            Part::One => true,
            Part::Char(wanted) => *wanted == c,
            Part::Set { not, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *not
            }
        }
    }
}

impl Glob {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole text fits. At worst parts × characters, never more.
    pub fn matches(&self, text: &str) -> bool {
        let (mut at, mut rest) = (0, text.chars());
        let mut back = None;
        loop {
            if matches!(self.parts.get(at), Some(Part::Any)) {
                at += 1;
                back = Some((at, rest.clone()));
                continue;
            }
            let here = rest.clone();
            match (rest.next(), self.parts.get(at)) {
                (None, None) => return true,
                (Some(c), Some(part)) if part.takes(c) => at += 1,
                _ => {
                    // One character more for the last '*'.
                    let Some((after, mut taken)) = back.take() else { return false };
                    drop(here);
                    if taken.next().is_none() {
                        return false;
                    }
                    (at, rest) = (after, taken.clone());
                    back = Some((after, taken));
                }
            }
        }
    }

    /// The topic pattern that fits the same topics, where there is one: each word is either `*`
    /// or has nothing special in it.
    pub fn to_pattern(&self) -> Option<Pattern> {
        if &*self.text == "*" {
            return "#".parse().ok();
        }
        let mut words = Vec::new();
        for word in self.text.split('.') {
            match word {
                // At least the dots beside it stand there, so at least one word, if only an
                // empty one; and any number more.
                "*" => words.extend(["*", "#"]),
                word if word.contains(['*', '?', '[', '#']) => return None,
                word => words.push(word),
            }
        }
        words.join(".").parse().ok()
    }
}

impl FromStr for Glob {
    type Err = String;

    fn from_str(text: &str) -> Result<Glob, String> {
        if text.is_empty() || text.len() > 255 || text.contains(char::is_control) {
            return Err(format!("'{text}' is not a pattern of 1 to 255 bytes"));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            rest = rest.split_at(c.len_utf8()).1;
            match c {
                '*' if matches!(parts.last(), Some(Part::Any)) => {}
                '*' => parts.push(Part::Any),
                '?' => parts.push(Part::One),
                '[' => match set(rest) {
                    Some((part, after)) => {
                        parts.push(part);
                        rest = after;
                    }
                    // Without its end it is a bracket.
                    None => parts.push(Part::Char('[')),
                },
                c => parts.push(Part::Char(c)),
            }
        }
        Ok(Glob { text: text.into(), parts: parts.into() })
    }
}

/// What stands in brackets, and what is behind them. A `]` right at the beginning is one of it.
fn set(text: &str) -> Option<(Part, &str)> {
    let (not, body) = match text.strip_prefix('!') {
        Some(body) => (true, body),
        None => (false, text),
    };
    let first = body.chars().next()?;
    let end = first.len_utf8() + body.get(first.len_utf8()..)?.find(']')?;
    let (inside, after) = (body.get(..end)?, body.get(end + 1..)?);
    let chars: Vec<char> = inside.chars().collect();
    let (mut ranges, mut at) = (Vec::new(), 0);
    while let Some(&low) = chars.get(at) {
        match (chars.get(at + 1), chars.get(at + 2)) {
            (Some('-'), Some(&high)) => {
                // As Python: a range the wrong way round holds nothing.
                ranges.push((low, high));
                at += 3;
            }
            _ => {
                ranges.push((low, low));
                at += 1;
            }
        }
    }
    Some((Part::Set { not, ranges: ranges.into() }, after))
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fits_what_fnmatch_says_it_fits() {
        // The answers are those of Python 3.11's fnmatch.fnmatchcase.
        for (glob, text, expected) in [
            ("*", "a.b", true),
            ("*bodhi*", "org.fedoraproject.prod.bodhi.update.comment", true),
            ("*.bodhi.*", "bodhi.update", false),
            ("a.*.b", "a..b", true),
            ("a.*.b", "a.b", false),
            ("a.*.b", "a.x.y.b", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a?c", "a\u{e9}c", true),
            ("[ab]x", "bx", true),
            ("[!ab]x", "bx", false),
            ("[a-c]x", "bx", true),
            ("[c-a]x", "bx", false),
            ("[]]x", "]x", true),
            ("[!]]x", "]x", false),
            ("[x", "[x", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-d", false),
            ("**a", "ba", true),
            ("abc", "abcd", false),
            ("abc", "ABC", false),
            ("[a-]x", "-x", true),
        ] {
            assert_eq!(glob.parse::<Glob>().unwrap().matches(text), expected, "{glob} {text}");
        }
    }

    #[test]
    fn a_topic_pattern_that_is_given_instead_fits_the_same() {
        let topics = ["a", "a.b", "a.x.b", "a.x.y.b", "b.a", "x.a.b", "a.b.c", "a.b.c.d", "b"];
        for glob in ["*", "a.*", "*.b", "a.*.b", "*.a.*", "a.b", "*.*"] {
            let glob: Glob = glob.parse().unwrap();
            let pattern = glob.to_pattern().unwrap();
            for topic in topics {
                let topic = topic.parse().unwrap();
                let fits = pattern.matches(&topic);
                assert_eq!(glob.matches(topic.as_str()), fits, "{glob} {pattern} {topic}");
            }
        }
        for glob in ["*a", "a.b*", "a?", "[ab].c"] {
            assert!(glob.parse::<Glob>().unwrap().to_pattern().is_none(), "{glob}");
        }
    }
}
