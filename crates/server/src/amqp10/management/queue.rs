//! Queues: declared, looked at, deleted, purged.

use amqp10::types::{Array, Kind as ValueKind, Map, Value};
use broker::{Arguments, Queue, QueueDeclaration, error::Kind};

use super::{
    answer::{Answer, Outcome, Refusal, Status},
    arguments::{arguments, shown as shown_arguments},
    call::{Call, check_line_breaks},
    request::term,
};

/// `GET /queues/QUEUE`.
pub(super) fn get(call: &mut Call<'_>, name: &str) -> Outcome {
    call.access.may_inspect_queue(name).map_err(Refusal::of)?;
    match call.vhost().find_queue(name) {
        Some(queue) => Ok(Answer::new(Status::Ok, shown(call, &queue))),
        None => Err(call.not_found("queue", name)),
    }
}

/// `PUT /queues/QUEUE`.
pub(super) fn put(call: &mut Call<'_>, name: &str, body: &Value) -> Outcome {
    let declaration = declaration(call, name, body)?;
    if name.is_empty() {
        return Err(Refusal::bad_request("declare queue with empty name not allowed"));
    }
    call.check_new_name("queue", name)?;
    let is_new = !call.vhost().has_queue(name);
    let declared = call.access.declare_queue(declaration, call.connection, false);
    declared.map_err(|refused| match refused.kind {
        // RabbitMQ tells these apart from what is there and different.
        Kind::PreconditionFailed if is_new && refused.text.starts_with(QUEUE_LIMIT) => {
            Refusal::Answered(Status::Forbidden, refused.text)
        }
        Kind::PreconditionFailed if refused.text.starts_with(INVALID_PROPERTY) => {
            Refusal::bad_request(refused.text)
        }
        _ => Refusal::of_declaration(refused),
    })?;
    let status = if is_new { Status::Created } else { Status::Ok };
    match call.vhost().find_queue(name) {
        Some(queue) => Ok(Answer::new(status, shown(call, &queue))),
        None => Err(call.not_found("queue", name)),
    }
}

fn declaration(call: &Call<'_>, name: &str, body: &Value) -> Result<QueueDeclaration, Refusal> {
    let Value::Map(fields) = body else {
        return Err(Refusal::bad_request(format!("a queue is a map, not {}", term(body))));
    };
    let mut queue = QueueDeclaration {
        name: name.into(),
        durable: true,
        exclusive: false,
        auto_delete: false,
        arguments: Arguments::default(),
    };
    for (field, value) in fields {
        match (field.as_text(), value) {
            (Some("durable"), Value::Boolean(it)) => queue.durable = *it,
            (Some("exclusive"), Value::Boolean(it)) => queue.exclusive = *it,
            (Some("auto_delete"), Value::Boolean(it)) => queue.auto_delete = *it,
            (Some("arguments"), value) => queue.arguments = arguments(value, call.limits)?,
            _ => {
                let text = format!("bad queue property {{{},{}}}", term(field), term(value));
                return Err(Refusal::bad_request(text));
            }
        }
    }
    Ok(queue)
}

/// `DELETE /queues/QUEUE`. One that is not there is deleted already.
pub(super) fn delete(call: &mut Call<'_>, name: &str) -> Outcome {
    check_line_breaks(name)?;
    let deleted = call.access.delete_queue(name, call.connection, false, false);
    Ok(counted(deleted.map_err(Refusal::of)?))
}

/// `DELETE /queues/QUEUE/messages`.
pub(super) fn purge(call: &mut Call<'_>, name: &str) -> Outcome {
    let queue =
        call.access.readable(name, call.connection).map_err(|refused| match refused.kind {
            Kind::NotFound => Refusal::Answered(Status::NotFound, refused.text),
            _ => Refusal::of(refused),
        })?;
    let purged = queue.purge().map_err(|refused| match refused.kind {
        Kind::NotImplemented => {
            let what = call.resource("queue", name);
            Refusal::bad_request(format!("purge not supported by {what}"))
        }
        _ => Refusal::of(refused),
    })?;
    Ok(counted(purged))
}

fn counted(messages: usize) -> Answer {
    Answer::new(Status::Ok, [("message_count", messages as u64)].into_iter().collect::<Map>())
}

/// As RabbitMQ shows it: kept by this node alone.
fn shown(call: &Call<'_>, queue: &Queue) -> Map {
    let (counts, declared) = (queue.counts(), queue.declaration());
    let consumers = u32::try_from(counts.consumers).unwrap_or(u32::MAX);
    let node = || Value::from(call.node);
    let replicas = Array::new(ValueKind::String, vec![node()]);
    [
        ("leader", node()),
        ("message_count", (counts.ready as u64).into()),
        ("consumer_count", consumers.into()),
        ("name", (&**queue.name()).into()),
        ("vhost", (&**queue.vhost()).into()),
        ("durable", declared.durable.into()),
        ("auto_delete", declared.auto_delete.into()),
        ("exclusive", declared.exclusive.into()),
        ("type", queue.queue_type().name().into()),
        ("arguments", shown_arguments(&declared.arguments)),
        ("replicas", replicas.map_or_else(|_| vec![node()].into(), Value::Array)),
    ]
    .into_iter()
    .collect()
}

/// What a virtual host that has as many queues as it may says.
const QUEUE_LIMIT: &str = "cannot declare queue";

/// What a type of queues says that cannot be as it is declared.
const INVALID_PROPERTY: &str = "invalid property '";
