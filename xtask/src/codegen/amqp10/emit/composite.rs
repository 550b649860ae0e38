//! A struct for each composite type, and how its fields are read and written.

use std::fmt::Write as _;

use anyhow::Result;

use super::{
    super::spec::{Composite, Field, Spec},
    rust_type::{camel, rust_type, snake, struct_name},
};

pub(super) fn composite(composite: &Composite, spec: &Spec) -> Result<String> {
    let name = struct_name(composite);
    let mut fields = String::new();
    let (mut reads, mut writes, mut defaults) = (String::new(), String::new(), String::new());
    let mut names = Vec::new();
    for field in &composite.fields {
        let rust_name = snake(&field.name);
        let kind = rust_type(field, spec)?;
        let default = default(field, &kind);
        let held = held_type(field, &kind);
        writeln!(fields, "/// {}\npub {rust_name}: {held},", field.words)?;
        writeln!(reads, "let {rust_name} = {};", read(field, default.as_deref()))?;
        writeln!(writes, "{};", write_field(field, &rust_name, default.as_deref()))?;
        let value = default.unwrap_or_else(|| "Default::default()".to_owned());
        write!(defaults, "{rust_name}: {value}, ")?;
        names.push(rust_name);
    }
    let derived = match default_kind(composite) {
        DefaultKind::Derived => "Clone, Debug, Default, PartialEq, Eq",
        _ => "Clone, Debug, PartialEq, Eq",
    };
    let mut text = format!(
        "\n/// `{}`. {}\n#[derive({derived})]\npub struct {name} {{ {fields} }}\n",
        composite.name, composite.words
    );
    if let DefaultKind::Written = default_kind(composite) {
        write!(
            text,
            "\nimpl Default for {name} {{ fn default() -> Self {{ Self {{ {defaults} }} }} }}\n"
        )?;
    }
    let unused = if composite.fields.is_empty() { "_" } else { "" };
    write!(
        text,
        "
impl Composite for {name} {{
    const NAME: &'static str = {short:?};
    const CODE: u64 = {code:#x};
    const SYMBOL: &'static str = {symbol:?};
    const FIELDS: u32 = {count};

    #[inline]
    fn decode_fields({unused}fields: &mut FieldReader<'_, '_>) -> Result<Self, Error> {{
        {reads} Ok(Self {{ {names} }})
    }}

    #[inline]
    fn encode_fields(&self, {unused}fields: &mut FieldWriter<'_>) {{ {writes} }}
}}

composite!({name});
",
        short = composite.name,
        code = composite.code,
        symbol = composite.symbol,
        count = composite.fields.len(),
        names = names.join(", "),
    )?;
    Ok(text)
}

/// The type of the struct's field.
pub(super) fn held_type(field: &Field, kind: &str) -> String {
    match field {
        _ if field.multiple => format!("Multiple<{kind}>"),
        _ if field.mandatory || field.default.is_some() => kind.to_owned(),
        _ => format!("Option<{kind}>"),
    }
}

enum DefaultKind {
    Derived,
    Written,
    None,
}

fn default_kind(composite: &Composite) -> DefaultKind {
    let is_condition =
        |field: &Field| field.mandatory && field.requires.as_deref() == Some("error-condition");
    // Rust's own defaults are false and 0.
    let differs = |field: &Field| {
        field.default.as_deref().is_some_and(|default| !matches!(default, "false" | "0"))
    };
    if composite.fields.iter().any(is_condition) {
        DefaultKind::None
    } else if composite.fields.iter().any(differs) {
        DefaultKind::Written
    } else {
        DefaultKind::Derived
    }
}

/// The specification's default as an expression.
fn default(field: &Field, kind: &str) -> Option<String> {
    let default = field.default.as_deref()?;
    let is_number = default.parse::<u64>().is_ok();
    Some(match kind {
        "bool" | "u16" | "u32" | "u64" => default.to_owned(),
        _ if is_number => format!("{kind}({default})"),
        _ => format!("{kind}::{}", camel(default)),
    })
}

fn read(field: &Field, default: Option<&str>) -> String {
    let name = &field.name;
    match default {
        _ if field.mandatory && field.multiple => format!("fields.at_least_one({name:?})?"),
        _ if field.mandatory => format!("fields.mandatory({name:?})?"),
        _ if field.multiple => format!("fields.or({name:?}, Multiple::new())?"),
        Some(default) => format!("fields.or({name:?}, {default})?"),
        None => format!("fields.optional({name:?})?"),
    }
}

fn write_field(field: &Field, rust_name: &str, default: Option<&str>) -> String {
    match default {
        _ if field.mandatory => format!("fields.value(&self.{rust_name})"),
        _ if field.multiple => format!("fields.unless(&Multiple::new(), &self.{rust_name})"),
        Some(default) => format!("fields.unless(&{default}, &self.{rust_name})"),
        None => format!("fields.optional(&self.{rust_name})"),
    }
}
