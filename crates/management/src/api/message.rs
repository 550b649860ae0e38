//! Publishing a message and fetching some, for tests and operators.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Instant,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use broker::{
    Entry, Mailbox, Message, Position, Publisher, Queue, Receipt, Return, Wake, policy::QueueType,
};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use server::ChannelTotals;

use crate::{
    answer::{Answer, Outcome},
    call::{Call, Fields},
    limits::{GET_BYTES_MAX, GET_MESSAGES_MAX, PUBLISH_WAIT},
    query::shortened,
    refusal::Refusal,
};

/// `POST /api/exchanges/VHOST/NAME/publish`. Answered when the message is on disk, as a confirm.
pub(crate) fn publish(call: &Call) -> Outcome {
    let (vhost, exchange) = (call.place(0), super::exchange::named(call.place(1)));
    call.known_vhost(vhost)?;
    let fields = call.object()?;
    fields.need(&["properties", "routing_key", "payload", "payload_encoding"])?;
    let key = fields.text("routing_key")?.unwrap_or_default();
    super::check_name("routing key", key)?;
    let properties = fields.arguments("properties")?;
    let body = payload(&fields)?;
    let mut access = call.access(vhost)?;
    if let Some(reason) = call.site.broker.blocked() {
        return Err(Refusal::unavailable(format!(
            "publishers have to wait: the broker is {reason}"
        )));
    }
    let mut publisher = Publisher::new(access.vhost().clone());
    let to = (exchange.into(), key.into());
    let publish = server::publish_one(&mut access, &mut publisher, to, &properties, body)
        .map_err(Refusal::bad_request)?;
    let routed = !publish.routes.is_empty();
    let mut receipts = Vec::new();
    publisher.publish(&mut vec![publish], &mut receipts)?;
    let totals = ChannelTotals {
        publish: 1,
        confirm: 1,
        return_unroutable: u64::from(!routed),
        ..ChannelTotals::default()
    };
    call.site.connections.count_elsewhere(vhost, &totals);
    match receipts.first() {
        Some(Receipt::Refused) => {
            return Err(Refusal::bad_request("a queue that is full refused the message"));
        }
        Some(Receipt::At(position)) => await_durable(call, &publisher, *position)?,
        Some(Receipt::Done) | None => {}
    }
    Ok(Answer::Json(json!({"routed": routed})))
}

fn payload(fields: &Fields) -> Result<Bytes, Refusal> {
    let payload = fields.text("payload")?.unwrap_or_default();
    match fields.text("payload_encoding")? {
        Some("string") => Ok(Bytes::copy_from_slice(payload.as_bytes())),
        Some("base64") => BASE64_STANDARD.decode(payload).map(Bytes::from).map_err(|error| {
            Refusal::bad_request(format!("not_base64: the payload is no base64: {error}"))
        }),
        other => Err(Refusal::bad_request(format!(
            "unsupported_encoding: 'payload_encoding' is string or base64, not '{}'",
            shortened(other.unwrap_or_default())
        ))),
    }
}

/// Rings when the journal has committed.
#[derive(Debug, Default)]
struct Committed {
    has_rung: Mutex<bool>,
    rung: Condvar,
}

impl Committed {
    fn wait(&self, until: Instant) {
        let has_rung = self.has_rung.lock().unwrap_or_else(PoisonError::into_inner);
        let patience = until.saturating_duration_since(Instant::now());
        let waited = self.rung.wait_timeout_while(has_rung, patience, |has_rung| !*has_rung);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

struct Bell(Arc<Committed>);

impl Wake for Bell {
    fn wake(&self) {
        *self.0.has_rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.rung.notify_all();
    }
}

/// Confirmed means on disk, here as well.
fn await_durable(call: &Call, publisher: &Publisher, position: Position) -> Result<(), Refusal> {
    let committed = Arc::<Committed>::default();
    let mailbox = Mailbox::new(Bell(committed.clone()));
    let until = Instant::now() + PUBLISH_WAIT;
    loop {
        // Ask first and look after: the mark may move in between.
        call.site.broker.wake_after_commit(&mailbox);
        if publisher.is_durable(position) {
            return Ok(());
        }
        if Instant::now() >= until {
            return Err(Refusal::unavailable(
                "the message is not on disk yet; it may get there, or be lost if the server dies",
            ));
        }
        committed.wait(until);
    }
}

/// What becomes of a message that was fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AckMode {
    Requeue,
    Settle,
    RejectRequeue,
    Reject,
}

/// `POST /api/queues/VHOST/NAME/get`.
pub(crate) fn get(call: &Call) -> Outcome {
    let queue = super::queue::known(call).map_err(|it| it.named("not_found"))?;
    let fields = call.object()?;
    let mode = ack_mode(&fields)?;
    fields.need(&["count", "encoding"])?;
    let count = usize::try_from(fields.number("count")?.unwrap_or(1)).unwrap_or(0);
    let truncate = fields.number("truncate")?.and_then(|it| usize::try_from(it).ok());
    let always_base64 = match fields.text("encoding")? {
        Some("auto") => false,
        Some("base64") => true,
        other => {
            return Err(Refusal::bad_request(format!(
                "unsupported_encoding: 'encoding' is auto or base64, not '{}'",
                shortened(other.unwrap_or_default())
            )));
        }
    };
    let mut access = call.access(queue.vhost())?;
    let queue = access.readable(queue.name(), call.caller.connection)?;
    let mut fetched = Fetched { queue: &queue, mode, entries: Vec::new(), damaged: None };
    let (messages, totals) = fetched.take(count.min(GET_MESSAGES_MAX))?;
    call.site.connections.count_elsewhere(access.vhost().name(), &totals);
    fetched.give_back()?;
    let shown = messages.iter().map(|it| it.shown(&queue, always_base64, truncate));
    Ok(Answer::Json(Value::Array(shown.collect())))
}

fn ack_mode(fields: &Fields) -> Result<AckMode, Refusal> {
    if fields.get("ackmode").is_none() && fields.get("requeue").is_some() {
        // Before 3.7.
        return Ok(match fields.flag("requeue")? {
            true => AckMode::Requeue,
            false => AckMode::Settle,
        });
    }
    fields.need(&["ackmode", "encoding"])?;
    match fields.text("ackmode")? {
        Some("ack_requeue_true") => Ok(AckMode::Requeue),
        Some("ack_requeue_false") => Ok(AckMode::Settle),
        Some("reject_requeue_true") => Ok(AckMode::RejectRequeue),
        Some("reject_requeue_false") => Ok(AckMode::Reject),
        other => Err(Refusal::bad_request(format!(
            "'ackmode' is ack_requeue_true, ack_requeue_false, reject_requeue_true or \
             reject_requeue_false, not '{}'",
            shortened(other.unwrap_or_default())
        ))),
    }
}

struct Fetched<'a> {
    queue: &'a Queue,
    mode: AckMode,
    entries: Vec<Entry>,
    damaged: Option<Refusal>,
}

struct Found {
    message: Arc<Message>,
    redelivered: bool,
    returns: u16,
    left: usize,
}

impl Fetched<'_> {
    fn take(&mut self, count: usize) -> Result<(Vec<Found>, ChannelTotals), Refusal> {
        let (mut found, mut bytes) = (Vec::new(), 0);
        let mut totals = ChannelTotals::default();
        while found.len() < count && bytes < GET_BYTES_MAX {
            let got = match self.mode {
                AckMode::Settle => self.queue.get_no_ack(),
                _ => self.queue.get(),
            };
            let got = match got {
                Ok(got) => got,
                Err(error) => {
                    self.damaged = Some(error.into());
                    break;
                }
            };
            let Some((entry, left)) = got else {
                totals.get_empty += 1;
                break;
            };
            let message = match self.queue.message(&entry) {
                Ok(message) => message,
                Err(error) => {
                    // As for a client: it stays in the journal, and is not served.
                    self.queue.set_aside(entry, None);
                    self.damaged = Some(error.into());
                    break;
                }
            };
            let message = match message.loaded(GET_BYTES_MAX) {
                Ok(message) => message,
                Err(error) => {
                    self.queue.requeue(vec![entry], None, Return::Unsent);
                    self.damaged = Some(error.into());
                    break;
                }
            };
            bytes += message.body_len();
            match self.mode {
                AckMode::Settle => totals.get_no_ack += 1,
                _ => totals.get += 1,
            }
            totals.redeliver += u64::from(entry.is_redelivered());
            found.push(Found {
                message: message.into(),
                redelivered: entry.is_redelivered(),
                returns: entry.returns(),
                left,
            });
            self.entries.push(entry);
        }
        match self.damaged.take() {
            Some(damaged) if found.is_empty() => Err(damaged),
            _ => Ok((found, totals)),
        }
    }

    fn give_back(&mut self) -> Result<(), Refusal> {
        let entries = std::mem::take(&mut self.entries);
        match self.mode {
            AckMode::Requeue | AckMode::RejectRequeue => {
                self.queue.requeue(entries, None, Return::Failed)
            }
            AckMode::Settle => self.queue.settle(entries, None)?,
            AckMode::Reject => self.queue.reject(entries, None)?,
        }
        Ok(())
    }
}

/// Whatever happens, nothing is kept.
impl Drop for Fetched<'_> {
    fn drop(&mut self) {
        if !self.entries.is_empty() {
            self.queue.requeue(std::mem::take(&mut self.entries), None, Return::Failed);
        }
    }
}

impl Found {
    fn shown(&self, queue: &Queue, always_base64: bool, truncate: Option<usize>) -> Value {
        let message = &*server::in_amqp091(&self.message);
        let mut body = Vec::with_capacity(message.body_len());
        message.body.iter().for_each(|piece| body.extend_from_slice(piece));
        let size = body.len();
        body.truncate(truncate.unwrap_or(usize::MAX));
        let (payload, encoding) = match String::from_utf8(body) {
            Ok(text) if !always_base64 => (text, "string"),
            Ok(text) => (BASE64_STANDARD.encode(text), "base64"),
            Err(error) => (BASE64_STANDARD.encode(error.as_bytes()), "base64"),
        };
        let returns = match queue.queue_type() {
            QueueType::Quorum => self.returns,
            _ => 0,
        };
        let properties = definitions::to_json(&server::properties_shown(message, returns));
        json!({
            "payload_bytes": size,
            "redelivered": self.redelivered,
            "exchange": &*message.exchange,
            "routing_key": &*message.routing_key,
            "message_count": self.left,
            "properties": erlang_object(properties),
            "payload": payload,
            "payload_encoding": encoding,
        })
    }
}

/// RabbitMQ writes no properties as an empty array.
fn erlang_object(fields: Map<String, Value>) -> Value {
    match fields.is_empty() {
        true => json!([]),
        false => Value::Object(fields),
    }
}
