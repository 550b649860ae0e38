//! What can be wrong with what a peer sent, and what the protocol says to answer.

use std::fmt;

use crate::{ReplyCode, ShortStr, frame::FrameKind, limits};

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
        // RabbitMQ's text for an oversized message is matched on by clients, so nothing goes before
        // it.
        match self.method {
            Some(id) if !matches!(self.fault, Fault::MessageTooLarge { .. }) => {
                write!(f, "{id}: {}", self.fault)
            }
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

/// The ways to be wrong. Each says what was found and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A frame of no known type: the stream is out of step, or no AMQP at all.
    #[error("frame type {found} on channel {channel}, expected 1, 2, 3 or 8")]
    FrameType {
        /// The type octet.
        found: u8,
        /// The channel the frame claims.
        channel: u16,
    },
    /// A frame that does not end where its size says.
    #[error(
        "{kind} frame of {size} octets on channel {channel} ends with octet {found}, expected 206"
    )]
    FrameEnd {
        /// The frame's type.
        kind: FrameKind,
        /// The frame's channel.
        channel: u16,
        /// The payload's size.
        size: u32,
        /// The octet where the frame end should be.
        found: u8,
    },
    /// A frame above the negotiated limit.
    #[error(
        "{kind} frame on channel {channel} has {size} octets of payload, \
         the limit is {max} (frame_max minus 8)"
    )]
    FrameTooLarge {
        /// The frame's type.
        kind: FrameKind,
        /// The frame's channel.
        channel: u16,
        /// The payload's size.
        size: u32,
        /// The largest payload allowed.
        max: u32,
    },
    /// A heartbeat with a payload.
    #[error("heartbeat frame has {size} octets of payload, expected none")]
    HeartbeatPayload {
        /// The payload's size.
        size: u32,
    },
    /// A heartbeat on a channel.
    #[error("heartbeat frame on channel {channel}, expected channel 0")]
    HeartbeatChannel {
        /// The channel.
        channel: u16,
    },
    /// A length that points behind the end of the data.
    #[error("field '{field}' needs {needed} octets, {left} are left")]
    Truncated {
        /// The field being read.
        field: &'static str,
        /// Octets it says it has.
        needed: usize,
        /// Octets there are.
        left: usize,
    },
    /// Octets after the last field.
    #[error("{left} octets after the last field, expected none")]
    Trailing {
        /// Octets left over.
        left: usize,
    },
    /// A short string that is not UTF-8.
    #[error("field '{field}' is not UTF-8 from octet {at} on")]
    NotUtf8 {
        /// The field being read.
        field: &'static str,
        /// How many octets are valid.
        at: usize,
    },
    /// A table or array value of no known type.
    #[error("field '{field}' holds a value of unknown type {tag}")]
    FieldType {
        /// The field being read.
        field: &'static str,
        /// The type octet.
        tag: u8,
    },
    /// Tables in tables beyond the limit.
    #[error("field '{field}' nests tables or arrays deeper than {}", limits::FIELD_DEPTH_MAX)]
    FieldDepth {
        /// The field being read.
        field: &'static str,
    },
    /// Property flags that no property has.
    #[error("property flags {flags:#06x} hold bits of no property")]
    PropertyFlags {
        /// The flag word.
        flags: u16,
    },
    /// A string too long for a short string.
    #[error("a string of {length} octets where {} fit", limits::SHORT_STRING_MAX)]
    ShortStringTooLong {
        /// Its length in octets.
        length: usize,
    },
    /// Class and method ids that name no method.
    #[error("unknown to this server")]
    UnknownMethod,
    /// Content without the method that opens it.
    #[error("expected a method frame, got a {found} frame instead")]
    ExpectedMethod {
        /// The frame that came.
        found: FrameKind,
    },
    /// A method that needs content, and something else after it.
    #[error("expected a content header, got a {found} frame instead")]
    ExpectedHeader {
        /// The frame that came.
        found: FrameKind,
    },
    /// A body that is not complete, and something else after it.
    #[error("expected {remaining} more octets of content body, got a {found} frame instead")]
    ExpectedBody {
        /// Octets of body still to come.
        remaining: u64,
        /// The frame that came.
        found: FrameKind,
    },
    /// A content header of another class than its method.
    #[error("expected content header for class {expected}, got one for class {found} instead")]
    HeaderClass {
        /// The method's class.
        expected: u16,
        /// The header's class.
        found: u16,
    },
    /// A content header with a weight.
    #[error("content header has weight {found}, expected 0")]
    HeaderWeight {
        /// The weight.
        found: u16,
    },
    /// A body frame longer than what the header announced.
    #[error("content body frame of {size} octets exceeds remaining content size {remaining}")]
    BodyOverrun {
        /// The frame's payload.
        size: usize,
        /// What was still to come.
        remaining: u64,
    },
    /// A body above what this crate takes at all.
    #[error("content body size {size} exceeds maximum allowed size {}", limits::BODY_SIZE_MAX)]
    BodyTooLarge {
        /// The size announced.
        size: u64,
    },
    /// A body above what the server is configured to take.
    #[error("message size {size} is larger than configured max size {max}")]
    MessageTooLarge {
        /// The size announced.
        size: u64,
        /// The configured limit.
        max: u64,
    },
    /// A login response that is not what the mechanism asks for. Says nothing of the response
    /// itself.
    #[error("{mechanism} response is malformed: {problem}")]
    Sasl {
        /// The mechanism.
        mechanism: &'static str,
        /// What is missing or too much.
        problem: &'static str,
    },
}

impl Fault {
    /// AMQP 0-9-1 §1.3: 501 is a frame that cannot be decoded, 502 a field with an illegal value,
    /// 505 a frame out of turn.
    fn reply_code(&self) -> ReplyCode {
        match self {
            Self::FrameType { .. }
            | Self::FrameEnd { .. }
            | Self::FrameTooLarge { .. }
            | Self::HeartbeatPayload { .. }
            | Self::Truncated { .. }
            | Self::Trailing { .. }
            | Self::BodyOverrun { .. }
            | Self::BodyTooLarge { .. } => ReplyCode::FrameError,
            Self::NotUtf8 { .. }
            | Self::FieldType { .. }
            | Self::FieldDepth { .. }
            | Self::PropertyFlags { .. }
            | Self::ShortStringTooLong { .. }
            | Self::Sasl { .. } => ReplyCode::SyntaxError,
            Self::UnknownMethod => ReplyCode::NotImplemented,
            Self::HeartbeatChannel { .. }
            | Self::ExpectedMethod { .. }
            | Self::ExpectedHeader { .. }
            | Self::ExpectedBody { .. }
            | Self::HeaderClass { .. }
            | Self::HeaderWeight { .. } => ReplyCode::UnexpectedFrame,
            Self::MessageTooLarge { .. } => ReplyCode::PreconditionFailed,
        }
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
