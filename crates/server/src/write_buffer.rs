//! What is to be written to one socket: frames encoded into a growing tail, large bodies beside
//! it without a copy, all of it out by vectored writes.

use std::{collections::VecDeque, io::IoSlice};

use bytes::{Buf, Bytes, BytesMut};

/// Bytes on their way out, in order. Whoever fills it asks [`WriteBuffer::is_full`] first.
#[derive(Debug, Default)]
pub(crate) struct WriteBuffer {
    chunks: VecDeque<Bytes>,
    /// The end of what is to be written, still growing.
    tail: BytesMut,
    chunk_bytes: usize,
    /// How much the tail had when it was sealed last: it will have as much again.
    usual: usize,
}

impl WriteBuffer {
    /// Where small things are encoded.
    pub(crate) fn tail(&mut self) -> &mut BytesMut {
        if self.tail.is_empty() {
            self.tail.reserve(self.usual.max(TAIL_BYTES_MIN));
        }
        &mut self.tail
    }

    /// Appends a body's slice: copied when that is cheaper than another piece of a vectored
    /// write.
    pub(crate) fn put_body(&mut self, slice: &Bytes) {
        if slice.len() <= COPY_BYTES_MAX {
            self.tail.extend_from_slice(slice);
            return;
        }
        self.seal_tail();
        self.chunk_bytes += slice.len();
        self.chunks.push_back(slice.clone());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Enough for now: take nothing more from mailbox or peer until some of it is written.
    pub(crate) fn is_full(&self) -> bool {
        self.len() >= HIGH_WATER_BYTES
    }

    fn len(&self) -> usize {
        self.chunk_bytes + self.tail.len()
    }

    /// Everything, copied together.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn take(&mut self) -> BytesMut {
        let mut all = BytesMut::new();
        self.chunks.drain(..).for_each(|chunk| all.extend_from_slice(&chunk));
        all.extend_from_slice(&std::mem::take(&mut self.tail));
        self.chunk_bytes = 0;
        all
    }

    /// The next pieces for a vectored write; returns how many of `slices` were filled.
    pub(crate) fn pieces<'a>(&'a mut self, slices: &mut [IoSlice<'a>]) -> usize {
        self.seal_tail();
        let mut filled = 0;
        for (slice, chunk) in slices.iter_mut().zip(&self.chunks) {
            *slice = IoSlice::new(chunk);
            filled += 1;
        }
        filled
    }

    /// `count` bytes were written.
    pub(crate) fn advance(&mut self, mut count: usize) {
        self.chunk_bytes -= count;
        while let Some(first) = self.chunks.front_mut() {
            if count < first.len() {
                return first.advance(count);
            }
            count -= first.len();
            self.chunks.pop_front();
        }
    }

    fn seal_tail(&mut self) {
        if !self.tail.is_empty() {
            self.chunk_bytes += self.tail.len();
            self.usual = self.tail.len().min(USUAL_BYTES_MAX);
            self.chunks.push_back(self.tail.split().freeze());
        }
    }
}

/// A copy of this much costs less than one more piece in the kernel.
const COPY_BYTES_MAX: usize = 4096;

/// The most that room is made for before there is something to put there: one burst is not to
/// cost a connection that is quiet afterwards.
const USUAL_BYTES_MAX: usize = 256 * 1024;

/// The least that room is made for.
const TAIL_BYTES_MIN: usize = 256;

/// One peer may have this much waiting to be written, and one delivery more.
const HIGH_WATER_BYTES: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_the_order_they_came() {
        let mut buffer = WriteBuffer::default();
        buffer.tail().extend_from_slice(b"head ");
        buffer.put_body(&Bytes::from(vec![b'x'; COPY_BYTES_MAX + 1]));
        buffer.put_body(&Bytes::from_static(b" small"));
        let mut out = Vec::new();
        while !buffer.is_empty() {
            let mut slices = [IoSlice::new(&[]); 2];
            let filled = buffer.pieces(&mut slices);
            let count = slices[0].len().min(7);
            assert!(filled >= 1);
            out.extend_from_slice(&slices[0][..count]);
            buffer.advance(count);
        }
        assert_eq!(out.len(), 5 + COPY_BYTES_MAX + 1 + 6);
        assert!(out.starts_with(b"head xx") && out.ends_with(b"xx small"));
    }
}
