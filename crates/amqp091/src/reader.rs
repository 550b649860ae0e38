//! A cursor over received octets. Whatever it hands out is a slice of them; every length is checked
//! against what was received before anything is done with it. It knows the wire's types and nothing
//! of methods.

use bytes::Bytes;

use crate::{
    Error, FieldTable, Secret, ShortStr, fault::Fault, field_table::skip_fields,
    limits::FIELD_DEPTH_MAX, property,
};

/// Reads the wire's types one after the other. Each call names its field, for the error.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    source: &'a Bytes,
    position: usize,
    end: usize,
    depth_max: usize,
}

impl<'a> Reader<'a> {
    /// Reads from the beginning.
    pub fn new(source: &'a Bytes) -> Self {
        Self::within(source, FIELD_DEPTH_MAX)
    }

    /// Reads from the beginning, and refuses tables that lie deeper in each other than
    /// `depth_max`, which is never more than [`FIELD_DEPTH_MAX`].
    pub fn within(source: &'a Bytes, depth_max: usize) -> Self {
        let depth_max = depth_max.min(FIELD_DEPTH_MAX);
        Self { source, position: 0, end: source.len(), depth_max }
    }

    /// Octets not read yet.
    pub fn remaining(&self) -> usize {
        self.end - self.position
    }

    /// Checks that everything was read.
    ///
    /// # Errors
    /// 501 when octets are left.
    pub fn finish(&self) -> Result<(), Error> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(Fault::Trailing { left }.into()),
        }
    }

    /// One octet.
    ///
    /// # Errors
    /// 501 at the end of the data.
    #[inline]
    pub fn octet(&mut self, field: &'static str) -> Result<u8, Error> {
        self.array(field).map(u8::from_be_bytes)
    }

    /// Two octets.
    ///
    /// # Errors
    /// 501 at the end of the data.
    #[inline]
    pub fn short(&mut self, field: &'static str) -> Result<u16, Error> {
        self.array(field).map(u16::from_be_bytes)
    }

    /// Four octets.
    ///
    /// # Errors
    /// 501 at the end of the data.
    #[inline]
    pub fn long(&mut self, field: &'static str) -> Result<u32, Error> {
        self.array(field).map(u32::from_be_bytes)
    }

    /// Eight octets; also a timestamp.
    ///
    /// # Errors
    /// 501 at the end of the data.
    #[inline]
    pub fn long_long(&mut self, field: &'static str) -> Result<u64, Error> {
        self.array(field).map(u64::from_be_bytes)
    }

    /// A short string: a slice of the source.
    ///
    /// # Errors
    /// 501 when cut short, 502 when it is not UTF-8.
    #[inline]
    pub fn short_string(&mut self, field: &'static str) -> Result<ShortStr, Error> {
        let length = usize::from(self.octet(field)?);
        ShortStr::from_bytes(self.slice(field, length)?, field)
    }

    /// A long string: a slice of the source.
    ///
    /// # Errors
    /// 501 when cut short.
    pub fn long_string(&mut self, field: &'static str) -> Result<Bytes, Error> {
        let length = self.length(field)?;
        self.slice(field, length)
    }

    /// A long string that must not be shown.
    ///
    /// # Errors
    /// 501 when cut short.
    pub fn secret(&mut self, field: &'static str) -> Result<Secret, Error> {
        self.long_string(field).map(Secret::new)
    }

    /// A field table with its length.
    ///
    /// # Errors
    /// 501 when cut short; 502 for a name that is not UTF-8, an unknown type, or tables nested too
    /// deep.
    pub fn table(&mut self, field: &'static str) -> Result<FieldTable, Error> {
        let mut part = self.part(field)?;
        FieldTable::decode_fields(&mut part, field, 0)
    }

    /// The flag word that opens a list of properties.
    ///
    /// # Errors
    /// 501 when cut short, 502 when a bit is set that no property has.
    pub fn property_flags(&mut self) -> Result<u16, Error> {
        let flags = self.short("property-flags")?;
        if flags & !property::KNOWN_FLAGS != 0 {
            return Err(Fault::PropertyFlags { flags }.into());
        }
        Ok(flags)
    }

    /// The depth of what lies in a table or array at `depth`.
    pub(crate) fn deeper(&self, field: &'static str, depth: usize) -> Result<usize, Error> {
        match depth < self.depth_max {
            true => Ok(depth + 1),
            false => Err(Fault::FieldDepth { field, max: self.depth_max }.into()),
        }
    }

    /// Checks a short string without keeping it.
    pub(crate) fn skip_short_string(&mut self, field: &'static str) -> Result<(), Error> {
        let length = usize::from(self.octet(field)?);
        let octets = self.take(field, length)?;
        match std::str::from_utf8(octets) {
            Ok(_) => Ok(()),
            Err(error) => Err(Fault::NotUtf8 { field, at: error.valid_up_to() }.into()),
        }
    }

    /// Checks a field table without keeping it.
    pub(crate) fn skip_table(&mut self, field: &'static str) -> Result<(), Error> {
        let mut part = self.part(field)?;
        skip_fields(&mut part, field, 0)
    }

    /// Passes over octets.
    pub(crate) fn skip(&mut self, field: &'static str, length: usize) -> Result<(), Error> {
        self.take(field, length).map(drop)
    }

    /// A length of four octets, and a reader for just that many octets.
    pub(crate) fn part(&mut self, field: &'static str) -> Result<Self, Error> {
        let length = self.length(field)?;
        let position = self.position;
        self.take(field, length)?;
        Ok(Self { source: self.source, position, end: self.position, depth_max: self.depth_max })
    }

    /// A length of four octets. What it counts is checked when it is taken.
    pub(crate) fn length(&mut self, field: &'static str) -> Result<usize, Error> {
        self.long(field).map(|length| length as usize)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Error> {
        let octets = self.take(field, N)?;
        Ok(*octets.first_chunk().expect("take gives as many octets as asked for"))
    }

    #[inline]
    fn slice(&mut self, field: &'static str, length: usize) -> Result<Bytes, Error> {
        let start = self.position;
        self.take(field, length)?;
        Ok(self.source.slice(start..self.position))
    }

    #[inline]
    fn take(&mut self, field: &'static str, length: usize) -> Result<&'a [u8], Error> {
        let left = self.remaining();
        let stop = self.position.saturating_add(length);
        match self.source.get(self.position..stop) {
            Some(octets) if length <= left => {
                self.position = stop;
                Ok(octets)
            }
            _ => Err(Fault::Truncated { field, needed: length, left }.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_cannot_be_read_beyond_its_end() {
        let source = Bytes::from_static(b"\0\0\0\x01ab");
        let mut reader = Reader::new(&source);
        let mut part = reader.part("arguments").unwrap();
        assert_eq!(part.octet("first").unwrap(), b'a');
        let error = part.octet("second").unwrap_err();
        assert_eq!(error.fault(), &Fault::Truncated { field: "second", needed: 1, left: 0 });
        assert_eq!(reader.octet("after").unwrap(), b'b');
        reader.finish().unwrap();
    }

    #[test]
    fn a_length_beyond_the_data_is_refused_and_allocates_nothing() {
        let source = Bytes::from_static(b"\xff\xff\xff\xffab");
        let error = Reader::new(&source).long_string("response").unwrap_err();
        let needed = u32::MAX as usize;
        assert_eq!(error.fault(), &Fault::Truncated { field: "response", needed, left: 2 });
    }

    #[test]
    fn strings_are_slices_of_what_was_received() {
        let source = Bytes::from_static(b"\x05hello");
        let text = Reader::new(&source).short_string("queue").unwrap();
        assert_eq!(text.as_ptr(), source[1..].as_ptr());
    }
}
