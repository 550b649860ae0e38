//! The schemas of the server: read again when their files change, and said when one is bad or its
//! template fails.

use tokio::time::{MissedTickBehavior, interval};

use crate::{
    schemas::live::{LOOK_EVERY, Live, Notice},
    serve::part::{Part, Stopping},
};

/// Starts looking.
pub(crate) fn start(schemas: Live, stopping: Stopping) -> Part {
    Part::start("schemas", async move {
        tokio::select! {
            () = look(schemas) => {}
            () = stopping.wait() => {}
        }
        Ok(())
    })
}

async fn look(mut schemas: Live) {
    let mut turns = interval(LOOK_EVERY);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        // The disk may be slow.
        let looked = tokio::task::spawn_blocking(move || {
            let notices = schemas.look();
            (schemas, notices)
        });
        let Ok((looked, notices)) = looked.await else { return };
        schemas = looked;
        for notice in notices {
            match notice {
                Notice::Read(files) => tracing::info!(files, "schemas were read again"),
                Notice::Bad(fault) => tracing::warn!(%fault, "schemas"),
            }
        }
    }
}
