//! Taking back what was appended and found no space: for an owner who tells its client at once that
//! nothing became of it, and then must not find it on disk later.

use crate::Journal;
use crate::error::Error;

impl Journal {
    /// Takes back everything that is pending, as if it had never been appended. For a journal with
    /// one writer, after its [`Journal::commit`] said [`Error::Full`]. Nothing of it may be
    /// retained, and its positions are given out again.
    ///
    /// # Errors
    /// [`Error::Failed`].
    pub fn withdraw(&self) -> Result<(), Error> {
        let _committer = self.lock_committer()?;
        self.lock_pending().withdraw(&self.segments);
        self.notify_room();
        Ok(())
    }
}
