//! Where events go whose handler failed for good.

use std::time::Duration;

use event::{Event, Topic};
use serde_json::json;
use tracing::warn;

use crate::{Publisher, Undecodable};

/// A durable queue beside the subscriber's.
#[derive(Debug)]
pub struct DeadLetters {
    /// What puts them there.
    pub publisher: Publisher,
    /// The dead-letter queue.
    pub queue: String,
    /// The queue the event came from; empty for a temporary one.
    pub of: String,
}

impl DeadLetters {
    /// Keeps the event with the reason in its headers (`x-tubepost-reason`, `-attempts`, `-queue`);
    /// tries until the bus has it. Only then the caller may acknowledge it.
    pub async fn keep(&self, mut event: Event, reason: &str, attempts: u32) {
        let reason: String = reason.chars().take(REASON_CHARACTERS_MAX).collect();
        event.headers.insert("x-tubepost-reason".to_owned(), reason.into());
        event.headers.insert("x-tubepost-attempts".to_owned(), attempts.into());
        event.headers.insert("x-tubepost-queue".to_owned(), self.of.as_str().into());
        let mut wait = RETRY_FIRST;
        while let Err(error) = self.publisher.publish_to_queue(&self.queue, &event).await {
            warn!(event = %event.id, queue = %self.queue, %error, again = ?wait, "a dead letter is not taken yet");
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY_MAX);
        }
    }

    /// Keeps what is no event, in one that carries it. Its bytes are as text, and those that are
    /// not UTF-8 replaced. An event that is refused is kept as it is.
    pub async fn keep_undecodable(&self, undecodable: &Undecodable) {
        if let Some(event) = &undecodable.refused {
            self.keep((**event).clone(), &undecodable.reason, 0).await;
        } else if let Some(event) = carry(undecodable) {
            self.keep(event, &undecodable.reason, 0).await;
        }
    }
}

fn carry(undecodable: &Undecodable) -> Option<Event> {
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
