//! The properties of a class with content.

use std::fmt::Write as _;

use anyhow::{Result, bail, ensure};

use super::{
    super::spec::{Class, Field, Kind},
    HEAD, properties_name, put, read, rust_name, rust_type, screaming,
};

pub(super) fn properties(class: &Class) -> Result<String> {
    // The lowest bit announces a second flag word (AMQP 0-9-1 §4.2.6.1).
    ensure!(class.properties.len() <= 15, "class {} needs a second flag word", class.name);
    let name = properties_name(class);
    let mut text = format!(
        "{HEAD}//! The properties of class `{}`: flag word and the values present,\n\
         //! in the order of their flags.\n\n\
         use bytes::{{BufMut as _, Bytes, BytesMut}};\n\n\
         use crate::{{Error, FieldTable, ShortStr, reader::Reader}};\n\
         use crate::property::{{Property, PropertyKind}};\n\n",
        class.name,
    );
    text.push_str(&flags(class)?);
    write!(
        text,
        "\n/// The properties of a message.\n\
         #[derive(Clone, Debug, Default, PartialEq, Eq)]\npub struct {name} {{\n"
    )?;
    for field in &class.properties {
        let (name, kind) = (rust_name(&field.name), rust_type(field.kind));
        writeln!(text, "/// {}\npub {name}: Option<{kind}>,", field.words)?;
    }
    write!(text, "}}\n\nimpl {name} {{\n{}\n\n{}\n}}\n", decode(class)?, encode(class)?)?;
    Ok(text)
}

/// The table that walks without keeping go by, and a constant for each flag: the first property has
/// the highest bit.
fn flags(class: &Class) -> Result<String> {
    let mut table = String::new();
    let mut constants = String::new();
    for (position, field) in class.properties.iter().enumerate() {
        let (name, flag) = (&field.name, 1_u16 << (15 - position));
        let constant = screaming(name);
        let kind = property_kind(class, field)?;
        writeln!(
            table,
            "Property {{ flag: {constant}, kind: PropertyKind::{kind}, name: \"{name}\" }},"
        )?;
        writeln!(
            constants,
            "/// Flag of `{name}`.\npub(crate) const {constant}: u16 = {flag:#06x};"
        )?;
    }
    Ok(format!(
        "/// Every property's flag, type and name, in the order of the wire.\n\
         pub(crate) const PROPERTIES: [Property; {}] = [{table}];\n\n{constants}",
        class.properties.len(),
    ))
}

fn property_kind(class: &Class, field: &Field) -> Result<&'static str> {
    Ok(match field.kind {
        Kind::ShortStr => "ShortStr",
        Kind::Table => "Table",
        Kind::Octet => "Octet",
        Kind::Timestamp => "Timestamp",
        _ => {
            bail!("property {} of class {} has a type no property had yet", field.name, class.name)
        }
    })
}

fn decode(class: &Class) -> Result<String> {
    let mut fields = String::new();
    for field in &class.properties {
        writeln!(
            fields,
            "if flags & {} != 0 {{ properties.{} = Some({}); }}",
            screaming(&field.name),
            rust_name(&field.name),
            read(field.kind, &field.name),
        )?;
    }
    Ok(format!(
        "/// Reads the flags and the values.
///
/// # Errors
/// 501 when cut short or too long, 502 for an unknown flag or an illegal value.
pub fn decode(list: &Bytes) -> Result<Self, Error> {{
    let mut reader = Reader::new(list);
    let flags = reader.property_flags()?;
    let mut properties = Self::default();
    {fields}
    reader.finish()?;
    Ok(properties)
}}"
    ))
}

fn encode(class: &Class) -> Result<String> {
    let mut flags = String::new();
    let mut values = String::new();
    for field in &class.properties {
        let (constant, name) = (screaming(&field.name), rust_name(&field.name));
        let borrow = if matches!(field.kind, Kind::ShortStr | Kind::Table) { "&" } else { "" };
        writeln!(flags, "if self.{name}.is_some() {{ flags |= {constant}; }}")?;
        writeln!(
            values,
            "if let Some(value) = {borrow}self.{name} {{ {}; }}",
            put(field.kind, "value")
        )?;
    }
    Ok(format!(
        "/// Writes the flags and the values.
pub fn encode(&self, out: &mut BytesMut) {{
    let mut flags = 0;
    {flags}
    out.put_u16(flags);
    {values}
}}"
    ))
}
