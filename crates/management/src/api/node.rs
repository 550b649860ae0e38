//! The node: there is one.

use broker::authorize::{Action, Resource};
use serde_json::{Map, Value, json};

use crate::{
    answer::{Answer, Outcome},
    call::Call,
    list::{self, Row},
    node,
    refusal::Refusal,
    sample,
    statistics::{self, CHANNEL, CHURN, LEVELS},
};

/// `GET /api/nodes`.
pub(crate) fn list(call: &Call) -> Outcome {
    call.need(Action::SeeNode, &Resource::Broker)?;
    list::answer(vec![Row::of(described(call))], &call.query)
}

/// `GET /api/nodes/NAME`.
pub(crate) fn get(call: &Call) -> Outcome {
    known(call)?;
    Ok(Answer::Json(described(call)))
}

/// `GET /api/nodes/NAME/memory`.
pub(crate) fn memory(call: &Call) -> Outcome {
    known(call)?;
    let (resident, messages) = (node::resident_bytes(), call.site.broker.memory_bytes() as u64);
    let mut memory = json!({
        "queue_procs": messages,
        "other_proc": resident.saturating_sub(messages),
        "strategy": "rss",
        "total": {"rss": resident, "allocated": resident, "erlang": 0},
    });
    if let Some(fields) = memory.as_object_mut() {
        fields.extend(NOTHING_IN.iter().map(|name| ((*name).to_owned(), json!(0))));
    }
    Ok(Answer::Json(json!({"memory": memory})))
}

/// What RabbitMQ keeps elsewhere, or in Erlang's machine: `rabbitmqadmin` reads all of it.
const NOTHING_IN: [&str; 25] = [
    "connection_readers",
    "connection_writers",
    "connection_channels",
    "connection_other",
    "queue_slave_procs",
    "quorum_queue_procs",
    "quorum_queue_dlx_procs",
    "stream_queue_procs",
    "stream_queue_replica_reader_procs",
    "stream_queue_coordinator_procs",
    "plugins",
    "metadata_store",
    "metrics",
    "mgmt_db",
    "mnesia",
    "quorum_ets",
    "metadata_store_ets",
    "other_ets",
    "binary",
    "msg_index",
    "code",
    "atom",
    "other_system",
    "allocated_unused",
    "reserved_unallocated",
];

pub(crate) fn known(call: &Call) -> Result<(), Refusal> {
    call.need(Action::SeeNode, &Resource::Broker)?;
    let name = call.place(0);
    match name == call.site.node {
        true => Ok(()),
        false => Err(Refusal::no_object(format!(
            "there is no node '{}'; this one is '{}'",
            crate::query::shortened(name),
            call.site.node
        ))),
    }
}

fn described(call: &Call) -> Value {
    let site = &call.site;
    let broker = &site.broker;
    let blocked = broker.blocked().unwrap_or_default();
    let sockets = site.connections.count();
    let mut node = json!({
        "name": site.node,
        "type": "disc",
        "running": true,
        "being_drained": false,
        "partitions": [],
        "cluster_links": [],
        "os_pid": std::process::id().to_string(),
        "uptime": u64::try_from(site.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        "processors": node::processors(),
        "run_queue": 0,
        "rates_mode": "detailed",
        "net_ticktime": 60,
        "mem_calculation_strategy": "rss",
        "mem_limit": broker.memory_bytes_max(),
        "mem_alarm": blocked.contains("memory"),
        "disk_free_limit": broker.disk_free_bytes_min(),
        "disk_free_alarm": blocked.contains("disk"),
        "fd_total": node::open_files_max(),
        "sockets_total": site.setup.connections_max,
        "proc_total": 0,
        "db_dir": site.setup.data_dir.display().to_string(),
        "config_files": site.setup.config_file.iter().map(|it| it.display().to_string())
            .collect::<Vec<_>>(),
        "log_files": ["<stderr>"],
        "enabled_plugins": ["rabbitmq_management", "rabbitmq_prometheus"],
        "exchange_types": super::overview::exchange_types(),
        "auth_mechanisms": [
            mechanism("PLAIN", "SASL PLAIN authentication mechanism"),
            mechanism("AMQPLAIN", "QPid AMQPLAIN mechanism"),
            mechanism("EXTERNAL", "TLS peer verification-based authentication plugin"),
        ],
        "applications": [
            {"name": "tubepost", "description": "Tubepost", "version": site.setup.version},
            {"name": "rabbit", "description": "RabbitMQ, as clients see it",
             "version": server::PRODUCT_VERSION},
        ],
        "contexts": super::overview::contexts(call),
        "metrics_gc_queue_length": {},
    });
    if let Some(node) = node.as_object_mut() {
        let disk_free = broker.disk_free_bytes().unwrap_or(0);
        for (name, level) in [
            ("mem_used", node::resident_bytes()),
            ("fd_used", node::open_files()),
            ("sockets_used", sockets as u64),
            ("proc_used", node::threads()),
            ("disk_free", disk_free),
        ] {
            statistics::put(node, name, level, 0.0);
        }
        churn(call, node);
    }
    node
}

fn churn(call: &Call, node: &mut Map<String, Value>) {
    let site = &call.site;
    let rates = site.samples.overall();
    let rates = rates.get(CHANNEL.len() + LEVELS.len()..).unwrap_or_default();
    statistics::put_all(node, &CHURN, &sample::churn(&site.broker, &site.connections), rates);
}

fn mechanism(name: &str, description: &str) -> Value {
    json!({"name": name, "description": description, "enabled": true})
}
