//! The `Method` enum over all methods.

use std::fmt::Write as _;

use anyhow::Result;

use super::{
    super::spec::{Class, Method, Spec},
    HEAD, methods, path, snake, variant,
};

pub(super) fn method_enum(spec: &Spec) -> Result<String> {
    let classes =
        spec.classes.iter().map(|class| snake(&class.name)).collect::<Vec<_>>().join(", ");
    // An arm, or whatever else is written once for each method.
    let each = |write: &dyn Fn(&Class, &Method) -> String| {
        methods(spec).map(|(class, method)| write(class, method)).collect::<String>()
    };
    let variants = each(&|class, method| {
        format!(
            "/// `{}`.\n{}({}),\n",
            method.full_name,
            variant(class, method),
            path(class, method)
        )
    });
    let with_content = methods(spec)
        .filter(|(_, method)| method.content)
        .map(|(class, method)| format!("Self::{}(_)", variant(class, method)))
        .collect::<Vec<_>>()
        .join(" | ");
    let ids = each(&|class, method| {
        format!("Self::{}(method) => method.id(),\n", variant(class, method))
    });
    let names = each(&|class, method| {
        format!("Self::{}(_) => {}::NAME,\n", variant(class, method), path(class, method))
    });
    let encoders = each(&|class, method| {
        format!("Self::{}(method) => method.encode(out),\n", variant(class, method))
    });
    let conversions = each(&|class, method| {
        let (path, variant) = (path(class, method), variant(class, method));
        format!(
            "\nimpl From<{path}> for Method {{\n\
             fn from(method: {path}) -> Self {{ Self::{variant}(method) }}\n}}\n"
        )
    });
    let mut text = format!(
        "{HEAD}//! Any method, chosen by the two ids that open a method frame's payload.

use bytes::{{Bytes, BytesMut}};

use super::{{{classes}}};
use crate::{{
    Error, MethodId, encode::EncodeMethod, fault::Fault, limits::FIELD_DEPTH_MAX, reader::Reader,
}};

/// A method with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {{ {variants} }}

impl Method {{
{decode}

/// Writes the whole payload: the ids and the arguments.
pub fn encode(&self, out: &mut BytesMut) {{ self.encode_payload(out); }}

/// The class and method id.
pub fn ids(&self) -> MethodId {{ match self {{ {ids} }} }}

/// The method's name, as `queue.declare`.
pub fn name(&self) -> &'static str {{ match self {{ {names} }} }}

/// Whether a content header and body follow.
pub fn has_content(&self) -> bool {{ matches!(self, {with_content}) }}
}}

impl EncodeMethod for Method {{
fn id(&self) -> MethodId {{ self.ids() }}

fn encode_arguments(&self, out: &mut BytesMut) {{ match self {{ {encoders} }} }}
}}
",
        decode = decode(spec)?,
    );
    text.push_str(&names_by_id(spec)?);
    text.push_str(&conversions);
    Ok(text)
}

fn decode(spec: &Spec) -> Result<String> {
    let mut arms = String::new();
    for (class, method) in methods(spec) {
        let (path, variant) = (path(class, method), variant(class, method));
        writeln!(
            arms,
            "({}, {}) => Self::{variant}({path}::decode(reader)?),",
            class.id, method.id
        )?;
    }
    Ok(format!(
        "/// Reads a method frame's whole payload.
///
/// # Errors
/// 540 for unknown ids, 501 when the payload is shorter or longer than its arguments, 502 for
/// an illegal value; each knows the method.
pub fn decode(payload: &Bytes) -> Result<Self, Error> {{
    Self::decode_within(payload, FIELD_DEPTH_MAX)
}}

/// As [`decode`](Self::decode), with a lower limit to how deep tables may be nested.
///
/// # Errors
/// As [`decode`](Self::decode).
pub fn decode_within(payload: &Bytes, depth_max: usize) -> Result<Self, Error> {{
    let mut reader = Reader::within(payload, depth_max);
    let (class, method) = (reader.short(\"class-id\")?, reader.short(\"method-id\")?);
    let id = MethodId {{ class, method }};
    Self::decode_arguments(id, &mut reader)
        .and_then(|method| reader.finish().map(|()| method))
        .map_err(|error| error.in_method(id))
}}

fn decode_arguments(id: MethodId, reader: &mut Reader<'_>) -> Result<Self, Error> {{
    Ok(match (id.class, id.method) {{
        {arms}
        _ => return Err(Fault::UnknownMethod.into()),
    }})
}}"
    ))
}

fn names_by_id(spec: &Spec) -> Result<String> {
    let mut arms = String::new();
    for (class, method) in methods(spec) {
        writeln!(arms, "({}, {}) => Some({}::NAME),", class.id, method.id, path(class, method))?;
    }
    Ok(format!(
        "
impl MethodId {{
    /// The method's name, as `queue.declare`; none for unknown ids.
    pub const fn name(self) -> Option<&'static str> {{
        match (self.class, self.method) {{ {arms} _ => None }}
    }}
}}
"
    ))
}
