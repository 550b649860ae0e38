//! Publishers: each with its own way to the queues, many messages in flight, every confirm
//! written down.

use std::{collections::VecDeque, sync::Mutex};

use anyhow::{Context as _, Result};
use tokio::time::timeout;

use super::{ALL, KEPT, PATIENCE, Progress, WORKED, client, lock, record::Record};

/// Who publishes, and where it goes.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) number: u8,
    pub(crate) exchange: &'static str,
    pub(crate) key: &'static str,
    /// The durable queues that get it.
    pub(crate) queues: &'static [&'static str],
    /// Every so manieth is not persistent; 0: all are.
    transient_every: u64,
}

/// One for each way to a queue: fanout, by name, by topic.
pub(crate) const PUBLISHERS: [Publisher; 3] = [
    Publisher { number: 0, exchange: ALL, key: "", queues: &[KEPT, WORKED], transient_every: 0 },
    Publisher { number: 1, exchange: "", key: WORKED, queues: &[WORKED], transient_every: 0 },
    Publisher {
        number: 2,
        exchange: "amq.topic",
        key: "load.topic.some",
        queues: &[KEPT],
        transient_every: 5,
    },
];

impl Publisher {
    /// Whether this message has to survive.
    pub(crate) fn is_persistent(&self, number: u64) -> bool {
        self.transient_every == 0 || !number.is_multiple_of(self.transient_every)
    }
}

/// Publishes until the connection breaks.
pub(crate) async fn publish(
    url: &str,
    publisher: &'static Publisher,
    record: &Mutex<Record>,
    progress: &Progress,
) -> Result<()> {
    let (_connection, channel) = client::connect(url).await?;
    let mut in_flight = VecDeque::new();
    loop {
        while in_flight.len() < IN_FLIGHT {
            let id = lock(record).next(publisher);
            let is_persistent = publisher.is_persistent(id.number);
            let publishing =
                client::publish(&channel, publisher.exchange, publisher.key, id, is_persistent);
            let Ok(confirm) = publishing.await else { break };
            in_flight.push_back((id.number, confirm));
        }
        // Broken connections end here; nothing that comes after was confirmed.
        let (number, confirm) = in_flight.pop_front().context("the connection is broken")?;
        let confirm = timeout(PATIENCE, confirm).await.context("no confirm and no end came")??;
        if !confirm.is_ack() {
            return super::unexpected("a publish with confirms", confirm);
        }
        lock(record).confirm(publisher, number);
        progress.confirm();
    }
}

/// How many messages are published without waiting for the confirm of the first.
const IN_FLIGHT: usize = 100;
