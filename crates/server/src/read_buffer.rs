//! How much room one read gets: as much as the peer has shown to fill.
//!
//! Bodies stay in the queue as slices of the buffer they were read into. So room must follow the
//! traffic: a peer that sends little must not pin much for each message it sends.

use bytes::BytesMut;

/// The room for reads of one peer, between [`READ_BYTES_MIN`] and [`READ_BYTES_MAX`].
#[derive(Debug)]
pub(crate) struct ReadRoom {
    bytes: usize,
}

impl ReadRoom {
    pub(crate) fn new() -> ReadRoom {
        ReadRoom { bytes: READ_BYTES_MIN }
    }

    /// Makes room at the end of `inbox` for the next read; `missing` bytes complete the frame
    /// that has begun. What is free already is used up first, so that the messages of many small
    /// reads share one buffer.
    pub(crate) fn prepare(&self, inbox: &mut BytesMut, missing: usize) {
        let free = inbox.capacity() - inbox.len();
        if free < missing.max(READ_BYTES_MIN / 4) {
            inbox.reserve(self.bytes.max(missing));
        }
    }

    /// A read brought `count` bytes; there was room for `room`. A record of TLS may bring more.
    pub(crate) fn learn(&mut self, count: usize, room: usize) {
        if count >= room {
            self.bytes = (self.bytes * 2).min(READ_BYTES_MAX);
        } else if count < self.bytes / 8 {
            self.bytes = (self.bytes / 2).max(READ_BYTES_MIN);
        }
    }
}

const READ_BYTES_MIN: usize = 4 * 1024;

/// More saves no system calls worth counting.
const READ_BYTES_MAX: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_hundred_small_messages_share_a_few_buffers() {
        let mut room = ReadRoom::new();
        let mut inbox = BytesMut::new();
        let mut kept: Vec<Bytes> = Vec::new();
        let mut buffers = 0;
        for _ in 0..100 {
            let before = inbox.capacity();
            room.prepare(&mut inbox, 8);
            buffers += usize::from(inbox.capacity() > before);
            let free = inbox.capacity() - inbox.len();
            inbox.extend_from_slice(&[7; 100]);
            room.learn(100, free);
            kept.push(inbox.split().freeze());
        }
        assert!(buffers <= 5, "{buffers} buffers of {READ_BYTES_MIN} bytes for 10,000 bytes");
    }

    #[test]
    fn a_peer_that_fills_its_room_gets_more() {
        let mut room = ReadRoom::new();
        for _ in 0..20 {
            room.learn(room.bytes, room.bytes);
        }
        assert_eq!(room.bytes, READ_BYTES_MAX);
        for _ in 0..20 {
            room.learn(100, room.bytes);
        }
        assert_eq!(room.bytes, READ_BYTES_MIN);
    }
}
