//! Where notices go that were refused for good: the event, with the reason, in a durable queue
//! that an operator can read and replay.

use std::future::Future;

use client::{BusUrl, Publisher};
use event::Event;
use tokio::sync::Mutex;

use crate::{Notice, mail::one_line};

/// The durable queue of events whose mail was refused for good.
pub const DEAD_LETTER_QUEUE: &str = "tubepost.notify.mail.dead";

/// A place for dead letters.
pub(crate) trait DeadLetters: Sync {
    /// Keeps the event durably.
    fn bury(&self, letter: &Event) -> impl Future<Output = Result<(), String>> + Send;
}

/// The event of a notice with what an operator needs to know: `x-tubepost-to`, the address, and
/// `x-tubepost-reason`, the other side's words.
pub(crate) fn dead_letter(notice: &Notice, reason: &str) -> Event {
    let mut letter = (*notice.event).clone();
    letter.headers.insert(TO.to_owned(), notice.to.shown().into());
    letter.headers.insert(REASON.to_owned(), one_line(reason, REASON_CHARS_MAX).into());
    letter
}

/// The dead-letter queue on the bus. Connects when the first letter comes.
pub(crate) struct BusDeadLetters {
    bus: BusUrl,
    app: String,
    publisher: Mutex<Option<Publisher>>,
}

impl BusDeadLetters {
    pub(crate) fn new(bus: BusUrl, app: &str) -> BusDeadLetters {
        BusDeadLetters { bus, app: app.to_owned(), publisher: Mutex::default() }
    }

    /// Closes the connection, if there is one.
    pub(crate) async fn close(self) {
        if let Some(publisher) = self.publisher.into_inner() {
            publisher.close().await;
        }
    }
}

impl DeadLetters for BusDeadLetters {
    async fn bury(&self, letter: &Event) -> Result<(), String> {
        let mut held = self.publisher.lock().await;
        let publisher = match held.take() {
            Some(publisher) => publisher,
            None => Publisher::connect(&self.bus, &self.app).await.map_err(|e| e.to_string())?,
        };
        publisher.publish_to_queue(DEAD_LETTER_QUEUE, letter).await.map_err(|e| e.to_string())?;
        // Kept only while it works: after a failure the next letter connects anew.
        *held = Some(publisher);
        Ok(())
    }
}

const TO: &str = "x-tubepost-to";
const REASON: &str = "x-tubepost-reason";
const REASON_CHARS_MAX: usize = 1000;
