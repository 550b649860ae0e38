//! The dotted name of an event, its AMQP routing key.

use std::{fmt, str::FromStr};

use crate::Error;

/// The name of what happened: `org.example.git.receive`. 1 to 255 bytes (AMQP 0-9-1 shortstr),
/// no control characters, no `*` or `#` (those are for patterns).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(String);

impl Topic {
    /// The topic as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The dotted words.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }

    /// This topic behind a prefix: `org.example` + `git.receive`. An empty prefix changes nothing.
    ///
    /// # Errors
    /// [`Error::Topic`] when the result would not be a topic.
    pub fn prefixed(&self, prefix: &str) -> Result<Topic, Error> {
        match prefix.trim_end_matches('.') {
            "" => Ok(self.clone()),
            prefix => format!("{prefix}.{}", self.0).parse(),
        }
    }
}

impl FromStr for Topic {
    type Err = Error;

    fn from_str(text: &str) -> Result<Topic, Error> {
        let fault = match text {
            "" => Some("is empty".to_owned()),
            _ if text.len() > LENGTH_MAX => {
                Some(format!("has {} bytes, more than {LENGTH_MAX}", text.len()))
            }
            _ if text.contains(['*', '#']) => Some("has '*' or '#'".to_owned()),
            _ if text.chars().any(|c| c.is_control() || c.is_whitespace()) => {
                Some("has white space or a control character".to_owned())
            }
            _ => None,
        };
        match fault {
            None => Ok(Topic(text.to_owned())),
            Some(reason) => Err(Error::Topic { topic: text.to_owned(), reason }),
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// AMQP 0-9-1 §4.2.5.3: a routing key is a short string.
const LENGTH_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_joined_with_one_dot() {
        let topic: Topic = "git.receive".parse().unwrap();
        assert_eq!(topic.prefixed("org.example.").unwrap().as_str(), "org.example.git.receive");
        assert_eq!(topic.prefixed("").unwrap(), topic);
    }

    #[test]
    fn what_cannot_be_a_topic_is_refused_with_the_reason() {
        for (text, reason) in [("", "empty"), ("a.*", "'*'"), ("a b", "white space")] {
            let error = text.parse::<Topic>().unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        assert!("x".repeat(256).parse::<Topic>().is_err());
    }
}
