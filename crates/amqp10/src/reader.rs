//! A cursor over received octets. Whatever it hands out is a slice of them; every length and count
//! is checked against what was received before anything is done with it. It knows how wide the
//! wire's types are and nothing of what they mean.

use bytes::Bytes;

use crate::{
    Error, Fault,
    limits::{VALUE_DEPTH_MAX, ZERO_WIDTH_ELEMENTS_MAX},
    types::Kind,
};

/// Reads one value after the other.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    /// What is handed out slices of; without, they are copies.
    source: Option<&'a Bytes>,
    /// Everything up to the end of the compound that is being read.
    octets: &'a [u8],
    position: usize,
    depth: usize,
    zero_width_left: usize,
}

/// What a reader goes back to at the end of a compound.
#[derive(Debug)]
pub(crate) struct Outer<'a> {
    octets: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the beginning.
    #[inline]
    pub fn new(source: &'a Bytes) -> Self {
        Self::at(source, 0)
    }

    /// Reads from this octet on.
    #[inline]
    pub(crate) fn at(source: &'a Bytes, position: usize) -> Self {
        Self { source: Some(source), ..Self::copying(source, position) }
    }

    /// Reads from this octet on, where what is kept is little and better copied than shared.
    #[inline]
    pub(crate) fn copying(octets: &'a [u8], position: usize) -> Self {
        Self { source: None, octets, position, depth: 0, zero_width_left: ZERO_WIDTH_ELEMENTS_MAX }
    }

    /// The next octet's place in the source.
    #[inline]
    pub fn position(&self) -> usize {
        self.position
    }

    /// Octets not read yet.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.octets.len().saturating_sub(self.position)
    }

    /// Checks that everything was read.
    ///
    /// # Errors
    /// Octets are left.
    #[inline]
    pub fn finish(&self) -> Result<(), Error> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(self.fault(Fault::Trailing { left })),
        }
    }

    /// The next octet, without passing it.
    #[inline]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.octets.get(self.position).copied()
    }

    #[inline]
    pub(crate) fn octet(&mut self) -> Result<u8, Error> {
        match self.octets.get(self.position) {
            Some(&octet) => {
                self.position += 1;
                Ok(octet)
            }
            None => Err(self.truncated(1)),
        }
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let octets = self.take(N)?;
        Ok(*octets.first_chunk().expect("take gives as many octets as asked for"))
    }

    #[inline]
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let stop = self.position.saturating_add(length);
        match self.octets.get(self.position..stop) {
            Some(octets) => {
                self.position = stop;
                Ok(octets)
            }
            None => Err(self.truncated(length)),
        }
    }

    /// The octets of a variable-width value, whose length is in one octet or in four.
    #[inline]
    pub(crate) fn variable(&mut self, wide: bool) -> Result<&'a [u8], Error> {
        let length = self.length(wide)?;
        self.take(length as usize)
    }

    /// What [`take`](Self::take) has just given, sharing the source's memory.
    #[inline]
    pub(crate) fn share(&self, taken: &[u8]) -> Bytes {
        match self.source {
            // An empty one would keep the read buffer alive for nothing.
            Some(source) if !taken.is_empty() => {
                source.slice(self.position - taken.len()..self.position)
            }
            _ => Bytes::copy_from_slice(taken),
        }
    }

    /// A length or a count, in one octet or in four.
    #[inline]
    pub(crate) fn length(&mut self, wide: bool) -> Result<u32, Error> {
        match wide {
            true => self.array().map(u32::from_be_bytes),
            false => self.octet().map(u32::from),
        }
    }

    /// Goes into a list, a map or an array behind its format code: gives the count, and what to
    /// [`leave`](Self::leave) to. Nothing behind its end can be read until then.
    #[inline]
    pub(crate) fn enter(&mut self, wide: bool) -> Result<(u32, Outer<'a>), Error> {
        let size = self.length(wide)? as usize;
        let stop = self.position.saturating_add(size);
        let Some(octets) = self.octets.get(..stop) else { return Err(self.truncated(size)) };
        self.deepen()?;
        let outer = Outer { octets: self.octets };
        self.octets = octets;
        let count = self.length(wide)?;
        Ok((count, outer))
    }

    /// Goes out of a compound, which must have been read to its end.
    #[inline]
    pub(crate) fn leave(&mut self, outer: Outer<'a>) -> Result<(), Error> {
        self.finish()?;
        self.octets = outer.octets;
        self.rise();
        Ok(())
    }

    /// The count of a list or a map, which has an octet at least for each element.
    pub(crate) fn check_count(&self, count: u32) -> Result<usize, Error> {
        match self.remaining() {
            left if left < count as usize => Err(self.fault(Fault::Count { count, left })),
            _ => Ok(count as usize),
        }
    }

    /// The count of a map's keys and values together.
    pub(crate) fn check_pairs(&self, count: u32) -> Result<usize, Error> {
        //= amqp-1.0 §1.6.23
        // Keys and values alternate, so their number is even.
        if !count.is_multiple_of(2) {
            return Err(self.fault(Fault::OddMap { count }));
        }
        self.check_count(count).map(|count| count / 2)
    }

    /// The count of an array's elements, each of them with this format code. Elements that take no
    /// octets are taken from a small store for the whole reading, so that no count is a bomb.
    pub(crate) fn check_elements(&mut self, count: u32, code: u8) -> Result<usize, Error> {
        let left = self.remaining();
        match element_width(code) {
            0 => match self.zero_width_left.checked_sub(count as usize) {
                Some(store) => self.zero_width_left = store,
                None => return Err(self.fault(Fault::ZeroWidth { count })),
            },
            width if left / width < count as usize => {
                return Err(self.fault(Fault::Count { count, left }));
            }
            _ => {}
        }
        Ok(count as usize)
    }

    /// One level deeper, for a compound or a described value.
    #[inline]
    pub(crate) fn deepen(&mut self) -> Result<(), Error> {
        if self.depth >= VALUE_DEPTH_MAX {
            return Err(self.fault(Fault::Depth));
        }
        self.depth += 1;
        Ok(())
    }

    /// Back from one level deeper.
    #[inline]
    pub(crate) fn rise(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// A fault here.
    #[cold]
    pub(crate) fn fault(&self, fault: Fault) -> Error {
        Error::new(fault, self.position)
    }

    /// A value of another type than what is expected, its format code just read.
    #[cold]
    pub(crate) fn unexpected(&self, code: u8, expected: &'static str) -> Error {
        let fault = match Kind::of_code(code) {
            Some(found) => Fault::Type { code, found, expected },
            None => Fault::FormatCode { code },
        };
        Error::new(fault, self.position.saturating_sub(1))
    }

    #[cold]
    fn truncated(&self, needed: usize) -> Error {
        self.fault(Fault::Truncated { needed, left: self.remaining() })
    }
}

/// How many octets an element with this format code takes at least (AMQP 1.0 §1.2: the code's
/// upper half says).
fn element_width(format_code: u8) -> usize {
    match format_code >> 4 {
        0x4 => 0,
        0x6 => 2,
        0x7 => 4,
        0x8 => 8,
        0x9 => 16,
        0xb => 4,
        0xc => 2,
        0xd => 8,
        0xe => 3,
        0xf => 9,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compound_cannot_be_read_beyond_its_end() {
        let source = Bytes::from_static(b"\x02\x01ab");
        let mut reader = Reader::new(&source);
        let (count, outer) = reader.enter(false).unwrap();
        assert_eq!((count, reader.octet().unwrap()), (1, b'a'));
        let error = reader.octet().unwrap_err();
        assert_eq!(error.fault(), &Fault::Truncated { needed: 1, left: 0 });
        assert_eq!(error.at(), 3);
        reader.leave(outer).unwrap();
        assert_eq!(reader.octet().unwrap(), b'b');
        reader.finish().unwrap();
    }

    #[test]
    fn a_length_beyond_the_data_is_refused_and_allocates_nothing() {
        let source = Bytes::from_static(b"\xff\xff\xff\xffab");
        for error in [
            Reader::new(&source).variable(true).unwrap_err(),
            Reader::new(&source).enter(true).unwrap_err(),
        ] {
            assert_eq!(error.fault(), &Fault::Truncated { needed: u32::MAX as usize, left: 2 });
        }
    }

    #[test]
    fn what_is_shared_is_the_source_itself() {
        let source = Bytes::from_static(b"\x05hello");
        let mut reader = Reader::new(&source);
        let taken = reader.variable(false).unwrap();
        assert_eq!(reader.share(taken).as_ptr(), source[1..].as_ptr());
    }
}
