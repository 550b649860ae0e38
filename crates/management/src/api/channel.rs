//! Open channels.

use std::sync::Arc;

use broker::authorize::Action;
use serde_json::{Value, json};
use server::{OpenChannel, OpenConnection};

use super::connection;
use crate::{
    answer::{Answer, Outcome},
    call::Call,
    detailed,
    list::{self, Row},
    query::shortened,
    refusal::Refusal,
    statistics::{self, CHANNEL},
    view::{View, channel_name, time},
};

/// `GET /api/channels`.
pub(crate) fn list(call: &Call) -> Outcome {
    listed(call, &connection::visible(call))
}

/// `GET /api/vhosts/VHOST/channels`.
pub(crate) fn of_vhost(call: &Call) -> Outcome {
    let vhost = call.vhost(call.place(0))?;
    let mut open = connection::visible(call);
    open.retain(|it| it.facts.vhost == **vhost.name());
    listed(call, &open)
}

/// `GET /api/connections/NAME/channels`.
pub(crate) fn of_connection(call: &Call) -> Outcome {
    listed(call, &[connection::known(call, Action::SeeConnection)?])
}

fn listed(call: &Call, open: &[Arc<OpenConnection>]) -> Outcome {
    let view = View::of(&call.site);
    let mut rows = Vec::new();
    for connection in open {
        for (number, channel) in connection.channels() {
            let (view, connection) = (view.clone(), connection.clone());
            let name = channel_name(&connection, number.into());
            rows.push(Row::new(name, move || described(&view, &connection, number, &channel)));
        }
    }
    list::answer(rows, &call.query)
}

/// `GET /api/channels/NAME`.
pub(crate) fn get(call: &Call) -> Outcome {
    let name = call.place(0);
    let nothing = || Refusal::no_object(format!("Not Found: no channel '{}'", shortened(name)));
    let (of, number) = name.rsplit_once(" (").ok_or_else(nothing)?;
    let number: u16 =
        number.strip_suffix(')').and_then(|it| it.parse().ok()).ok_or_else(nothing)?;
    let connection = call.site.connections.get(of).ok_or_else(nothing)?;
    call.need(
        Action::SeeConnection,
        &broker::authorize::Resource::ConnectionOf(&connection.facts.user),
    )?;
    let channels = connection.channels();
    let channel = channels.iter().find(|(it, _)| *it == number).map(|(_, channel)| channel);
    let channel = channel.ok_or_else(nothing)?;
    let view = View::of(&call.site);
    let mut described = described(&view, &connection, number, channel);
    if let Some(fields) = described.as_object_mut() {
        let consumers = consumers(&view, &connection, number);
        fields.insert("consumer_details".to_owned(), Value::Array(consumers));
        if let Ok(vhost) = call.site.broker.vhost(&connection.facts.vhost) {
            let deliveries = detailed::deliveries(&view, &vhost, channel);
            fields.insert("deliveries".to_owned(), deliveries);
            let publishes = detailed::publishes(&view, &vhost, channel);
            fields.insert("publishes".to_owned(), publishes);
        }
    }
    Ok(Answer::Json(described))
}

/// Its consumers, which the queues know.
fn consumers(view: &View, connection: &OpenConnection, number: u16) -> Vec<Value> {
    let Ok(vhost) = view.site.broker.vhost(&connection.facts.vhost) else { return Vec::new() };
    let mut found = Vec::new();
    for queue in vhost.queues() {
        for report in queue.consumers() {
            let consumer = &report.consumer;
            if consumer.channel() == u32::from(number) && connection.has_mailbox(consumer.mailbox())
            {
                found.push(view.consumer(&report));
            }
        }
    }
    found
}

fn described(view: &View, of: &OpenConnection, number: u16, channel: &OpenChannel) -> Value {
    let facts = &of.facts;
    let counts = statistics::channel(&channel.counts.now());
    let track = view.site.samples.channel(facts.id.0, number);
    let rates = track.map_or([0.0; CHANNEL.len()], |track| track.rates());
    let mut described = json!({
        "name": channel_name(of, number.into()),
        "number": number,
        "node": view.site.node,
        "user": facts.user,
        "user_who_performed_action": facts.user,
        "vhost": facts.vhost,
        "state": "running",
        "confirm": channel.is_confirming(),
        "transactional": channel.is_transactional(),
        "prefetch_count": channel.prefetch.get(),
        "global_prefetch_count": channel.global_prefetch.get(),
        "consumer_count": channel.consumers.get(),
        "messages_unacknowledged": channel.unacknowledged.get(),
        "messages_unconfirmed": channel.unconfirmed.get(),
        "messages_uncommitted": channel.uncommitted.get(),
        "acks_uncommitted": channel.acks_uncommitted.get(),
        "pending_raft_commands": 0,
        "connection_details": {
            "name": of.name,
            "peer_host": facts.peer.ip().to_canonical().to_string(),
            "peer_port": facts.peer.port(),
        },
    });
    let Some(fields) = described.as_object_mut() else { return described };
    if let Some(stats) = statistics::message_stats(&CHANNEL, &counts, &rates) {
        fields.insert("message_stats".to_owned(), stats);
    }
    if let Some(track) = track.filter(|_| rates.iter().all(|rate| *rate == 0.0)) {
        fields.insert("idle_since".to_owned(), json!(time(track.changed_at)));
    }
    described
}
