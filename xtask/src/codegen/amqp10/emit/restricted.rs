//! Restricted types: newtypes, and enums of a few values.

use std::fmt::Write as _;

use anyhow::{Result, bail};

use super::{
    super::spec::Restricted,
    archetype,
    rust_type::{camel, primitive},
};

/// Written by hand, as there is more to them.
const BY_HAND: [&str; 1] = ["delivery-tag"];
/// Maps with no name of their own in Rust.
const PLAIN: [&str; 4] = ["fields", "annotations", "filter-set", "node-properties"];
const SERIAL: &str = "sequence-no";

/// Whether a restricted type becomes a type of its own: not when it is part of an archetype's enum,
/// when it is a section of a message, or when it is written by hand.
pub(super) fn is_generated(restricted: &Restricted) -> bool {
    let provides = |archetype: &str| restricted.provides.iter().any(|it| it == archetype);
    !archetype::covers(restricted)
        && !BY_HAND.contains(&restricted.name.as_str())
        && !PLAIN.contains(&restricted.name.as_str())
        && restricted.descriptor.is_none()
        && !provides("message-id")
        && !provides("address")
}

pub(super) fn restricted(restricted: &Restricted) -> Result<String> {
    if !is_generated(restricted) {
        return Ok(String::new());
    }
    let name = camel(&restricted.name);
    let words = restricted.words;
    if restricted.name == SERIAL || restricted.source == SERIAL {
        return Ok(format!(
            "\nserial_number! {{ /// {words}\n{name} }}\n\nnewtype!({name}, u32);\n"
        ));
    }
    let Some(source) = primitive(&restricted.source) else {
        bail!("{}: restricts {}", restricted.name, restricted.source);
    };
    if !restricted.choices.is_empty() {
        return enumeration(restricted, &name, source);
    }
    let derived = match source {
        "u32" => "Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash",
        _ => "Clone, Debug, Default, PartialEq, Eq, Hash",
    };
    let mut text = format!(
        "\n/// {words}\n#[derive({derived})]\npub struct {name}(pub {source});\n\n\
         newtype!({name}, {source});\n"
    );
    if source == "Symbol" {
        write!(
            text,
            "\nimpl From<Symbol> for {name} {{ fn from(symbol: Symbol) -> Self {{ Self(symbol) }} \
             }}\n\nimpl AsRef<str> for {name} {{ fn as_ref(&self) -> &str {{ &self.0 }} }}\n"
        )?;
    }
    Ok(text)
}

fn enumeration(restricted: &Restricted, name: &str, source: &str) -> Result<String> {
    let mut variants = String::new();
    let mut arms = String::new();
    for (index, choice) in restricted.choices.iter().enumerate() {
        let variant = camel(&choice.name);
        let default = if index == 0 { "#[default]\n" } else { "" };
        writeln!(variants, "/// {}\n{default}{variant},", choice.words)?;
        let value =
            if source == "Symbol" { format!("{:?}", choice.value) } else { choice.value.clone() };
        writeln!(arms, "    {value} => {variant},")?;
    }
    Ok(format!(
        "\n/// {}\n#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]\n\
         pub enum {name} {{ {variants} }}\n\nchoices!(\n    {name}, {:?}, {source},\n{arms});\n",
        restricted.words, restricted.name,
    ))
}
