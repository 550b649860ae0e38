//! A read buffer that is used again and again: what is complete is looked at in place.

use std::io;

use crate::wire::Wire;

/// Octets that were read and not looked at yet.
#[derive(Debug)]
pub(crate) struct Inbox {
    octets: Vec<u8>,
    start: usize,
    end: usize,
}

impl Inbox {
    pub(crate) fn new() -> Inbox {
        Inbox { octets: vec![0; FIRST_BYTES], start: 0, end: 0 }
    }

    /// Reads once; how much came.
    pub(crate) fn fill(&mut self, wire: &mut Wire) -> io::Result<usize> {
        self.make_room();
        let room = self.octets.get_mut(self.end..).unwrap_or_default();
        let count = wire.read(room)?;
        if count == room.len() && self.octets.len() < LARGEST_BYTES {
            // The peer has more than this takes.
            self.octets.resize(self.octets.len() * 2, 0);
        }
        self.end += count;
        Ok(count)
    }

    pub(crate) fn unread(&self) -> &[u8] {
        self.octets.get(self.start..self.end).unwrap_or_default()
    }

    /// So many were looked at.
    pub(crate) fn advance(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// What is left is the front of one frame.
    fn make_room(&mut self) {
        if self.start > 0 {
            self.octets.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.octets.len() {
            self.octets.resize(self.octets.len() * 2, 0);
        }
    }
}

/// Enough for acknowledgements, and for many connections at once.
const FIRST_BYTES: usize = 4 * 1024;

/// A larger read saves no system calls worth counting.
const LARGEST_BYTES: usize = 256 * 1024;
