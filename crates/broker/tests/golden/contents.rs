//! All that a broker has, in words: a line for each thing, so that a difference is a line.

use std::fmt::Write as _;

use broker::{
    Broker, Destination, Encoding, Message, Queue, VirtualHost,
    policy::{PolicyKind, QueueType},
};

use crate::model;

/// Behind a message that is marked as redelivered.
pub(crate) const MARK: &str = " redelivered";

/// What there is, messages in the order of their queues. It takes them out.
pub(crate) fn of(broker: &Broker) -> String {
    let mut out = String::new();
    for vhost in broker.vhosts() {
        let settings = (json(&vhost.metadata()), json(&vhost.limits()));
        writeln!(out, "vhost {}: {} {}", vhost.name(), settings.0, settings.1).unwrap();
        of_vhost(&vhost, &mut out);
    }
    let permissions = broker.permissions();
    for (user, vhost, permission) in permissions.iter() {
        writeln!(out, "permission of {user} in {vhost}: {}", json(permission)).unwrap();
    }
    for (user, vhost, exchange, topic) in permissions.topics() {
        let (write, read) = (topic.write(), topic.read());
        writeln!(out, "topics of {user} in {vhost}, {exchange}: {write:?} {read:?}").unwrap();
    }
    for policy in broker.policies().iter() {
        let kind = if policy.kind == PolicyKind::Operator { "operator policy" } else { "policy" };
        writeln!(out, "{kind}: {}", json(policy)).unwrap();
    }
    out
}

fn of_vhost(vhost: &VirtualHost, out: &mut String) {
    let mut lines = Vec::new();
    for exchange in vhost.exchanges() {
        if !exchange.name.starts_with("amq.") && !exchange.name.is_empty() {
            lines.push(format!("  exchange {}", json(&exchange)));
        }
    }
    for (source, binding) in vhost.bindings() {
        let to = match &binding.destination {
            Destination::Queue(queue) => format!("queue {}", queue.name()),
            Destination::Exchange(name) => format!("exchange {name}"),
        };
        let (key, arguments) = (&binding.key, json(&binding.arguments));
        lines.push(format!("  binding {source} -> {to} {key:?} {arguments}"));
    }
    lines.sort();
    lines.iter().for_each(|line| writeln!(out, "{line}").unwrap());
    let mut queues = vhost.queues();
    queues.retain(|queue| queue.declaration().durable);
    queues.sort_by(|a, b| a.name().cmp(b.name()));
    for queue in queues {
        let limit = vhost.effective_of(&queue).max_length_bytes;
        let declared = json(queue.declaration());
        writeln!(out, "  queue {declared}, most bytes {limit:?}").unwrap();
        messages(vhost, &queue, out);
    }
    for exchange in vhost.exchanges() {
        if let Some(count) = vhost.delayed_messages(&exchange.name) {
            writeln!(out, "  delayed in {}: {count}", exchange.name).unwrap();
        }
    }
}

fn messages(vhost: &VirtualHost, queue: &Queue, out: &mut String) {
    if queue.queue_type() == QueueType::Stream {
        return stream(vhost, queue, out);
    }
    let mut held = Vec::new();
    while let Some((entry, _)) = queue.get().unwrap() {
        let message = queue.message(&entry).unwrap();
        let mark = if entry.is_redelivered() { MARK } else { "" };
        let name = queue.name();
        let returns = entry.returns();
        let line = format!("{}, returns {returns}{mark}", in_words(&message));
        writeln!(out, "    in {name}: {line}").unwrap();
        held.push(entry);
    }
}

fn stream(vhost: &VirtualHost, queue: &Queue, out: &mut String) {
    for (offset, message) in model::read_stream(vhost, queue.name()) {
        writeln!(out, "    in {}, {offset}: {}", queue.name(), in_words(&message)).unwrap();
    }
}

fn in_words(message: &Message) -> String {
    let body = message.loaded(usize::MAX).unwrap().body.concat();
    let checksum = crc32c::crc32c(&body);
    let head: String = String::from_utf8_lossy(&body).chars().take(40).collect();
    let bytes = body.len();
    let properties = String::from_utf8_lossy(&message.properties);
    let marks = &message.marks;
    let deaths = marks.deaths.as_ref().map_or("none".to_owned(), |it| json(&**it));
    let (exchange, key) = (&message.exchange, &message.routing_key);
    // From format 4 on.
    let bcc = marks.bcc.as_ref().map_or(String::new(), |it| format!(", BCC {}", json(&**it)));
    // From format 5 on.
    let encoding = match message.encoding {
        Encoding(0) => String::new(),
        Encoding(other) => format!(", encoding {other}"),
    };
    format!(
        "{head:?} ({bytes} bytes, {checksum:08x}) by {exchange:?} {key:?}, properties \
         {properties}, at {}, ttl {:?}, priority {}, deaths {deaths}{bcc}{encoding}",
        message.published_at.0, marks.ttl, marks.priority,
    )
}

/// The line without how often a message came back.
pub(crate) fn without_returns(line: &str) -> &str {
    line.rsplit_once(", returns ").map_or(line, |(before, _)| before)
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap()
}
