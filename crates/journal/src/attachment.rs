//! What is too large for a record: a file beside the segments, written piece by piece before the
//! record is appended that it belongs to. That record gets a segment of its own, and the file goes
//! when the segment goes.
//!
//! Behind the octets stand 24 bytes: `"TPJATTCH", u64 octets, u32 CRC32C of the octets, u32 CRC32C
//! of the 20 bytes before`. Little endian.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use crc32c::{crc32c, crc32c_append};

use crate::damage::Reason;
use crate::disk::{Disk, DiskFile, read_full};
use crate::error::{Error, is_full};
use crate::record::{u32_at, u64_at};
use crate::segment_header::{attaching_name, attachment_name};
use crate::{Journal, Position};

/// Writes an attachment. Dropped before [`AttachmentWriter::finish`], it leaves nothing.
pub struct AttachmentWriter {
    journal: Arc<Journal>,
    file: Arc<dyn DiskFile>,
    attachment: Attachment,
    crc: u32,
    synced: u64,
}

/// Octets on the medium that belong to a record, or will: see
/// [`Appender::append_attached`](crate::Appender::append_attached). What belongs to none is removed
/// with the last share of it.
pub struct Attachment {
    disk: Arc<dyn Disk>,
    place: Mutex<Place>,
    bytes: u64,
}

struct Place {
    name: String,
    owner: Owner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// Nobody yet.
    Nobody,
    /// A record that is on its way to the medium, or there.
    Record,
}

impl Journal {
    /// Begins an attachment.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Io`], [`Error::Failed`].
    pub fn attach(self: &Arc<Journal>) -> Result<AttachmentWriter, Error> {
        self.check_failed()?;
        let name = attaching_name(self.next_attachment());
        let file = create(&*self.disk, &name)?;
        let place = Mutex::new(Place { name, owner: Owner::Nobody });
        let attachment = Attachment { disk: Arc::clone(&self.disk), place, bytes: 0 };
        Ok(AttachmentWriter { journal: Arc::clone(self), file, attachment, crc: 0, synced: 0 })
    }

    /// The attachment of the record at `position`.
    ///
    /// # Errors
    /// [`Error::NoRecord`] when it has none, or is gone; [`Error::Damaged`].
    pub fn attachment(&self, position: Position) -> Result<Attachment, Error> {
        let id = position.segment();
        let attached = self.segments.with(id, |segment| segment.header.attached);
        if attached != Some(true) {
            return Err(Error::NoRecord(position));
        }
        let disk = Arc::clone(&self.disk);
        let name = attachment_name(id);
        let bytes = open(&*disk, &name)?.bytes;
        Ok(Attachment { disk, place: Mutex::new(Place { name, owner: Owner::Record }), bytes })
    }
}

impl Journal {
    /// The same octets under a name of their own, for one more record, if they belong to one. They
    /// are copied where the file system cannot give a file two names.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Full`]; [`Error::Failed`].
    pub fn attach_again(&self, attachment: &Arc<Attachment>) -> Result<Arc<Attachment>, Error> {
        self.check_failed()?;
        if !attachment.is_owned() {
            return Ok(Arc::clone(attachment));
        }
        let name = attaching_name(self.next_attachment());
        let from = attachment.place();
        if self.disk.link(&from.name, &name).is_err() {
            copy(&*self.disk, &from.name, &name)?;
        }
        let (disk, place) = (Arc::clone(&self.disk), Place { name, owner: Owner::Nobody });
        Ok(Arc::new(Attachment { disk, place: Mutex::new(place), bytes: attachment.bytes }))
    }
}

impl AttachmentWriter {
    /// Adds octets.
    ///
    /// # Errors
    /// [`Error::Full`]: the attachment is to be given up. [`Error::Failed`], for ever: the medium
    /// did not take it.
    pub fn write(&mut self, octets: &[u8]) -> Result<(), Error> {
        self.journal.check_failed()?;
        let at = self.attachment.bytes;
        self.file.write_at(octets, at).map_err(|error| self.refused("write", error))?;
        self.crc = crc32c_append(self.crc, octets);
        self.attachment.bytes += octets.len() as u64;
        Ok(())
    }

    /// Octets so far.
    pub fn bytes(&self) -> u64 {
        self.attachment.bytes
    }

    /// Octets that no sync has covered.
    pub fn unsynced(&self) -> u64 {
        self.attachment.bytes - self.synced
    }

    /// Puts what was written on the medium. Waits for it.
    ///
    /// # Errors
    /// [`Error::Failed`], for ever.
    pub fn sync(&mut self) -> Result<(), Error> {
        self.journal.check_failed()?;
        self.file.sync().map_err(|error| self.refused("sync", error))?;
        self.synced = self.attachment.bytes;
        Ok(())
    }

    /// Ends it: all of it is on the medium when this returns. Its name is not, before it belongs to
    /// a record that was committed.
    ///
    /// # Errors
    /// As [`AttachmentWriter::write`] and [`AttachmentWriter::sync`].
    pub fn finish(mut self) -> Result<Attachment, Error> {
        let bytes = self.attachment.bytes;
        self.write(&trailer(bytes, self.crc))?;
        self.sync()?;
        let AttachmentWriter { mut attachment, .. } = self;
        attachment.bytes = bytes;
        Ok(attachment)
    }

    fn refused(&self, action: &'static str, error: std::io::Error) -> Error {
        let Place { name, .. } = &*self.attachment.place();
        match is_full(&error) && action == "write" {
            true => Error::Full { file: name.clone(), bytes: self.attachment.bytes },
            false => self.journal.fail(Error::io(action, name)(error).to_string()),
        }
    }
}

impl Attachment {
    /// How many octets it has.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads it from its beginning. What is read stays there until the reader is dropped, whatever
    /// becomes of the record.
    ///
    /// # Errors
    /// [`Error::Io`] when it is gone with its record; [`Error::Damaged`].
    pub fn read(&self) -> Result<AttachmentReader, Error> {
        let place = self.place();
        let Opened { file, bytes, crc } = open(&*self.disk, &place.name)?;
        let name = place.name.clone();
        Ok(AttachmentReader { file, name, bytes, at: 0, crc: 0, expected: crc })
    }

    /// Takes it for a record; false if it is another's already.
    pub(crate) fn claim(&self) -> bool {
        std::mem::replace(&mut self.place().owner, Owner::Record) == Owner::Nobody
    }

    /// Whether it belongs to a record, with which it goes.
    fn is_owned(&self) -> bool {
        self.place().owner == Owner::Record
    }

    /// Gives it the name by which it is found with its segment.
    pub(crate) fn settle(&self, segment: u32) -> std::io::Result<()> {
        let mut place = self.place();
        let name = attachment_name(segment);
        if place.name != name {
            self.disk.rename(&place.name, &name)?;
            place.name = name;
        }
        Ok(())
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        // Every change made under it is one step.
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let Place { name, owner: Owner::Nobody } = &*self.place() else { return };
        // Tidiness only: the next start removes it.
        let _ = self.disk.remove(name);
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment").field("name", &self.place().name).finish_non_exhaustive()
    }
}

/// Two are the same when they are one.
impl PartialEq for Attachment {
    fn eq(&self, other: &Attachment) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Attachment {}

/// Reads an attachment, piece by piece.
pub struct AttachmentReader {
    file: Arc<dyn DiskFile>,
    name: String,
    bytes: u64,
    at: u64,
    crc: u32,
    expected: u32,
}

impl AttachmentReader {
    /// Octets that are left.
    pub fn left(&self) -> u64 {
        self.bytes - self.at
    }

    /// The next octets, at most so many; none at the end. The last ones are handed out only if the
    /// checksum of all is right.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Io`].
    pub fn next(&mut self, max: usize) -> Result<Bytes, Error> {
        let wanted = self.left().min(max as u64) as usize;
        let mut octets = vec![0; wanted];
        let read = read_full(&*self.file, &mut octets, self.at);
        let read = read.map_err(Error::io("read", &self.name))?;
        if read < wanted {
            return Err(damaged(&self.name, self.at + read as u64, Reason::CutShort));
        }
        self.crc = crc32c_append(self.crc, &octets);
        self.at += wanted as u64;
        if self.left() == 0 && self.crc != self.expected {
            return Err(damaged(&self.name, 0, Reason::Payload));
        }
        Ok(octets.into())
    }
}

impl fmt::Debug for AttachmentReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttachmentReader").field("name", &self.name).field("at", &self.at).finish()
    }
}

/// Reads all of it. Why it is not to be trusted, if it is not.
pub(crate) fn verify(disk: &dyn Disk, name: &str) -> Result<(), Error> {
    let Opened { file, bytes, crc } = open(disk, name)?;
    let name = name.to_owned();
    let mut reader = AttachmentReader { file, name, bytes, at: 0, crc: 0, expected: crc };
    while !reader.next(COPY_BYTES)?.is_empty() {}
    Ok(())
}

struct Opened {
    file: Arc<dyn DiskFile>,
    bytes: u64,
    crc: u32,
}

fn open(disk: &dyn Disk, name: &str) -> Result<Opened, Error> {
    let file = disk.open(name).map_err(Error::io("open", name))?;
    let size = file.size().map_err(Error::io("look at", name))?;
    let at = size.checked_sub(TRAILER_BYTES as u64);
    let at = at.ok_or_else(|| damaged(name, size, Reason::CutShort))?;
    let mut trailer = [0; TRAILER_BYTES];
    let read = read_full(&*file, &mut trailer, at).map_err(Error::io("read", name))?;
    let trailer = trailer.get(..read).unwrap_or_default();
    let crc = parse_trailer(trailer).filter(|(bytes, _)| *bytes == at).map(|(_, crc)| crc);
    let crc = crc.ok_or_else(|| damaged(name, at, Reason::AttachmentEnd))?;
    Ok(Opened { file, bytes: at, crc })
}

fn create(disk: &dyn Disk, name: &str) -> Result<Arc<dyn DiskFile>, Error> {
    disk.create(name).map_err(|error| match is_full(&error) {
        true => Error::Full { file: name.to_owned(), bytes: 0 },
        false => Error::io("create", name)(error),
    })
}

/// Copies a whole attachment, durably but for its name.
fn copy(disk: &dyn Disk, from: &str, to: &str) -> Result<(), Error> {
    let source = disk.open(from).map_err(Error::io("open", from))?;
    let file = create(disk, to)?;
    let mut block = vec![0; COPY_BYTES];
    let mut at = 0;
    loop {
        let read = read_full(&*source, &mut block, at).map_err(Error::io("read", from))?;
        let Some(octets) = block.get(..read).filter(|it| !it.is_empty()) else { break };
        file.write_at(octets, at).map_err(|error| match is_full(&error) {
            true => Error::Full { file: to.to_owned(), bytes: at },
            false => Error::io("write", to)(error),
        })?;
        at += read as u64;
    }
    file.sync().map_err(Error::io("sync", to))
}

fn damaged(file: &str, offset: u64, reason: Reason) -> Error {
    Error::Damaged { file: file.to_owned(), offset, reason }
}

fn trailer(bytes: u64, crc: u32) -> [u8; TRAILER_BYTES] {
    let mut out = [0; TRAILER_BYTES];
    out[..8].copy_from_slice(MAGIC);
    out[8..16].copy_from_slice(&bytes.to_le_bytes());
    out[16..20].copy_from_slice(&crc.to_le_bytes());
    let own = crc32c(&out[..20]);
    out[20..].copy_from_slice(&own.to_le_bytes());
    out
}

fn parse_trailer(trailer: &[u8]) -> Option<(u64, u32)> {
    let is_whole =
        trailer.strip_prefix(MAGIC).is_some() && u32_at(trailer, 20)? == crc32c(trailer.get(..20)?);
    is_whole.then_some(())?;
    Some((u64_at(trailer, 8)?, u32_at(trailer, 16)?))
}

const MAGIC: &[u8; 8] = b"TPJATTCH";
pub(crate) const TRAILER_BYTES: usize = 24;
const COPY_BYTES: usize = 256 << 10;
