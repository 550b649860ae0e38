//! The ways to be against the protocol: what was found, what was expected, and the reply code.

use crate::{ReplyCode, frame::FrameKind, limits};

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
    #[error("field '{field}' nests tables or arrays deeper than {max}")]
    FieldDepth {
        /// The field being read.
        field: &'static str,
        /// The limit.
        max: usize,
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
    /// Content without the method that opens it. This text and the next three are RabbitMQ's.
    #[error("expected method frame, got non method frame instead")]
    ExpectedMethod {
        /// The frame that came.
        found: FrameKind,
    },
    /// A method that needs content, and something else after it.
    #[error("expected content header for class {class}, got non content header frame instead")]
    ExpectedHeader {
        /// The method's class.
        class: u16,
        /// The frame that came.
        found: FrameKind,
    },
    /// A body that is not complete, and something else after it.
    #[error("expected content body, got non content body frame instead")]
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
    #[error("content body frame exceeds remaining content size")]
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
    /// Whether the text is RabbitMQ's word for word, so that nothing may stand before it: clients
    /// and their tests match on it.
    pub(crate) fn is_in_rabbitmqs_words(&self) -> bool {
        matches!(
            self,
            Self::MessageTooLarge { .. }
                | Self::ExpectedMethod { .. }
                | Self::ExpectedHeader { .. }
                | Self::ExpectedBody { .. }
                | Self::HeaderClass { .. }
                | Self::BodyOverrun { .. }
                | Self::BodyTooLarge { .. }
        )
    }

    /// AMQP 0-9-1 §1.3: 501 is a frame that cannot be decoded, 502 a field with an illegal value,
    /// 505 a frame out of turn.
    pub(crate) fn reply_code(&self) -> ReplyCode {
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
