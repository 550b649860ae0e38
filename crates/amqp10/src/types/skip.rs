//! Going over a value without building it: it refuses exactly what decoding refuses, and allocates
//! nothing.

use std::str;

use super::{Kind, array::constructor};
use crate::{Decode as _, Error, Fault, Reader, generated::format_code as code, reader::Outer};

/// Passes a value, and checks it as far as decoding it would.
///
/// # Errors
/// Decoding it would fail, with the same error.
pub fn skip(reader: &mut Reader<'_>) -> Result<(), Error> {
    let code = reader.octet()?;
    skip_data(code, reader)
}

fn skip_data(code: u8, reader: &mut Reader<'_>) -> Result<(), Error> {
    let kind = Kind::of_code(code).ok_or_else(|| reader.unexpected(code, "a value"))?;
    match kind {
        Kind::Null => Ok(()),
        Kind::Boolean => bool::decode_data(code, reader).map(drop),
        Kind::Ubyte | Kind::Byte => reader.take(1).map(drop),
        Kind::Ushort | Kind::Short => reader.take(2).map(drop),
        Kind::Uint => u32::decode_data(code, reader).map(drop),
        Kind::Ulong => u64::decode_data(code, reader).map(drop),
        Kind::Int => i32::decode_data(code, reader).map(drop),
        Kind::Long => i64::decode_data(code, reader).map(drop),
        Kind::Float | Kind::Decimal32 => reader.take(4).map(drop),
        Kind::Double | Kind::Decimal64 | Kind::Timestamp => reader.take(8).map(drop),
        Kind::Decimal128 | Kind::Uuid => reader.take(16).map(drop),
        Kind::Char => char::decode_data(code, reader).map(drop),
        Kind::Binary => reader.variable(code == code::VBIN32).map(drop),
        Kind::String => skip_string(code, reader),
        Kind::Symbol => skip_symbol(code, reader),
        Kind::List if code == code::LIST0 => Ok(()),
        Kind::List => {
            let (count, outer) = reader.enter(code == code::LIST32)?;
            reader.check_count(count)?;
            skip_each(count, outer, reader)
        }
        Kind::Map => {
            let (count, outer) = reader.enter(code == code::MAP32)?;
            reader.check_pairs(count)?;
            skip_each(count, outer, reader)
        }
        Kind::Array => skip_array(code, reader),
        Kind::Described => {
            reader.deepen()?;
            skip(reader)?;
            skip(reader)?;
            reader.rise();
            Ok(())
        }
    }
}

fn skip_each<'a>(count: u32, outer: Outer<'a>, reader: &mut Reader<'a>) -> Result<(), Error> {
    for _ in 0..count {
        skip(reader)?;
    }
    reader.leave(outer)
}

fn skip_array(code: u8, reader: &mut Reader<'_>) -> Result<(), Error> {
    let (count, outer) = reader.enter(code == code::ARRAY32)?;
    let mut descriptors = 0;
    let code = constructor(reader, |reader| {
        descriptors += 1;
        skip(reader)
    })?;
    if Kind::of_code(code).is_none() {
        return Err(reader.unexpected(code, "a value"));
    }
    reader.check_elements(count, code)?;
    for _ in 0..count {
        skip_data(code, reader)?;
    }
    reader.leave(outer)?;
    (0..descriptors).for_each(|_| reader.rise());
    Ok(())
}

fn skip_string(code: u8, reader: &mut Reader<'_>) -> Result<(), Error> {
    let octets = reader.variable(code == code::STR32_UTF8)?;
    let start = reader.position().saturating_sub(octets.len());
    match str::from_utf8(octets) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::new(Fault::NotUtf8, start + error.valid_up_to())),
    }
}

fn skip_symbol(code: u8, reader: &mut Reader<'_>) -> Result<(), Error> {
    let octets = reader.variable(code == code::SYM32)?;
    let start = reader.position().saturating_sub(octets.len());
    match octets.iter().position(|octet| !octet.is_ascii()) {
        None => Ok(()),
        Some(at) => Err(Error::new(Fault::NotAscii, start + at)),
    }
}
