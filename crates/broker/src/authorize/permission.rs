//! What one user may do in one virtual host.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::pattern::{Pattern, PatternError};

/// What a user may do with queues and exchanges whose name has the pattern in it. As in RabbitMQ,
/// an empty pattern is `^$`: it allows nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// Declare and delete.
    pub configure: Pattern,
    /// Publish; bind to.
    pub write: Pattern,
    /// Consume, get, purge; bind from.
    pub read: Pattern,
}

impl Permission {
    /// Compiles the three patterns.
    ///
    /// # Errors
    /// One of them is no pattern.
    pub fn new(configure: &str, write: &str, read: &str) -> Result<Permission, PatternError> {
        Ok(Permission {
            configure: Pattern::new(configure)?,
            write: Pattern::new(write)?,
            read: Pattern::new(read)?,
        })
    }

    /// `.*` three times.
    pub fn full() -> &'static Permission {
        static FULL: LazyLock<Permission> = LazyLock::new(|| {
            Permission::new(".*", ".*", ".*").expect("the pattern of everything is one")
        });
        &FULL
    }
}

/// What a user may do with the routing keys of one topic exchange, besides what they may do with
/// the exchange. `{username}` and `{vhost}` in a pattern stand for the user's name and the virtual
/// host, `{client_id}` for the client's, where a protocol has such a thing; none of them can bring
/// a meaning of its own into the pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPermission {
    pub(super) write: TopicPattern,
    pub(super) read: TopicPattern,
}

impl TopicPermission {
    /// Compiles the two patterns for this user in this virtual host.
    ///
    /// # Errors
    /// One of them is no pattern.
    pub fn new(
        user: &str,
        vhost: &str,
        write: &str,
        read: &str,
    ) -> Result<TopicPermission, PatternError> {
        Ok(TopicPermission {
            write: TopicPattern::new(user, vhost, write)?,
            read: TopicPattern::new(user, vhost, read)?,
        })
    }

    /// The pattern of keys to publish with, as it was written.
    pub fn write(&self) -> &str {
        &self.write.text
    }

    /// The pattern of keys to bind with, as it was written.
    pub fn read(&self) -> &str {
        &self.read.text
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TopicPattern {
    /// As written.
    text: Box<str>,
    /// With all put in but the client, who is put in at each check.
    of_client: Option<Box<str>>,
    /// For protocols that know no client: there the placeholder stands for itself, as in RabbitMQ.
    compiled: Pattern,
}

impl TopicPattern {
    fn new(user: &str, vhost: &str, text: &str) -> Result<TopicPattern, PatternError> {
        // The written one, too: it is what is limited in length.
        if text.len() > super::pattern::PATTERN_BYTES_MAX {
            return Err(PatternError::TooLong);
        }
        let put_in = put_in(text, &[("{username}", user), ("{vhost}", vhost)]);
        let compiled = Pattern::of_any_length(&self::put_in(&put_in, &[(CLIENT_ID, CLIENT_ID)]))?;
        let of_client = put_in.contains(CLIENT_ID).then(|| put_in.into());
        Ok(TopicPattern { text: text.into(), of_client, compiled })
    }

    /// RabbitMQ: what cannot be matched is refused.
    pub(super) fn is_in(&self, key: &str, client_id: Option<&str>) -> bool {
        match (&self.of_client, client_id) {
            (Some(template), Some(client)) => {
                Pattern::of_any_length(&put_in(template, &[(CLIENT_ID, client)]))
                    .is_ok_and(|pattern| permits(&pattern, key))
            }
            _ => permits(&self.compiled, key),
        }
    }
}

const CLIENT_ID: &str = "{client_id}";

/// Puts the values in, each as itself. In one pass: a value that reads like a placeholder is not
/// one.
fn put_in(text: &str, values: &[(&str, &str)]) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let found = values
            .iter()
            .find_map(|(placeholder, value)| Some((from.strip_prefix(placeholder)?, value)));
        match found {
            Some((behind, value)) => {
                out.push_str(&regex::escape(value));
                rest = behind;
            }
            None => {
                out.push('{');
                rest = from.strip_prefix('{').unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

/// Whether a permission's pattern lets a name pass. RabbitMQ: an empty one is `^$`
/// (`rabbit_auth_backend_internal:check_resource_access`).
pub(super) fn permits(pattern: &Pattern, name: &str) -> bool {
    match pattern.as_str() {
        "" => name.is_empty(),
        _ => pattern.is_in(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(user: &str, vhost: &str, text: &str) -> TopicPattern {
        TopicPattern::new(user, vhost, text).unwrap()
    }

    #[test]
    fn an_empty_pattern_allows_nothing_that_has_a_name() {
        let none = Pattern::new("").unwrap();
        assert!(!permits(&none, "q") && permits(&none, ""));
        assert!(permits(&Permission::full().read, "q"));
    }

    #[test]
    fn placeholders_stand_for_themselves_whatever_the_names_are() {
        let pattern = topic("a.*", "v|w", r"^{vhost}\.{username}\..+$");
        assert!(pattern.is_in("v|w.a.*.x", None));
        assert!(!pattern.is_in("v|w.abc.x", None) && !pattern.is_in("w.a.*.x", None));
        // A name that is a placeholder's, one in a class, and a count that is none.
        assert!(topic("{vhost}", "v", "^{username}$").is_in("{vhost}", None));
        assert!(topic("a-z", "v", "^[{username}]$").is_in("-", None));
        assert!(!topic("a-z", "v", "^[{username}]$").is_in("b", None));
        assert!(topic("u", "v", "^a{2}$").is_in("aa", None));
    }

    #[test]
    fn the_client_is_put_in_where_there_is_one() {
        let pattern = topic("u", "v", "^{username}.{client_id}$");
        assert!(pattern.is_in("u.c.1", Some("c.1")) && !pattern.is_in("u.cx1", Some("c.1")));
        assert!(!pattern.is_in("u.c1", None) && pattern.is_in("u.{client_id}", None));
        assert!(!pattern.is_in("u.c", Some(&"(".repeat(300))));
    }

    #[test]
    fn a_pattern_is_as_long_as_it_was_written() {
        let user = "u".repeat(255);
        assert!(TopicPattern::new(&user, "v", &"{username}".repeat(10)).is_ok());
        assert_eq!(
            TopicPattern::new("u", "v", &"x".repeat(1025)).unwrap_err(),
            PatternError::TooLong
        );
    }
}
