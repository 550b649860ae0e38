//! What can be wrong with what a peer sent, and what the protocol says to answer.

use std::fmt;

use crate::{Fault, ReplyCode, ShortStr};

/// What an error closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// The channel it happened on (a soft error).
    Channel,
    /// The whole connection (a hard error).
    Connection,
}

/// The class and method id that open a method frame's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MethodId {
    /// Class id.
    pub class: u16,
    /// Method id within the class.
    pub method: u16,
}

impl fmt::Display for MethodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "method {}.{}", self.class, self.method),
        }
    }
}

/// Something a peer sent that is against the protocol: what is wrong, and in which method where
/// that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    fault: Fault,
    method: Option<MethodId>,
}

impl Error {
    /// What is wrong.
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// The code for the close method.
    pub fn reply_code(&self) -> ReplyCode {
        self.fault.reply_code()
    }

    /// Whether it ends the channel or the connection. On channel 0 every error ends the connection;
    /// that is for the caller to know.
    pub fn reach(&self) -> Reach {
        self.reply_code().reach()
    }

    /// The failing method, where one is known.
    pub fn method(&self) -> Option<MethodId> {
        self.method
    }

    /// `class-id` for the close method; 0 when unknown.
    pub fn class_id(&self) -> u16 {
        self.method.map_or(0, |id| id.class)
    }

    /// `method-id` for the close method; 0 when unknown.
    pub fn method_id(&self) -> u16 {
        self.method.map_or(0, |id| id.method)
    }

    /// `reply-text` for the close method: `NAME - explanation`, cut to 255 octets.
    pub fn text(&self) -> ShortStr {
        self.reply_code().text(self)
    }

    /// The same error, said to have happened in this method unless it knows one already.
    pub fn in_method(mut self, id: MethodId) -> Self {
        self.method.get_or_insert(id);
        self
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self { fault, method: None }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.method {
            Some(id) if !self.fault.is_in_rabbitmqs_words() => write!(f, "{id}: {}", self.fault),
            _ => self.fault.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl ReplyCode {
    /// A reply text: `NAME - explanation`, cut to the 255 octets of a short string (RabbitMQ:
    /// `amqp_exception_explanation`).
    pub fn text(self, explanation: impl fmt::Display) -> ShortStr {
        ShortStr::truncated(&format!("{} - {explanation}", self.name()))
    }
}

impl fmt::Display for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_text_names_the_code_the_method_and_the_field() {
        let fault = Fault::NotUtf8 { field: "queue", at: 2 };
        let error = Error::from(fault).in_method(MethodId { class: 50, method: 10 });
        assert_eq!(
            error.text(),
            "SYNTAX_ERROR - queue.declare: field 'queue' is not UTF-8 from octet 2 on"
        );
        assert_eq!((error.class_id(), error.method_id()), (50, 10));
        assert_eq!(error.reply_code().number(), 502);
        assert_eq!(error.reach(), Reach::Connection);
    }

    #[test]
    fn an_error_keeps_the_first_method_it_is_told() {
        let first = MethodId { class: 60, method: 40 };
        let error = Error::from(Fault::Trailing { left: 1 }).in_method(first);
        assert_eq!(error.in_method(MethodId { class: 20, method: 10 }).method(), Some(first));
    }

    #[test]
    fn an_oversized_message_closes_the_channel_with_rabbitmqs_words() {
        let error = Error::from(Fault::MessageTooLarge { size: 17, max: 16 })
            .in_method(MethodId { class: 60, method: 40 });
        assert_eq!(error.reach(), Reach::Channel);
        assert_eq!(
            error.text(),
            "PRECONDITION_FAILED - message size 17 is larger than configured max size 16"
        );
    }

    #[test]
    fn a_long_reply_text_is_cut_to_255_octets_and_says_so() {
        let text = ReplyCode::NotFound.text("é".repeat(200));
        assert!(text.len() <= 255 && text.len() > 250, "{}", text.len());
        assert!(text.ends_with("é..."));
    }

    #[test]
    fn reply_codes_reach_what_the_protocol_says() {
        let soft: Vec<_> =
            ReplyCode::ALL.iter().filter(|code| code.reach() == Reach::Channel).collect();
        let numbers: Vec<_> = soft.iter().map(|code| code.number()).collect();
        assert_eq!(numbers, [311, 312, 313, 403, 404, 405, 406]);
        for code in ReplyCode::ALL {
            assert_eq!(ReplyCode::from_number(code.number()), Some(code));
        }
        assert_eq!(ReplyCode::from_number(200), None);
        assert_eq!(ReplyCode::PreconditionFailed.name(), "PRECONDITION_FAILED");
    }
}
