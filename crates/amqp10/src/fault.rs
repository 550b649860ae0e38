//! The ways to be against the protocol: what was found, what was expected, and the error condition.

use crate::{ErrorCondition, SectionKind, limits, types::Kind};

/// The ways to be wrong. Each says what was found and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A frame smaller than its own header.
    #[error("frame of {size} octets, a frame has at least 8")]
    FrameTooSmall {
        /// The size announced.
        size: u32,
    },
    /// A frame above the negotiated limit.
    #[error("frame of {size} octets, the limit is {max}")]
    FrameTooLarge {
        /// The size announced.
        size: u32,
        /// The limit.
        max: u32,
    },
    /// A data offset that lies in the frame header or behind the frame's end.
    #[error("frame of {size} octets has data offset {doff}, expected 2 to {}", size / 4)]
    DataOffset {
        /// The data offset, in words of four octets.
        doff: u8,
        /// The frame's size in octets.
        size: u32,
    },
    /// A frame of no known type.
    #[error("frame type {found}, expected 0 (AMQP) or 1 (SASL)")]
    FrameType {
        /// The type octet.
        found: u8,
    },
    /// A SASL frame with nothing in it.
    #[error("SASL frame without a body")]
    EmptySaslFrame,
    /// A length that points behind the end of the data.
    #[error("{needed} octets are needed, {left} are left")]
    Truncated {
        /// Octets it says it has.
        needed: usize,
        /// Octets there are.
        left: usize,
    },
    /// Octets after the last value.
    #[error("{left} octets after the last value, expected none")]
    Trailing {
        /// Octets left over.
        left: usize,
    },
    /// A format code that no type has.
    #[error("format code {code:#04x} is of no type")]
    FormatCode {
        /// The code.
        code: u8,
    },
    /// A value of another type.
    #[error("{found} (format code {code:#04x}) where {expected} is expected")]
    Type {
        /// The value's format code.
        code: u8,
        /// Its type.
        found: Kind,
        /// What should be there.
        expected: &'static str,
    },
    /// A boolean in an octet that is neither 0 nor 1.
    #[error("boolean octet {found:#04x}, expected 0 or 1")]
    Boolean {
        /// The octet.
        found: u8,
    },
    /// A string that is not UTF-8.
    #[error("string is not UTF-8")]
    NotUtf8,
    /// A symbol that is not ASCII.
    #[error("symbol is not ASCII")]
    NotAscii,
    /// A number that is no Unicode character.
    #[error("{found:#x} is no Unicode character")]
    NotChar {
        /// The number.
        found: u32,
    },
    /// Values in values beyond the limit.
    #[error("values lie deeper in each other than {}", limits::VALUE_DEPTH_MAX)]
    Depth,
    /// More elements than there are octets for.
    #[error("{count} elements in {left} octets")]
    Count {
        /// Elements announced.
        count: u32,
        /// Octets there are for them.
        left: usize,
    },
    /// Elements without octets beyond the limit.
    #[error("{count} elements without octets, the limit is {}", limits::ZERO_WIDTH_ELEMENTS_MAX)]
    ZeroWidth {
        /// Elements announced.
        count: u32,
    },
    /// A map with a key that has no value.
    #[error("map of {count} keys and values, expected an even number")]
    OddMap {
        /// Keys and values announced.
        count: u32,
    },
    /// An array element that is not of the array's type.
    #[error("{found} in an array of {expected}")]
    Element {
        /// The element's type.
        found: Kind,
        /// The array's type.
        expected: Kind,
    },
    /// A described value of an unknown kind, or of one that may not stand there.
    #[error("described type {descriptor} where {expected} is expected")]
    Descriptor {
        /// The descriptor, as text: a number or a symbol.
        descriptor: String,
        /// What should be there.
        expected: &'static str,
    },
    /// A list with more fields than its type has.
    #[error("{composite} with {found} fields, expected at most {max}")]
    FieldCount {
        /// The type.
        composite: &'static str,
        /// Fields there are.
        found: u32,
        /// Fields the type has.
        max: u32,
    },
    /// A mandatory field without a value.
    #[error("mandatory field without a value")]
    Mandatory,
    /// A value that a restricted type does not have.
    #[error("{found} is no {expected}")]
    Choice {
        /// The value.
        found: String,
        /// The restricted type.
        expected: &'static str,
    },
    /// A delivery tag above its limit.
    #[error("delivery tag of {length} octets, the limit is {}", limits::DELIVERY_TAG_MAX)]
    DeliveryTag {
        /// Its length.
        length: usize,
    },
    /// A message's section that may not follow the one before.
    #[error("section {found} after {before}")]
    SectionOrder {
        /// The section.
        found: SectionKind,
        /// The one before.
        before: SectionKind,
    },
    /// A message beyond what this crate takes at all.
    #[error("message of {size} octets, the limit is {}", limits::MESSAGE_SIZE_MAX)]
    MessageTooLarge {
        /// Its size.
        size: usize,
    },
}

/// What a peer sent, for an error's words: so much of it that the error fits into any frame.
pub(crate) fn shown(text: &str) -> String {
    const OCTETS_MAX: usize = 64;
    let end = text.floor_char_boundary(OCTETS_MAX);
    match text.get(..end) {
        Some(head) if end < text.len() => format!("{head}..."),
        _ => text.to_owned(),
    }
}

impl Fault {
    /// AMQP 1.0 §2.8.15, §2.8.16: what is no frame is a framing error, what cannot be read a decode
    /// error, and what is read and has an illegal value an invalid field.
    pub(crate) fn condition(&self) -> ErrorCondition {
        match self {
            Self::FrameTooSmall { .. }
            | Self::FrameTooLarge { .. }
            | Self::DataOffset { .. }
            | Self::FrameType { .. }
            | Self::EmptySaslFrame => ErrorCondition::ConnectionFramingError,
            Self::Mandatory | Self::Choice { .. } | Self::DeliveryTag { .. } => {
                ErrorCondition::InvalidField
            }
            Self::MessageTooLarge { .. } => ErrorCondition::LinkMessageSizeExceeded,
            Self::Truncated { .. }
            | Self::Trailing { .. }
            | Self::FormatCode { .. }
            | Self::Type { .. }
            | Self::Boolean { .. }
            | Self::NotUtf8
            | Self::NotAscii
            | Self::NotChar { .. }
            | Self::Depth
            | Self::Count { .. }
            | Self::ZeroWidth { .. }
            | Self::OddMap { .. }
            | Self::Element { .. }
            | Self::Descriptor { .. }
            | Self::FieldCount { .. }
            | Self::SectionOrder { .. } => ErrorCondition::DecodeError,
        }
    }
}
