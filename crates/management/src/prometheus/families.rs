//! The families that are of the whole: the node, its alarms, what went through, and our own.

use std::sync::Arc;

use broker::{DeathCounters, QueueCounters, policy::QueueType};
use server::ChannelTotals;

use super::exposition::{
    Exposition, Family,
    Kind::{Counter, Gauge},
};
use crate::{node, site::Site};

/// The node, its limits and its alarms.
pub(super) fn node(site: &Arc<Site>, out: &mut Exposition) {
    let broker = &site.broker;
    out.family("rabbitmq_identity_info", Gauge, "RabbitMQ node & cluster identity info");
    let cluster = site.cluster_name();
    out.sample(
        &[
            ("rabbitmq_node", &site.node),
            ("rabbitmq_cluster", &cluster),
            ("rabbitmq_cluster_permanent_id", &cluster),
        ],
        1_u64,
    );
    out.family("rabbitmq_build_info", Gauge, "RabbitMQ & Erlang/OTP version info");
    out.sample(
        &[
            ("rabbitmq_version", server::PRODUCT_VERSION),
            ("product_name", "Tubepost"),
            ("product_version", &site.setup.version),
            ("erlang_version", "none"),
        ],
        1_u64,
    );
    for (name, help, value) in [
        ("rabbitmq_process_open_fds", "Open file descriptors", node::open_files()),
        ("rabbitmq_process_max_fds", "Open file descriptors limit", node::open_files_max()),
        ("rabbitmq_process_open_tcp_sockets", "Open TCP sockets", site.connections.count() as u64),
        (
            "rabbitmq_process_max_tcp_sockets",
            "Open TCP sockets limit",
            site.setup.connections_max as u64,
        ),
        ("rabbitmq_process_resident_memory_bytes", "Memory used in bytes", node::resident_bytes()),
        (
            "rabbitmq_resident_memory_limit_bytes",
            "Memory high watermark in bytes",
            broker.memory_bytes_max() as u64,
        ),
        (
            "rabbitmq_disk_space_available_bytes",
            "Disk space available in bytes",
            broker.disk_free_bytes().unwrap_or(0),
        ),
        (
            "rabbitmq_disk_space_available_limit_bytes",
            "Free disk space low watermark in bytes",
            broker.disk_free_bytes_min(),
        ),
    ] {
        out.one(name, Gauge, help, value);
    }
    out.one(
        "rabbitmq_erlang_uptime_seconds",
        Gauge,
        "Node uptime",
        site.started.elapsed().as_secs_f64(),
    );
    let blocked = broker.blocked().unwrap_or_default();
    for (name, help, is_on) in [
        (
            "rabbitmq_alarms_file_descriptor_limit",
            "is 1 if file descriptor limit alarm is in effect",
            false,
        ),
        (
            "rabbitmq_alarms_free_disk_space_watermark",
            "is 1 if free disk space watermark alarm is in effect",
            blocked.contains("disk"),
        ),
        (
            "rabbitmq_alarms_memory_used_watermark",
            "is 1 if VM memory watermark alarm is in effect",
            blocked.contains("memory"),
        ),
    ] {
        out.one(name, Gauge, help, u64::from(is_on));
    }
}

/// How connections, channels and queues came and went, and what went through.
pub(super) fn totals(site: &Arc<Site>, out: &mut Exposition) {
    let (churn, queues) = (site.connections.churn(), site.broker.queue_churn());
    for (name, help, value) in [
        (
            "rabbitmq_connections_opened_total",
            "Total number of connections opened",
            churn.connections_opened,
        ),
        (
            "rabbitmq_connections_closed_total",
            "Total number of connections closed or terminated",
            churn.connections_closed,
        ),
        (
            "rabbitmq_channels_opened_total",
            "Total number of channels opened",
            churn.channels_opened,
        ),
        (
            "rabbitmq_channels_closed_total",
            "Total number of channels closed",
            churn.channels_closed,
        ),
        ("rabbitmq_queues_declared_total", "Total number of queues declared", queues.declared),
        ("rabbitmq_queues_created_total", "Total number of queues created", queues.created),
        ("rabbitmq_queues_deleted_total", "Total number of queues deleted", queues.deleted),
    ] {
        out.one(name, Counter, help, value);
    }
    attempts(site, out);
    let mut all = ChannelTotals::default();
    site.connections.totals().values().for_each(|totals| all.add(totals));
    messages(&all, out);
    by_type(site, out);
}

fn attempts(site: &Arc<Site>, out: &mut Exposition) {
    let churn = site.connections.churn();
    let (http, http_failed) = site.login_counts();
    let of = [("amqp091", churn.logins, churn.logins_failed), ("http", http, http_failed)];
    for (name, help) in [
        ("rabbitmq_auth_attempts_total", "Total number of authentication attempts"),
        (
            "rabbitmq_auth_attempts_succeeded_total",
            "Total number of successful authentication attempts",
        ),
        ("rabbitmq_auth_attempts_failed_total", "Total number of failed authentication attempts"),
    ] {
        out.family(name, Counter, help);
        for (protocol, succeeded, failed) in of {
            let value = match name {
                "rabbitmq_auth_attempts_succeeded_total" => succeeded,
                "rabbitmq_auth_attempts_failed_total" => failed,
                _ => succeeded + failed,
            };
            out.sample(&[("protocol", protocol)], value);
        }
    }
}

fn messages(all: &ChannelTotals, out: &mut Exposition) {
    let protocol = [("protocol", "amqp091")];
    let routed = all.publish - all.drop_unroutable - all.return_unroutable;
    for (name, help, value) in [
        (
            "rabbitmq_global_messages_received_total",
            "Total number of messages received from publishers",
            all.publish,
        ),
        (
            "rabbitmq_global_messages_routed_total",
            "Total number of messages routed to queues or streams",
            routed,
        ),
        (
            "rabbitmq_global_messages_confirmed_total",
            "Total number of messages confirmed to publishers",
            all.confirm,
        ),
        (
            "rabbitmq_global_messages_unroutable_dropped_total",
            "Total number of messages published as non-mandatory into an exchange and dropped as \
             unroutable",
            all.drop_unroutable,
        ),
        (
            "rabbitmq_global_messages_unroutable_returned_total",
            "Total number of messages published as mandatory into an exchange and returned to the \
             publisher as unroutable",
            all.return_unroutable,
        ),
    ] {
        out.family(name, Counter, help);
        out.sample(&protocol, value);
    }
}

/// What RabbitMQ counts by the type of queue.
fn by_type(site: &Arc<Site>, out: &mut Exposition) {
    let counted = counted(site);
    for (name, help, value) in BY_TYPE {
        out.family(name, Counter, help);
        for (queue_type, counters) in &counted {
            let of = [("protocol", "amqp091"), ("queue_type", module(*queue_type))];
            out.sample(&of, value(counters));
        }
    }
    for (name, help, value) in DEATHS {
        out.family(name, Counter, help);
        for (queue_type, counters) in &counted {
            for (strategy, deaths) in
                [("at_most_once", &counters.dead_lettered), ("disabled", &counters.dropped)]
            {
                let of = [("queue_type", module(*queue_type)), ("dead_letter_strategy", strategy)];
                out.sample(&of, value(deaths));
            }
        }
    }
}

/// What queues of each type counted, those that are gone included.
fn counted(site: &Arc<Site>) -> Vec<(QueueType, QueueCounters)> {
    let gone = |queue_type: &QueueType| (*queue_type, site.broker.gone_queues(*queue_type));
    let mut counted: Vec<_> = QueueType::ALL.iter().map(gone).collect();
    for vhost in site.broker.vhosts() {
        for queue in vhost.queues() {
            let of_type = counted.iter_mut().find(|(it, _)| *it == queue.queue_type());
            if let Some((_, counters)) = of_type {
                counters.add(&queue.report().counters);
            }
        }
    }
    counted
}

/// What RabbitMQ calls the types in its metrics.
fn module(queue_type: QueueType) -> &'static str {
    match queue_type {
        QueueType::Classic => "rabbit_classic_queue",
        QueueType::Quorum => "rabbit_quorum_queue",
        QueueType::Stream => "rabbit_stream_queue",
    }
}

/// The levels of all queues together, and how much there is of everything.
pub(super) fn queues(site: &Arc<Site>, out: &mut Exposition) {
    let (mut ready, mut unacknowledged, mut consumers, mut queues) = (0, 0, 0, 0_u64);
    let (mut ready_bytes, mut unacknowledged_bytes, mut memory) = (0, 0, 0);
    let (mut persistent, mut persistent_bytes, mut exchanges) = (0, 0, 0);
    for vhost in site.broker.vhosts() {
        exchanges += vhost.exchanges().len() as u64 + 1;
        for queue in vhost.queues() {
            let report = queue.report();
            queues += 1;
            ready += report.ready as u64;
            unacknowledged += report.unacknowledged as u64;
            consumers += report.consumers as u64;
            ready_bytes += report.ready_bytes;
            unacknowledged_bytes += report.unacknowledged_bytes;
            memory += report.memory_bytes;
            persistent += report.persistent;
            persistent_bytes += report.persistent_bytes;
        }
    }
    let open = site.connections.list();
    let channels: u64 = open.iter().map(|it| it.channels_count() as u64).sum();
    for (name, help, value) in [
        ("rabbitmq_queue_messages_ready", "Messages ready to be delivered to consumers", ready),
        (
            "rabbitmq_queue_messages_unacked",
            "Messages delivered to consumers but not yet acknowledged",
            unacknowledged,
        ),
        (
            "rabbitmq_queue_messages",
            "Sum of ready and unacknowledged messages - total queue depth",
            ready + unacknowledged,
        ),
        ("rabbitmq_queue_messages_persistent", "Persistent messages", persistent),
        (
            "rabbitmq_queue_messages_bytes",
            "Size in bytes of ready and unacknowledged messages",
            ready_bytes + unacknowledged_bytes,
        ),
        ("rabbitmq_queue_messages_ready_bytes", "Size in bytes of ready messages", ready_bytes),
        (
            "rabbitmq_queue_messages_unacked_bytes",
            "Size in bytes of all unacknowledged messages",
            unacknowledged_bytes,
        ),
        (
            "rabbitmq_queue_messages_persistent_bytes",
            "Size in bytes of persistent messages",
            persistent_bytes,
        ),
        ("rabbitmq_queue_process_memory_bytes", "Memory in bytes used by queues", memory),
        ("rabbitmq_queue_consumers", "Consumers on a queue", consumers),
        ("rabbitmq_connections", "Connections currently open", open.len() as u64),
        ("rabbitmq_channels", "Channels currently open", channels),
        ("rabbitmq_consumers", "Consumers currently connected", consumers),
        ("rabbitmq_queues", "Queues available", queues),
        ("rabbitmq_exchanges", "Exchanges available", exchanges),
    ] {
        out.one(name, Gauge, help, value);
    }
    let sum = |of: fn(&server::OpenConnection) -> u64| open.iter().map(|it| of(it)).sum::<u64>();
    out.one(
        "rabbitmq_connection_incoming_bytes_total",
        Counter,
        "Total number of bytes received on open connections",
        sum(|it| it.received_bytes.get()),
    );
    out.one(
        "rabbitmq_connection_outgoing_bytes_total",
        Counter,
        "Total number of bytes sent on open connections",
        sum(|it| it.sent_bytes.get()),
    );
}

/// What RabbitMQ has no name for.
pub(super) fn own(site: &Arc<Site>, out: &mut Exposition) {
    let broker = &site.broker;
    let blocked = broker.blocked().unwrap_or_default();
    for (name, kind, help, value) in [
        (
            "tubepost_journal_bytes",
            Gauge,
            "Bytes of records in the journal's files, alive or not.",
            broker.journal_bytes(),
        ),
        (
            "tubepost_journal_copied_bytes_total",
            Counter,
            "Bytes of messages that compaction copied out of sparse files.",
            broker.copied_bytes(),
        ),
        (
            "tubepost_journal_damage_found",
            Gauge,
            "Places that the last start found damaged; tubepost journal check names them.",
            site.setup.damage_found as u64,
        ),
        (
            "tubepost_journal_unreadable_messages_total",
            Counter,
            "Messages that could not be read back since the start; they are kept, not served.",
            broker.damaged_messages(),
        ),
        (
            "tubepost_messages_memory_bytes",
            Gauge,
            "Bytes that messages which wait hold in memory.",
            broker.memory_bytes() as u64,
        ),
        (
            "tubepost_disk_free_bytes",
            Gauge,
            "Bytes that are free on the journal's disk.",
            broker.disk_free_bytes().unwrap_or_default(),
        ),
        (
            "tubepost_alarm_disk",
            Gauge,
            "1 while publishers wait because there is too little space on the disk.",
            u64::from(blocked.contains("disk")),
        ),
        (
            "tubepost_alarm_memory",
            Gauge,
            "1 while publishers wait because too many messages are in memory only.",
            u64::from(blocked.contains("memory")),
        ),
    ] {
        out.one(name, kind, help, value);
    }
}

const BY_TYPE: [Family<QueueCounters>; 8] = [
    (
        "rabbitmq_global_messages_delivered_total",
        "Total number of messages delivered to consumers",
        |it| it.deliver_get(),
    ),
    (
        "rabbitmq_global_messages_delivered_consume_auto_ack_total",
        "Total number of messages delivered to consumers using basic.consume with automatic \
         acknowledgment",
        |it| it.deliver_no_ack,
    ),
    (
        "rabbitmq_global_messages_delivered_consume_manual_ack_total",
        "Total number of messages delivered to consumers using basic.consume with manual \
         acknowledgment",
        |it| it.deliver,
    ),
    (
        "rabbitmq_global_messages_delivered_get_auto_ack_total",
        "Total number of messages delivered to consumers using basic.get with automatic \
         acknowledgment",
        |it| it.get_no_ack,
    ),
    (
        "rabbitmq_global_messages_delivered_get_manual_ack_total",
        "Total number of messages delivered to consumers using basic.get with manual \
         acknowledgment",
        |it| it.get,
    ),
    (
        "rabbitmq_global_messages_get_empty_total",
        "Total number of times basic.get operations fetched no message",
        |it| it.get_empty,
    ),
    (
        "rabbitmq_global_messages_redelivered_total",
        "Total number of messages redelivered to consumers",
        |it| it.redeliver,
    ),
    (
        "rabbitmq_global_messages_acknowledged_total",
        "Total number of messages acknowledged by consumers",
        |it| it.ack,
    ),
];

const DEATHS: [Family<DeathCounters>; 4] = [
    (
        "rabbitmq_global_messages_dead_lettered_expired_total",
        "Total number of messages dead-lettered due to message TTL exceeded",
        |it| it.expired,
    ),
    (
        "rabbitmq_global_messages_dead_lettered_maxlen_total",
        "Total number of messages dead-lettered due to overflow drop-head or \
         reject-publish-dlx",
        |it| it.maxlen,
    ),
    (
        "rabbitmq_global_messages_dead_lettered_rejected_total",
        "Total number of messages dead-lettered due to basic.reject or basic.nack",
        |it| it.rejected,
    ),
    (
        "rabbitmq_global_messages_dead_lettered_delivery_limit_total",
        "Total number of messages dead-lettered due to delivery-limit exceeded",
        |it| it.delivery_limit,
    ),
];
