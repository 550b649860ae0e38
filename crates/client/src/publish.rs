//! One line for a service that says what happened, with nothing set up before.

use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::{Error, Sender, Surroundings};

/// Publishes an event: its topic, behind the prefix that is configured, and its body, which
/// serializes to a JSON object. Returns its id when it is on disk, with the agent or in this
/// process's spool; see [`Sender`] for what happens then.
///
/// ```no_run
/// client::publish("door.open", serde_json::json!({"agent": "ada", "door": "north"}))?;
/// # Ok::<(), client::Error>(())
/// ```
///
/// # Errors
/// Those of [`Surroundings::of_process`] and [`Sender::publish`].
pub fn publish(topic: &str, body: impl Serialize) -> Result<String, Error> {
    sender()?.publish(topic, body)
}

/// As [`publish`], for async code.
///
/// # Errors
/// As [`publish`].
///
/// # Panics
/// Outside of a tokio runtime.
pub async fn publish_async(topic: &str, body: impl Serialize) -> Result<String, Error> {
    sender()?.publish_async(topic, body).await
}

/// The sender of [`publish`], made at its first use.
///
/// # Errors
/// Those of [`Surroundings::of_process`].
pub fn sender() -> Result<Sender, Error> {
    static SENDER: Mutex<Option<Sender>> = Mutex::new(None);
    let mut sender = SENDER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(sender) = &*sender {
        return Ok(sender.clone());
    }
    Ok(sender.insert(Sender::new(Surroundings::of_process()?)).clone())
}
