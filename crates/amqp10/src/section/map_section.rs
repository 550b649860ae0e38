//! Annotations, application properties and footer: one key looked up without the whole map.

use bytes::Bytes;

use crate::{
    Decode as _, Error, Reach, Reader,
    composite::decode_descriptor,
    generated::format_code as code,
    types::{Map, Value, is_wide, skip},
};

/// A section that is a map, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapSection {
    /// Where it begins in its message, for errors.
    at: usize,
    octets: Bytes,
}

impl MapSection {
    pub(super) const fn new(at: usize, octets: Bytes) -> Self {
        Self { at, octets }
    }

    /// The section's octets, head included, to be sent on as they are.
    pub const fn as_bytes(&self) -> &Bytes {
        &self.octets
    }

    /// The value of this key, be it a symbol or a string. What comes before it is checked as well.
    ///
    /// # Errors
    /// `amqp:decode-error` when the map cannot be read up to the key. It reaches the link.
    pub fn get(&self, key: &str) -> Result<Option<Value>, Error> {
        self.find(key).map_err(|error| error.moved(self.at).reaching(Reach::Link))
    }

    /// The whole map.
    ///
    /// # Errors
    /// `amqp:decode-error` when it cannot be read. It reaches the link.
    pub fn to_map(&self) -> Result<Map, Error> {
        let mut reader = Reader::new(&self.octets);
        decode_section(&mut reader, |code, reader| Map::decode_data(code, reader))
            .map_err(|error| error.moved(self.at).reaching(Reach::Link))
    }

    fn find(&self, key: &str) -> Result<Option<Value>, Error> {
        let mut reader = Reader::new(&self.octets);
        decode_section(&mut reader, |code, reader| {
            let wide = is_wide(code, reader)?;
            let (count, _) = reader.enter(wide)?;
            for _ in 0..reader.check_pairs(count)? {
                if reads_key(key, reader)? {
                    return Value::decode(reader).map(Some);
                }
                skip(reader)?;
            }
            Ok(None)
        })
    }
}

/// Passes the section's descriptor and gives the format code of what is in it.
fn decode_section<'a, T>(
    reader: &mut Reader<'a>,
    content: impl FnOnce(u8, &mut Reader<'a>) -> Result<T, Error>,
) -> Result<T, Error> {
    let code = reader.octet()?;
    decode_descriptor(code, "a section of a message", reader)?;
    let code = reader.octet()?;
    content(code, reader)
}

/// Passes a key: whether it is this one.
fn reads_key(key: &str, reader: &mut Reader<'_>) -> Result<bool, Error> {
    match reader.peek() {
        Some(found @ (code::STR8_UTF8 | code::SYM8 | code::STR32_UTF8 | code::SYM32)) => {
            let mut ahead = reader.clone();
            ahead.octet()?;
            let is_wide = matches!(found, code::STR32_UTF8 | code::SYM32);
            let is_this = ahead.variable(is_wide)? == key.as_bytes();
            skip(reader)?;
            Ok(is_this)
        }
        _ => skip(reader).map(|()| false),
    }
}
