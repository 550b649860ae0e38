//! The seam below the store: transactions of SQL over text. Parameters are `$1`, `$2`… in the order
//! they first stand in, every column that is read is text.

use std::{fmt::Debug, time::Duration};

use super::Error;

/// A connection to a database.
pub(super) trait Database: Debug + Send {
    /// Runs one transaction. It holds when `work` and this end well, and else does not. Those that
    /// write wait for each other, in all processes.
    fn transact(
        &mut self,
        writes: bool,
        work: &mut dyn FnMut(&mut dyn Session) -> Result<(), Error>,
    ) -> Result<(), Error>;

    /// Waits until somebody else may have changed something, at most `patience`.
    fn wait(&mut self, patience: Duration) -> Result<(), Error>;

    /// Several statements that read nothing, outside of what all databases share.
    fn dialect(&self) -> Dialect;
}

/// Where two databases have other words for one thing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialect {
    /// A key that counts up by itself.
    pub(super) counter: &'static str,
}

/// Within a transaction.
pub(super) trait Session {
    /// Runs a statement; how many rows it changed.
    fn run(&mut self, sql: &str, parameters: &[&str]) -> Result<u64, Error>;

    /// Runs a query; its rows.
    fn rows(&mut self, sql: &str, parameters: &[&str]) -> Result<Vec<Vec<String>>, Error>;
}
