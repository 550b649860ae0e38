//! What the items of one list share: the policies of that moment, and which connection is whose.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use broker::{ConnectionId, ConsumerReport, Mailbox, QueueId, Timestamp, policy::Policies};
use serde_json::{Value, json};
use server::{OpenConnection, TalliedQueue};

use crate::site::Site;

/// Made once for a request, shared by its rows.
pub(crate) struct View {
    pub(crate) site: Arc<Site>,
    pub(crate) policies: Arc<Policies>,
    open: OnceLock<Open>,
    takers: OnceLock<HashMap<QueueId, Vec<Taker>>>,
}

/// A channel that took from a queue, and what it counted of it.
pub(crate) type Taker = (Arc<OpenConnection>, u16, Arc<TalliedQueue>);

#[derive(Debug)]
struct Open {
    by_id: HashMap<ConnectionId, Arc<OpenConnection>>,
    by_mailbox: HashMap<usize, Arc<OpenConnection>>,
}

impl View {
    pub(crate) fn of(site: &Arc<Site>) -> Arc<View> {
        let policies = site.broker.policies();
        Arc::new(View {
            site: site.clone(),
            policies,
            open: OnceLock::new(),
            takers: OnceLock::new(),
        })
    }

    fn open(&self) -> &Open {
        self.open.get_or_init(|| {
            let all = self.site.connections.list();
            Open {
                by_id: all.iter().map(|it| (it.facts.id, it.clone())).collect(),
                by_mailbox: all.iter().map(|it| (it.mailbox_key(), it.clone())).collect(),
            }
        })
    }

    pub(crate) fn connection(&self, id: ConnectionId) -> Option<&Arc<OpenConnection>> {
        self.open().by_id.get(&id)
    }

    pub(crate) fn connection_of(&self, mailbox: &Arc<Mailbox>) -> Option<&Arc<OpenConnection>> {
        self.open().by_mailbox.get(&(Arc::as_ptr(mailbox) as usize))
    }

    /// Who took from a queue.
    pub(crate) fn takers(&self, queue: QueueId) -> &[Taker] {
        let takers = self.takers.get_or_init(|| {
            let mut takers = HashMap::<_, Vec<Taker>>::new();
            for connection in self.site.connections.list() {
                for (number, channel) in connection.channels() {
                    for it in channel.queues() {
                        let taker = (connection.clone(), number, it.clone());
                        takers.entry(it.of.0).or_default().push(taker);
                    }
                }
            }
            takers
        });
        takers.get(&queue).map_or(&[], Vec::as_slice)
    }

    /// A channel, where something else is told of.
    pub(crate) fn channel(&self, of: &OpenConnection, number: u32) -> Value {
        json!({
            "connection_name": of.name,
            "name": channel_name(of, number),
            "node": self.site.node,
            "number": number,
            "peer_host": of.facts.peer.ip().to_canonical().to_string(),
            "peer_port": of.facts.peer.port(),
            "user": of.facts.user,
        })
    }

    /// A consumer, with its channel and its queue.
    pub(crate) fn consumer(&self, report: &ConsumerReport) -> Value {
        let consumer = &report.consumer;
        let queue = consumer.queue();
        let channel = match self.connection_of(consumer.mailbox()) {
            Some(connection) => self.channel(connection, consumer.channel()),
            // It went meanwhile.
            None => json!({}),
        };
        let arguments = match consumer.priority() {
            0 => json!({}),
            priority => json!({"x-priority": priority}),
        };
        let longest = self.site.setup.consumer_timeout.as_millis() as u64;
        let timeout = queue.effective().consumer_timeout.map_or(longest, |own| own.min(longest));
        json!({
            "arguments": arguments,
            "consumer_timeout": timeout,
            "ack_required": !consumer.is_no_ack(),
            "active": report.is_active,
            "activity_status": if report.is_active { "up" } else { "waiting" },
            "channel_details": channel,
            "consumer_tag": &**consumer.tag(),
            "exclusive": consumer.is_exclusive(),
            "prefetch_count": consumer.prefetch(),
            "queue": {"name": &**queue.name(), "vhost": &**queue.vhost()},
        })
    }
}

/// `CONNECTION (NUMBER)`.
pub(crate) fn channel_name(connection: &OpenConnection, number: u32) -> String {
    format!("{} ({number})", connection.name)
}

/// RFC 3339 with milliseconds, as RabbitMQ writes `idle_since`.
pub(crate) fn time(at: Timestamp) -> String {
    let milliseconds = i64::try_from(at.0).unwrap_or(i64::MAX);
    let time =
        jiff::Timestamp::from_millisecond(milliseconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%dT%H:%M:%S%.3f+00:00").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rabbitmq_does() {
        assert_eq!(time(Timestamp(1_795_628_910_457)), "2026-11-25T17:48:30.457+00:00");
        assert_eq!(time(Timestamp(1_795_628_910_000)), "2026-11-25T17:48:30.000+00:00");
    }
}
