//! A value of any type. Strings, symbols and binaries are slices of the read buffer.

use bytes::{BufMut as _, Bytes, BytesMut};
use bytestring::ByteString;

use super::{
    Array, Decimal32, Decimal64, Decimal128, Kind, Map, Symbol, Timestamp, Uuid,
    compound::encode_compound,
};
use crate::{Decode, Encode, Error, Reader, generated::format_code as code};

/// A value. Two floating-point values are equal when their bits are: a value is equal to what it
/// was sent as.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// True or false.
    Boolean(bool),
    /// 8 bits, unsigned.
    Ubyte(u8),
    /// 16 bits, unsigned.
    Ushort(u16),
    /// 32 bits, unsigned.
    Uint(u32),
    /// 64 bits, unsigned.
    Ulong(u64),
    /// 8 bits, signed.
    Byte(i8),
    /// 16 bits, signed.
    Short(i16),
    /// 32 bits, signed.
    Int(i32),
    /// 64 bits, signed.
    Long(i64),
    /// IEEE 754 binary32.
    Float(f32),
    /// IEEE 754 binary64.
    Double(f64),
    /// IEEE 754 decimal32.
    Decimal32(Decimal32),
    /// IEEE 754 decimal64.
    Decimal64(Decimal64),
    /// IEEE 754 decimal128.
    Decimal128(Decimal128),
    /// A Unicode character.
    Char(char),
    /// A moment.
    Timestamp(Timestamp),
    /// A UUID.
    Uuid(Uuid),
    /// Octets.
    Binary(Bytes),
    /// UTF-8.
    String(ByteString),
    /// ASCII.
    Symbol(Symbol),
    /// Values in a row.
    List(Vec<Value>),
    /// Keys with values.
    Map(Map),
    /// Values of one type in a row.
    Array(Array),
    /// A value and what it means.
    Described(Box<Described>),
}

/// A value and the descriptor that says what it means (AMQP 1.0 §1.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// What it means: of a standard type a ulong or a symbol.
    pub descriptor: Value,
    /// The value.
    pub value: Value,
}

impl Value {
    /// The type.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Null => Kind::Null,
            Self::Boolean(_) => Kind::Boolean,
            Self::Ubyte(_) => Kind::Ubyte,
            Self::Ushort(_) => Kind::Ushort,
            Self::Uint(_) => Kind::Uint,
            Self::Ulong(_) => Kind::Ulong,
            Self::Byte(_) => Kind::Byte,
            Self::Short(_) => Kind::Short,
            Self::Int(_) => Kind::Int,
            Self::Long(_) => Kind::Long,
            Self::Float(_) => Kind::Float,
            Self::Double(_) => Kind::Double,
            Self::Decimal32(_) => Kind::Decimal32,
            Self::Decimal64(_) => Kind::Decimal64,
            Self::Decimal128(_) => Kind::Decimal128,
            Self::Char(_) => Kind::Char,
            Self::Timestamp(_) => Kind::Timestamp,
            Self::Uuid(_) => Kind::Uuid,
            Self::Binary(_) => Kind::Binary,
            Self::String(_) => Kind::String,
            Self::Symbol(_) => Kind::Symbol,
            Self::List(_) => Kind::List,
            Self::Map(_) => Kind::Map,
            Self::Array(_) => Kind::Array,
            Self::Described(_) => Kind::Described,
        }
    }

    /// The text of a string or a symbol.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::Symbol(text) => Some(text),
            _ => None,
        }
    }

    /// What this is as a typed value: for what stands in maps, as lifetime policies and filters do.
    ///
    /// # Errors
    /// It is of another type.
    pub fn read_as<T: Decode>(&self) -> Result<T, Error> {
        let mut octets = BytesMut::new();
        self.encode(&mut octets);
        T::decode(&mut Reader::new(&octets.freeze()))
    }

    pub(super) fn is_text(&self, text: &str) -> bool {
        self.as_text() == Some(text)
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Boolean(left), Self::Boolean(right)) => left == right,
            (Self::Ubyte(left), Self::Ubyte(right)) => left == right,
            (Self::Ushort(left), Self::Ushort(right)) => left == right,
            (Self::Uint(left), Self::Uint(right)) => left == right,
            (Self::Ulong(left), Self::Ulong(right)) => left == right,
            (Self::Byte(left), Self::Byte(right)) => left == right,
            (Self::Short(left), Self::Short(right)) => left == right,
            (Self::Int(left), Self::Int(right)) => left == right,
            (Self::Long(left), Self::Long(right)) => left == right,
            (Self::Float(left), Self::Float(right)) => left.to_bits() == right.to_bits(),
            (Self::Double(left), Self::Double(right)) => left.to_bits() == right.to_bits(),
            (Self::Decimal32(left), Self::Decimal32(right)) => left == right,
            (Self::Decimal64(left), Self::Decimal64(right)) => left == right,
            (Self::Decimal128(left), Self::Decimal128(right)) => left == right,
            (Self::Char(left), Self::Char(right)) => left == right,
            (Self::Timestamp(left), Self::Timestamp(right)) => left == right,
            (Self::Uuid(left), Self::Uuid(right)) => left == right,
            (Self::Binary(left), Self::Binary(right)) => left == right,
            (Self::String(left), Self::String(right)) => left == right,
            (Self::Symbol(left), Self::Symbol(right)) => left == right,
            (Self::List(left), Self::List(right)) => left == right,
            (Self::Map(left), Self::Map(right)) => left == right,
            (Self::Array(left), Self::Array(right)) => left == right,
            (Self::Described(left), Self::Described(right)) => left == right,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl Decode for Value {
    fn decode_data(code: u8, reader: &mut Reader<'_>) -> Result<Self, Error> {
        let kind = Kind::of_code(code).ok_or_else(|| reader.unexpected(code, "a value"))?;
        Ok(match kind {
            Kind::Null => Self::Null,
            Kind::Boolean => Self::Boolean(bool::decode_data(code, reader)?),
            Kind::Ubyte => Self::Ubyte(u8::decode_data(code, reader)?),
            Kind::Ushort => Self::Ushort(u16::decode_data(code, reader)?),
            Kind::Uint => Self::Uint(u32::decode_data(code, reader)?),
            Kind::Ulong => Self::Ulong(u64::decode_data(code, reader)?),
            Kind::Byte => Self::Byte(i8::decode_data(code, reader)?),
            Kind::Short => Self::Short(i16::decode_data(code, reader)?),
            Kind::Int => Self::Int(i32::decode_data(code, reader)?),
            Kind::Long => Self::Long(i64::decode_data(code, reader)?),
            Kind::Float => Self::Float(f32::decode_data(code, reader)?),
            Kind::Double => Self::Double(f64::decode_data(code, reader)?),
            Kind::Decimal32 => Self::Decimal32(Decimal32::decode_data(code, reader)?),
            Kind::Decimal64 => Self::Decimal64(Decimal64::decode_data(code, reader)?),
            Kind::Decimal128 => Self::Decimal128(Decimal128::decode_data(code, reader)?),
            Kind::Char => Self::Char(char::decode_data(code, reader)?),
            Kind::Timestamp => Self::Timestamp(Timestamp::decode_data(code, reader)?),
            Kind::Uuid => Self::Uuid(Uuid::decode_data(code, reader)?),
            Kind::Binary => Self::Binary(Bytes::decode_data(code, reader)?),
            Kind::String => Self::String(ByteString::decode_data(code, reader)?),
            Kind::Symbol => Self::Symbol(Symbol::decode_data(code, reader)?),
            Kind::List => Self::List(decode_list(code, reader)?),
            Kind::Map => Self::Map(Map::decode_data(code, reader)?),
            Kind::Array => Self::Array(Array::decode_data(code, reader)?),
            Kind::Described => {
                reader.deepen()?;
                let described =
                    Described { descriptor: Self::decode(reader)?, value: Self::decode(reader)? };
                reader.rise();
                Self::Described(Box::new(described))
            }
        })
    }
}

fn decode_list(code: u8, reader: &mut Reader<'_>) -> Result<Vec<Value>, Error> {
    if code == code::LIST0 {
        return Ok(Vec::new());
    }
    let (count, outer) = reader.enter(code == code::LIST32)?;
    let mut values = Vec::with_capacity(reader.check_count(count)?);
    for _ in 0..count {
        values.push(Value::decode(reader)?);
    }
    reader.leave(outer)?;
    Ok(values)
}

impl Encode for Value {
    fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Null => out.put_u8(code::NULL),
            Self::Boolean(value) => value.encode(out),
            Self::Ubyte(value) => value.encode(out),
            Self::Ushort(value) => value.encode(out),
            Self::Uint(value) => value.encode(out),
            Self::Ulong(value) => value.encode(out),
            Self::Byte(value) => value.encode(out),
            Self::Short(value) => value.encode(out),
            Self::Int(value) => value.encode(out),
            Self::Long(value) => value.encode(out),
            Self::Float(value) => value.encode(out),
            Self::Double(value) => value.encode(out),
            Self::Decimal32(value) => value.encode(out),
            Self::Decimal64(value) => value.encode(out),
            Self::Decimal128(value) => value.encode(out),
            Self::Char(value) => value.encode(out),
            Self::Timestamp(value) => value.encode(out),
            Self::Uuid(value) => value.encode(out),
            Self::Binary(value) => value.encode(out),
            Self::String(value) => value.encode(out),
            Self::Symbol(value) => value.encode(out),
            Self::List(values) => values.as_slice().encode(out),
            Self::Map(map) => map.encode(out),
            Self::Array(array) => array.encode(out),
            Self::Described(described) => {
                out.put_u8(code::DESCRIBED);
                described.descriptor.encode(out);
                described.value.encode(out);
            }
        }
    }
}

/// A list.
impl Encode for [Value] {
    fn encode(&self, out: &mut BytesMut) {
        if self.is_empty() {
            return out.put_u8(code::LIST0);
        }
        encode_compound(code::LIST8, code::LIST32, out, |out| {
            self.iter().for_each(|value| value.encode(out));
            self.len()
        });
    }
}

macro_rules! from {
    ($($rust:ty => $variant:ident),* $(,)?) => {$(
        impl From<$rust> for Value {
            fn from(value: $rust) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}

from! {
    bool => Boolean, u8 => Ubyte, u16 => Ushort, u32 => Uint, u64 => Ulong,
    i8 => Byte, i16 => Short, i32 => Int, i64 => Long, f32 => Float, f64 => Double,
    char => Char, Timestamp => Timestamp, Uuid => Uuid, Bytes => Binary,
    ByteString => String, &str => String, Symbol => Symbol,
    Vec<Value> => List, Map => Map, Array => Array, Described => Described,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fault;

    fn read(octets: &'static [u8]) -> Result<Value, Error> {
        let octets = Bytes::from_static(octets);
        let mut reader = Reader::new(&octets);
        let value = Value::decode(&mut reader)?;
        reader.finish()?;
        Ok(value)
    }

    fn written(value: &Value) -> BytesMut {
        let mut out = BytesMut::new();
        value.encode(&mut out);
        out
    }

    /// Every encoding of AMQP 1.0 §1.6 by hand; the first of each value is the one that is written.
    #[test]
    fn every_encoding_is_read_and_the_most_compact_is_written() {
        let cases: &[(&[&'static [u8]], Value)] = &[
            (&[b"\x40"], Value::Null),
            (&[b"\x41", b"\x56\x01"], true.into()),
            (&[b"\x42", b"\x56\x00"], false.into()),
            (&[b"\x50\xff"], 255_u8.into()),
            (&[b"\x60\x01\x02"], 258_u16.into()),
            (&[b"\x43", b"\x52\0", b"\x70\0\0\0\0"], 0_u32.into()),
            (&[b"\x52\x07", b"\x70\0\0\0\x07"], 7_u32.into()),
            (&[b"\x70\0\0\x01\0"], 256_u32.into()),
            (&[b"\x44", b"\x53\0", b"\x80\0\0\0\0\0\0\0\0"], 0_u64.into()),
            (&[b"\x53\xff", b"\x80\0\0\0\0\0\0\0\xff"], 255_u64.into()),
            (&[b"\x80\x01\0\0\0\0\0\0\0"], (1_u64 << 56).into()),
            (&[b"\x51\x80"], (-128_i8).into()),
            (&[b"\x61\xff\xfe"], (-2_i16).into()),
            (&[b"\x54\xff", b"\x71\xff\xff\xff\xff"], (-1_i32).into()),
            (&[b"\x71\0\0\0\x80"], 128_i32.into()),
            (&[b"\x55\x7f", b"\x81\0\0\0\0\0\0\0\x7f"], 127_i64.into()),
            (&[b"\x81\xff\xff\xff\xff\xff\xff\xff\x7f"], (-129_i64).into()),
            (&[b"\x72\x3f\x80\0\0"], 1_f32.into()),
            (&[b"\x82\x3f\xf0\0\0\0\0\0\0"], 1_f64.into()),
            (&[b"\x74\x22\x50\0\x01"], Value::Decimal32(Decimal32(*b"\x22\x50\0\x01"))),
            (&[b"\x8412345678"], Value::Decimal64(Decimal64(*b"12345678"))),
            (&[b"\x940123456789abcdef"], Value::Decimal128(Decimal128(*b"0123456789abcdef"))),
            (&[b"\x73\0\x01\xd1\x1e"], '\u{1d11e}'.into()),
            (&[b"\x83\xff\xff\xff\xff\xff\xff\xff\xff"], Timestamp(-1).into()),
            (&[b"\x980123456789abcdef"], Uuid(*b"0123456789abcdef").into()),
            (&[b"\xa0\x02\0\xff", b"\xb0\0\0\0\x02\0\xff"], Bytes::from_static(b"\0\xff").into()),
            (&[b"\xa1\x02\xc3\xa9", b"\xb1\0\0\0\x02\xc3\xa9"], "é".into()),
            (&[b"\xa3\x01s", b"\xb3\0\0\0\x01s"], Symbol::from_static("s").into()),
            (&[b"\x45", b"\xc0\x01\0", b"\xd0\0\0\0\x04\0\0\0\0"], Vec::new().into()),
            (
                &[b"\xc0\x03\x02\x40\x41", b"\xd0\0\0\0\x06\0\0\0\x02\x40\x41"],
                vec![Value::Null, true.into()].into(),
            ),
            (&[b"\xc1\x01\0", b"\xd1\0\0\0\x04\0\0\0\0"], Map::new().into()),
            (
                &[b"\xc1\x04\x02\xa1\0\x41", b"\xd1\0\0\0\x07\0\0\0\x02\xa1\0\x41"],
                [("", true)].into_iter().collect::<Map>().into(),
            ),
            (
                &[b"\0\xa3\x03x:y\x43", b"\0\xb3\0\0\0\x03x:y\x52\0"],
                Described { descriptor: Symbol::from_static("x:y").into(), value: 0_u32.into() }
                    .into(),
            ),
        ];
        for (encodings, value) in cases {
            for encoding in *encodings {
                assert_eq!(read(encoding).as_ref(), Ok(value), "{encoding:x?}");
            }
            assert_eq!(&written(value)[..], encodings[0]);
        }
    }

    #[test]
    fn what_is_no_value_is_refused_with_its_place() {
        for (octets, fault, at) in [
            (&b""[..], Fault::Truncated { needed: 1, left: 0 }, 0),
            (b"\x57", Fault::FormatCode { code: 0x57 }, 0),
            (b"\xc0\x02\x01\x3f", Fault::FormatCode { code: 0x3f }, 3),
            (b"\x56\x02", Fault::Boolean { found: 2 }, 1),
            (b"\xa1\x03a\xff.", Fault::NotUtf8, 3),
            (b"\xa3\x02a\x80", Fault::NotAscii, 3),
            (b"\x73\0\0\xd8\0", Fault::NotChar { found: 0xd800 }, 1),
            (b"\xc1\x02\x01\x40", Fault::OddMap { count: 1 }, 3),
            (b"\xc0\x03\x03\x40\x40", Fault::Count { count: 3, left: 2 }, 3),
            (b"\xc0\x03\x01\x40\x40", Fault::Trailing { left: 1 }, 4),
            (b"\xc0\0", Fault::Truncated { needed: 1, left: 0 }, 2),
        ] {
            let error = read(octets).unwrap_err();
            assert_eq!((error.fault(), error.at()), (&fault, at), "{octets:x?}");
        }
    }

    #[test]
    fn text_is_a_slice_of_what_was_received() {
        let octets = Bytes::from_static(b"\xa1\x05hello");
        let Ok(Value::String(text)) = Value::decode(&mut Reader::new(&octets)) else { panic!() };
        assert_eq!(text.as_bytes().as_ptr(), octets[2..].as_ptr());
    }

    #[test]
    fn floats_are_equal_by_their_bits() {
        assert_eq!(Value::from(f64::NAN), Value::from(f64::NAN));
        assert_ne!(Value::from(0.0), Value::from(-0.0));
    }
}
