//! Taking back what was appended and found no space, for an owner that has to say no at once rather
//! than yes later.

use crate::Journal;
use crate::error::Error;

impl Journal {
    /// Takes back everything that was appended and is not on disk, as if it had never been
    /// appended: it is never written, and its positions are given out again. Only for an owner that
    /// appends and commits in turn, has kept none of these positions and retained none: what others
    /// appended meanwhile goes, too.
    ///
    /// # Errors
    /// [`Error::Failed`].
    pub fn withdraw(&self) -> Result<(), Error> {
        let _committer = self.lock_committer()?;
        let begun = self.lock_pending().withdraw();
        begun.into_iter().for_each(|id| self.segments.forget(id));
        self.notify_room();
        Ok(())
    }
}
