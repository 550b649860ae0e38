//! Who publishes to what, and who takes from where: RabbitMQ's `incoming`, `outgoing`, `deliveries`
//! and `publishes`, lists of counts of two that have to do with each other. What is gone is in none
//! of them.

use std::sync::Arc;

use broker::{ExchangeCounters, Queue, VirtualHost};
use serde_json::{Map, Value, json};
use server::{OpenChannel, Tallied, TalliedExchange};

use crate::{
    api::queue,
    statistics::{self, CHANNEL, PUBLISHING},
    view::{Taker, View},
};

/// What a queue got from each exchange.
pub(crate) fn incoming_of_queue(view: &View, vhost: &VirtualHost, of: &Queue) -> Value {
    let mut from = Vec::new();
    of.incoming(|exchange, messages| from.push((exchange.clone(), messages)));
    from.retain(|(exchange, _)| is_there(vhost, exchange));
    let entry = |(exchange, messages): (Arc<ExchangeCounters>, u64)| {
        json!({
            "stats": published(view, of, &exchange, messages),
            "exchange": named(exchange.name(), vhost),
        })
    };
    from.into_iter().map(entry).collect()
}

/// What the queues got from an exchange.
pub(crate) fn outgoing_of_exchange(view: &View, vhost: &VirtualHost, name: &str) -> Value {
    let Some(counters) = vhost.exchange_counters(name) else { return json!([]) };
    let entry = |of: Arc<Queue>| {
        let mut got = 0;
        of.incoming(|exchange, messages| {
            if Arc::ptr_eq(exchange, &counters) {
                got = messages;
            }
        });
        (got > 0).then(|| {
            json!({
                "stats": published(view, &of, &counters, got),
                "queue": named(of.name(), vhost),
            })
        })
    };
    queue::shown(vhost).into_iter().filter_map(entry).collect()
}

/// What channels published to an exchange.
pub(crate) fn incoming_of_exchange(view: &View, vhost: &VirtualHost, name: &str) -> Value {
    let Some(counters) = vhost.exchange_counters(name) else { return json!([]) };
    let mut entries = Vec::new();
    let open = view.site.connections.list();
    for connection in open.iter().filter(|it| it.facts.vhost == **vhost.name()) {
        for (number, channel) in connection.channels() {
            for it in channel.exchanges() {
                if Arc::ptr_eq(&it.of, &counters) {
                    entries.push(json!({
                        "stats": publishing(view, &it),
                        "channel_details": view.channel(connection, number.into()),
                    }));
                }
            }
        }
    }
    Value::Array(entries)
}

/// What channels took from a queue.
pub(crate) fn deliveries_of_queue(view: &View, of: &Queue) -> Value {
    let entry = |(connection, number, it): &Taker| {
        json!({
            "stats": taking(view, it),
            "channel_details": view.channel(connection, (*number).into()),
        })
    };
    view.takers(of.id()).iter().map(entry).collect()
}

/// What a channel published to each exchange.
pub(crate) fn publishes(view: &View, vhost: &VirtualHost, channel: &OpenChannel) -> Value {
    let mut to = channel.exchanges();
    to.retain(|it| is_there(vhost, &it.of));
    let entry = |it: &Arc<TalliedExchange>| json!({"stats": publishing(view, it), "exchange": named(it.of.name(), vhost)});
    to.iter().map(entry).collect()
}

/// What a channel took from each queue.
pub(crate) fn deliveries(view: &View, vhost: &VirtualHost, channel: &OpenChannel) -> Value {
    let mut entries = Vec::new();
    for it in channel.queues() {
        let (id, name) = &it.of;
        let is_there = vhost.find_queue(name).is_some_and(|queue| queue.id() == *id);
        if is_there && queue::is_shown(name) {
            entries.push(json!({"stats": taking(view, &it), "queue": named(name, vhost)}));
        }
    }
    Value::Array(entries)
}

/// Whether it is the exchange of its name still, or another, or none.
fn is_there(vhost: &VirtualHost, exchange: &Arc<ExchangeCounters>) -> bool {
    vhost.exchange_counters(exchange.name()).is_some_and(|it| Arc::ptr_eq(&it, exchange))
}

fn named(name: &str, vhost: &VirtualHost) -> Value {
    json!({"name": name, "vhost": &**vhost.name()})
}

fn published(view: &View, of: &Queue, exchange: &ExchangeCounters, messages: u64) -> Value {
    let rate = view.site.samples.incoming(of.id(), exchange.name());
    let mut stats = Map::new();
    statistics::put(&mut stats, "publish", messages, rate);
    Value::Object(stats)
}

fn publishing<T>(view: &View, of: &Tallied<T>) -> Value {
    stats(view, of, 0..PUBLISHING)
}

fn taking<T>(view: &View, of: &Tallied<T>) -> Value {
    stats(view, of, PUBLISHING..CHANNEL.len())
}

/// All of a part, as RabbitMQ has them here, also those that are 0.
fn stats<T>(view: &View, of: &Tallied<T>, part: std::ops::Range<usize>) -> Value {
    let counts = statistics::channel(&of.counts.now());
    let rates = view.site.samples.tallied(of.number);
    let (part, mut stats) = (|| part.clone(), Map::new());
    let names = CHANNEL.get(part()).unwrap_or_default();
    let counts = counts.get(part()).unwrap_or_default();
    statistics::put_all(&mut stats, names, counts, rates.get(part()).unwrap_or_default());
    Value::Object(stats)
}
