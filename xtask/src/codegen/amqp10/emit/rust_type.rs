//! What a type of the specification is called in Rust.

use anyhow::{Context, Result, bail};

use super::{
    super::spec::{Composite, Field, Restricted, Spec},
    archetype, restricted,
};

/// Responses that carry a password or a token.
const SECRETS: [&str; 2] = ["initial-response", "response"];

/// A field's type, without what its being optional or multiple adds.
pub(super) fn rust_type(field: &Field, spec: &Spec) -> Result<String> {
    let name = match (field.type_name.as_str(), field.requires.as_deref()) {
        ("binary", _) if SECRETS.contains(&field.name.as_str()) => "Secret".to_owned(),
        ("error", _) => "Box<AmqpError>".to_owned(),
        ("*", Some("address")) => "ByteString".to_owned(),
        ("*", Some("message-id")) => "MessageId".to_owned(),
        ("*", Some("source")) => "Source".to_owned(),
        ("*", Some("txn-id")) => "TransactionId".to_owned(),
        // Nothing in the specification provides one.
        ("*", Some("global-tx-id")) => "Value".to_owned(),
        (_, Some(archetype)) => archetype::name(archetype)
            .with_context(|| format!("{}: unknown archetype {archetype}", field.name))?
            .to_owned(),
        (name, None) => named(name, spec)?,
    };
    Ok(name)
}

/// The type of this name.
pub(super) fn named(name: &str, spec: &Spec) -> Result<String> {
    if let Some(primitive) = primitive(name) {
        return Ok(primitive.to_owned());
    }
    match spec.restricted(name) {
        Some(restricted) if is_map(restricted, spec) => Ok("Map".to_owned()),
        Some(_) => Ok(camel(name)),
        None => bail!("unknown type {name}"),
    }
}

/// Whether a restricted type is a map with no more to it.
pub(super) fn is_map(restricted: &Restricted, spec: &Spec) -> bool {
    match restricted.source.as_str() {
        "map" => true,
        source => spec.restricted(source).is_some_and(|source| is_map(source, spec)),
    }
}

/// Rust's type for a primitive one.
pub(super) fn primitive(name: &str) -> Option<&'static str> {
    Some(match name {
        "boolean" => "bool",
        "ubyte" => "u8",
        "ushort" => "u16",
        "uint" => "u32",
        "ulong" => "u64",
        "timestamp" => "Timestamp",
        "binary" => "Bytes",
        "string" => "ByteString",
        "symbol" => "Symbol",
        "map" => "Map",
        "*" => "Value",
        _ => return None,
    })
}

/// Everything that the section declares.
pub(super) fn names(section: &str, spec: &Spec) -> Vec<String> {
    let composites = spec.composites.iter().filter(|it| it.section == section);
    let restricteds =
        spec.restricteds.iter().filter(|it| it.section == section && restricted::is_generated(it));
    composites.map(struct_name).chain(restricteds.map(|it| camel(&it.name))).collect()
}

/// `error` is a name that Rust's programs have another use for.
pub(super) fn struct_name(composite: &Composite) -> String {
    if composite.name == "error" { "AmqpError".to_owned() } else { camel(&composite.name) }
}

pub(super) fn snake(name: &str) -> String {
    name.replace('-', "_")
}

pub(super) fn screaming(name: &str) -> String {
    snake(name).to_uppercase()
}

pub(super) fn camel(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>())
    };
    name.split(['-', ':']).filter_map(capital).collect()
}
