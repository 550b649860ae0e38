//! What the broker has to tell the receiver of a message, as RabbitMQ's headers: its deaths
//! (`x-death` and the like), how often it came back (`x-delivery-count`), and its number in a
//! stream (`x-stream-offset`).

use amqp091::{FieldTable, FieldValue, PropertyList, ShortStr};
use broker::{Death, DeathReason, Deaths, Entry, Message, Queue, policy::QueueType};
use bytes::Bytes;

/// What a queue has to say of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Nothing,
    /// How often a queue that counts that had it back (RabbitMQ: quorum queues).
    Returns(u16),
    /// Its number in a stream.
    Offset(u64),
}

impl Told {
    pub(crate) fn of(queue: &Queue, entry: &Entry) -> Told {
        match (queue.queue_type(), entry.returns()) {
            (QueueType::Stream, _) => Told::Offset(entry.offset()),
            (QueueType::Classic, _) | (QueueType::Quorum, 0) => Told::Nothing,
            (QueueType::Quorum, returns) => Told::Returns(returns),
        }
    }

    fn header(self) -> Option<(&'static str, FieldValue)> {
        match self {
            Told::Nothing => None,
            Told::Returns(returns) => Some(("x-delivery-count", FieldValue::I64(returns.into()))),
            Told::Offset(offset) => {
                let offset = i64::try_from(offset).unwrap_or(i64::MAX);
                Some(("x-stream-offset", FieldValue::I64(offset)))
            }
        }
    }
}

/// The properties of a message as its receiver is to see them; `None` when they stay as they were
/// published, which is nearly always.
pub(super) fn shown(message: &Message, told: Told) -> Option<PropertyList> {
    let deaths = message.marks.deaths.as_deref();
    let told = told.header();
    if deaths.is_none() && told.is_none() {
        return None;
    }
    let list = PropertyList::parse(message.properties.clone()).ok()?;
    let mut properties = list.decode().ok()?;
    let headers = properties.headers.get_or_insert_default();
    if let Some(deaths) = deaths {
        tell_deaths(headers, deaths);
        // RabbitMQ: or it would expire again; what it was stands in its death.
        properties.expiration = None;
    }
    if let Some((name, value)) = told {
        let headers = properties.headers.get_or_insert_default();
        headers.insert(ShortStr::from_static(name), value);
    }
    Some(PropertyList::from(&properties))
}

/// All properties of a message as its receiver is to see them. What cannot be read is none.
pub(crate) fn properties_told(message: &Message, told: Told) -> PropertyList {
    let as_published = || PropertyList::parse(message.properties.clone()).unwrap_or_default();
    shown(message, told).unwrap_or_else(as_published)
}

fn tell_deaths(headers: &mut FieldTable, deaths: &Deaths) {
    let entries = deaths.entries.iter().map(|death| FieldValue::Table(table(death))).collect();
    headers.insert(ShortStr::from_static("x-death"), FieldValue::Array(entries));
    let (exchange, queue, reason) = &deaths.first;
    tell_one(
        headers,
        ["x-first-death-exchange", "x-first-death-queue", "x-first-death-reason"],
        (exchange, queue, *reason),
    );
    if let Some(Death { exchange, queue, reason, .. }) = deaths.entries.first() {
        let names = ["x-last-death-exchange", "x-last-death-queue", "x-last-death-reason"];
        tell_one(headers, names, (exchange, queue, *reason));
    }
}

fn tell_one(
    headers: &mut FieldTable,
    [exchange_name, queue_name, reason_name]: [&'static str; 3],
    (exchange, queue, reason): (&str, &str, DeathReason),
) {
    headers.insert(ShortStr::from_static(exchange_name), text(exchange));
    headers.insert(ShortStr::from_static(queue_name), text(queue));
    headers.insert(ShortStr::from_static(reason_name), text(reason.name()));
}

fn table(death: &Death) -> FieldTable {
    let Death { queue, reason, count, time, exchange, routing_keys, original_expiration } = death;
    let keys = routing_keys.iter().map(|key| text(key)).collect();
    let count = i64::try_from(*count).unwrap_or(i64::MAX);
    let mut table = FieldTable::new();
    let mut tell = |name, value: FieldValue| table.insert(ShortStr::from_static(name), value);
    tell("count", FieldValue::I64(count));
    tell("reason", text(reason.name()));
    tell("queue", text(queue));
    tell("time", FieldValue::Timestamp(*time));
    tell("exchange", text(exchange));
    tell("routing-keys", FieldValue::Array(keys));
    if let Some(milliseconds) = original_expiration {
        tell("original-expiration", text(&milliseconds.to_string()));
    }
    table
}

fn text(text: &str) -> FieldValue {
    FieldValue::LongStr(Bytes::copy_from_slice(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use amqp091::BasicProperties;
    use broker::{Label, Marks};

    use super::*;

    fn message(properties: &BasicProperties, deaths: Option<Deaths>) -> Message {
        Message::new(
            Label {
                exchange: "x".into(),
                routing_key: "k".into(),
                properties: PropertyList::from(properties).as_bytes().clone(),
                persistent: true,
                marks: Marks { deaths: deaths.map(Arc::new), ..Marks::default() },
                ..Label::default()
            },
            Default::default(),
        )
    }

    #[test]
    fn a_message_that_nothing_happened_to_stays_as_it_is() {
        assert!(shown(&message(&BasicProperties::default(), None), Told::Nothing).is_none());
    }

    #[test]
    fn deaths_and_returns_are_told_as_rabbitmq_tells_them() {
        let death = Death {
            queue: "q".into(),
            reason: DeathReason::Expired,
            count: 2,
            time: 77,
            exchange: "x".into(),
            routing_keys: vec!["k".into()],
            original_expiration: Some(50),
        };
        let deaths = Deaths {
            entries: vec![death],
            first: ("x0".into(), "q0".into(), DeathReason::Rejected),
        };
        let published = BasicProperties {
            expiration: Some(ShortStr::from_static("50")),
            priority: Some(4),
            ..BasicProperties::default()
        };
        let list = shown(&message(&published, Some(deaths)), Told::Returns(3)).unwrap();
        let properties = list.decode().unwrap();
        assert_eq!((&properties.expiration, properties.priority), (&None, Some(4)));
        let headers = properties.headers.unwrap();
        let is = |name: &str, value: &str| assert_eq!(headers.get(name), Some(&text(value)));
        is("x-first-death-queue", "q0");
        is("x-first-death-reason", "rejected");
        is("x-last-death-queue", "q");
        is("x-last-death-exchange", "x");
        assert_eq!(headers.get("x-delivery-count"), Some(&FieldValue::I64(3)));
        let Some(FieldValue::Array(deaths)) = headers.get("x-death") else { panic!("no x-death") };
        let FieldValue::Table(death) = &deaths[0] else { panic!("no table") };
        assert_eq!(death.get("count"), Some(&FieldValue::I64(2)));
        assert_eq!(death.get("time"), Some(&FieldValue::Timestamp(77)));
        assert_eq!(death.get("original-expiration"), Some(&text("50")));
        assert_eq!(death.get("routing-keys"), Some(&FieldValue::Array(vec![text("k")])));
    }
}
