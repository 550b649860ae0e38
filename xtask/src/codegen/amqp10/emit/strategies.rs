//! Proptest strategies for the crate's tests, so that no type can be added without being tested.

use std::fmt::Write as _;

use anyhow::Result;

use super::{
    super::{
        super::Files,
        spec::{Composite, Field, Spec},
    },
    HEAD, archetype, composite,
    rust_type::{camel, rust_type, snake, struct_name},
};

/// proptest's tuples end at twelve.
const TUPLE_MAX: usize = 8;

/// File names and texts for `tests/wire/generated`: any value of any type.
pub(in super::super) fn strategies(spec: &Spec) -> Result<Files> {
    let mut text = format!(
        "{HEAD}//! Any value of every composite type.\n\n\
         use amqp10::{{*, definition::*, messaging::*, performative::*, sasl::*, transaction::*}};\n\
         use proptest::{{option, prelude::*}};\n\n\
         use crate::values::*;\n\n"
    );
    for composite in &spec.composites {
        text.push_str(&strategy(composite, spec)?);
    }
    for (archetype, name, variants) in archetype::composites(spec) {
        let arms: String = variants
            .iter()
            .map(|it| format!("{}().prop_map({name}::from).boxed(),", function(it)))
            .collect();
        let function = function(name);
        writeln!(
            text,
            "/// Strategies for each `{name}`.\n\
             pub(crate) fn each_{function}() -> Vec<BoxedStrategy<{name}>> {{ vec![{arms}] }}\n"
        )?;
        if archetype == "frame" || is_field(archetype, spec) {
            writeln!(
                text,
                "/// Any `{name}`.\n\
                 pub(crate) fn {function}() -> BoxedStrategy<{name}> {{\n\
                 prop::strategy::Union::new(each_{function}()).boxed() }}\n"
            )?;
        }
    }
    Ok(vec![("mod.rs".to_owned(), text)])
}

/// Whether a field requires the archetype.
fn is_field(archetype: &str, spec: &Spec) -> bool {
    let requires = |field: &Field| field.requires.as_deref() == Some(archetype);
    spec.composites.iter().any(|composite| composite.fields.iter().any(requires))
}

fn strategy(composite: &Composite, spec: &Spec) -> Result<String> {
    let name = struct_name(composite);
    let function = function(&name);
    let head = format!(
        "/// Any `{}`.\npub(crate) fn {function}() -> BoxedStrategy<{name}> {{",
        composite.name
    );
    if composite.fields.is_empty() {
        return Ok(format!("{head} Just({name} {{}}).boxed() }}\n\n"));
    }
    let (mut kinds, mut names) = (String::new(), String::new());
    for group in composite.fields.chunks(TUPLE_MAX) {
        let each =
            group.iter().map(|field| field_strategy(field, spec)).collect::<Result<Vec<_>>>();
        let each_name: Vec<_> = group.iter().map(|field| snake(&field.name)).collect();
        write!(kinds, "({},),", each?.join(", "))?;
        write!(names, "({},),", each_name.join(", "))?;
    }
    let all: Vec<_> = composite.fields.iter().map(|field| snake(&field.name)).collect();
    Ok(format!(
        "{head} ({kinds}).prop_map(|({names})| {name} {{ {} }}).boxed() }}\n\n",
        all.join(", ")
    ))
}

fn field_strategy(field: &Field, spec: &Spec) -> Result<String> {
    let kind = rust_type(field, spec)?;
    let strategy = match kind.as_str() {
        "bool" | "u8" | "u16" | "u32" | "u64" => format!("any::<{kind}>()"),
        "Box<AmqpError>" => "amqp_error().prop_map(Box::new)".to_owned(),
        _ => match spec.restricteds.iter().find(|it| camel(&it.name) == kind) {
            Some(restricted)
                if !restricted.choices.is_empty() && !archetype::covers(restricted) =>
            {
                let all =
                    restricted.choices.iter().map(|it| format!("{kind}::{}", camel(&it.name)));
                format!("prop::sample::select(vec![{}])", all.collect::<Vec<_>>().join(", "))
            }
            _ => format!("{}()", function(&kind)),
        },
    };
    Ok(match composite::held_type(field, &kind) {
        held if held.starts_with("Multiple") => {
            let least = usize::from(field.mandatory);
            format!("multiple({strategy}, {least})")
        }
        held if held.starts_with("Option") => format!("option::of({strategy})"),
        _ => strategy,
    })
}

/// `DeliveryState` is made by `delivery_state`.
fn function(name: &str) -> String {
    let mut function = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !function.is_empty() {
            function.push('_');
        }
        function.extend(letter.to_lowercase());
    }
    function
}
