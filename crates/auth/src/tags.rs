//! Tags of a user: words that say what they may administer. What each word allows is the broker's
//! question.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    Error,
    limits::{TAG_BYTES_MAX, TAGS_MAX},
};

/// The tags of one user, in the order given, each once. RabbitMQ's are `administrator`,
/// `monitoring`, `policymaker`, `management` and `impersonator`; any other word is kept and means
/// nothing to the broker.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Vec<String>")]
pub struct Tags(Vec<String>);

impl Tags {
    /// May do everything.
    pub const ADMINISTRATOR: &str = "administrator";
    /// May see everything of every virtual host.
    pub const MONITORING: &str = "monitoring";
    /// May set policies where they have access.
    pub const POLICYMAKER: &str = "policymaker";
    /// May use the HTTP API for what they have access to.
    pub const MANAGEMENT: &str = "management";
    /// May publish with another user's name in `user-id`.
    pub const IMPERSONATOR: &str = "impersonator";

    /// Checks the words; one that comes twice counts once.
    ///
    /// # Errors
    /// A word is empty, too long, has a comma, a space or a control character; or there are too
    /// many.
    pub fn new(words: impl IntoIterator<Item = impl Into<String>>) -> Result<Tags, Error> {
        let mut tags = Vec::new();
        for word in words {
            let word = word.into();
            let fault =
                |reason: &'static str| Error::Tag { tag: word.chars().take(80).collect(), reason };
            match &*word {
                "" => return Err(fault("is empty")),
                _ if word.len() > TAG_BYTES_MAX => return Err(fault("has more than 255 bytes")),
                _ if word.contains(|c: char| c == ',' || c.is_whitespace() || c.is_control()) => {
                    return Err(fault("has a comma, a space or a control character"));
                }
                _ if tags.contains(&word) => continue,
                _ if tags.len() == TAGS_MAX => {
                    return Err(fault("is one too many: a user has at most 32"));
                }
                _ => tags.push(word),
            }
        }
        Ok(Tags(tags))
    }

    /// Words separated by commas, as RabbitMQ's definitions and tools write them; none in an empty
    /// text.
    ///
    /// # Errors
    /// As [`Tags::new`].
    pub fn parse(text: &str) -> Result<Tags, Error> {
        match text.trim() {
            "" => Ok(Tags::default()),
            text => Tags::new(text.split(',').map(str::trim)),
        }
    }

    /// Whether this word is one of them.
    pub fn has(&self, word: &str) -> bool {
        self.0.iter().any(|tag| tag == word)
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Separated by commas.
impl fmt::Display for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

impl From<Tags> for Vec<String> {
    fn from(tags: Tags) -> Vec<String> {
        tags.0
    }
}

/// RabbitMQ wrote a text with commas until 3.8, and a list since.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    List(Vec<String>),
    Text(String),
}

impl TryFrom<Written> for Tags {
    type Error = Error;

    fn try_from(written: Written) -> Result<Tags, Error> {
        match written {
            Written::List(words) => Tags::new(words),
            Written::Text(text) => Tags::parse(&text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_of_rabbitmqs_ways_to_write_tags_are_read_and_lists_are_written() {
        let list: Tags = serde_json::from_str(r#"["administrator","ops","ops"]"#).unwrap();
        let text: Tags = serde_json::from_str(r#""administrator, ops""#).unwrap();
        assert_eq!(list, text);
        assert_eq!(serde_json::to_string(&list).unwrap(), r#"["administrator","ops"]"#);
        assert!(serde_json::from_str::<Tags>(r#""""#).unwrap().is_empty());
        assert!(list.has(Tags::ADMINISTRATOR) && !list.has(Tags::MONITORING));
        assert_eq!(list.to_string(), "administrator,ops");
    }

    #[test]
    fn words_that_cannot_be_tags_are_refused_with_the_reason() {
        for words in [vec![""], vec!["a,b"], vec!["a b"], vec!["a\n"], vec![&"x".repeat(256)]] {
            let said = Tags::new(words.clone()).unwrap_err().to_string();
            assert!(said.starts_with("tag '"), "{words:?}: {said}");
        }
        let words = |count: usize| (0..count).map(|n| n.to_string());
        assert_eq!(Tags::new(words(32)).unwrap().iter().count(), 32);
        assert!(Tags::new(words(33)).unwrap_err().to_string().contains("at most 32"));
    }
}
