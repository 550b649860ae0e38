//! Says which topics nobody listens to: at once when a topic is new, then now and then how many.

use std::{collections::BTreeMap, time::Instant};

use tracing::warn;

use crate::limits::{UNROUTED_SAID_EVERY, UNROUTED_TOPICS_MAX};

/// Events that the bus dropped because no queue wanted them.
#[derive(Debug, Default)]
pub(crate) struct Unrouted {
    /// Since they were last said.
    events: BTreeMap<String, u64>,
    said: Option<Instant>,
}

impl Unrouted {
    /// Counts one.
    pub(crate) fn note(&mut self, topic: &str) {
        if let Some(events) = self.events.get_mut(topic) {
            *events += 1;
        } else if self.events.len() < UNROUTED_TOPICS_MAX {
            self.events.insert(topic.to_owned(), 1);
            warn!(%topic, "nobody listens: the bus drops events of this topic; a durable queue would keep them");
        }
    }

    /// Says how many there were of each, when it is time.
    pub(crate) fn say(&mut self) {
        if self.said.get_or_insert_with(Instant::now).elapsed() < UNROUTED_SAID_EVERY {
            return;
        }
        self.said = None;
        for (topic, events) in std::mem::take(&mut self.events) {
            warn!(%topic, events, "dropped by the bus: nobody listens");
        }
    }
}
