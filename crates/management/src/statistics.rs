//! Counts as RabbitMQ's API shows them: a number, and beside it how fast it goes.

use broker::{QueueCounters, QueueReport};
use serde_json::{Map, Value, json};
use server::ChannelTotals;

/// What is counted of a queue; the last three are levels.
pub(crate) const QUEUE: [&str; 12] = [
    "publish",
    "deliver",
    "deliver_no_ack",
    "get",
    "get_no_ack",
    "get_empty",
    "ack",
    "redeliver",
    "deliver_get",
    "messages",
    "messages_ready",
    "messages_unacknowledged",
];

/// How many of them are counts.
pub(crate) const QUEUE_COUNTS: usize = 9;

pub(crate) fn queue(report: &QueueReport) -> [u64; QUEUE.len()] {
    let QueueCounters { publish, deliver, deliver_no_ack, get, get_no_ack, .. } = report.counters;
    let QueueCounters { get_empty, ack, redeliver, .. } = report.counters;
    let (ready, unacknowledged) = (report.ready as u64, report.unacknowledged as u64);
    [
        publish,
        deliver,
        deliver_no_ack,
        get,
        get_no_ack,
        get_empty,
        ack,
        redeliver,
        report.counters.deliver_get(),
        ready + unacknowledged,
        ready,
        unacknowledged,
    ]
}

/// What is counted of channels.
pub(crate) const CHANNEL: [&str; 12] = [
    "publish",
    "confirm",
    "return_unroutable",
    "drop_unroutable",
    "deliver",
    "deliver_no_ack",
    "get",
    "get_no_ack",
    "get_empty",
    "ack",
    "redeliver",
    "deliver_get",
];

/// How many of them are of what it publishes; the rest is of what it takes.
pub(crate) const PUBLISHING: usize = 4;

pub(crate) fn channel(totals: &ChannelTotals) -> [u64; CHANNEL.len()] {
    [
        totals.publish,
        totals.confirm,
        totals.return_unroutable,
        totals.drop_unroutable,
        totals.deliver,
        totals.deliver_no_ack,
        totals.get,
        totals.get_no_ack,
        totals.get_empty,
        totals.ack,
        totals.redeliver,
        totals.deliver_get(),
    ]
}

/// What is counted of an exchange.
pub(crate) const EXCHANGE: [&str; 2] = ["publish_in", "publish_out"];

/// What is counted of a connection.
pub(crate) const CONNECTION: [&str; 2] = ["recv_oct", "send_oct"];

/// The levels of queues together.
pub(crate) const LEVELS: [&str; 3] = ["messages", "messages_ready", "messages_unacknowledged"];

/// How connections, channels and queues come and go.
pub(crate) const CHURN: [&str; 7] = [
    "connection_created",
    "connection_closed",
    "channel_created",
    "channel_closed",
    "queue_created",
    "queue_declared",
    "queue_deleted",
];

/// Adds a number and its rate.
pub(crate) fn put(into: &mut Map<String, Value>, name: &str, count: u64, rate: f32) {
    into.insert(name.to_owned(), json!(count));
    into.insert(format!("{name}_details"), json!({"rate": rounded(rate)}));
}

/// All numbers with their rates.
pub(crate) fn put_all(
    into: &mut Map<String, Value>,
    names: &[&str],
    counts: &[u64],
    rates: &[f32],
) {
    for ((name, count), rate) in names.iter().zip(counts).zip(rates) {
        put(into, name, *count, *rate);
    }
}

/// `message_stats`: what there was of it, and nothing if there was nothing.
pub(crate) fn message_stats(names: &[&str], counts: &[u64], rates: &[f32]) -> Option<Value> {
    let mut stats = Map::new();
    for ((name, count), rate) in names.iter().zip(counts).zip(rates) {
        if *count > 0 {
            put(&mut stats, name, *count, *rate);
        }
    }
    (!stats.is_empty()).then_some(Value::Object(stats))
}

/// Without the digits that a count of seconds brings in.
fn rounded(rate: f32) -> f64 {
    (f64::from(rate) * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_there_was_is_in_the_statistics() {
        let stats = message_stats(&["publish", "ack"], &[3, 0], &[0.123_456, 0.0]).unwrap();
        assert_eq!(stats, json!({"publish": 3, "publish_details": {"rate": 0.12}}));
        assert_eq!(message_stats(&["publish"], &[0], &[0.0]), None);
    }
}
