//! Field tables: names with values, in order (AMQP 0-9-1 §4.2.5.5).

use bytes::{Bytes, BytesMut};

use crate::{Error, FieldValue, Reader, ShortStr, encode::encode_counted};

/// Names with values, in the order they were sent. A name that appears twice keeps both; look-up
/// finds the first, as RabbitMQ's does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldTable(Vec<(ShortStr, FieldValue)>);

impl FieldTable {
    /// A table without fields.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Reads the fields of a table whose length is not on the wire: all of `fields` (AMQPLAIN's
    /// response).
    ///
    /// # Errors
    /// As [`Reader::table`].
    pub fn decode(fields: &Bytes) -> Result<Self, Error> {
        Self::decode_fields(&mut Reader::new(fields), "fields", 0)
    }

    pub(crate) fn decode_fields(
        reader: &mut Reader<'_>,
        field: &'static str,
        depth: usize,
    ) -> Result<Self, Error> {
        let mut fields = Vec::new();
        while reader.remaining() > 0 {
            let name = reader.short_string(field)?;
            fields.push((name, FieldValue::decode(reader, field, depth)?));
        }
        Ok(Self(fields))
    }

    /// Writes length and fields.
    pub fn encode(&self, out: &mut BytesMut) {
        encode_counted(out, |out| {
            for (name, value) in &self.0 {
                name.encode(out);
                value.encode(out);
            }
        });
    }

    /// The value of this name.
    pub fn get(&self, name: &str) -> Option<&FieldValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Sets the value of this name: in its place when it is there, at the end when it is new.
    pub fn insert(&mut self, name: ShortStr, value: impl Into<FieldValue>) {
        let value = value.into();
        match self.0.iter_mut().find(|(key, _)| *key == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    /// Takes every field of this name out; gives the first one's value.
    pub fn remove(&mut self, name: &str) -> Option<FieldValue> {
        let mut found = None;
        self.0.retain_mut(|(key, value)| {
            let same = key == name;
            if same && found.is_none() {
                found = Some(std::mem::replace(value, FieldValue::Void));
            }
            !same
        });
        found
    }

    /// The fields in their order.
    pub fn iter(&self) -> std::slice::Iter<'_, (ShortStr, FieldValue)> {
        self.0.iter()
    }

    /// How many fields.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same table in memory of its own, so that it no longer keeps a read buffer alive.
    #[must_use]
    pub fn detached(&self) -> Self {
        self.0.iter().map(|(name, value)| (name.detached(), value.detached())).collect()
    }
}

impl FromIterator<(ShortStr, FieldValue)> for FieldTable {
    fn from_iter<I: IntoIterator<Item = (ShortStr, FieldValue)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

impl IntoIterator for FieldTable {
    type Item = (ShortStr, FieldValue);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a FieldTable {
    type Item = &'a (ShortStr, FieldValue);
    type IntoIter = std::slice::Iter<'a, (ShortStr, FieldValue)>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Goes over the fields of a table and refuses exactly what decoding them refuses.
pub(crate) fn skip_fields(
    reader: &mut Reader<'_>,
    field: &'static str,
    depth: usize,
) -> Result<(), Error> {
    while reader.remaining() > 0 {
        reader.skip_short_string(field)?;
        FieldValue::skip(reader, field, depth)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &'static str) -> ShortStr {
        ShortStr::from_static(text)
    }

    #[test]
    fn look_up_finds_the_first_of_two_and_insert_replaces_it() {
        let fields = Bytes::from_static(b"\x01kB\x01\x01kB\x02\x01jV");
        let mut table = FieldTable::decode(&fields).unwrap();
        assert_eq!(table.get("k"), Some(&FieldValue::U8(1)));
        table.insert(name("k"), true);
        table.insert(name("new"), "text");
        assert_eq!(table.get("k"), Some(&FieldValue::Bool(true)));
        assert_eq!(table.get("new").and_then(FieldValue::as_str), Some("text"));
        assert_eq!((table.len(), table.remove("k")), (4, Some(FieldValue::Bool(true))));
        assert_eq!((table.len(), table.get("k"), table.get("none")), (2, None, None));
    }

    #[test]
    fn a_table_that_holds_nan_equals_itself() {
        let table = FieldTable::from_iter([(name("nan"), FieldValue::from(f64::NAN))]);
        assert_eq!(table, table.clone());
        assert_ne!(FieldValue::F64(0.0), FieldValue::F64(-0.0));
    }

    #[test]
    fn a_detached_table_is_equal_and_elsewhere() {
        let fields = Bytes::from_static(b"\x04nameF\0\0\0\x0c\x05innerS\0\0\0\x01v");
        let table = FieldTable::decode(&fields).unwrap();
        let detached = table.detached();
        assert_eq!(table, detached);
        let at = |table: &FieldTable| table.iter().next().map(|(name, _)| name.as_ptr());
        assert_eq!(at(&table), Some(fields[1..].as_ptr()));
        assert_ne!(at(&table), at(&detached));
    }
}
