//! What can be wrong with what a peer sent, and what the protocol says to answer.

use std::fmt;

use crate::{ErrorCondition, Fault, definition::AmqpError};

/// What an error closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// The link it happened on: `detach` with the error.
    Link,
    /// The session it happened in: `end` with the error.
    Session,
    /// The whole connection: `close` with the error.
    Connection,
}

/// Something a peer sent that is against the protocol: what is wrong, and where. One word in size,
/// as the way of a message returns it at every step and hardly ever has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Box<Detail>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Detail {
    fault: Fault,
    at: usize,
    /// The composite type and its field.
    field: Option<(&'static str, &'static str)>,
    reach: Reach,
}

impl Error {
    /// A fault at this octet of what was read.
    #[cold]
    pub(crate) fn new(fault: Fault, at: usize) -> Self {
        Self(Box::new(Detail { fault, at, field: None, reach: Reach::Connection }))
    }

    /// What is wrong.
    pub fn fault(&self) -> &Fault {
        &self.0.fault
    }

    /// At which octet, counted from the frame's or the message's first.
    pub fn at(&self) -> usize {
        self.0.at
    }

    /// The condition for the performative that closes.
    pub fn condition(&self) -> ErrorCondition {
        self.0.fault.condition()
    }

    /// How far it reaches: a frame that cannot be read ends the connection, since it may have been
    /// about any session; a message that cannot be read ends its link.
    pub fn reach(&self) -> Reach {
        self.0.reach
    }

    /// As the peer is told.
    pub fn to_amqp(&self) -> AmqpError {
        AmqpError {
            condition: self.condition(),
            description: Some(self.to_string().into()),
            info: None,
        }
    }

    /// The same error, said to be in this field unless it knows one already.
    #[cold]
    pub(crate) fn in_field(mut self, composite: &'static str, field: &'static str) -> Self {
        self.0.field.get_or_insert((composite, field));
        self
    }

    /// The same error with this reach.
    #[cold]
    pub(crate) fn reaching(mut self, reach: Reach) -> Self {
        self.0.reach = reach;
        self
    }

    /// The same error, its place counted from so many octets before.
    #[cold]
    pub(crate) fn moved(mut self, by: usize) -> Self {
        self.0.at += by;
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((composite, field)) = self.0.field {
            write!(f, "{composite}.{field}: ")?;
        }
        write!(f, "{}, at octet {}", self.0.fault, self.0.at)
    }
}

impl std::error::Error for Error {}

impl ErrorCondition {
    /// What the condition's name says it closes (AMQP 1.0 §2.8.15 to §2.8.18, §4.5.8); those of no
    /// part of the protocol say nothing.
    pub fn reach(&self) -> Option<Reach> {
        let name = self.as_str().strip_prefix("amqp:")?;
        match name.split_once(':')?.0 {
            "connection" => Some(Reach::Connection),
            "session" => Some(Reach::Session),
            "link" => Some(Reach::Link),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_tells_the_field_what_and_where() {
        let error = Error::new(Fault::NotUtf8, 17).in_field("open", "hostname");
        assert_eq!(error.to_string(), "open.hostname: string is not UTF-8, at octet 17");
        let outer = error.in_field("attach", "source");
        assert!(outer.to_string().starts_with("open.hostname"), "the innermost field stays");
        let told = outer.to_amqp();
        assert_eq!(told.condition.as_str(), "amqp:decode-error");
        assert_eq!(told.description.as_deref(), Some(outer.to_string().as_str()));
    }

    #[test]
    fn conditions_reach_what_their_names_say() {
        for (condition, reach) in [
            (ErrorCondition::ConnectionFramingError, Some(Reach::Connection)),
            (ErrorCondition::SessionWindowViolation, Some(Reach::Session)),
            (ErrorCondition::LinkStolen, Some(Reach::Link)),
            (ErrorCondition::TransactionTimeout, None),
            (ErrorCondition::NotFound, None),
        ] {
            assert_eq!(condition.reach(), reach, "{condition}");
        }
    }

    #[test]
    fn an_error_is_one_word() {
        assert_eq!(size_of::<Result<(), Error>>(), size_of::<usize>());
    }
}
