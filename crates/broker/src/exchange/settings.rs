//! What an exchange's arguments ask for, read once when it is declared. The refusals are those of
//! RabbitMQ and of the plugins whose kinds these are.

use bytestring::ByteString;

use super::{ExchangeDeclaration, ExchangeKind};
use crate::{
    Arguments, Error, Value, arguments::Property, error::Resource,
    limits::DEDUPLICATION_ENTRIES_MAX,
};

/// The arguments of an exchange, as far as its kind reads them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Settings {
    /// Where messages go that it has no destination for.
    pub(crate) alternate: Option<ByteString>,
    /// What a consistent hash is of.
    pub(crate) hash_on: HashOn,
    /// The kind that decides once a message is due, of a delayed exchange.
    pub(crate) delayed: Option<ExchangeKind>,
    /// What a deduplicating exchange remembers.
    pub(crate) seen: Option<Seen>,
}

/// What a consistent hash exchange hashes.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum HashOn {
    #[default]
    Key,
    Header(String),
    Property(Property),
}

/// How much a deduplicating exchange remembers, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) entries: usize,
    pub(crate) ttl_ms: Option<u64>,
}

impl Settings {
    /// Reads the arguments of a declaration.
    ///
    /// # Errors
    /// [`crate::error::Kind::PreconditionFailed`].
    pub(crate) fn of(
        declaration: &ExchangeDeclaration,
        what: Resource<'_>,
    ) -> Result<Settings, Error> {
        let arguments = &declaration.arguments;
        let mut settings =
            Settings { alternate: alternate(arguments, what)?, ..Settings::default() };
        let kind = match declaration.kind {
            ExchangeKind::Delayed => {
                let inner = delayed_kind(arguments)?;
                settings.delayed = Some(inner);
                inner
            }
            kind => kind,
        };
        match kind {
            ExchangeKind::ConsistentHash => settings.hash_on = hash_on(arguments)?,
            ExchangeKind::Deduplication => settings.seen = Some(seen(arguments)?),
            _ => {}
        }
        Ok(settings)
    }
}

/// RabbitMQ: `rabbit_channel`, `exchange.declare`. The exchange itself need not be there.
fn alternate(arguments: &Arguments, what: Resource<'_>) -> Result<Option<ByteString>, Error> {
    match arguments.get(ALTERNATE_EXCHANGE) {
        None => Ok(None),
        Some(Value::Longstr(name)) => Ok(Some(name.as_str().into())),
        Some(other) => Err(Error::precondition(format!(
            "invalid type '{}' for arg '{ALTERNATE_EXCHANGE}' in {what}",
            other.type_name()
        ))),
    }
}

/// RabbitMQ: `rabbit_exchange_type_consistent_hash:validate`.
fn hash_on(arguments: &Arguments) -> Result<HashOn, Error> {
    let named = |argument: &str| match arguments.get(argument) {
        None => Ok(None),
        Some(Value::Longstr(name)) => Ok(Some(name.clone())),
        Some(other) => Err(Error::precondition(format!(
            "Invalid argument, '{argument}' must be a string, not of type '{}'",
            other.type_name()
        ))),
    };
    match (named("hash-header")?, named("hash-property")?) {
        (None, None) => Ok(HashOn::Key),
        (Some(name), None) => Ok(HashOn::Header(name)),
        (None, Some(name)) => Property::named(&name)
            .map(HashOn::Property)
            .ok_or_else(|| Error::precondition(format!("Unsupported property: {name}"))),
        (Some(_), Some(_)) => {
            Err(Error::precondition("hash-header and hash-property are mutually exclusive"))
        }
    }
}

/// The delayed message plugin: `validate`. Its own kind inside itself would never end, and one that
/// deduplicates would count a message twice.
fn delayed_kind(arguments: &Arguments) -> Result<ExchangeKind, Error> {
    let refusal = "Invalid argument, 'x-delayed-type' must be an existing exchange type";
    let name = arguments.get("x-delayed-type").and_then(Value::as_str);
    let name = name.ok_or_else(|| Error::precondition(refusal))?;
    match name.parse()? {
        ExchangeKind::Delayed | ExchangeKind::Deduplication => Err(Error::precondition(format!(
            "{refusal} that neither delays nor deduplicates itself, not '{name}'"
        ))),
        kind => Ok(kind),
    }
}

/// The message deduplication plugin: `validate`.
fn seen(arguments: &Arguments) -> Result<Seen, Error> {
    let size = arguments.get("x-cache-size").and_then(positive).ok_or_else(|| {
        Error::precondition(
            "Missing or invalid argument, 'x-cache-size' must be an integer greater than 0",
        )
    })?;
    let entries = usize::try_from(size).unwrap_or(usize::MAX);
    if entries > DEDUPLICATION_ENTRIES_MAX {
        return Err(Error::precondition(format!(
            "Invalid argument, 'x-cache-size' is {size}, more than {DEDUPLICATION_ENTRIES_MAX}"
        )));
    }
    let ttl_ms = match arguments.get("x-cache-ttl") {
        None => None,
        Some(ttl) => Some(positive(ttl).ok_or_else(|| {
            Error::precondition("Invalid argument, 'x-cache-ttl' must be an integer greater than 0")
        })?),
    };
    match arguments.get("x-cache-persistence").map(Value::as_str) {
        None | Some(Some("disk" | "memory")) => Ok(Seen { entries, ttl_ms }),
        Some(_) => Err(Error::precondition(
            "Invalid argument, 'x-cache-persistence' must be either 'disk' or 'memory'",
        )),
    }
}

/// A number greater than 0, or its digits.
fn positive(value: &Value) -> Option<u64> {
    let number = value.as_integer().or_else(|| value.as_str()?.parse().ok())?;
    u64::try_from(number).ok().filter(|number| *number > 0)
}

pub(crate) const ALTERNATE_EXCHANGE: &str = "alternate-exchange";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: ExchangeKind, arguments: &[(&str, Value)]) -> Result<Settings, String> {
        let arguments =
            arguments.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let declaration = ExchangeDeclaration {
            name: "x".into(),
            kind,
            durable: true,
            auto_delete: false,
            internal: false,
            arguments,
        };
        let what = Resource { kind: "exchange", name: "x", vhost: "/" };
        Settings::of(&declaration, what).map_err(|refusal| refusal.text)
    }

    fn text(text: &str) -> Value {
        Value::Longstr(text.into())
    }

    #[test]
    fn an_alternate_exchange_is_a_name() {
        let settings = read(ExchangeKind::Direct, &[("alternate-exchange", text("other"))]);
        assert_eq!(settings.unwrap().alternate.as_deref(), Some("other"));
        assert_eq!(
            read(ExchangeKind::Direct, &[("alternate-exchange", Value::SignedInt(5))]).unwrap_err(),
            "invalid type 'signedint' for arg 'alternate-exchange' in exchange 'x' in vhost '/'"
        );
    }

    #[test]
    fn a_hash_is_of_the_key_a_header_or_one_of_three_properties() {
        let read = |arguments: &[(&str, Value)]| read(ExchangeKind::ConsistentHash, arguments);
        assert_eq!(read(&[]).unwrap().hash_on, HashOn::Key);
        let header = read(&[("hash-header", text("user"))]).unwrap();
        assert_eq!(header.hash_on, HashOn::Header("user".into()));
        for (name, property) in [
            ("message_id", Property::MessageId),
            ("correlation_id", Property::CorrelationId),
            ("timestamp", Property::Timestamp),
        ] {
            let settings = read(&[("hash-property", text(name))]).unwrap();
            assert_eq!(settings.hash_on, HashOn::Property(property));
        }
        assert_eq!(
            read(&[("hash-property", text("app_id"))]).unwrap_err(),
            "Unsupported property: app_id"
        );
        assert_eq!(
            read(&[("hash-header", text("a")), ("hash-property", text("message_id"))]).unwrap_err(),
            "hash-header and hash-property are mutually exclusive"
        );
        assert!(read(&[("hash-header", Value::Bool(true))]).is_err());
    }

    #[test]
    fn a_delayed_exchange_names_the_kind_it_is_in_the_end() {
        let read = |arguments: &[(&str, Value)]| read(ExchangeKind::Delayed, arguments);
        let settings = read(&[("x-delayed-type", text("topic"))]).unwrap();
        assert_eq!(settings.delayed, Some(ExchangeKind::Topic));
        assert!(read(&[]).unwrap_err().contains("'x-delayed-type' must be"));
        assert!(read(&[("x-delayed-type", Value::Void)]).unwrap_err().contains("must be"));
        let unknown = read(&[("x-delayed-type", text("topics"))]).unwrap_err();
        assert_eq!(unknown, "unknown exchange type 'topics'");
        assert!(read(&[("x-delayed-type", text("x-delayed-message"))]).is_err());
        let hashed = [("x-delayed-type", text("x-consistent-hash")), ("hash-header", text("h"))];
        assert_eq!(read(&hashed).unwrap().hash_on, HashOn::Header("h".into()));
    }

    #[test]
    fn a_deduplicating_exchange_says_how_much_it_remembers() {
        let read = |arguments: &[(&str, Value)]| read(ExchangeKind::Deduplication, arguments);
        let seen = |entries, ttl_ms| Some(Seen { entries, ttl_ms });
        let size = |size: i64| ("x-cache-size", Value::Long(size));
        assert_eq!(read(&[size(10)]).unwrap().seen, seen(10, None));
        let both = [("x-cache-size", text("7")), ("x-cache-ttl", Value::SignedInt(1000))];
        assert_eq!(read(&both).unwrap().seen, seen(7, Some(1000)));
        assert!(read(&[]).unwrap_err().starts_with("Missing or invalid argument, 'x-cache-size'"));
        assert!(read(&[size(0)]).is_err());
        let most = DEDUPLICATION_ENTRIES_MAX as i64;
        assert!(read(&[size(most)]).is_ok());
        assert!(read(&[size(most + 1)]).is_err());
        let ttl = read(&[size(1), ("x-cache-ttl", Value::Long(0))]);
        assert!(ttl.unwrap_err().contains("'x-cache-ttl' must be"));
        let kept = read(&[size(1), ("x-cache-persistence", text("tape"))]);
        assert!(kept.unwrap_err().contains("'x-cache-persistence' must be"));
    }
}
