//! Sections into a buffer, for messages that are made here. Header and properties are written as
//! any composite type is ([`Encode`]).

use bytes::{Bytes, BytesMut};

use super::SectionKind;
use crate::{
    Encode,
    composite::encode_descriptor,
    generated::format_code as code,
    types::{MapWriter, Value},
};

/// Appends a section that is a map, of the pairs that `write` writes.
pub fn encode_map_section(
    kind: SectionKind,
    out: &mut BytesMut,
    write: impl FnOnce(&mut MapWriter<'_>),
) {
    encode_descriptor(kind.descriptor(), out);
    MapWriter::encode(out, write);
}

/// What goes before `size` octets of data, to be written together with the data itself, so that it
/// is never copied.
pub fn data_section_head(size: u32) -> [u8; 8] {
    let [a, b, c, d] = size.to_be_bytes();
    let descriptor = SectionKind::Data.descriptor() as u8;
    [code::DESCRIBED, code::SMALLULONG, descriptor, code::VBIN32, a, b, c, d]
}

/// Appends a data section with a copy of the octets.
pub fn encode_data(octets: &Bytes, out: &mut BytesMut) {
    encode_descriptor(SectionKind::Data.descriptor(), out);
    octets.encode(out);
}

/// Appends a sequence section.
pub fn encode_sequence(values: &[Value], out: &mut BytesMut) {
    encode_descriptor(SectionKind::Sequence.descriptor(), out);
    values.encode(out);
}

/// Appends a value section.
pub fn encode_value(value: &(impl Encode + ?Sized), out: &mut BytesMut) {
    encode_descriptor(SectionKind::Value.descriptor(), out);
    value.encode(out);
}
