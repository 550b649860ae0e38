//! Composite types: described lists, read and written field by field (AMQP 1.0 §1.4).

use bytes::{BufMut as _, BytesMut};

use crate::{
    Decode, Encode, Error, Fault, Reader,
    fault::shown,
    generated::{descriptor, format_code as code},
    types::{Kind, Multiple, Symbol, Value, encode_compound},
};

/// A described list of the specification.
pub trait Composite: Sized {
    /// Its name in the specification.
    const NAME: &'static str;
    /// Its descriptor as a number.
    const CODE: u64;
    /// Its descriptor as a symbol.
    const SYMBOL: &'static str;
    /// How many fields it has.
    const FIELDS: u32;

    /// Reads the fields in their order.
    ///
    /// # Errors
    /// A field that is missing, of another type, or has an illegal value.
    fn decode_fields(fields: &mut FieldReader<'_, '_>) -> Result<Self, Error>;

    /// Writes the fields in their order.
    fn encode_fields(&self, fields: &mut FieldWriter<'_>);
}

/// Reads a composite value behind its first format code.
#[inline]
pub(crate) fn decode<C: Composite>(code: u8, reader: &mut Reader<'_>) -> Result<C, Error> {
    match decode_descriptor(code, C::NAME, reader)? {
        descriptor if descriptor == C::CODE => decode_list(reader),
        descriptor => Err(unexpected(descriptor, C::NAME, reader)),
    }
}

/// Writes a composite value.
#[inline]
pub(crate) fn encode<C: Composite>(composite: &C, out: &mut BytesMut) {
    encode_descriptor(C::CODE, out);
    if C::FIELDS == 0 {
        return out.put_u8(code::LIST0);
    }
    let start = out.len();
    encode_compound(code::LIST8, code::LIST32, out, |out| {
        let mut fields = FieldWriter { out, count: 0, nulls: 0 };
        composite.encode_fields(&mut fields);
        fields.count
    });
    if out.get(start..) == Some(&[code::LIST8, 1, 0]) {
        out.truncate(start);
        out.put_u8(code::LIST0);
    }
}

/// Writes a descriptor; all those of the specification fit into one octet.
#[inline]
pub(crate) fn encode_descriptor(descriptor: u64, out: &mut BytesMut) {
    match u8::try_from(descriptor) {
        Ok(short) => out.put_slice(&[code::DESCRIBED, code::SMALLULONG, short]),
        Err(_) => {
            out.put_u8(code::DESCRIBED);
            descriptor.encode(out);
        }
    }
}

/// Reads the descriptor behind the format code of a described value, as its number; one that came
/// as a symbol is looked up.
#[inline]
pub(crate) fn decode_descriptor(
    code: u8,
    expected: &'static str,
    reader: &mut Reader<'_>,
) -> Result<u64, Error> {
    if code != code::DESCRIBED {
        return Err(reader.unexpected(code, expected));
    }
    match reader.octet()? {
        code::SMALLULONG => reader.octet().map(u64::from),
        code => decode_long_descriptor(code, expected, reader),
    }
}

#[cold]
fn decode_long_descriptor(
    code: u8,
    expected: &'static str,
    reader: &mut Reader<'_>,
) -> Result<u64, Error> {
    let at = reader.position().saturating_sub(1);
    match Value::decode_data(code, reader)? {
        Value::Ulong(number) => Ok(number),
        Value::Symbol(symbol) => descriptor::of_symbol(&symbol).ok_or_else(|| {
            Error::new(Fault::Descriptor { descriptor: shown(&symbol), expected }, at)
        }),
        other => {
            let descriptor = format!("with a {} as descriptor", other.kind());
            Err(Error::new(Fault::Descriptor { descriptor, expected }, at))
        }
    }
}

/// A described type that may not stand here, its descriptor just read.
#[cold]
pub(crate) fn unexpected(descriptor: u64, expected: &'static str, reader: &Reader<'_>) -> Error {
    let descriptor = match descriptor::name(descriptor) {
        Some(name) => name.to_owned(),
        None => format!("{descriptor:#x}"),
    };
    reader.fault(Fault::Descriptor { descriptor, expected })
}

/// Reads the list behind a descriptor.
#[inline]
pub(crate) fn decode_list<C: Composite>(reader: &mut Reader<'_>) -> Result<C, Error> {
    let wide = match reader.octet()? {
        code::LIST8 => false,
        code::LIST32 => true,
        code::LIST0 => return C::decode_fields(&mut FieldReader::new::<C>(reader, 0)),
        code => return Err(reader.unexpected(code, Kind::List.name())),
    };
    let (found, outer) = reader.enter(wide)?;
    if found > C::FIELDS {
        let (composite, max) = (C::NAME, C::FIELDS);
        return Err(reader.fault(Fault::FieldCount { composite, found, max }));
    }
    let composite = C::decode_fields(&mut FieldReader::new::<C>(reader, found))?;
    reader.leave(outer)?;
    Ok(composite)
}

/// Reads the fields of a list, which may end before all of them came: the rest is null. Its calls
/// are inlined always: a call costs more than what a field mostly is, one octet.
#[derive(Debug)]
pub struct FieldReader<'r, 'a> {
    reader: &'r mut Reader<'a>,
    left: u32,
    composite: &'static str,
}

impl<'r, 'a> FieldReader<'r, 'a> {
    #[inline]
    fn new<C: Composite>(reader: &'r mut Reader<'a>, left: u32) -> Self {
        Self { reader, left, composite: C::NAME }
    }

    /// A field that may be null.
    #[inline(always)]
    pub(crate) fn optional<T: Decode>(&mut self, field: &'static str) -> Result<Option<T>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let value = match self.reader.octet() {
            Ok(code::NULL) => return Ok(None),
            Ok(code) => T::decode_data(code, self.reader),
            Err(error) => Err(error),
        };
        match value {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(error.in_field(self.composite, field)),
        }
    }

    /// A field that must have a value.
    #[inline(always)]
    pub(crate) fn mandatory<T: Decode>(&mut self, field: &'static str) -> Result<T, Error> {
        //= amqp-1.0 §1.4
        // A composite whose mandatory field is null or absent is invalid.
        match self.optional(field)? {
            Some(value) => Ok(value),
            None => Err(self.reader.fault(Fault::Mandatory).in_field(self.composite, field)),
        }
    }

    /// A field that must have one value at least.
    #[inline]
    pub(crate) fn at_least_one<T: From<Symbol>>(
        &mut self,
        field: &'static str,
    ) -> Result<Multiple<T>, Error> {
        //= amqp-1.0 §1.4 multiple-has-one
        // A field which is defined as both multiple and mandatory MUST contain at least one value.
        let values: Multiple<T> = self.mandatory(field)?;
        if values.is_empty() {
            return Err(self.reader.fault(Fault::Mandatory).in_field(self.composite, field));
        }
        Ok(values)
    }

    /// A field that has this value when it is null.
    #[inline(always)]
    pub(crate) fn or<T: Decode>(&mut self, field: &'static str, default: T) -> Result<T, Error> {
        self.optional(field).map(|value| value.unwrap_or(default))
    }
}

/// Writes the fields of a list. Nulls at the end are left out: they wait until a value follows.
#[derive(Debug)]
pub struct FieldWriter<'a> {
    out: &'a mut BytesMut,
    count: usize,
    nulls: usize,
}

impl FieldWriter<'_> {
    /// A field with a value.
    #[inline]
    pub(crate) fn value(&mut self, value: &impl Encode) {
        if self.nulls > 0 {
            self.out.put_bytes(code::NULL, self.nulls);
            self.count += self.nulls;
            self.nulls = 0;
        }
        value.encode(self.out);
        self.count += 1;
    }

    /// A field that may be null.
    #[inline]
    pub(crate) fn optional(&mut self, value: &Option<impl Encode>) {
        match value {
            Some(value) => self.value(value),
            None => self.nulls += 1,
        }
    }

    /// A field that null means this value of.
    #[inline]
    pub(crate) fn unless<T: Encode + PartialEq>(&mut self, default: &T, value: &T) {
        if value == default {
            self.nulls += 1;
        } else {
            self.value(value);
        }
    }
}
