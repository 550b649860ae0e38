//! Proptest strategies for the crate's tests, so that no method can be added without being tested.

use std::fmt::Write as _;

use anyhow::Result;

use super::{
    super::{
        super::Files,
        spec::{Class, Field, Kind, Spec},
    },
    HEAD, methods, path, properties_name, rust_name, snake,
};

/// File names and texts for `tests/wire/generated`: any method, any properties.
pub(in super::super) fn strategies(spec: &Spec) -> Result<Files> {
    let mut text = format!(
        "{HEAD}//! Any value of every method and of the properties.\n\n\
         use amqp091::{{BasicProperties, Method, method::*}};\n\
         use proptest::{{option, prelude::*}};\n\n\
         use crate::values::*;\n\n\
         /// A strategy for each method, in the order of the definition.\n\
         pub(crate) fn methods() -> Vec<BoxedStrategy<Method>> {{ vec![\n"
    );
    for (class, method) in methods(spec) {
        let path = path(class, method);
        if method.fields.is_empty() {
            writeln!(text, "Just(Method::from({path} {{}})).boxed(),")?;
            continue;
        }
        let names = names(&method.fields);
        let kinds =
            method.fields.iter().map(|field| strategy(field.kind)).collect::<Vec<_>>().join(", ");
        writeln!(
            text,
            "({kinds},).prop_map(|({names},)| Method::from({path} {{ {names} }})).boxed(),"
        )?;
    }
    writeln!(text, "] }}")?;
    for class in spec.classes.iter().filter(|class| !class.properties.is_empty()) {
        text.push_str(&properties(class));
    }
    Ok(vec![("mod.rs".to_owned(), text)])
}

fn properties(class: &Class) -> String {
    // proptest's tuples end at twelve.
    let (first, second) = class.properties.split_at(class.properties.len() / 2);
    let options = |half: &[Field]| {
        let kinds = half.iter().map(|field| format!("option::of({})", strategy(field.kind)));
        kinds.collect::<Vec<_>>().join(", ")
    };
    format!(
        "\n/// Any properties of class `{class_name}`.
pub(crate) fn {class_name}_properties() -> BoxedStrategy<{name}> {{
    (({first_options}), ({second_options}))
        .prop_map(|(({first_names}), ({second_names}))| {name} {{ {first_names}, {second_names} }})
        .boxed()
}}\n",
        class_name = snake(&class.name),
        name = properties_name(class),
        first_options = options(first),
        second_options = options(second),
        first_names = names(first),
        second_names = names(second),
    )
}

fn names(fields: &[Field]) -> String {
    fields.iter().map(|field| rust_name(&field.name)).collect::<Vec<_>>().join(", ")
}

fn strategy(kind: Kind) -> &'static str {
    match kind {
        Kind::Bit => "any::<bool>()",
        Kind::Octet => "any::<u8>()",
        Kind::Short => "any::<u16>()",
        Kind::Long => "any::<u32>()",
        Kind::LongLong | Kind::Timestamp => "any::<u64>()",
        Kind::ShortStr => "short_string()",
        Kind::LongStr => "long_string()",
        Kind::Secret => "secret()",
        Kind::Table => "field_table()",
    }
}
