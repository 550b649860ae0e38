//! The kinds of sections and their order.

use std::fmt;

use crate::{
    Composite as _,
    generated::descriptor,
    messaging::{Header, Properties},
};

/// A kind of section, in the order of AMQP 1.0 §3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SectionKind {
    /// What the network is told about the delivery.
    Header,
    /// Annotations for the next hop.
    DeliveryAnnotations,
    /// Annotations for the whole way.
    MessageAnnotations,
    /// The standard properties: here the bare message begins.
    Properties,
    /// The application's properties.
    ApplicationProperties,
    /// Octets of the body.
    Data,
    /// Values of the body in a list.
    Sequence,
    /// The body as one value: here the bare message ends at the latest.
    Value,
    /// What was known when the message was complete.
    Footer,
}

impl SectionKind {
    /// The descriptor as a number.
    pub(crate) const fn descriptor(self) -> u64 {
        match self {
            Self::Header => Header::CODE,
            Self::DeliveryAnnotations => descriptor::DELIVERY_ANNOTATIONS,
            Self::MessageAnnotations => descriptor::MESSAGE_ANNOTATIONS,
            Self::Properties => Properties::CODE,
            Self::ApplicationProperties => descriptor::APPLICATION_PROPERTIES,
            Self::Data => descriptor::DATA,
            Self::Sequence => descriptor::AMQP_SEQUENCE,
            Self::Value => descriptor::AMQP_VALUE,
            Self::Footer => descriptor::FOOTER,
        }
    }

    /// The section with this descriptor.
    pub(super) const fn of_descriptor(descriptor: u64) -> Option<Self> {
        Some(match descriptor {
            Header::CODE => Self::Header,
            descriptor::DELIVERY_ANNOTATIONS => Self::DeliveryAnnotations,
            descriptor::MESSAGE_ANNOTATIONS => Self::MessageAnnotations,
            Properties::CODE => Self::Properties,
            descriptor::APPLICATION_PROPERTIES => Self::ApplicationProperties,
            descriptor::DATA => Self::Data,
            descriptor::AMQP_SEQUENCE => Self::Sequence,
            descriptor::AMQP_VALUE => Self::Value,
            descriptor::FOOTER => Self::Footer,
            _ => return None,
        })
    }

    /// Whether this may come after `before`: later in the order, or once more the same kind of body
    /// that may come in parts.
    pub(super) fn may_follow(self, before: Self) -> bool {
        //= amqp-1.0 §3.2
        // The body consists of one or more data sections, one or more amqp-sequence sections, or a
        // single amqp-value section.
        match (before, self) {
            (Self::Data, Self::Data) | (Self::Sequence, Self::Sequence) => true,
            (before, found) if before.is_body() && found.is_body() => false,
            (before, found) => before < found,
        }
    }

    const fn is_body(self) -> bool {
        matches!(self, Self::Data | Self::Sequence | Self::Value)
    }

    /// The name in the specification.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::DeliveryAnnotations => "delivery-annotations",
            Self::MessageAnnotations => "message-annotations",
            Self::Properties => "properties",
            Self::ApplicationProperties => "application-properties",
            Self::Data => "data",
            Self::Sequence => "amqp-sequence",
            Self::Value => "amqp-value",
            Self::Footer => "footer",
        }
    }
}

impl fmt::Display for SectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
