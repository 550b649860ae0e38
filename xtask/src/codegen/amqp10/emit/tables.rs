//! Tables of numbers: format codes, and descriptors with their symbols.

use std::fmt::Write as _;

use anyhow::Result;

use super::{super::spec::Spec, HEAD, rust_type::screaming};

pub(super) fn format_codes(spec: &Spec) -> Result<String> {
    let mut text = format!(
        "{HEAD}//! The octet that says a value's type and encoding (AMQP 1.0 §1.2, §1.6).\n\n\
         /// A descriptor follows, and then the value.\npub(crate) const DESCRIBED: u8 = 0x00;\n"
    );
    for encoding in &spec.encodings {
        let (name, code) = (screaming(&encoding.name), encoding.code);
        let words = match &encoding.name {
            name if *name == encoding.type_name => format!("`{name}`."),
            name => format!("`{name}` of type {}.", encoding.type_name),
        };
        writeln!(text, "/// {words}\npub(crate) const {name}: u8 = {code:#04x};")?;
    }
    Ok(text)
}

pub(super) fn descriptors(spec: &Spec) -> Result<String> {
    let composites = spec.composites.iter().map(|it| (&it.name, &it.symbol, it.code));
    let sections = spec
        .restricteds
        .iter()
        .filter_map(|it| it.descriptor.as_ref().map(|(symbol, code)| (&it.name, symbol, *code)));
    let mut all: Vec<_> = composites.chain(sections.clone()).collect();
    all.sort_by_key(|(_, _, code)| *code);
    let mut constants = String::new();
    for (name, symbol, code) in sections {
        writeln!(
            constants,
            "/// `{symbol}`.\npub(crate) const {}: u64 = {code:#x};",
            screaming(name)
        )?;
    }
    let (mut by_symbol, mut names) = (String::new(), String::new());
    for (name, symbol, code) in all {
        writeln!(by_symbol, "{symbol:?} => {code:#x},")?;
        writeln!(names, "{code:#x} => {name:?},")?;
    }
    Ok(format!(
        "{HEAD}//! The descriptors of the specification (AMQP 1.0 §1.5).

{constants}
/// The number of a descriptor that came as a symbol.
pub(crate) fn of_symbol(symbol: &str) -> Option<u64> {{
    Some(match symbol {{ {by_symbol} _ => return None }})
}}

/// The name of the type that has this descriptor.
pub(crate) fn name(descriptor: u64) -> Option<&'static str> {{
    Some(match descriptor {{ {names} _ => return None }})
}}
"
    ))
}
