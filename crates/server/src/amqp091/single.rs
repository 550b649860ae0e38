//! A single message, published or looked at by somebody without a connection: the HTTP API. The
//! rules are those of `basic.publish`; properties are arguments, by the names of RabbitMQ's API.

use std::borrow::Cow;

use amqp091::{BasicProperties, PropertyList, ShortStr};
use broker::{Access, Arguments, Body, Message, Publish, Publisher, Value};
use bytes::Bytes;
use bytestring::ByteString;

use super::{
    ENCODING,
    annotations::{self, Told},
    arguments::{MessageHeaders, arguments},
    properties::field,
    publish::{Given, begin, complete},
};

use crate::amqp10::as_amqp091;

/// Finds the queues of a message, as for `basic.publish`, and makes it ready for
/// [`Publisher::publish`].
///
/// # Errors
/// Why not, as RabbitMQ's API says it: `404 NOT_FOUND - no exchange 'x' in vhost '/'`.
pub fn publish_one(
    access: &mut Access,
    publisher: &mut Publisher,
    (exchange, routing_key): (ByteString, ByteString),
    properties: &Arguments,
    body: Bytes,
) -> Result<Publish, String> {
    let properties = PropertyList::from(&read(properties)?);
    let headers = MessageHeaders::new(&properties);
    let given = Given { exchange, routing_key, properties: &properties, headers: &headers };
    let published = begin(access, publisher, &given)
        .and_then(|first| complete(access, publisher, first, given, Body::from_elem(body, 1)));
    published.map_err(|refusal| format!("{} {}", refusal.code.number(), &*refusal.text))
}

/// A message as the HTTP API has it, which speaks of AMQP 0-9-1's properties and bodies.
pub fn in_amqp091(message: &Message) -> Cow<'_, Message> {
    match message.encoding {
        ENCODING => Cow::Borrowed(message),
        _ => Cow::Owned(as_amqp091(message, usize::MAX)),
    }
}

/// The properties of a message as its receiver is to see them: with `x-death` and the like.
/// `returns` is how often a queue that counts that had it back.
pub fn properties_shown(message: &Message, returns: u16) -> Arguments {
    let told = match returns {
        0 => Told::Nothing,
        returns => Told::Returns(returns),
    };
    let message = &*in_amqp091(message);
    let list = match annotations::shown(message, told) {
        Some(list) => Ok(list),
        None => PropertyList::parse(message.properties.clone()),
    };
    let Some(properties) = list.ok().and_then(|list| list.decode().ok()) else {
        return Arguments::default();
    };
    let text = |name: &str, text: &Option<ShortStr>| {
        text.as_ref().map(|it| (name.to_owned(), Value::Longstr(it.as_str().to_owned())))
    };
    let number = |name: &str, number: Option<u8>| {
        number.map(|it| (name.to_owned(), Value::UnsignedByte(it)))
    };
    let it = &properties;
    [
        text("content_type", &it.content_type),
        text("content_encoding", &it.content_encoding),
        it.headers.as_ref().map(|it| ("headers".to_owned(), Value::Table(arguments(it)))),
        number("delivery_mode", it.delivery_mode),
        number("priority", it.priority),
        text("correlation_id", &it.correlation_id),
        text("reply_to", &it.reply_to),
        text("expiration", &it.expiration),
        text("message_id", &it.message_id),
        it.timestamp.map(|it| ("timestamp".to_owned(), Value::Timestamp(it))),
        text("type", &it.kind),
        text("user_id", &it.user_id),
        text("app_id", &it.app_id),
        text("cluster_id", &it.cluster_id),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn read(named: &Arguments) -> Result<BasicProperties, String> {
    let mut properties = BasicProperties::default();
    for (name, value) in named.iter() {
        let wrong = |expected: &str| format!("property '{name}' is no {expected}");
        let text = || {
            let text = value.as_str().ok_or_else(|| wrong("text"))?;
            ShortStr::try_from(text).map(Some).map_err(|_| wrong("text of at most 255 bytes"))
        };
        let octet = || {
            let number = value.as_integer().and_then(|it| u8::try_from(it).ok());
            number.map(Some).ok_or_else(|| wrong("number from 0 to 255"))
        };
        match name {
            "content_type" => properties.content_type = text()?,
            "content_encoding" => properties.content_encoding = text()?,
            "delivery_mode" => properties.delivery_mode = octet()?,
            "priority" => properties.priority = octet()?,
            "correlation_id" => properties.correlation_id = text()?,
            "reply_to" => properties.reply_to = text()?,
            "expiration" => properties.expiration = text()?,
            "message_id" => properties.message_id = text()?,
            "type" => properties.kind = text()?,
            "user_id" => properties.user_id = text()?,
            "app_id" => properties.app_id = text()?,
            "cluster_id" => properties.cluster_id = text()?,
            "timestamp" => {
                let seconds = value.as_integer().and_then(|it| u64::try_from(it).ok());
                properties.timestamp = Some(seconds.ok_or_else(|| wrong("number of seconds"))?);
            }
            "headers" => {
                let Value::Table(table) = value else { return Err(wrong("object")) };
                let mut headers = amqp091::FieldTable::new();
                for (name, value) in table.iter() {
                    let key = ShortStr::try_from(name)
                        .map_err(|_| format!("header '{name}' has more than 255 bytes"))?;
                    let value = field(value.clone())
                        .ok_or_else(|| format!("header '{name}' cannot be sent"))?;
                    headers.insert(key, value);
                }
                properties.headers = Some(headers);
            }
            // RabbitMQ passes over what it does not know.
            _ => {}
        }
    }
    Ok(properties)
}

#[cfg(test)]
mod tests {
    use broker::{Broker, Options, QueueDeclaration, Receipt};

    use super::*;
    use crate::revocation::identity;

    fn named(pairs: &[(&str, Value)]) -> Arguments {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn a_message_is_published_and_seen_with_the_properties_it_was_given() {
        let broker = Broker::in_memory(&Options::default());
        let directory = tempfile::tempdir().unwrap();
        let users = auth::Users::open(directory.path().join("users.json")).unwrap();
        let guest = auth::Secret::new("guest");
        let guest = users.verify("guest", &guest, auth::Peer::Loopback).unwrap();
        let mut access = broker.access("/", identity(&guest)).unwrap();
        let me = broker.new_connection();
        let queue = QueueDeclaration {
            name: "q".into(),
            durable: true,
            exclusive: false,
            auto_delete: false,
            arguments: Arguments::default(),
        };
        access.declare_queue(queue, me, false).unwrap();
        let mut publisher = Publisher::new(access.vhost().clone());
        let properties = named(&[
            ("content_type", Value::Longstr("text/plain".to_owned())),
            ("headers", Value::Table(named(&[("n", Value::Long(5))]))),
            ("delivery_mode", Value::Long(2)),
            ("timestamp", Value::Long(12)),
        ]);
        let to = |exchange: &str, key: &str| (exchange.into(), key.into());
        let body = Bytes::from_static(b"hello");
        let publish =
            publish_one(&mut access, &mut publisher, to("", "q"), &properties, body.clone());
        let publish = publish.unwrap();
        assert!(publish.message.persistent && !publish.routes.is_empty());
        let mut receipts = Vec::new();
        publisher.publish(&mut vec![publish], &mut receipts).unwrap();
        assert_eq!(receipts, [Receipt::Done], "a broker in memory has no disk to wait for");
        let queue = access.readable("q", me).unwrap();
        let (entry, _) = queue.get().unwrap().unwrap();
        let shown = properties_shown(&queue.message(&entry).unwrap(), 0);
        assert_eq!(shown.get("content_type"), properties.get("content_type"));
        assert_eq!(shown.get("headers"), properties.get("headers"));
        assert_eq!(shown.get("timestamp"), Some(&Value::Timestamp(12)));
        for (to, properties, expected) in [
            (to("nope", "q"), named(&[]), "404 NOT_FOUND - no exchange 'nope' in vhost '/'"),
            (
                to("", "q"),
                named(&[("user_id", Value::Longstr("ada".to_owned()))]),
                "406 PRECONDITION_FAILED - user_id property set to 'ada' but authenticated user was \
                 'guest'",
            ),
            (to("", "q"), named(&[("priority", Value::Long(256))]), "property 'priority' is no"),
        ] {
            let said = publish_one(&mut access, &mut publisher, to, &properties, body.clone());
            let said = said.unwrap_err();
            assert!(said.starts_with(expected), "{said}");
        }
    }
}
