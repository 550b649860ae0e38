//! A stretch of a stream that lies in the index on disk, and is read by many at once.

use std::sync::{Arc, Mutex, Weak};

use bytes::{Buf, BufMut};

use super::StreamRow;
use crate::{
    Timestamp,
    index::{Chunk, Chunks, Unreadable},
    sync::lock,
};

/// Rows of consecutive offsets, in a chunk file. Never changes; compaction puts another in its
/// place.
#[derive(Debug)]
pub(crate) struct Stretch {
    pub(crate) chunk: Chunk,
    /// When its oldest message was published, and its newest.
    pub(crate) oldest: Timestamp,
    pub(crate) newest: Timestamp,
    rows: Mutex<Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    /// What its readers share while they are in it.
    read: Option<Weak<[StreamRow]>>,
    is_gone: bool,
}

impl Stretch {
    /// Puts rows of consecutive offsets into a file of the index; `None` for none.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn write(
        chunks: &Chunks,
        first: u64,
        rows: &[StreamRow],
    ) -> std::io::Result<Option<Arc<Stretch>>> {
        let times = || rows.iter().map(|row| row.published_at);
        let (oldest, newest) = (times().min(), times().max());
        let chunk = chunks.write(first, rows)?;
        Ok(chunk.map(|chunk| {
            Stretch::new(chunk, oldest.unwrap_or_default(), newest.unwrap_or_default())
        }))
    }

    fn new(chunk: Chunk, oldest: Timestamp, newest: Timestamp) -> Arc<Stretch> {
        Arc::new(Stretch { chunk, oldest, newest, rows: Mutex::default() })
    }

    /// The offset of its first row.
    pub(crate) fn first(&self) -> u64 {
        self.chunk.first_order
    }

    /// The offset behind its last row.
    pub(crate) fn end(&self) -> u64 {
        self.first() + u64::from(self.chunk.count)
    }

    /// Its rows, read once for all who are in it; `None` when it is no part of the stream any
    /// more.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn rows(&self, chunks: &Chunks) -> Result<Option<Arc<[StreamRow]>>, Unreadable> {
        // Held while it reads: its file stays for as long.
        let mut rows = lock(&self.rows);
        if rows.is_gone {
            return Ok(None);
        }
        if let Some(read) = rows.read.as_ref().and_then(Weak::upgrade) {
            return Ok(Some(read));
        }
        let read: Arc<[StreamRow]> = chunks.read::<StreamRow>(&self.chunk)?.into();
        rows.read = Some(Arc::downgrade(&read));
        Ok(Some(read))
    }

    /// It is no part of the stream any more.
    pub(crate) fn discard(&self, chunks: &Chunks) {
        lock(&self.rows).is_gone = true;
        chunks.discard(&self.chunk);
    }

    /// `u64 first offset, u64 oldest, u64 newest, chunk`. Little endian.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u64_le(self.first());
        out.put_u64_le(self.oldest.0);
        out.put_u64_le(self.newest.0);
        self.chunk.encode(out);
    }

    pub(crate) fn decode(bytes: &mut &[u8]) -> Option<Arc<Stretch>> {
        let first_order = bytes.try_get_u64_le().ok()?;
        let oldest = Timestamp(bytes.try_get_u64_le().ok()?);
        let newest = Timestamp(bytes.try_get_u64_le().ok()?);
        let chunk = Chunk::decode(bytes)?;
        Some(Stretch::new(Chunk { first_order, ..chunk }, oldest, newest))
    }
}

impl PartialEq for Stretch {
    fn eq(&self, other: &Stretch) -> bool {
        let of = |it: &Stretch| (it.oldest, it.newest);
        self.chunk == other.chunk && of(self) == of(other)
    }
}

impl Eq for Stretch {}
