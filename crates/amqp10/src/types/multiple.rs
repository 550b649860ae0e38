//! Fields that take one value or an array of them (AMQP 1.0 §1.4: `multiple`). In the
//! specification all of them are symbols.

use bytes::{BufMut as _, BytesMut};

use super::{Symbol, compound::encode_compound, primitive::put_counted};
use crate::{Decode, Encode, Error, Reader, generated::format_code as code};

/// Any number of values. None is null on the wire; any other number is written as an array, since
/// there are peers that read nothing else (RabbitMQ: `advertise_sasl_mechanism`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multiple<T>(Vec<T>);

impl<T> Multiple<T> {
    /// No value.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The values.
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> Default for Multiple<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> FromIterator<T> for Multiple<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl<T: From<Symbol>> Decode for Multiple<T> {
    fn decode_data(code: u8, reader: &mut Reader<'_>) -> Result<Self, Error> {
        let wide = match code {
            code::ARRAY8 => false,
            code::ARRAY32 => true,
            _ => return Ok(Self(vec![Symbol::decode_data(code, reader)?.into()])),
        };
        let (count, outer) = reader.enter(wide)?;
        let element = reader.octet()?;
        if !matches!(element, code::SYM8 | code::SYM32) {
            return Err(reader.unexpected(element, "symbol"));
        }
        let mut values = Vec::with_capacity(reader.check_elements(count, element)?);
        for _ in 0..count {
            values.push(Symbol::decode_data(element, reader)?.into());
        }
        reader.leave(outer)?;
        Ok(Self(values))
    }
}

impl<T: AsRef<str>> Encode for Multiple<T> {
    fn encode(&self, out: &mut BytesMut) {
        if self.0.is_empty() {
            return out.put_u8(code::NULL);
        }
        let is_short = |value: &T| u8::try_from(value.as_ref().len()).is_ok();
        let short = self.0.iter().all(is_short);
        encode_compound(code::ARRAY8, code::ARRAY32, out, |out| {
            out.put_u8(if short { code::SYM8 } else { code::SYM32 });
            for value in &self.0 {
                let text = value.as_ref().as_bytes();
                match u8::try_from(text.len()) {
                    Ok(length) if short => {
                        out.put_u8(length);
                        out.put_slice(text);
                    }
                    _ => put_counted(text, out),
                }
            }
            self.0.len()
        });
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn read(octets: &[u8]) -> Result<Multiple<Symbol>, Error> {
        let octets = Bytes::copy_from_slice(octets);
        Multiple::decode(&mut Reader::new(&octets))
    }

    #[test]
    fn one_value_and_an_array_of_one_are_the_same() {
        let one: Multiple<Symbol> = [Symbol::from_static("PLAIN")].into_iter().collect();
        assert_eq!(read(b"\xa3\x05PLAIN").as_ref(), Ok(&one));
        assert_eq!(read(b"\xe0\x08\x01\xa3\x05PLAIN").as_ref(), Ok(&one));
        assert_eq!(read(b"\xf0\0\0\0\x0e\0\0\0\x01\xb3\0\0\0\x05PLAIN").as_ref(), Ok(&one));
        let mut out = BytesMut::new();
        one.encode(&mut out);
        assert_eq!(&out[..], b"\xe0\x08\x01\xa3\x05PLAIN");
    }

    #[test]
    fn an_array_of_anything_else_is_refused() {
        let error = read(b"\xe0\x04\x01\xa1\x01s").unwrap_err();
        assert_eq!(
            error.to_string(),
            "string (format code 0xa1) where symbol is expected, at octet 3"
        );
        assert!(read(b"\x43").is_err());
    }
}
