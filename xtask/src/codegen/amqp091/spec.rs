//! The protocol's JSON, parsed into what the generator needs. Refuses what it does not understand:
//! a domain without a known type, a constant of an unknown class, a method or field nobody has
//! described in `words`.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::words;

/// The protocol.
pub(super) struct Spec {
    pub(super) constants: Vec<Constant>,
    pub(super) classes: Vec<Class>,
}

/// A number with a name: a frame type, or a reply code when it has a reach.
pub(super) struct Constant {
    pub(super) name: String,
    pub(super) value: u64,
    pub(super) reach: Option<&'static str>,
}

/// A class and its methods; `basic` also has properties.
pub(super) struct Class {
    pub(super) name: String,
    pub(super) id: u64,
    pub(super) methods: Vec<Method>,
    pub(super) properties: Vec<Field>,
}

/// A method and its arguments in the order of the wire.
pub(super) struct Method {
    pub(super) name: String,
    pub(super) full_name: String,
    pub(super) id: u64,
    pub(super) synchronous: bool,
    pub(super) content: bool,
    pub(super) words: &'static str,
    pub(super) fields: Vec<Field>,
}

/// An argument or a property.
pub(super) struct Field {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) default: Option<Value>,
    pub(super) words: &'static str,
}

/// The wire types of AMQP 0-9-1 §4.2.1.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bit,
    Octet,
    Short,
    Long,
    LongLong,
    ShortStr,
    LongStr,
    /// A long string that must never reach a log.
    Secret,
    Table,
    Timestamp,
}

/// Long strings that carry a password or a token.
const SECRETS: [&str; 3] = [
    "connection.start-ok.response",
    "connection.secure-ok.response",
    "connection.update-secret.new-secret",
];

impl Spec {
    /// Reads the JSON that RabbitMQ's own generator reads.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the protocol definition {}", path.display()))?;
        let json: Value = serde_json::from_str(&text)
            .with_context(|| format!("{} is not JSON", path.display()))?;
        Self::parse(&json).with_context(|| format!("in {}", path.display()))
    }

    fn parse(json: &Value) -> Result<Self> {
        let version = (number(json, "major-version")?, number(json, "minor-version")?);
        ensure!(version == (0, 9), "expected AMQP 0-9-1, found version {version:?}");
        let mut domains = BTreeMap::new();
        for pair in list(json, "domains")? {
            match (pair.get(0).and_then(Value::as_str), pair.get(1).and_then(Value::as_str)) {
                (Some(domain), Some(kind)) => domains.insert(domain.to_owned(), kind.to_owned()),
                _ => bail!("expected a domain as [name, type], found {pair}"),
            };
        }
        let constants = list(json, "constants")?.iter().map(constant).collect::<Result<_>>()?;
        let classes = list(json, "classes")?
            .iter()
            .map(|class| parse_class(class, &domains))
            .collect::<Result<_>>()?;
        Ok(Self { constants, classes })
    }
}

fn constant(json: &Value) -> Result<Constant> {
    let reach = match json.get("class").and_then(Value::as_str) {
        None => None,
        Some("soft-error") => Some("Channel"),
        Some("hard-error") => Some("Connection"),
        Some(other) => bail!("a constant is a soft-error, a hard-error or neither, not {other}"),
    };
    Ok(Constant { name: string(json, "name")?, value: number(json, "value")?, reach })
}

fn parse_class(json: &Value, domains: &BTreeMap<String, String>) -> Result<Class> {
    let name = string(json, "name")?;
    let mut methods = Vec::new();
    for method in list(json, "methods")? {
        let method_name = string(method, "name")?;
        let full_name = format!("{name}.{method_name}");
        let fields = list(method, "arguments")?
            .iter()
            .map(|field| parse_field(field, &full_name, domains))
            .collect::<Result<_>>()?;
        methods.push(Method {
            id: number(method, "id")?,
            synchronous: flag(method, "synchronous"),
            content: flag(method, "content"),
            words: words::method(&full_name)?,
            name: method_name,
            full_name,
            fields,
        });
    }
    let properties = match json.get("properties").and_then(Value::as_array) {
        None => Vec::new(),
        Some(properties) => properties
            .iter()
            .map(|field| parse_field(field, &format!("{name}.properties"), domains))
            .collect::<Result<_>>()?,
    };
    Ok(Class { id: number(json, "id")?, name, methods, properties })
}

fn parse_field(json: &Value, owner: &str, domains: &BTreeMap<String, String>) -> Result<Field> {
    let name = string(json, "name")?;
    let path = format!("{owner}.{name}");
    let wire = match json.get("type").and_then(Value::as_str) {
        Some(wire) => wire,
        None => {
            let domain = string(json, "domain")?;
            domains.get(&domain).with_context(|| format!("{path}: unknown domain {domain}"))?
        }
    };
    let kind = match wire {
        _ if SECRETS.contains(&path.as_str()) => Kind::Secret,
        "bit" => Kind::Bit,
        "octet" => Kind::Octet,
        "short" => Kind::Short,
        "long" => Kind::Long,
        "longlong" => Kind::LongLong,
        "shortstr" => Kind::ShortStr,
        "longstr" => Kind::LongStr,
        "table" => Kind::Table,
        "timestamp" => Kind::Timestamp,
        other => bail!("{path}: unknown type {other}"),
    };
    let words = words::field(&path, &name)?;
    Ok(Field { name, kind, default: json.get("default-value").cloned(), words })
}

fn number(json: &Value, key: &str) -> Result<u64> {
    json.get(key).and_then(Value::as_u64).with_context(|| format!("expected a number {key}"))
}

fn string(json: &Value, key: &str) -> Result<String> {
    let text = json.get(key).and_then(Value::as_str);
    text.map(str::to_owned).with_context(|| format!("expected a string {key}"))
}

fn list<'a>(json: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    json.get(key).and_then(Value::as_array).with_context(|| format!("expected a list {key}"))
}

fn flag(json: &Value, key: &str) -> bool {
    json.get(key).and_then(Value::as_bool).unwrap_or(false)
}
