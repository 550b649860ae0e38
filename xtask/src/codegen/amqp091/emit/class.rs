//! A file for each class: a struct for each method, its ids, how it is read and written.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::Value;

use super::{
    super::spec::{Class, Field, Kind, Method},
    HEAD, camel, put, read, rust_name, rust_type,
};

pub(super) fn class(class: &Class) -> Result<String> {
    let mut text =
        format!("{HEAD}//! Class `{}` ({}).\n\n{}", class.name, class.id, imports(class));
    for method in &class.methods {
        text.push_str(&method_struct(method)?);
        text.push_str(&method_impl(class, method)?);
    }
    Ok(text)
}

fn imports(class: &Class) -> String {
    let uses = |kinds: &[Kind]| {
        class
            .methods
            .iter()
            .flat_map(|method| &method.fields)
            .any(|field| kinds.contains(&field.kind))
    };
    let mut bytes = vec!["BytesMut"];
    let numbers =
        [Kind::Bit, Kind::Octet, Kind::Short, Kind::Long, Kind::LongLong, Kind::Timestamp];
    if uses(&numbers) {
        bytes.push("BufMut as _");
    }
    let mut names = vec!["Error", "MethodId", "encode::EncodeMethod", "reader::Reader"];
    if uses(&[Kind::LongStr]) {
        bytes.push("Bytes");
        names.push("string");
    }
    for kind in [Kind::Table, Kind::Secret, Kind::ShortStr] {
        if uses(&[kind]) {
            names.push(rust_type(kind));
        }
    }
    format!("use bytes::{{{}}};\n\nuse crate::{{{}}};\n", bytes.join(", "), names.join(", "))
}

fn method_struct(method: &Method) -> Result<String> {
    let name = camel(&method.name);
    let defaults = method.fields.iter().any(|field| rust_default(field).is_some());
    let mut text = format!("\n/// `{}`. {}", method.full_name, method.words);
    if method.synchronous {
        let may_be_silent = method.fields.iter().any(|field| field.name == "nowait");
        text.push_str("\n///\n/// Awaits a reply");
        text.push_str(if may_be_silent { " unless `nowait`." } else { "." });
    }
    let derived = if defaults { "" } else { "Default, " };
    write!(text, "\n#[derive(Clone, Debug, {derived}PartialEq, Eq)]\npub struct {name} {{")?;
    for field in &method.fields {
        let (name, kind) = (rust_name(&field.name), rust_type(field.kind));
        writeln!(text, "/// {}\npub {name}: {kind},", field.words)?;
    }
    text.push_str("}\n");
    if defaults {
        write!(text, "\nimpl Default for {name} {{ fn default() -> Self {{ Self {{ ")?;
        for field in &method.fields {
            let value = rust_default(field).unwrap_or_else(|| "Default::default()".to_owned());
            write!(text, "{}: {value}, ", rust_name(&field.name))?;
        }
        text.push_str("} } }\n");
    }
    Ok(text)
}

fn method_impl(class: &Class, method: &Method) -> Result<String> {
    let (name, full_name) = (camel(&method.name), &method.full_name);
    let unused = if method.fields.is_empty() { "_" } else { "" };
    let (fields_in, fields_out) = (decode_fields(method)?, encode_fields(method)?);
    Ok(format!(
        "
impl {name} {{
    /// Class id on the wire.
    pub const CLASS: u16 = {class};
    /// Method id on the wire.
    pub const METHOD: u16 = {method};
    /// `{full_name}`.
    pub const NAME: &'static str = \"{full_name}\";

    /// Reads the arguments: what follows the two ids.
    ///
    /// # Errors
    /// When an argument is cut short or holds an illegal value.
    pub fn decode({unused}reader: &mut Reader<'_>) -> Result<Self, Error> {{ {fields_in} }}

    /// Writes the arguments: what follows the two ids.
    pub fn encode(&self, {unused}out: &mut BytesMut) {{ {fields_out} }}
}}

impl EncodeMethod for {name} {{
    fn id(&self) -> MethodId {{ MethodId {{ class: Self::CLASS, method: Self::METHOD }} }}

    fn encode_arguments(&self, out: &mut BytesMut) {{ self.encode(out); }}
}}
",
        class = class.id,
        method = method.id,
    ))
}

/// The fields that are read and written together: up to eight bits in a row share an octet, the
/// first in its lowest bit (AMQP 0-9-1 §4.2.5.2); any other field stands alone.
fn groups(method: &Method) -> impl Iterator<Item = (&Field, &[Field])> {
    let both_bits = |left: &Field, right: &Field| left.kind == Kind::Bit && right.kind == Kind::Bit;
    let runs = method.fields.chunk_by(both_bits).flat_map(|run| run.chunks(8));
    runs.filter_map(|group| group.first().map(|first| (first, group)))
}

fn decode_fields(method: &Method) -> Result<String> {
    let mut text = String::new();
    for (first, group) in groups(method) {
        if first.kind == Kind::Bit {
            let names = group.iter().map(|field| field.name.as_str()).collect::<Vec<_>>();
            writeln!(text, "let bits = {};", read(Kind::Bit, &names.join(", ")))?;
            for (bit, field) in group.iter().enumerate() {
                writeln!(text, "let {} = bits & {} != 0;", rust_name(&field.name), 1 << bit)?;
            }
        } else {
            writeln!(text, "let {} = {};", rust_name(&first.name), read(first.kind, &first.name))?;
        }
    }
    let names = method.fields.iter().map(|field| rust_name(&field.name)).collect::<Vec<_>>();
    writeln!(text, "Ok(Self {{ {} }})", names.join(", "))?;
    Ok(text)
}

fn encode_fields(method: &Method) -> Result<String> {
    let mut text = String::new();
    for (first, group) in groups(method) {
        let value = if first.kind == Kind::Bit {
            let bits = group.iter().enumerate().map(|(bit, field)| match bit {
                0 => format!("u8::from(self.{})", rust_name(&field.name)),
                _ => format!("u8::from(self.{}) << {bit}", rust_name(&field.name)),
            });
            bits.collect::<Vec<_>>().join(" | ")
        } else {
            format!("self.{}", rust_name(&first.name))
        };
        writeln!(text, "{};", put(first.kind, &value))?;
    }
    Ok(text)
}

/// The definition's default where Rust's own would differ.
fn rust_default(field: &Field) -> Option<String> {
    match (field.kind, field.default.as_ref()?) {
        (Kind::Bit, Value::Bool(true)) => Some("true".to_owned()),
        (_, Value::Number(number)) if number.as_u64() != Some(0) => Some(number.to_string()),
        (Kind::ShortStr, Value::String(text)) if !text.is_empty() => {
            Some(format!("ShortStr::from_static({text:?})"))
        }
        (Kind::LongStr, Value::String(text)) if !text.is_empty() => {
            Some(format!("Bytes::from_static(b{text:?})"))
        }
        _ => None,
    }
}
