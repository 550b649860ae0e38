//! How identifiers are written in each dialect: what a word stands for, and back.

use std::fmt::{self, Write as _};

use crate::{
    Dialect, HeaderField, Name, PropertyField,
    lexer::{is_word_part, is_word_start},
};

/// What an identifier stands for: something that the message has, or something that follows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    Name(Name),
    Derived(Derived),
}

/// What JMS has and AMQP does not, and how it follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Derived {
    /// `'PERSISTENT'` or `'NON_PERSISTENT'` of durable (JMS 2.0 §3.8.1.1).
    DeliveryMode,
    /// A boolean: the delivery count is not zero.
    Redelivered,
    /// Deliveries with this one: JMS counts from one.
    DeliveryCount,
    /// The absolute expiry time, zero for never (JMS 2.0 §3.4.9).
    Expiration,
}

impl Derived {
    /// What it follows of.
    pub(crate) fn source(self) -> Name {
        match self {
            Derived::DeliveryMode => Name::Header(HeaderField::Durable),
            Derived::Redelivered | Derived::DeliveryCount => {
                Name::Header(HeaderField::DeliveryCount)
            }
            Derived::Expiration => Name::Property(PropertyField::AbsoluteExpiryTime),
        }
    }
}

const AMQP_PREFIX: &str = "amqp.";

/// What a name in delimiters stands for: always what the application named so.
pub(crate) fn application(name: Box<str>) -> Reference {
    Reference::Name(Name::Application(name))
}

/// What a word stands for.
///
/// # Errors
/// What is wrong with it, and the mend.
pub(crate) fn resolve(word: &str, dialect: Dialect) -> Result<Reference, &'static str> {
    match dialect {
        Dialect::Jms => resolve_jms(word),
        Dialect::AmqpSql => resolve_sql(word).map(Reference::Name),
    }
}

fn resolve_jms(word: &str) -> Result<Reference, &'static str> {
    if let Some(field) = word.strip_prefix(AMQP_PREFIX) {
        return amqp_alias(field).ok_or(
            "is no field of AMQP; write amqp. and a field of header or properties, such as \
             amqp.subject, or in double quotes what the application named so",
        );
    }
    if let Some(reference) = jms_header(word) {
        return Ok(reference);
    }
    // JMS 2.0 §3.5.1, §3.5.9: names with JMS in front are JMS's own, but those with JMSX that a
    // provider need not know, and those with JMS_ that vendors make up.
    if word.starts_with("JMS") && !word.starts_with("JMSX") && !word.starts_with("JMS_") {
        return Err(
            "is none of JMS's; it has JMSPriority, JMSMessageID, JMSTimestamp, JMSDeliveryMode, \
             JMSCorrelationID, JMSType, JMSRedelivered, JMSReplyTo, JMSDestination and JMSExpiration",
        );
    }
    Ok(application(word.into()))
}

fn jms_header(word: &str) -> Option<Reference> {
    use PropertyField as Property;

    Some(Reference::Name(match word {
        "JMSPriority" => Name::Header(HeaderField::Priority),
        "JMSMessageID" => Name::Property(Property::MessageId),
        "JMSTimestamp" => Name::Property(Property::CreationTime),
        "JMSCorrelationID" => Name::Property(Property::CorrelationId),
        // Qpid: "qpid.subject" is where AMQP 0-10 carries the subject.
        "JMSType" | "qpid.subject" => Name::Property(Property::Subject),
        "JMSReplyTo" => Name::Property(Property::ReplyTo),
        "JMSDestination" => Name::Property(Property::To),
        "JMSXUserID" => Name::Property(Property::UserId),
        "JMSXGroupID" => Name::Property(Property::GroupId),
        "JMSXGroupSeq" => Name::Property(Property::GroupSequence),
        "JMSDeliveryMode" => return Some(Reference::Derived(Derived::DeliveryMode)),
        "JMSRedelivered" => return Some(Reference::Derived(Derived::Redelivered)),
        "JMSExpiration" => return Some(Reference::Derived(Derived::Expiration)),
        "JMSXDeliveryCount" => return Some(Reference::Derived(Derived::DeliveryCount)),
        _ => return None,
    }))
}

/// Qpid's names, and the fields that Qpid has no name for.
fn amqp_alias(field: &str) -> Option<Reference> {
    Some(match field {
        "delivery_mode" => Reference::Derived(Derived::DeliveryMode),
        "redelivered" => Reference::Derived(Derived::Redelivered),
        "absolute_expiry_time" => Reference::Derived(Derived::Expiration),
        // Qpid looks for an annotation of that name first, which nobody sends any more.
        "jms_type" => Reference::Name(Name::Property(PropertyField::Subject)),
        field => Reference::Name(match HeaderField::named(field) {
            Some(field) => Name::Header(field),
            None => Name::Property(PropertyField::named(field)?),
        }),
    })
}

fn resolve_sql(word: &str) -> Result<Name, &'static str> {
    let Some((section, field)) = word.split_once('.') else {
        return match is_reserved(word) {
            true => Err("is a reserved word; write it in brackets: [name]"),
            false => Ok(Name::Application(word.into())),
        };
    };
    match section {
        _ if field.is_empty() => Err("has nothing behind its dot; write a field's name there"),
        "a" | "application_properties" => Ok(Name::Application(field.into())),
        "h" | "header" => HeaderField::named(field)
            .map(Name::Header)
            .ok_or("is no field of the header; it has priority, durable, ttl and delivery_count"),
        "p" | "properties" => PropertyField::named(&field.replace('-', "_"))
            .map(Name::Property)
            .ok_or("is no field of the properties, whose fields are AMQP's: properties.subject"),
        _ => Err("begins with no section that a filter can ask for: header, properties or \
             application_properties; write a name with a dot in brackets: [my.name]"),
    }
}

/// Functions of AMQP Filter Expressions §6 and constants that RabbitMQ keeps the words of.
fn is_reserved(word: &str) -> bool {
    const WORDS: [&str; 10] =
        ["date", "exists", "inf", "left", "lower", "nan", "right", "substring", "upper", "utc"];
    WORDS.iter().any(|reserved| word.eq_ignore_ascii_case(reserved))
}

/// Octets of the field's name with hyphens that `rest` begins with: `absolute-expiry-time`, as
/// RabbitMQ 4.2's first notes wrote it, and AMQP itself. The longest one there is.
pub(crate) fn hyphenated(section: &str, rest: &str) -> Option<usize> {
    if !matches!(section, "p" | "properties") {
        return None;
    }
    let fields = PropertyField::ALL.iter().map(|field| field.as_str());
    let begins = |field: &&str| {
        let same = |(a, b): (u8, u8)| a == if b == b'_' { b'-' } else { b };
        rest.len() >= field.len()
            && rest.bytes().zip(field.bytes()).all(same)
            && !rest.get(field.len()..).is_some_and(|rest| rest.starts_with(is_word_part))
    };
    fields.filter(|field| field.contains('_')).filter(begins).map(str::len).max()
}

/// Writes what resolves to the same again.
pub(crate) fn write(
    f: &mut fmt::Formatter<'_>,
    name: &Name,
    derived: Option<Derived>,
    dialect: Dialect,
) -> fmt::Result {
    match (name, dialect) {
        (Name::Application(name), dialect) => write_application(f, name, dialect),
        (Name::Header(field), Dialect::AmqpSql) => write!(f, "header.{}", field.as_str()),
        (Name::Property(field), Dialect::AmqpSql) => write!(f, "properties.{}", field.as_str()),
        (name, Dialect::Jms) => f.write_str(match (derived, name) {
            (Some(Derived::DeliveryMode), _) => "JMSDeliveryMode",
            (Some(Derived::Redelivered), _) => "JMSRedelivered",
            (Some(Derived::DeliveryCount), _) => "JMSXDeliveryCount",
            (Some(Derived::Expiration), _) => "JMSExpiration",
            (None, Name::Header(HeaderField::Priority)) => "JMSPriority",
            (None, Name::Property(PropertyField::MessageId)) => "JMSMessageID",
            (None, Name::Property(PropertyField::CreationTime)) => "JMSTimestamp",
            (None, Name::Property(PropertyField::CorrelationId)) => "JMSCorrelationID",
            (None, Name::Property(PropertyField::Subject)) => "JMSType",
            (None, Name::Property(PropertyField::ReplyTo)) => "JMSReplyTo",
            (None, Name::Property(PropertyField::To)) => "JMSDestination",
            (None, Name::Property(PropertyField::UserId)) => "JMSXUserID",
            (None, Name::Property(PropertyField::GroupId)) => "JMSXGroupID",
            (None, Name::Property(PropertyField::GroupSequence)) => "JMSXGroupSeq",
            (None, Name::Header(field)) => return write!(f, "{AMQP_PREFIX}{}", field.as_str()),
            (None, Name::Property(field)) => return write!(f, "{AMQP_PREFIX}{}", field.as_str()),
            (None, Name::Application(_)) => return Ok(()),
        }),
    }
}

fn write_application(f: &mut fmt::Formatter<'_>, name: &str, dialect: Dialect) -> fmt::Result {
    let is_word = name.starts_with(is_word_start)
        && name.chars().all(|c| is_word_part(c) && (c != '.' || dialect == Dialect::Jms))
        && crate::lexer::keyword(name).is_none();
    let same = |reference| matches!(reference, Ok(Reference::Name(Name::Application(_))));
    if is_word && same(resolve(name, dialect)) {
        return f.write_str(name);
    }
    let (opens, closes) = match dialect {
        Dialect::Jms => ('"', '"'),
        Dialect::AmqpSql => ('[', ']'),
    };
    f.write_char(opens)?;
    for c in name.chars() {
        if c == opens || c == closes {
            f.write_char(c)?;
        }
        f.write_char(c)?;
    }
    f.write_char(closes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_name_in_qpid_and_in_rabbitmq() {
        let headers = HeaderField::ALL.iter().map(|f| (f.as_str(), "header", Name::Header(*f)));
        let properties =
            PropertyField::ALL.iter().map(|f| (f.as_str(), "properties", Name::Property(*f)));
        for (field, section, name) in headers.chain(properties) {
            let sql = resolve(&format!("{section}.{field}"), Dialect::AmqpSql);
            assert_eq!(sql, Ok(Reference::Name(name.clone())));
            let short = resolve(&format!("{}.{field}", &section[..1]), Dialect::AmqpSql);
            assert_eq!(short, sql);
            match resolve(&format!("amqp.{field}"), Dialect::Jms) {
                Ok(Reference::Name(found)) => assert_eq!(found, name),
                Ok(Reference::Derived(derived)) => assert_eq!(derived.source(), name),
                Err(reason) => panic!("{field} {reason}"),
            }
        }
    }

    #[test]
    fn a_name_with_hyphens_is_the_longest_that_there_is() {
        assert_eq!(hyphenated("p", "reply-to-group-id = 1"), Some(17));
        assert_eq!(hyphenated("p", "reply-to-x"), Some(8));
        assert_eq!(hyphenated("p", "reply-total"), None);
        assert_eq!(hyphenated("a", "reply-to"), None);
    }
}
