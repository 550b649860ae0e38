//! What one push may cost. Beyond a limit the event says what is missing.

/// Bytes of a commit's or tag's message that are kept; longer ones are cut.
pub(crate) const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a name, address, date or path that are kept. Linux's PATH_MAX.
pub(crate) const FIELD_BYTES_MAX: usize = 4096;

/// Files that `stats.files` names; `stats.total` counts all of them.
pub(crate) const FILES_MAX: usize = 1000;

/// Bytes of all patches of a push together; later commits go without theirs.
pub(crate) const PUSH_PATCH_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Commits that are counted when a push has more than it may tell of; then it is "at least".
pub(crate) const COUNTED_MAX: usize = 100_000;

/// Bytes of what a failed git command said that are kept for the error.
pub(crate) const SAID_BYTES_MAX: usize = 2048;
