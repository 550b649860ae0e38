//! Opens links, as the session does it.

use std::{process::Stdio, time::Duration};

use tokio::{process::Command, time::timeout};

/// Opens a link of HTTP or HTTPS, and nothing else, by `xdg-open`. No shell sees it.
pub(crate) fn open(link: &str) {
    if !(link.starts_with("https://") || link.starts_with("http://")) {
        return;
    }
    let mut command = Command::new("xdg-open");
    command.arg(link).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.spawn() {
        // Waited for, so that it does not stay as a zombie; some browsers stay in front.
        Ok(mut child) => drop(tokio::spawn(async move {
            drop(timeout(PATIENCE, child.wait()).await);
        })),
        Err(error) => tracing::warn!("xdg-open cannot be started: {error}; install xdg-utils"),
    }
}

const PATIENCE: Duration = Duration::from_secs(3600);
