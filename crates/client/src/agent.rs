//! Delivers a spool to the bus, in order, with confirms, across any outage.

use crate::{BusUrl, Error, Spool};

/// When an agent ends by itself.
#[derive(Debug)]
pub struct Agent {}

impl Agent {
    /// An agent for one spool and one bus. Connects when there is something to deliver.
    pub fn new(_spool: Spool, _bus: BusUrl, _app: &str) -> Agent {
        todo!()
    }

    /// Delivers for ever: waits for batches, and for the bus.
    ///
    /// # Errors
    /// The spool's directory cannot be read.
    pub async fn run(self) -> Result<(), Error> {
        todo!()
    }

    /// Delivers until the spool is empty, waiting for the bus with back-off; returns at once when
    /// another process delivers this spool.
    ///
    /// # Errors
    /// As [`Agent::run`].
    pub async fn run_until_empty(self) -> Result<(), Error> {
        todo!()
    }
}
