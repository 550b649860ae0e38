//! The schemas of the server: read again when their files change or a registry says others, and
//! said when one is bad or its template fails.

use crate::{
    schemas::{self, live::Live},
    serve::part::{Part, Stopping},
};

/// Starts looking.
pub(crate) fn start(live: Live, stopping: Stopping) -> Part {
    Part::start("schemas", async move {
        tokio::select! {
            () = schemas::follow(live) => {}
            () = stopping.wait() => {}
        }
        Ok(())
    })
}
