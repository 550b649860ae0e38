//! Where events go whose command failed for good.

use std::time::Duration;

use client::{Publisher, Undecodable};
use event::{Event, Topic};
use serde_json::json;

use crate::failure::complain;

/// A durable queue beside the subscriber's.
pub(super) struct DeadLetters {
    pub(super) publisher: Publisher,
    /// The dead-letter queue.
    pub(super) queue: String,
    /// The queue the event came from; empty for a temporary one.
    pub(super) of: String,
}

impl DeadLetters {
    /// Keeps the event with the reason; tries until the bus has it. Only then the caller may
    /// acknowledge it.
    pub(super) async fn keep(&self, mut event: Event, reason: &str, attempts: u32) {
        let reason: String = reason.chars().take(REASON_CHARACTERS_MAX).collect();
        event.headers.insert("x-tubepost-reason".to_owned(), reason.into());
        event.headers.insert("x-tubepost-attempts".to_owned(), attempts.into());
        event.headers.insert("x-tubepost-queue".to_owned(), self.of.as_str().into());
        let mut wait = RETRY_FIRST;
        while let Err(error) = self.publisher.publish_to_queue(&self.queue, &event).await {
            complain(&format!(
                "event {}: queue {} does not take it yet: {error}; again in {wait:?}",
                event.id, self.queue
            ));
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY_MAX);
        }
    }
}

/// An event that carries what was none, so that it can be kept. The body's bytes are as text, and
/// those that are not UTF-8 replaced.
pub(super) fn carry(undecodable: &Undecodable) -> Option<Event> {
    let topic: Topic =
        undecodable.topic.parse().or_else(|_| "tubepost.undecodable".parse()).ok()?;
    let body = json!({
        "topic": undecodable.topic,
        "body": String::from_utf8_lossy(&undecodable.body),
        "reason": undecodable.reason,
    });
    Event::new(topic, body).ok()
}

const REASON_CHARACTERS_MAX: usize = 1000;
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);
