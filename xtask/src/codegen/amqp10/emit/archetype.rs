//! Enums over all types that may stand where the specification requires an archetype: composite
//! types told apart by their descriptors, and symbols of which some are known.

use std::fmt::Write as _;

use anyhow::Result;

use super::{
    super::spec::{Choice, Restricted, Spec},
    HEAD, imports,
    rust_type::{camel, struct_name},
};

/// Archetypes that composite types provide.
const COMPOSITE: [(&str, &str, &str, &str); 6] = [
    ("frame", "Performative", "a performative", "The body of an AMQP frame."),
    ("sasl-frame", "SaslFrame", "a SASL frame body", "The body of a SASL frame."),
    ("delivery-state", "DeliveryState", "a delivery state", "The state of a delivery."),
    ("outcome", "Outcome", "an outcome", "A state of a delivery that is its last."),
    ("target", "LinkTarget", "a target", "Where a link leads: a node or a coordinator."),
    (
        "lifetime-policy",
        "LifetimePolicy",
        "a lifetime policy",
        "How long a node lives that is created on demand.",
    ),
];

/// Archetypes that symbols provide, and of which more may come from elsewhere.
const SYMBOL: [(&str, &str, &str); 3] = [
    ("error-condition", "ErrorCondition", "What kind of error."),
    ("distribution-mode", "DistributionMode", "Whether messages are moved or copied."),
    ("txn-capability", "TxnCapability", "What a coordinator can do."),
];

/// Archetypes that are bodies of frames, with the constant of their frames' type.
const FRAME_TYPES: [(&str, &str); 2] = [("frame", "TYPE_AMQP"), ("sasl-frame", "TYPE_SASL")];

/// So large that what holds them is better off with a pointer.
const BOXED: [&str; 4] = ["open", "begin", "attach", "transactional-state"];

/// The enum for an archetype.
pub(super) fn name(archetype: &str) -> Option<&'static str> {
    let composite = COMPOSITE.iter().map(|(key, name, ..)| (key, name));
    let symbol = SYMBOL.iter().map(|(key, name, _)| (key, name));
    composite.chain(symbol).find(|(key, _)| **key == archetype).map(|(_, name)| *name)
}

/// All these enums.
pub(super) fn names() -> Vec<String> {
    let composite = COMPOSITE.iter().map(|(_, name, ..)| (*name).to_owned());
    composite.chain(SYMBOL.iter().map(|(_, name, _)| (*name).to_owned())).collect()
}

/// The enums over composite types: archetype, name and variants.
pub(super) fn composites(
    spec: &Spec,
) -> impl Iterator<Item = (&'static str, &'static str, Vec<String>)> {
    COMPOSITE.iter().map(|(archetype, name, ..)| {
        (*archetype, *name, spec.providers(archetype).into_iter().map(struct_name).collect())
    })
}

pub(super) fn archetypes(spec: &Spec) -> Result<String> {
    let mut text = String::new();
    for (archetype, name, expected, words) in COMPOSITE {
        let mut variants = String::new();
        let mut arms = String::new();
        for composite in spec.providers(archetype) {
            let variant = struct_name(composite);
            let boxed = BOXED.contains(&composite.name.as_str());
            let held = if boxed { format!("Box<{variant}>") } else { variant.clone() };
            writeln!(variants, "/// {}\n{variant}({held}),", composite.words)?;
            write!(arms, "{variant}({variant}), ")?;
        }
        writeln!(
            text,
            "/// {words}\n#[derive(Clone, Debug, PartialEq, Eq)]\npub enum {name} {{ {variants} }}\n\n\
             one_of!({name}, \"{expected}\", {arms});\n"
        )?;
        if let Some((_, frame_type)) = FRAME_TYPES.iter().find(|(key, _)| *key == archetype) {
            let names: Vec<_> = spec.providers(archetype).into_iter().map(struct_name).collect();
            writeln!(text, "frame_bodies!({frame_type}, {name}, {});\n", names.join(", "))?;
        }
    }
    for (archetype, name, words) in SYMBOL {
        let mut variants = String::new();
        let mut arms = String::new();
        for choice in choices(archetype, spec) {
            let variant = variant(choice);
            let value = &choice.value;
            writeln!(variants, "/// `{value}`: {}\n{variant},", choice.words)?;
            writeln!(arms, "    \"{value}\" => {variant},")?;
        }
        writeln!(
            text,
            "/// {words}\n#[derive(Clone, Debug, PartialEq, Eq)]\npub enum {name} {{ {variants}\n\
             /// Any other.\nOther(Symbol) }}\n\nopen_choices!(\n    {name},\n{arms});\n"
        )?;
    }
    Ok(format!(
        "{HEAD}//! What may stand where the specification requires an archetype (AMQP 1.0 §1.3).\n\n\
         {}{text}",
        imports(&text, "archetype", spec)
    ))
}

/// The known symbols of an archetype.
pub(super) fn choices<'a>(
    archetype: &'a str,
    spec: &'a Spec,
) -> impl Iterator<Item = &'a Choice> + use<'a> {
    let provides = move |it: &&Restricted| it.provides.iter().any(|provided| provided == archetype);
    spec.restricteds.iter().filter(provides).flat_map(|it| &it.choices)
}

/// `amqp:link:stolen` is `LinkStolen`: the same word may stand for two things in two parts.
fn variant(choice: &Choice) -> String {
    camel(choice.value.strip_prefix("amqp:").unwrap_or(&choice.value))
}

/// Whether a restricted type is part of one of the enums here.
pub(super) fn covers(restricted: &Restricted) -> bool {
    restricted.provides.iter().any(|it| SYMBOL.iter().any(|(key, ..)| key == it))
}
