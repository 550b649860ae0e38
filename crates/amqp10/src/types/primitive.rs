//! The primitive types as Rust's, from and to octets (AMQP 1.0 §1.6).

use bytes::{BufMut as _, Bytes, BytesMut};
use bytestring::ByteString;

use super::{Decimal32, Decimal64, Decimal128, Kind, Symbol, Timestamp, Uuid};
use crate::{Decode, Encode, Error, Fault, Reader, generated::format_code as code};

/// Types with one encoding of a fixed width.
macro_rules! fixed {
    ($($rust:ty, $kind:ident, $code:ident, $from:expr, $to:expr;)*) => {$(
        impl Decode for $rust {
            #[inline]
            fn decode_data(code: u8, reader: &mut Reader<'_>) -> Result<Self, Error> {
                match code {
                    code::$code => reader.array().map($from),
                    _ => Err(reader.unexpected(code, Kind::$kind.name())),
                }
            }
        }

        impl Encode for $rust {
            #[inline]
            fn encode(&self, out: &mut BytesMut) {
                out.put_u8(code::$code);
                let to: fn(&Self) -> _ = $to;
                out.put_slice(&to(self));
            }
        }
    )*};
}

fixed! {
    u8, Ubyte, UBYTE, u8::from_be_bytes, |it| it.to_be_bytes();
    u16, Ushort, USHORT, u16::from_be_bytes, |it| it.to_be_bytes();
    i8, Byte, BYTE, i8::from_be_bytes, |it| it.to_be_bytes();
    i16, Short, SHORT, i16::from_be_bytes, |it| it.to_be_bytes();
    f32, Float, FLOAT, f32::from_be_bytes, |it| it.to_be_bytes();
    f64, Double, DOUBLE, f64::from_be_bytes, |it| it.to_be_bytes();
    Decimal32, Decimal32, DECIMAL32, Decimal32, |it| it.0;
    Decimal64, Decimal64, DECIMAL64, Decimal64, |it| it.0;
    Decimal128, Decimal128, DECIMAL128, Decimal128, |it| it.0;
    Timestamp, Timestamp, TIMESTAMP, |octets| Timestamp(i64::from_be_bytes(octets)),
        |it| it.0.to_be_bytes();
    Uuid, Uuid, UUID, Uuid, |it| it.0;
}

/// Signed types that have a short encoding for what fits into one octet.
macro_rules! signed {
    ($($rust:ty, $kind:ident, $code:ident, $small:ident;)*) => {$(
        impl Decode for $rust {
            fn decode_data(code: u8, reader: &mut Reader<'_>) -> Result<Self, Error> {
                match code {
                    code::$small => reader.array().map(i8::from_be_bytes).map(Self::from),
                    code::$code => reader.array().map(Self::from_be_bytes),
                    _ => Err(reader.unexpected(code, Kind::$kind.name())),
                }
            }
        }

        impl Encode for $rust {
            fn encode(&self, out: &mut BytesMut) {
                match i8::try_from(*self) {
                    Ok(small) => out.put_slice(&[code::$small, small.cast_unsigned()]),
                    Err(_) => {
                        out.put_u8(code::$code);
                        out.put_slice(&self.to_be_bytes());
                    }
                }
            }
        }
    )*};
}

signed! {
    i32, Int, INT, SMALLINT;
    i64, Long, LONG, SMALLLONG;
}

/// Unsigned types that have short encodings for 0 and for what fits into one octet.
macro_rules! unsigned {
    ($($rust:ty, $kind:ident, $code:ident, $small:ident, $zero:ident;)*) => {$(
        impl Decode for $rust {
            #[inline]
            fn decode_data(code: u8, reader: &mut Reader<'_>) -> Result<Self, Error> {
                match code {
                    code::$zero => Ok(0),
                    code::$small => reader.octet().map(Self::from),
                    code::$code => reader.array().map(Self::from_be_bytes),
                    _ => Err(reader.unexpected(code, Kind::$kind.name())),
                }
            }
        }

        impl Encode for $rust {
            #[inline]
            fn encode(&self, out: &mut BytesMut) {
                match u8::try_from(*self) {
                    Ok(0) => out.put_u8(code::$zero),
                    Ok(small) => out.put_slice(&[code::$small, small]),
                    Err(_) => {
                        out.put_u8(code::$code);
                        out.put_slice(&self.to_be_bytes());
                    }
                }
            }
        }
    )*};
}

unsigned! {
    u32, Uint, UINT, SMALLUINT, UINT0;
    u64, Ulong, ULONG, SMALLULONG, ULONG0;
}

impl Decode for bool {
    #[inline]
    fn decode_data(code: u8, reader: &mut Reader<'_>) -> Result<Self, Error> {
        match code {
            code::TRUE => Ok(true),
            code::FALSE => Ok(false),
            code::BOOLEAN => match reader.octet()? {
                0 => Ok(false),
                1 => Ok(true),
                found => {
                    Err(Error::new(Fault::Boolean { found }, reader.position().saturating_sub(1)))
                }
            },
            _ => Err(reader.unexpected(code, Kind::Boolean.name())),
        }
    }
}

impl Encode for bool {
    #[inline]
    fn encode(&self, out: &mut BytesMut) {
        out.put_u8(if *self { code::TRUE } else { code::FALSE });
    }
}

impl Decode for char {
    fn decode_data(code: u8, reader: &mut Reader<'_>) -> Result<Self, Error> {
        if code != code::CHAR {
            return Err(reader.unexpected(code, Kind::Char.name()));
        }
        let found = reader.array().map(u32::from_be_bytes)?;
        let at = reader.position().saturating_sub(4);
        char::from_u32(found).ok_or_else(|| Error::new(Fault::NotChar { found }, at))
    }
}

impl Encode for char {
    fn encode(&self, out: &mut BytesMut) {
        out.put_u8(code::CHAR);
        out.put_u32(u32::from(*self));
    }
}

impl Decode for Bytes {
    #[inline]
    fn decode_data(code: u8, reader: &mut Reader<'_>) -> Result<Self, Error> {
        match code {
            code::VBIN8 | code::VBIN32 => {
                let octets = reader.variable(code == code::VBIN32)?;
                Ok(reader.share(octets))
            }
            _ => Err(reader.unexpected(code, Kind::Binary.name())),
        }
    }
}

impl Encode for Bytes {
    #[inline]
    fn encode(&self, out: &mut BytesMut) {
        encode_variable(code::VBIN8, code::VBIN32, self, out);
    }
}

impl Decode for ByteString {
    #[inline]
    fn decode_data(code: u8, reader: &mut Reader<'_>) -> Result<Self, Error> {
        let octets = match code {
            code::STR8_UTF8 | code::STR32_UTF8 => reader.variable(code == code::STR32_UTF8)?,
            _ => return Err(reader.unexpected(code, Kind::String.name())),
        };
        ByteString::try_from(reader.share(octets)).map_err(|error| {
            let start = reader.position().saturating_sub(octets.len());
            Error::new(Fault::NotUtf8, start + error.valid_up_to())
        })
    }
}

impl Encode for ByteString {
    #[inline]
    fn encode(&self, out: &mut BytesMut) {
        str::encode(self, out);
    }
}

impl Encode for str {
    #[inline]
    fn encode(&self, out: &mut BytesMut) {
        encode_variable(code::STR8_UTF8, code::STR32_UTF8, self.as_bytes(), out);
    }
}

impl Decode for Symbol {
    #[inline]
    fn decode_data(code: u8, reader: &mut Reader<'_>) -> Result<Self, Error> {
        let octets = match code {
            code::SYM8 | code::SYM32 => reader.variable(code == code::SYM32)?,
            _ => return Err(reader.unexpected(code, Kind::Symbol.name())),
        };
        Symbol::from_bytes(reader.share(octets)).map_err(|at| {
            let start = reader.position().saturating_sub(octets.len());
            Error::new(Fault::NotAscii, start + at)
        })
    }
}

impl Encode for Symbol {
    #[inline]
    fn encode(&self, out: &mut BytesMut) {
        encode_variable(code::SYM8, code::SYM32, self.as_bytes(), out);
    }
}

/// Writes octets with their length in one octet where it fits, else in four; and as many of them as
/// four octets can count.
fn encode_variable(small: u8, large: u8, octets: &[u8], out: &mut BytesMut) {
    match u8::try_from(octets.len()) {
        Ok(length) => {
            out.put_slice(&[small, length]);
            out.put_slice(octets);
        }
        Err(_) => {
            out.put_u8(large);
            put_counted(octets, out);
        }
    }
}

/// Writes octets with their length in four octets.
pub(super) fn put_counted(octets: &[u8], out: &mut BytesMut) {
    let length = u32::try_from(octets.len()).unwrap_or(u32::MAX);
    out.put_u32(length);
    out.put_slice(octets.get(..length as usize).unwrap_or(octets));
}
