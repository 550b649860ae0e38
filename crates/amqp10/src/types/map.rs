//! Maps, as the pairs they came in: their order is kept for whoever forwards them
//! (AMQP 1.0 §1.6.23).

use bytes::BytesMut;

use super::{Kind, Value, compound::encode_compound};
use crate::{Decode, Encode, Error, Reader, generated::format_code as code};

/// Keys with values. That no key is there twice is the sender's to keep; here the first one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map(Vec<(Value, Value)>);

impl Map {
    /// A map without pairs.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The value of this key, be it a symbol or a string: peers mix them up.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|(found, _)| found.is_text(key)).map(|(_, value)| value)
    }

    /// The pairs as they came.
    pub fn iter(&self) -> std::slice::Iter<'_, (Value, Value)> {
        self.0.iter()
    }

    /// How many pairs.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a pair at the end.
    pub fn push(&mut self, key: impl Into<Value>, value: impl Into<Value>) {
        self.0.push((key.into(), value.into()));
    }
}

impl<K: Into<Value>, V: Into<Value>> FromIterator<(K, V)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

impl IntoIterator for Map {
    type Item = (Value, Value);
    type IntoIter = std::vec::IntoIter<(Value, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Map {
    type Item = &'a (Value, Value);
    type IntoIter = std::slice::Iter<'a, (Value, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Decode for Map {
    fn decode_data(code: u8, reader: &mut Reader<'_>) -> Result<Self, Error> {
        let wide = is_wide(code, reader)?;
        let (count, outer) = reader.enter(wide)?;
        let pairs = reader.check_pairs(count)?;
        let mut map = Vec::with_capacity(pairs);
        for _ in 0..pairs {
            map.push((Value::decode(reader)?, Value::decode(reader)?));
        }
        reader.leave(outer)?;
        Ok(Self(map))
    }
}

/// Whether a map's format code is the one with four octets for size and count.
pub(crate) fn is_wide(code: u8, reader: &Reader<'_>) -> Result<bool, Error> {
    match code {
        code::MAP8 => Ok(false),
        code::MAP32 => Ok(true),
        _ => Err(reader.unexpected(code, Kind::Map.name())),
    }
}

impl Encode for Map {
    fn encode(&self, out: &mut BytesMut) {
        MapWriter::encode(out, |map| self.iter().for_each(|(key, value)| map.entry(key, value)));
    }
}

/// Writes a map pair by pair, without a [`Map`].
#[derive(Debug)]
pub struct MapWriter<'a> {
    out: &'a mut BytesMut,
    pairs: usize,
}

impl MapWriter<'_> {
    /// Appends a map of the pairs that `write` writes.
    pub fn encode(out: &mut BytesMut, write: impl FnOnce(&mut MapWriter<'_>)) {
        encode_compound(code::MAP8, code::MAP32, out, |out| {
            let mut writer = MapWriter { out, pairs: 0 };
            write(&mut writer);
            2 * writer.pairs
        });
    }

    /// Writes a pair.
    pub fn entry(&mut self, key: &(impl Encode + ?Sized), value: &(impl Encode + ?Sized)) {
        key.encode(self.out);
        value.encode(self.out);
        self.pairs += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Symbol;

    #[test]
    fn a_key_is_found_as_symbol_and_as_string() {
        let mut map = Map::new();
        map.push(Symbol::from_static("product"), "tubepost");
        map.push("version", 1_u32);
        map.push("version", 2_u32);
        assert_eq!(map.get("product"), Some(&Value::from("tubepost")));
        assert_eq!(map.get("version"), Some(&Value::Uint(1)), "the first one counts");
        assert_eq!(map.get("platform"), None);
    }

    #[test]
    fn a_map_written_pair_by_pair_is_the_same() {
        let map: Map = [("a", 1_u64), ("b", 2)].into_iter().collect();
        let (mut whole, mut pairs) = (BytesMut::new(), BytesMut::new());
        map.encode(&mut whole);
        MapWriter::encode(&mut pairs, |map| {
            map.entry("a", &1_u64);
            map.entry("b", &2_u64);
        });
        assert_eq!(whole, pairs);
        assert_eq!(&whole[..], b"\xc1\x0b\x04\xa1\x01a\x53\x01\xa1\x01b\x53\x02");
    }
}
