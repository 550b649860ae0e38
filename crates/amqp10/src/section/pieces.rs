//! An encoded message in the pieces that its transfers brought, and a walk over them.

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

use crate::{Error, Fault};

/// Octets in pieces: mostly one.
pub type Pieces = SmallVec<[Bytes; 1]>;

/// A place in the pieces. Places are counted from the message's first octet.
#[derive(Clone, Debug)]
pub(super) struct Walk<'a> {
    /// The pieces after the one at hand.
    pieces: &'a [Bytes],
    /// What is not passed of the piece at hand.
    rest: &'a [u8],
    /// Where the piece at hand ends.
    rest_end: usize,
    end: usize,
}

impl<'a> Walk<'a> {
    /// From the beginning.
    #[inline]
    pub(super) fn new(pieces: &'a [Bytes]) -> Self {
        let (first, pieces) = match pieces.split_first() {
            Some((first, pieces)) => (&first[..], pieces),
            None => (&[][..], pieces),
        };
        let end = pieces.iter().fold(first.len(), |end, piece| end + piece.len());
        Self { pieces, rest: first, rest_end: first.len(), end }
    }

    #[inline]
    pub(super) fn position(&self) -> usize {
        self.rest_end - self.rest.len()
    }

    #[inline]
    pub(super) fn is_at_end(&self) -> bool {
        self.position() == self.end
    }

    /// How many octets there are from the beginning to the end.
    #[inline]
    pub(super) fn end(&self) -> usize {
        self.end
    }

    /// The next octets, passed, when they lie in one piece.
    #[inline]
    pub(super) fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*chunk)
    }

    #[inline]
    pub(super) fn octet(&mut self) -> Result<u8, Error> {
        match self.chunk() {
            Some([octet]) => Ok(octet),
            None => self.octet_of_next(),
        }
    }

    #[cold]
    fn octet_of_next(&mut self) -> Result<u8, Error> {
        while self.next_piece() {
            if let Some([octet]) = self.chunk() {
                return Ok(octet);
            }
        }
        Err(self.truncated(1))
    }

    /// Goes on to the next piece; the one at hand is passed.
    fn next_piece(&mut self) -> bool {
        let Some((first, pieces)) = self.pieces.split_first() else { return false };
        (self.rest, self.pieces) = (first, pieces);
        self.rest_end += first.len();
        true
    }

    /// A length in one octet or in four.
    #[inline]
    pub(super) fn length(&mut self, wide: bool) -> Result<usize, Error> {
        if !wide {
            return self.octet().map(usize::from);
        }
        if let Some(length) = self.chunk() {
            return Ok(u32::from_be_bytes(length) as usize);
        }
        let mut length = 0;
        for _ in 0..4 {
            length = length << 8 | usize::from(self.octet()?);
        }
        Ok(length)
    }

    /// Passes octets.
    #[inline]
    pub(super) fn skip(&mut self, length: usize) -> Result<(), Error> {
        match self.rest.get(length..) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => self.skip_pieces(length),
        }
    }

    #[cold]
    fn skip_pieces(&mut self, length: usize) -> Result<(), Error> {
        if length > self.end - self.position() {
            return Err(self.truncated(length));
        }
        let mut left = length;
        while left > self.rest.len() {
            left -= self.rest.len();
            self.next_piece();
        }
        self.rest = self.rest.get(left..).unwrap_or_default();
        Ok(())
    }

    #[cold]
    fn truncated(&self, needed: usize) -> Error {
        let at = self.position();
        Error::new(Fault::Truncated { needed, left: self.end - at }, at)
    }
}

/// The octets from `start` to `stop`, as slices of the pieces.
pub(super) fn slices(
    pieces: &[Bytes],
    start: usize,
    stop: usize,
) -> impl Iterator<Item = Bytes> + '_ {
    let mut before = 0;
    pieces.iter().filter_map(move |piece| {
        let from = start.saturating_sub(before).min(piece.len());
        let to = stop.saturating_sub(before).min(piece.len());
        before += piece.len();
        (from < to).then(|| piece.slice(from..to))
    })
}

/// The octets from `start` to `stop` in one: a slice when they lie in one piece, else a copy.
pub(super) fn joined(pieces: &[Bytes], start: usize, stop: usize) -> Bytes {
    let mut slices = slices(pieces, start, stop);
    let Some(first) = slices.next() else { return Bytes::new() };
    if first.len() == stop - start {
        return first;
    }
    let mut whole = BytesMut::with_capacity(stop - start);
    whole.extend_from_slice(&first);
    slices.for_each(|slice| whole.extend_from_slice(&slice));
    whole.freeze()
}
