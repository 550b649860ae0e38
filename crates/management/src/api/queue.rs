//! Queues.

use std::sync::Arc;

use broker::{
    Queue, QueueDeclaration, Value as Argument, VirtualHost,
    authorize::{Action, Resource},
    policy::QueueType,
};
use serde_json::{Map, Value, json};

use crate::{
    answer::{Answer, Outcome},
    call::Call,
    detailed,
    list::{self, Row},
    query::shortened,
    refusal::Refusal,
    statistics::{self, LEVELS, QUEUE, QUEUE_COUNTS},
    view::{View, time},
};

/// The queues that are shown: not those that stand for somebody who waits for answers.
pub(crate) fn shown(vhost: &VirtualHost) -> Vec<Arc<Queue>> {
    let mut queues = vhost.queues();
    queues.retain(|queue| is_shown(queue.name()));
    queues.sort_by(|one, other| one.name().cmp(other.name()));
    queues
}

/// Whether a queue of that name is.
pub(crate) fn is_shown(name: &str) -> bool {
    !name.starts_with(REPLY_TO)
}

/// `GET /api/queues`, `/api/queues/VHOST`.
pub(crate) fn list(call: &Call) -> Outcome {
    rows(call, false)
}

/// `GET /api/queues/detailed`.
pub(crate) fn list_detailed(call: &Call) -> Outcome {
    rows(call, true)
}

fn rows(call: &Call, detailed: bool) -> Outcome {
    let view = View::of(&call.site);
    let mut rows = Vec::new();
    for vhost in call.vhosts_at(0)? {
        rows.extend(shown(&vhost).into_iter().map(|queue| {
            let (view, vhost, name) = (view.clone(), vhost.clone(), queue.name().to_string());
            Row::new(name, move || match detailed {
                true => in_detail(&view, &vhost, &queue),
                false => described(&view, &queue),
            })
        }));
    }
    list::answer(rows, &call.query)
}

/// `GET /api/queues/VHOST/NAME`.
pub(crate) fn get(call: &Call) -> Outcome {
    let queue = known(call)?;
    let vhost = call.vhost(call.place(0))?;
    Ok(Answer::Json(in_detail(&View::of(&call.site), &vhost, &queue)))
}

/// The queue that the address names.
///
/// # Errors
/// There is none, or the caller may not look around there.
pub(crate) fn known(call: &Call) -> Result<Arc<Queue>, Refusal> {
    let (vhost, name) = (call.vhost(call.place(0))?, call.place(1));
    let queue = vhost.find_queue(name).filter(|_| is_shown(name));
    queue.ok_or_else(|| {
        Refusal::no_object(format!(
            "Not Found: no queue '{}' in vhost '{}'",
            shortened(name),
            vhost.name()
        ))
    })
}

/// `PUT /api/queues/VHOST/NAME`.
pub(crate) fn put(call: &Call) -> Outcome {
    let vhost = call.known_vhost(call.place(0)).map_err(|it| it.named("not_found"))?;
    let fields = call.object()?;
    let declaration = QueueDeclaration {
        name: call.place(1).into(),
        durable: fields.flag("durable")?,
        exclusive: false,
        auto_delete: fields.flag("auto_delete")?,
        arguments: fields.arguments("arguments")?,
    };
    if declaration.name.is_empty() {
        return Err(Refusal::bad_request("a queue's name is not empty; name it in the address"));
    }
    super::check_name("queue", &declaration.name)?;
    if fields.flag("exclusive")? {
        return Err(Refusal::bad_request(
            "an exclusive queue belongs to a connection of AMQP; declare it there",
        ));
    }
    let is_new = !vhost.has_queue(&declaration.name);
    call.access(vhost.name())?.declare_queue(declaration, call.caller.connection, false)?;
    Ok(Answer::put(is_new))
}

/// `DELETE /api/queues/VHOST/NAME`.
pub(crate) fn delete(call: &Call) -> Outcome {
    let queue = known(call)?;
    let (if_unused, if_empty) = (call.query.is("if-unused"), call.query.is("if-empty"));
    let mut access = call.access(queue.vhost())?;
    access.delete_queue(queue.name(), call.caller.connection, if_unused, if_empty)?;
    Ok(Answer::Done)
}

/// `DELETE /api/queues/VHOST/NAME/contents`.
pub(crate) fn purge(call: &Call) -> Outcome {
    let queue = known(call)?;
    let mut access = call.access(queue.vhost())?;
    access.readable(queue.name(), call.caller.connection)?.purge()?;
    Ok(Answer::Done)
}

/// `POST /api/queues/VHOST/NAME/actions`: there are no mirrors to be brought in step.
pub(crate) fn action(call: &Call) -> Outcome {
    let queue = known(call)?;
    let resource = Resource::Queue { vhost: queue.vhost(), name: queue.name() };
    call.need(Action::OperateQueue, &resource)?;
    let fields = call.object()?;
    fields.need(&["action"])?;
    match fields.text("action")? {
        Some("sync" | "cancel_sync") => Ok(Answer::Done),
        Some(other) => Err(Refusal::bad_request(format!("unknown action '{}'", shortened(other)))),
        None => Err(Refusal::bad_request("no action")),
    }
}

/// `POST /api/rebalance/queues`: they are all on the one node.
pub(crate) fn rebalance(call: &Call) -> Outcome {
    call.need(Action::ChangeNode, &Resource::Broker)?;
    Ok(Answer::Done)
}

fn described(view: &View, queue: &Queue) -> Value {
    let site = &view.site;
    let report = queue.report();
    let declared = queue.declaration();
    let counts = statistics::queue(&report);
    let track = site.samples.queue(queue.id());
    let rates = track.map_or([0.0; QUEUE.len()], |track| track.rates());
    let applied = view.policies.of_queue(queue.vhost(), queue.name(), queue.queue_type());
    let consumers = queue.consumers();
    let single = report.effective.single_active_consumer;
    let active = consumers.iter().find(|it| single && it.is_active);
    let exclusive = consumers.iter().find(|it| it.consumer.is_exclusive());
    let tag = |of: Option<&broker::ConsumerReport>| of.map(|it| it.consumer.tag().to_string());
    // All that is ready waits for consumers, if there are any: they are the ones that are slow.
    let capacity = if consumers.is_empty() || report.ready > 0 { 0.0 } else { 1.0 };
    let mut it = json!({
        "name": &**queue.name(),
        "vhost": &**queue.vhost(),
        "type": queue.queue_type().name(),
        "node": site.node,
        "state": "running",
        "durable": declared.durable,
        "auto_delete": declared.auto_delete,
        "exclusive": declared.exclusive,
        "arguments": definitions::to_json(&declared.arguments),
        "policy": applied.policy.map(|policy| policy.name.to_string()),
        "operator_policy": applied.operator_policy.map(|policy| policy.name.to_string()),
        "effective_policy_definition": applied.definition(),
        "consumers": report.consumers,
        "consumer_utilisation": capacity,
        "consumer_capacity": capacity,
        "exclusive_consumer_tag": tag(exclusive),
        "single_active_consumer_tag": tag(active),
        "head_message_timestamp": head_timestamp(&report),
        "memory": report.memory_bytes + QUEUE_BYTES,
        "message_bytes": report.ready_bytes + report.unacknowledged_bytes,
        "message_bytes_ready": report.ready_bytes,
        "message_bytes_unacknowledged": report.unacknowledged_bytes,
        "message_bytes_persistent": report.persistent_bytes,
        "messages_persistent": report.persistent,
    });
    let Some(fields) = it.as_object_mut() else { return it };
    let (counted, levels) = counts.split_at(QUEUE_COUNTS);
    let (counted_rates, level_rates) = rates.split_at(QUEUE_COUNTS);
    statistics::put_all(fields, &LEVELS, levels, level_rates);
    let names = QUEUE.get(..QUEUE_COUNTS).unwrap_or_default();
    if let Some(stats) = statistics::message_stats(names, counted, counted_rates) {
        fields.insert("message_stats".to_owned(), stats);
    }
    // At rest since the last of its counts changed, as far as anybody looked.
    if counted_rates.iter().all(|rate| *rate == 0.0) {
        let since = track.map_or(report.used_at, |track| track.changed_at.max(report.used_at));
        fields.insert("idle_since".to_owned(), json!(time(since)));
    }
    if queue.queue_type() != QueueType::Classic {
        // Kept by this node alone, which is what it says.
        let members = json!([site.node]);
        fields.insert("leader".to_owned(), json!(site.node));
        fields.insert("members".to_owned(), members.clone());
        fields.insert("online".to_owned(), members);
    }
    owner(view, queue, fields);
    it
}

/// With what its consumers and publishers do.
fn in_detail(view: &View, vhost: &VirtualHost, queue: &Queue) -> Value {
    let mut it = described(view, queue);
    let Some(fields) = it.as_object_mut() else { return it };
    let consumers = queue.consumers().iter().map(|it| view.consumer(it)).collect();
    let deliveries = detailed::deliveries_of_queue(view, queue);
    let incoming = detailed::incoming_of_queue(view, vhost, queue);
    fields.insert("consumer_details".to_owned(), Value::Array(consumers));
    fields.insert("deliveries".to_owned(), deliveries);
    fields.insert("incoming".to_owned(), incoming);
    it
}

fn owner(view: &View, queue: &Queue, fields: &mut Map<String, Value>) {
    let Some(owner) = queue.owner() else { return };
    let details = match view.connection(owner) {
        Some(connection) => json!({
            "name": connection.name,
            "peer_host": connection.facts.peer.ip().to_canonical().to_string(),
            "peer_port": connection.facts.peer.port(),
        }),
        None => json!({}),
    };
    fields.insert("owner_pid_details".to_owned(), details);
}

/// In seconds, as its publisher wrote it; only of a message in memory, as in RabbitMQ.
fn head_timestamp(report: &broker::QueueReport) -> Option<u64> {
    let head = report.head.as_ref()?;
    match server::properties_shown(head, 0).get("timestamp") {
        Some(Argument::Timestamp(seconds)) => Some(*seconds),
        _ => None,
    }
}

/// What a queue takes without messages, roughly.
const QUEUE_BYTES: u64 = 2048;

/// RabbitMQ hides what waits for answers (direct reply-to).
const REPLY_TO: &str = "amq.rabbitmq.reply-to.";
