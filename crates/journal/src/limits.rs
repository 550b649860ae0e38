//! Every limit of this crate in one place. On-disk sizes are `u32`/`u64`, in-memory ones `usize`.

/// The largest payload of one record: 1 GiB. Keeps every offset in a segment below `u32::MAX`.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 30;

/// The default size of a segment: 64 MiB. Large enough that making a new one (a rename, two syncs)
/// is rare, small enough that space comes back in useful pieces.
pub const SEGMENT_BYTES_DEFAULT: u32 = 64 << 20;

/// The smallest size of a segment that [`crate::Options`] accepts.
pub const SEGMENT_BYTES_MIN: u32 = 512;

/// The largest size of a segment that [`crate::Options`] accepts: 2 GiB, so that the offset of a
/// position fits 32 bits even after a record of [`PAYLOAD_BYTES_MAX`].
pub const SEGMENT_BYTES_MAX: u32 = 2 << 30;

/// The default bound on bytes that were appended and are not on disk yet: 64 MiB.
pub const PENDING_BYTES_MAX_DEFAULT: usize = 64 << 20;

/// What nobody waits for is written when this much is pending: one write of it costs about as much
/// as its sync.
pub(crate) const LAZY_BYTES_MAX: usize = 256 << 10;

/// The default bound on segment files held open for reading.
pub const OPEN_FILES_MAX_DEFAULT: usize = 64;

/// Recovery reads this much at a time; a record larger than it is read whole.
pub(crate) const READ_BLOCK_BYTES: usize = 256 << 10;

/// What is given up when the medium cannot read a place: its block, as disks replace whole blocks.
pub(crate) const UNREADABLE_BLOCK_BYTES: usize = 4096;

/// A first read of this size answers most [`crate::Journal::read`] calls with one system call.
pub(crate) const FIRST_READ_BYTES: usize = 4096;

/// A commit's buffer is kept for the next one up to this size, so that one burst does not pin
/// memory.
pub(crate) const SPARE_BUFFER_BYTES_MAX: usize = 4 << 20;

/// How far back from a checkpoint the record that ends there is looked for; behind a longer one,
/// its segment is read from the beginning. A power of 16 times the first step, see `resume.rs`.
pub(crate) const LOOK_BACK_BYTES_MAX: u64 = 2 << 20;

/// The largest list of deleted segments that is read: 700,000 holes.
pub(crate) const RECLAIMED_LIST_BYTES_MAX: u64 = 16 << 20;
