//! What the broker has to tell the receiver of a message, as RabbitMQ's headers: its deaths
//! (`x-death` and the like), and how often it came back (`x-delivery-count`).

use amqp091::{FieldTable, FieldValue, PropertyList, ShortStr};
use broker::{Death, DeathReason, Deaths, Message};
use bytes::Bytes;

/// The properties of a message as its receiver is to see them; `None` when they stay as they were
/// published, which is nearly always. `returns` is how often a queue that counts that had it back.
pub(super) fn shown(message: &Message, returns: u16) -> Option<PropertyList> {
    let deaths = message.marks.deaths.as_deref();
    if deaths.is_none() && returns == 0 {
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
    if returns > 0 {
        let headers = properties.headers.get_or_insert_default();
        headers.insert(ShortStr::from_static("x-delivery-count"), FieldValue::I64(returns.into()));
    }
    Some(PropertyList::from(&properties))
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
    use broker::Marks;

    use super::*;

    fn message(properties: &BasicProperties, deaths: Option<Deaths>) -> Message {
        Message {
            exchange: "x".into(),
            routing_key: "k".into(),
            properties: PropertyList::from(properties).as_bytes().clone(),
            body: Default::default(),
            persistent: true,
            marks: Marks { deaths: deaths.map(Arc::new), ..Marks::default() },
        }
    }

    #[test]
    fn a_message_that_nothing_happened_to_stays_as_it_is() {
        assert!(shown(&message(&BasicProperties::default(), None), 0).is_none());
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
        let list = shown(&message(&published, Some(deaths)), 3).unwrap();
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
