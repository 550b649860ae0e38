//! What an identifier can stand for in a message.

use crate::Value;

/// Something that a message may have, as AMQP 1.0 §3.2 names it. Whoever has messages of another
/// protocol says what of them corresponds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Name {
    /// A field of the header.
    Header(HeaderField),
    /// A field of the properties.
    Property(PropertyField),
    /// An application property, by name.
    Application(Box<str>),
}

impl Name {
    /// What a message has that does not say (AMQP 1.0 §3.2.1).
    pub(crate) fn default_value(&self) -> Option<Value<'static>> {
        match self {
            Name::Header(HeaderField::Durable | HeaderField::FirstAcquirer) => {
                Some(Value::Bool(false))
            }
            Name::Header(HeaderField::Priority) => Some(Value::Int(4)),
            Name::Header(HeaderField::DeliveryCount) => Some(Value::Int(0)),
            Name::Header(HeaderField::Ttl) | Name::Property(_) | Name::Application(_) => None,
        }
    }
}

macro_rules! fields {
    (
        $(#[$meta:meta])*
        $type:ident: $($(#[$variant_meta:meta])* $variant:ident = $text:literal),* $(,)?
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $type {
            $($(#[$variant_meta])* $variant,)*
        }

        impl $type {
            /// Every field, in the specification's order.
            pub const ALL: &'static [$type] = &[$($type::$variant),*];

            /// The field's name with underscores, as selectors write it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($type::$variant => $text,)*
                }
            }

            pub(crate) fn named(name: &str) -> Option<$type> {
                Self::ALL.iter().copied().find(|field| field.as_str() == name)
            }
        }
    };
}

fields! {
    /// A field of the header section (AMQP 1.0 §3.2.1). One that a message does not have has the
    /// specification's default: priority 4, not durable, never delivered.
    HeaderField:
    /// A boolean.
    Durable = "durable",
    /// 0 to 9.
    Priority = "priority",
    /// Milliseconds.
    Ttl = "ttl",
    /// A boolean.
    FirstAcquirer = "first_acquirer",
    /// Deliveries before this one that did not succeed.
    DeliveryCount = "delivery_count",
}

fields! {
    /// A field of the properties section (AMQP 1.0 §3.2.4).
    PropertyField:
    /// A string, an integer, or octets; a UUID as text.
    MessageId = "message_id",
    /// Octets.
    UserId = "user_id",
    /// An address.
    To = "to",
    /// Text.
    Subject = "subject",
    /// An address.
    ReplyTo = "reply_to",
    /// As the message's id.
    CorrelationId = "correlation_id",
    /// A media type.
    ContentType = "content_type",
    /// An encoding such as `gzip`.
    ContentEncoding = "content_encoding",
    /// Milliseconds since 1970.
    AbsoluteExpiryTime = "absolute_expiry_time",
    /// Milliseconds since 1970.
    CreationTime = "creation_time",
    /// Text.
    GroupId = "group_id",
    /// An integer.
    GroupSequence = "group_sequence",
    /// Text.
    ReplyToGroupId = "reply_to_group_id",
}
