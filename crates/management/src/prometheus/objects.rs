//! The families that have a sample for each queue, exchange, connection and channel.

use std::sync::Arc;

use broker::{Queue, QueueReport};
use server::{ChannelTotals, OpenChannel, OpenConnection};

use super::exposition::{
    Exposition, Family,
    Kind::{self, Counter, Gauge},
};
use crate::{api::queue::shown, site::Site, view::channel_name};

/// All of them.
pub(super) fn all(site: &Arc<Site>, out: &mut Exposition) {
    let vhosts = site.broker.vhosts();
    let queues: Vec<(Arc<Queue>, QueueReport)> = vhosts
        .iter()
        .flat_map(|vhost| shown(vhost))
        .map(|queue| {
            let report = queue.report();
            (queue, report)
        })
        .collect();
    of_queues(&queues, out);
    of_exchanges(site, out);
    let open = site.connections.list();
    of_connections(&open, out);
    of_channels(&open, out);
    let channels: usize = open.iter().map(|it| it.channels_count()).sum();
    let consumers: usize = queues.iter().map(|(_, report)| report.consumers).sum();
    for (name, help, value) in [
        ("rabbitmq_connections", "Connections currently open", open.len()),
        ("rabbitmq_channels", "Channels currently open", channels),
        ("rabbitmq_consumers", "Consumers currently connected", consumers),
        ("rabbitmq_queues", "Queues available", queues.len()),
    ] {
        out.one(name, Gauge, help, value as u64);
    }
}

fn of_queues(queues: &[(Arc<Queue>, QueueReport)], out: &mut Exposition) {
    for (kind, (name, help, value)) in OF_QUEUE {
        out.family(name, kind, help);
        for (queue, report) in queues {
            out.sample(&[("vhost", queue.vhost()), ("queue", queue.name())], value(report));
        }
    }
}

fn of_exchanges(site: &Arc<Site>, out: &mut Exposition) {
    for (name, help, is_in) in [
        (
            "rabbitmq_exchange_messages_published_in_total",
            "Total number of messages published to exchanges",
            true,
        ),
        (
            "rabbitmq_exchange_messages_published_out_total",
            "Total number of messages routed from exchanges",
            false,
        ),
    ] {
        out.family(name, Counter, help);
        for vhost in site.broker.vhosts() {
            let names = vhost.exchanges().into_iter().map(|it| it.name);
            for exchange in names.chain([Default::default()]) {
                let Some(counters) = vhost.exchange_counters(&exchange) else { continue };
                let count = if is_in { counters.publish_in() } else { counters.publish_out() };
                out.sample(&[("vhost", vhost.name()), ("exchange", &exchange)], count);
            }
        }
    }
}

fn of_connections(open: &[Arc<OpenConnection>], out: &mut Exposition) {
    for (kind, (name, help, value)) in OF_CONNECTION {
        out.family(name, kind, help);
        for connection in open {
            let of = [
                ("connection", &*connection.name),
                ("vhost", &*connection.facts.vhost),
                ("user", &*connection.facts.user),
            ];
            out.sample(&of, value(connection));
        }
    }
}

fn of_channels(open: &[Arc<OpenConnection>], out: &mut Exposition) {
    for (name, help, value) in LEVELS_OF_CHANNEL {
        out.family(name, Gauge, help);
        for_each(open, |channel, it| out.sample(&[("channel", channel)], value(it)));
    }
    for (name, help, value) in COUNTS_OF_CHANNEL {
        out.family(name, Counter, help);
        for_each(open, |channel, it| out.sample(&[("channel", channel)], value(&it.counts.now())));
    }
}

fn for_each(open: &[Arc<OpenConnection>], mut visit: impl FnMut(&str, &OpenChannel)) {
    for connection in open {
        for (number, channel) in connection.channels() {
            visit(&channel_name(connection, number.into()), &channel);
        }
    }
}

const OF_QUEUE: [(Kind, Family<QueueReport>); 13] = [
    (
        Gauge,
        ("rabbitmq_queue_messages_ready", "Messages ready to be delivered to consumers", |it| {
            it.ready as u64
        }),
    ),
    (
        Gauge,
        (
            "rabbitmq_queue_messages_unacked",
            "Messages delivered to consumers but not yet acknowledged",
            |it| it.unacknowledged as u64,
        ),
    ),
    (
        Gauge,
        (
            "rabbitmq_queue_messages",
            "Sum of ready and unacknowledged messages - total queue depth",
            |it| (it.ready + it.unacknowledged) as u64,
        ),
    ),
    (Gauge, ("rabbitmq_queue_messages_persistent", "Persistent messages", |it| it.persistent)),
    (
        Gauge,
        (
            "rabbitmq_queue_messages_bytes",
            "Size in bytes of ready and unacknowledged messages",
            |it| it.ready_bytes + it.unacknowledged_bytes,
        ),
    ),
    (
        Gauge,
        ("rabbitmq_queue_messages_ready_bytes", "Size in bytes of ready messages", |it| {
            it.ready_bytes
        }),
    ),
    (
        Gauge,
        (
            "rabbitmq_queue_messages_unacked_bytes",
            "Size in bytes of all unacknowledged messages",
            |it| it.unacknowledged_bytes,
        ),
    ),
    (
        Gauge,
        (
            "rabbitmq_queue_messages_persistent_bytes",
            "Size in bytes of persistent messages",
            |it| it.persistent_bytes,
        ),
    ),
    (Gauge, ("rabbitmq_queue_consumers", "Consumers on a queue", |it| it.consumers as u64)),
    (
        Gauge,
        ("rabbitmq_queue_process_memory_bytes", "Memory in bytes used by the queue", |it| {
            it.memory_bytes
        }),
    ),
    (
        Counter,
        (
            "rabbitmq_queue_messages_published_total",
            "Total number of messages published to queues",
            |it| it.counters.publish,
        ),
    ),
    (
        Counter,
        (
            "rabbitmq_queue_messages_delivered_total",
            "Total number of messages delivered from queues",
            |it| it.counters.deliver_get(),
        ),
    ),
    (
        Counter,
        (
            "rabbitmq_queue_messages_acked_total",
            "Total number of messages of queues that were acknowledged",
            |it| it.counters.ack,
        ),
    ),
];

const OF_CONNECTION: [(Kind, Family<OpenConnection>); 5] = [
    (
        Counter,
        (
            "rabbitmq_connection_incoming_bytes_total",
            "Total number of bytes received on a connection",
            |it| it.received_bytes.get(),
        ),
    ),
    (
        Counter,
        (
            "rabbitmq_connection_outgoing_bytes_total",
            "Total number of bytes sent on a connection",
            |it| it.sent_bytes.get(),
        ),
    ),
    (
        Counter,
        (
            "rabbitmq_connection_incoming_packets_total",
            "Total number of packets received on a connection",
            |it| it.received.get(),
        ),
    ),
    (
        Counter,
        (
            "rabbitmq_connection_outgoing_packets_total",
            "Total number of packets sent on a connection",
            |it| it.sent.get(),
        ),
    ),
    (
        Gauge,
        ("rabbitmq_connection_channels", "Channels on a connection", |it| {
            it.channels_count() as u64
        }),
    ),
];

const LEVELS_OF_CHANNEL: [Family<OpenChannel>; 7] = [
    ("rabbitmq_channel_consumers", "Consumers on a channel", |it| it.consumers.get()),
    ("rabbitmq_channel_messages_unacked", "Delivered but not yet acknowledged messages", |it| {
        it.unacknowledged.get()
    }),
    ("rabbitmq_channel_messages_unconfirmed", "Published but not yet confirmed messages", |it| {
        it.unconfirmed.get()
    }),
    (
        "rabbitmq_channel_messages_uncommitted",
        "Messages received in a transaction but not yet committed",
        |it| it.uncommitted.get(),
    ),
    (
        "rabbitmq_channel_acks_uncommitted",
        "Message acknowledgements in a transaction not yet committed",
        |it| it.acks_uncommitted.get(),
    ),
    (
        "rabbitmq_channel_prefetch",
        "Limit of unacknowledged messages for new consumers on the channel",
        |it| it.prefetch.get(),
    ),
    (
        "rabbitmq_consumer_prefetch",
        "Limit of unacknowledged messages of all consumers of the channel",
        |it| it.global_prefetch.get(),
    ),
];

const COUNTS_OF_CHANNEL: [Family<ChannelTotals>; 9] = [
    (
        "rabbitmq_channel_messages_published_total",
        "Total number of messages published into an exchange on a channel",
        |it| it.publish,
    ),
    (
        "rabbitmq_channel_messages_confirmed_total",
        "Total number of messages confirmed on the channel",
        |it| it.confirm,
    ),
    (
        "rabbitmq_channel_messages_unroutable_returned_total",
        "Total number of messages published as mandatory and returned as unroutable",
        |it| it.return_unroutable,
    ),
    (
        "rabbitmq_channel_messages_unroutable_dropped_total",
        "Total number of messages published as non-mandatory and dropped as unroutable",
        |it| it.drop_unroutable,
    ),
    (
        "rabbitmq_channel_messages_delivered_ack_total",
        "Total number of messages delivered to consumers in manual acknowledgment mode",
        |it| it.deliver,
    ),
    (
        "rabbitmq_channel_messages_delivered_total",
        "Total number of messages delivered to consumers in automatic acknowledgment mode",
        |it| it.deliver_no_ack,
    ),
    (
        "rabbitmq_channel_messages_acked_total",
        "Total number of messages acknowledged by consumers",
        |it| it.ack,
    ),
    (
        "rabbitmq_channel_messages_redelivered_total",
        "Total number of messages redelivered to consumers",
        |it| it.redeliver,
    ),
    (
        "rabbitmq_channel_get_empty_total",
        "Total number of times basic.get operations fetched no message",
        |it| it.get_empty,
    ),
];
