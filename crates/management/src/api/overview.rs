//! The whole at one look.

use broker::{
    ExchangeKind,
    authorize::{Action, Resource},
};
use serde_json::{Map, Value, json};
use server::{ChannelTotals, PRODUCT_VERSION};

use crate::{
    answer::{Answer, Outcome},
    call::Call,
    sample,
    statistics::{self, CHANNEL, CHURN, LEVELS},
};

/// `GET /api/overview`.
pub(crate) fn get(call: &Call) -> Outcome {
    let site = &call.site;
    let is_monitor = call.may(Action::SeeNode, &Resource::Broker);
    let vhosts = call.vhosts_for(Action::SeeVirtualHost);
    let (mut queues, mut exchanges, mut consumers) = (0, 0, 0);
    let mut levels = [0_u64; LEVELS.len()];
    let totals = site.connections.totals();
    let mut channels = ChannelTotals::default();
    for vhost in &vhosts {
        channels.add(&totals.get(&**vhost.name()).copied().unwrap_or_default());
        exchanges += vhost.exchanges().len() + 1;
        for queue in vhost.queues() {
            let counts = queue.counts();
            queues += 1;
            consumers += counts.consumers;
            let (ready, unacknowledged) = (counts.ready as u64, counts.unacknowledged as u64);
            for (level, more) in
                levels.iter_mut().zip([ready + unacknowledged, ready, unacknowledged])
            {
                *level += more;
            }
        }
    }
    let open = super::connection::visible(call);
    let rates = site.samples.overall();
    let (of_channels, of_levels) = rates.split_at(CHANNEL.len());
    let (of_levels, of_churn) = of_levels.split_at(LEVELS.len());
    let stats = statistics::message_stats(&CHANNEL, &statistics::channel(&channels), of_channels);
    let mut queue_totals = Map::new();
    statistics::put_all(&mut queue_totals, &LEVELS, &levels, of_levels);
    let mut churn = Map::new();
    let counted = sample::churn(&site.broker, &site.connections);
    statistics::put_all(&mut churn, &CHURN, &counted, of_churn);
    let mut overview = json!({
        "management_version": PRODUCT_VERSION,
        "rates_mode": "detailed",
        "sample_retention_policies": {"global": [600], "basic": [5], "detailed": []},
        "exchange_types": exchange_types(),
        "product_version": site.setup.version,
        "product_name": "Tubepost",
        "rabbitmq_version": PRODUCT_VERSION,
        "cluster_name": site.cluster_name(),
        "cluster_tags": {},
        "node_tags": {},
        // Clients read a version of it.
        "erlang_version": "26.2.5",
        "erlang_full_version": "Erlang/OTP 26 (none: Tubepost is no Erlang program)",
        "crypto_lib_version": "AWS-LC",
        "release_series_support_status": "supported",
        "default_queue_type": "classic",
        "is_op_policy_updating_enabled": true,
        "disable_stats": false,
        "enable_queue_totals": false,
        "message_stats": stats.unwrap_or_else(|| json!({})),
        "churn_rates": churn,
        "queue_totals": queue_totals,
        "object_totals": {
            "channels": open.iter().map(|it| it.channels_count()).sum::<usize>(),
            "connections": open.len(),
            "consumers": consumers,
            "exchanges": exchanges,
            "queues": queues,
        },
        "statistics_db_event_queue": 0,
    });
    if is_monitor && let Some(overview) = overview.as_object_mut() {
        let seconds = |name: &str| call.query.number(name);
        let age = seconds("msg_rates_age")?.or(seconds("lengths_age")?);
        if let Some(age) = age {
            let history = super::overview::history(call, age);
            overview.insert("samples".to_owned(), history);
        }
        overview.insert("node".to_owned(), json!(site.node));
        overview.insert("listeners".to_owned(), json!(listeners(call)));
        overview.insert("contexts".to_owned(), json!(contexts(call)));
    }
    Ok(Answer::Json(overview))
}

/// The totals of the last minutes, the newest first, for those who draw them.
fn history(call: &Call, age_s: u64) -> Value {
    let now = call.site.broker.now();
    let names = CHANNEL.iter().chain(&LEVELS).chain(&CHURN);
    let all = call.site.samples.history();
    let wanted =
        all.iter().rev().take_while(|(at, _)| now.since(*at) <= age_s.saturating_mul(1000));
    let wanted: Vec<_> = wanted.collect();
    let of = |index: usize| {
        let samples = wanted.iter().map(|(at, counts)| {
            json!({"sample": counts.get(index).copied().unwrap_or(0), "timestamp": at.0})
        });
        Value::Array(samples.collect())
    };
    Value::Object(names.enumerate().map(|(index, name)| ((*name).to_owned(), of(index))).collect())
}

/// The kinds of exchange that can be declared.
pub(crate) fn exchange_types() -> Vec<Value> {
    let kinds = ExchangeKind::ALL.into_iter();
    kinds
        .map(|kind| {
            let description = match kind {
                ExchangeKind::Direct
                | ExchangeKind::Fanout
                | ExchangeKind::Headers
                | ExchangeKind::Topic => {
                    format!("AMQP {} exchange, as per the AMQP specification", kind.name())
                }
                kind => format!("{} exchange, as RabbitMQ's plugin has it", kind.name()),
            };
            json!({"name": kind.name(), "description": description, "enabled": true})
        })
        .collect()
}

fn listeners(call: &Call) -> Vec<Value> {
    let of = |it: &crate::Listening| {
        json!({
            "node": call.site.node,
            "protocol": it.protocol,
            "ip_address": it.address.ip().to_string(),
            "port": it.address.port(),
            "socket_opts": {"nodelay": true},
        })
    };
    call.site.setup.listeners.iter().map(of).collect()
}

/// Where HTTP is served.
pub(crate) fn contexts(call: &Call) -> Vec<Value> {
    let http = call.site.setup.listeners.iter().filter(|it| it.protocol == "http");
    http.map(|it| {
        json!({
            "node": call.site.node,
            "description": "RabbitMQ Management",
            "path": "/",
            "ip": it.address.ip().to_string(),
            "port": it.address.port().to_string(),
            "ssl_opts": [],
            "cowboy_opts": "[]",
        })
    })
    .collect()
}

/// `GET /api/cluster-name`.
pub(crate) fn cluster_name(call: &Call) -> Outcome {
    Ok(Answer::Json(json!({"name": call.site.cluster_name()})))
}

/// `PUT /api/cluster-name`.
pub(crate) fn set_cluster_name(call: &Call) -> Outcome {
    call.need(Action::ChangeNode, &Resource::Broker)?;
    let fields = call.object()?;
    fields.need(&["name"])?;
    super::parameter::set_global(call, "cluster_name", fields.get("name").cloned())?;
    Ok(Answer::Done)
}
