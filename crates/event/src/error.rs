//! What can be wrong with an event. Every variant names the thing and the mend.

use std::borrow::Cow;

/// An event, topic, pattern, schema or wire message that cannot be what it claims.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The topic is empty, too long, or holds a character a topic cannot have.
    #[error("topic '{topic}' {reason}; a topic is dotted words such as org.example.git.receive")]
    Topic {
        /// The topic as given.
        topic: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The pattern cannot be an AMQP topic pattern.
    #[error("pattern '{pattern}' {reason}; '*' stands for one word, '#' for any number")]
    Pattern {
        /// The pattern as given.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The body is not JSON, or not a JSON object.
    #[error("body is not a JSON object: {0}")]
    Body(String),
    /// A property or header of a message from the bus has a value an event cannot have.
    #[error("message {what}: {reason}")]
    Wire {
        /// The property, header or attribute.
        what: Cow<'static, str>,
        /// What was found.
        reason: String,
    },
    /// A schema file cannot be used.
    #[error("schema {name}: {reason}")]
    Schema {
        /// The file or the schema's name.
        name: String,
        /// What is wrong and where.
        reason: String,
    },
    /// The body does not fit the schema it names.
    #[error("body does not fit schema {schema}: {}", .reasons.join("; "))]
    Invalid {
        /// The schema's name.
        schema: String,
        /// One line for each rule broken: JSON path, then what was expected.
        reasons: Vec<String>,
    },
    /// A key that signs or verifies cannot be used.
    #[error("key '{id}': {reason}")]
    Key {
        /// Its name.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An event has no canonical form, so nobody can vouch for it.
    #[error("event {id} cannot be signed: {reason}")]
    Unsignable {
        /// The event's id.
        id: String,
        /// What stands in the way, and where.
        reason: String,
    },
}
