//! The values of field tables, with the type octets as RabbitMQ reads them (its errata to
//! AMQP 0-9-1 §4.2.1: `s` is a 16-bit integer, `l` and `L` are both signed). Nesting is limited.

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::{
    Error, FieldTable, Reader, ShortStr, encode::encode_counted, fault::Fault,
    field_table::skip_fields, string::encode_long,
};

/// A value in a table or an array. Two floating-point values are equal when their bits are: a value
/// is equal to what it was sent as, and a table can be a key.
#[derive(Clone, Debug)]
pub enum FieldValue {
    /// `t`
    Bool(bool),
    /// `b`
    I8(i8),
    /// `B`
    U8(u8),
    /// `s`
    I16(i16),
    /// `u`
    U16(u16),
    /// `I`
    I32(i32),
    /// `i`
    U32(u32),
    /// `l`; `L` is read as the same
    I64(i64),
    /// `f`
    F32(f32),
    /// `d`
    F64(f64),
    /// `D`
    Decimal {
        /// Digits behind the point.
        scale: u8,
        /// The number without its point.
        value: u32,
    },
    /// `S`: octets, in practice UTF-8
    LongStr(Bytes),
    /// `A`
    Array(Vec<FieldValue>),
    /// `T`: seconds since 1970-01-01 UTC
    Timestamp(u64),
    /// `F`
    Table(FieldTable),
    /// `V`
    Void,
    /// `x`: octets
    Bytes(Bytes),
}

impl FieldValue {
    pub(crate) fn decode(
        reader: &mut Reader<'_>,
        field: &'static str,
        depth: usize,
    ) -> Result<Self, Error> {
        Ok(match reader.octet(field)? {
            b't' => Self::Bool(reader.octet(field)? != 0),
            b'b' => Self::I8(i8::from_be_bytes(reader.array(field)?)),
            b'B' => Self::U8(reader.octet(field)?),
            b's' => Self::I16(i16::from_be_bytes(reader.array(field)?)),
            b'u' => Self::U16(reader.short(field)?),
            b'I' => Self::I32(i32::from_be_bytes(reader.array(field)?)),
            b'i' => Self::U32(reader.long(field)?),
            b'l' | b'L' => Self::I64(i64::from_be_bytes(reader.array(field)?)),
            b'f' => Self::F32(f32::from_be_bytes(reader.array(field)?)),
            b'd' => Self::F64(f64::from_be_bytes(reader.array(field)?)),
            b'D' => Self::Decimal { scale: reader.octet(field)?, value: reader.long(field)? },
            b'S' => Self::LongStr(reader.long_string(field)?),
            b'T' => Self::Timestamp(reader.long_long(field)?),
            b'x' => Self::Bytes(reader.long_string(field)?),
            b'V' => Self::Void,
            b'A' => {
                let depth = reader.deeper(field, depth)?;
                let mut part = reader.part(field)?;
                let mut values = Vec::new();
                while part.remaining() > 0 {
                    values.push(Self::decode(&mut part, field, depth)?);
                }
                Self::Array(values)
            }
            b'F' => {
                let depth = reader.deeper(field, depth)?;
                let mut part = reader.part(field)?;
                Self::Table(FieldTable::decode_fields(&mut part, field, depth)?)
            }
            tag => return Err(Fault::FieldType { field, tag }.into()),
        })
    }

    /// Goes over a value and refuses exactly what [`decode`](Self::decode) refuses.
    pub(crate) fn skip(
        reader: &mut Reader<'_>,
        field: &'static str,
        depth: usize,
    ) -> Result<(), Error> {
        match reader.octet(field)? {
            b'V' => Ok(()),
            b't' | b'b' | b'B' => reader.skip(field, 1),
            b's' | b'u' => reader.skip(field, 2),
            b'I' | b'i' | b'f' => reader.skip(field, 4),
            b'D' => reader.skip(field, 1).and_then(|()| reader.skip(field, 4)),
            b'l' | b'L' | b'd' | b'T' => reader.skip(field, 8),
            b'S' | b'x' => reader.part(field).map(drop),
            b'A' => {
                let depth = reader.deeper(field, depth)?;
                let mut part = reader.part(field)?;
                while part.remaining() > 0 {
                    Self::skip(&mut part, field, depth)?;
                }
                Ok(())
            }
            b'F' => {
                let depth = reader.deeper(field, depth)?;
                skip_fields(&mut reader.part(field)?, field, depth)
            }
            tag => Err(Fault::FieldType { field, tag }.into()),
        }
    }

    /// Writes type octet and value.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_u8(self.tag());
        match self {
            Self::Bool(value) => out.put_u8(u8::from(*value)),
            Self::I8(value) => out.put_i8(*value),
            Self::U8(value) => out.put_u8(*value),
            Self::I16(value) => out.put_i16(*value),
            Self::U16(value) => out.put_u16(*value),
            Self::I32(value) => out.put_i32(*value),
            Self::U32(value) => out.put_u32(*value),
            Self::I64(value) => out.put_i64(*value),
            Self::F32(value) => out.put_f32(*value),
            Self::F64(value) => out.put_f64(*value),
            Self::Decimal { scale, value } => {
                out.put_u8(*scale);
                out.put_u32(*value);
            }
            Self::LongStr(octets) | Self::Bytes(octets) => encode_long(octets, out),
            Self::Array(values) => encode_counted(out, |out| {
                for value in values {
                    value.encode(out);
                }
            }),
            Self::Timestamp(value) => out.put_u64(*value),
            Self::Table(table) => table.encode(out),
            Self::Void => {}
        }
    }

    /// The type octet it is written with.
    pub const fn tag(&self) -> u8 {
        match self {
            Self::Bool(_) => b't',
            Self::I8(_) => b'b',
            Self::U8(_) => b'B',
            Self::I16(_) => b's',
            Self::U16(_) => b'u',
            Self::I32(_) => b'I',
            Self::U32(_) => b'i',
            Self::I64(_) => b'l',
            Self::F32(_) => b'f',
            Self::F64(_) => b'd',
            Self::Decimal { .. } => b'D',
            Self::LongStr(_) => b'S',
            Self::Array(_) => b'A',
            Self::Timestamp(_) => b'T',
            Self::Table(_) => b'F',
            Self::Void => b'V',
            Self::Bytes(_) => b'x',
        }
    }

    /// RabbitMQ's name for the type, as its reply texts have it: `value '5' of type 'long'`.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "bool",
            Self::I8(_) => "byte",
            Self::U8(_) => "unsignedbyte",
            Self::I16(_) => "short",
            Self::U16(_) => "unsignedshort",
            Self::I32(_) => "signedint",
            Self::U32(_) => "unsignedint",
            Self::I64(_) => "long",
            Self::F32(_) => "float",
            Self::F64(_) => "double",
            Self::Decimal { .. } => "decimal",
            Self::LongStr(_) => "longstr",
            Self::Array(_) => "array",
            Self::Timestamp(_) => "timestamp",
            Self::Table(_) => "table",
            Self::Void => "void",
            Self::Bytes(_) => "binary",
        }
    }

    /// The text of a long string that is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::LongStr(octets) => std::str::from_utf8(octets).ok(),
            _ => None,
        }
    }

    /// The number of any integer type.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::I8(value) => Some((*value).into()),
            Self::U8(value) => Some((*value).into()),
            Self::I16(value) => Some((*value).into()),
            Self::U16(value) => Some((*value).into()),
            Self::I32(value) => Some((*value).into()),
            Self::U32(value) => Some((*value).into()),
            Self::I64(value) => Some(*value),
            _ => None,
        }
    }

    /// The truth value of a bool.
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The table of a table.
    pub const fn as_table(&self) -> Option<&FieldTable> {
        match self {
            Self::Table(table) => Some(table),
            _ => None,
        }
    }

    pub(crate) fn detached(&self) -> Self {
        match self {
            Self::LongStr(octets) => Self::LongStr(Bytes::copy_from_slice(octets)),
            Self::Bytes(octets) => Self::Bytes(Bytes::copy_from_slice(octets)),
            Self::Array(values) => Self::Array(values.iter().map(Self::detached).collect()),
            Self::Table(table) => Self::Table(table.detached()),
            plain => plain.clone(),
        }
    }
}

impl PartialEq for FieldValue {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bool(left), Self::Bool(right)) => left == right,
            (Self::I8(left), Self::I8(right)) => left == right,
            (Self::U8(left), Self::U8(right)) => left == right,
            (Self::I16(left), Self::I16(right)) => left == right,
            (Self::U16(left), Self::U16(right)) => left == right,
            (Self::I32(left), Self::I32(right)) => left == right,
            (Self::U32(left), Self::U32(right)) => left == right,
            (Self::I64(left), Self::I64(right)) => left == right,
            (Self::F32(left), Self::F32(right)) => left.to_bits() == right.to_bits(),
            (Self::F64(left), Self::F64(right)) => left.to_bits() == right.to_bits(),
            (
                Self::Decimal { scale: left_scale, value: left },
                Self::Decimal { scale: right_scale, value: right },
            ) => left_scale == right_scale && left == right,
            (Self::LongStr(left), Self::LongStr(right))
            | (Self::Bytes(left), Self::Bytes(right)) => left == right,
            (Self::Array(left), Self::Array(right)) => left == right,
            (Self::Timestamp(left), Self::Timestamp(right)) => left == right,
            (Self::Table(left), Self::Table(right)) => left == right,
            (Self::Void, Self::Void) => true,
            _ => false,
        }
    }
}

impl Eq for FieldValue {}

macro_rules! from {
    ($($source:ty => $variant:ident),* $(,)?) => {
        $(impl From<$source> for FieldValue {
            fn from(value: $source) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

from! {
    bool => Bool,
    i32 => I32,
    u32 => U32,
    i64 => I64,
    f64 => F64,
    &'static str => LongStr,
    String => LongStr,
    Vec<FieldValue> => Array,
    FieldTable => Table,
}

impl From<ShortStr> for FieldValue {
    fn from(text: ShortStr) -> Self {
        Self::LongStr(text.into_inner().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ReplyCode, limits::FIELD_DEPTH_MAX};

    fn name(text: &'static str) -> ShortStr {
        ShortStr::from_static(text)
    }

    fn decoded(fields: &[u8]) -> Result<FieldTable, Error> {
        FieldTable::decode(&Bytes::copy_from_slice(fields))
    }

    fn nested(levels: usize) -> Bytes {
        let mut value = FieldValue::Void;
        for _ in 0..levels {
            value = FieldValue::Array(vec![value]);
        }
        let mut out = BytesMut::new();
        FieldTable::from_iter([(name("x"), value)]).encode(&mut out);
        out.freeze().slice(4..)
    }

    #[test]
    fn every_type_octet_means_what_rabbitmq_means_by_it() {
        let cases: [(&[u8], FieldValue); 19] = [
            (b"t\x01", FieldValue::Bool(true)),
            (b"t\x02", FieldValue::Bool(true)),
            (b"t\0", FieldValue::Bool(false)),
            (b"b\xff", FieldValue::I8(-1)),
            (b"B\xff", FieldValue::U8(255)),
            (b"s\xff\xfe", FieldValue::I16(-2)),
            (b"u\xff\xfe", FieldValue::U16(65534)),
            (b"I\xff\xff\xff\xfd", FieldValue::I32(-3)),
            (b"i\xff\xff\xff\xfd", FieldValue::U32(4_294_967_293)),
            (b"l\xff\xff\xff\xff\xff\xff\xff\xfc", FieldValue::I64(-4)),
            (b"L\xff\xff\xff\xff\xff\xff\xff\xfc", FieldValue::I64(-4)),
            (b"f\x3f\x80\0\0", FieldValue::F32(1.0)),
            (b"d\xc0\0\0\0\0\0\0\0", FieldValue::F64(-2.0)),
            (b"D\x02\0\0\x01\x3a", FieldValue::Decimal { scale: 2, value: 314 }),
            (b"S\0\0\0\x02hi", FieldValue::LongStr(Bytes::from_static(b"hi"))),
            (b"A\0\0\0\x03VB\x07", FieldValue::Array(vec![FieldValue::Void, FieldValue::U8(7)])),
            (b"T\0\0\0\0\x5f\x5e\x10\0", FieldValue::Timestamp(1_600_000_000)),
            (
                b"F\0\0\0\x03\x01kV",
                FieldValue::Table(FieldTable::from_iter([(name("k"), FieldValue::Void)])),
            ),
            (b"x\0\0\0\x02\xff\0", FieldValue::Bytes(Bytes::from_static(b"\xff\0"))),
        ];
        for (octets, value) in cases {
            let table = decoded(&[b"\x01n".as_slice(), octets].concat()).unwrap();
            assert_eq!(table.get("n"), Some(&value));
        }
    }

    #[test]
    fn an_unknown_type_octet_is_refused() {
        for tag in [b'U', b'X', 0, 255] {
            let error = decoded(&[1, b'n', tag, 0, 0]).unwrap_err();
            assert_eq!(error.fault(), &Fault::FieldType { field: "fields", tag });
            assert_eq!(error.reply_code(), ReplyCode::SyntaxError);
        }
    }

    #[test]
    fn nesting_ends_at_the_limit() {
        decoded(&nested(FIELD_DEPTH_MAX)).unwrap();
        let error = decoded(&nested(FIELD_DEPTH_MAX + 1)).unwrap_err();
        assert_eq!(error.fault(), &Fault::FieldDepth { field: "fields", max: FIELD_DEPTH_MAX });
        assert_eq!(decoded(&nested(5000)).unwrap_err(), error);
    }

    #[test]
    fn an_inner_length_cannot_reach_beyond_its_table() {
        // The inner table says 9 octets where 3 are left, although the outer one is long enough for
        // neither.
        for octets in
            [&b"\x01kF\0\0\0\x09\x01jV"[..], b"\x01kA\xff\xff\xff\xff", b"\x01kS\0\0\0\x01"]
        {
            assert!(matches!(decoded(octets).unwrap_err().fault(), Fault::Truncated { .. }));
        }
    }

    #[test]
    fn any_integer_is_read_as_a_number() {
        for value in [FieldValue::I8(5), FieldValue::U16(5), FieldValue::U32(5), FieldValue::I64(5)]
        {
            assert_eq!(value.as_integer(), Some(5));
        }
        assert_eq!(FieldValue::from("5").as_integer(), None);
    }
}
