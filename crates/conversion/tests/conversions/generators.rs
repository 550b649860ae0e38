//! Messages made up: of what comes back as it was, by the list in `docs/conversion.md`, and of
//! anything.

use amqp10::{
    definition::Milliseconds,
    types::{Array, Decimal64, Described, Kind, MessageId, Timestamp, Uuid},
};
use bytestring::ByteString;
use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
};

use super::*;

/// Seconds whose milliseconds can be counted.
const SECONDS_MAX: u64 = i64::MAX as u64 / 1000;

fn short() -> impl Strategy<Value = ShortStr> {
    prop_oneof!["[a-zé/%~ ]{0,8}", "[^\0]{0,99}", "x{255}"]
        .prop_map(|text| ShortStr::truncated(&text))
}

fn ascii() -> impl Strategy<Value = ShortStr> {
    "[a-z/;=]{0,12}".prop_map(|text| name(&text))
}

/// Names with their fields in some order, each once.
fn fields<T: std::fmt::Debug + Clone>(
    names: &'static str,
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Vec<(String, T)>> {
    btree_map(names, value, 0..4).prop_map(|map| map.into_iter().collect::<Vec<_>>()).prop_shuffle()
}

fn table(fields: Vec<(String, FieldValue)>) -> FieldTable {
    fields.into_iter().map(|(text, field)| (name(&text), field)).collect()
}

fn simple_field() -> impl Strategy<Value = FieldValue> {
    prop_oneof![
        Just(FieldValue::Void),
        any::<bool>().prop_map(FieldValue::Bool),
        any::<i8>().prop_map(FieldValue::I8),
        any::<u8>().prop_map(FieldValue::U8),
        any::<i16>().prop_map(FieldValue::I16),
        any::<u16>().prop_map(FieldValue::U16),
        any::<i32>().prop_map(FieldValue::I32),
        any::<u32>().prop_map(FieldValue::U32),
        any::<i64>().prop_map(FieldValue::I64),
        any::<u32>().prop_map(|bits| FieldValue::F32(f32::from_bits(bits))),
        any::<u64>().prop_map(|bits| FieldValue::F64(f64::from_bits(bits))),
        "[^\0]{0,300}".prop_map(FieldValue::from),
        vec(any::<u8>(), 0..9).prop_map(|it| FieldValue::Bytes(it.into())),
        (0..=SECONDS_MAX).prop_map(FieldValue::Timestamp),
    ]
}

fn field() -> impl Strategy<Value = FieldValue> {
    simple_field().prop_recursive(6, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(FieldValue::Array),
            fields("[a-zé]{0,4}", inner).prop_map(|it| FieldValue::Table(table(it))),
        ]
    })
}

/// Properties that come back from AMQP 1.0 as they were, headers `x-…` first.
pub(crate) fn properties() -> impl Strategy<Value = BasicProperties> {
    let id = || {
        let urn = any::<[u8; 16]>().prop_map(|octets| format!("urn:uuid:{}", Uuid(octets)));
        option::of(prop_oneof![short(), urn.prop_map(|urn| name(&urn))])
    };
    let annotations = (
        fields("x-h[a-z]{0,3}", field()),
        option::of(vec(short().prop_map(FieldValue::from), 0..4)),
        option::of(vec(death(), 0..3)),
    );
    let headers = (annotations, fields("[a-wé]{1,5}", simple_field()));
    let headers = headers.prop_map(|((mut headers, keys, deaths), others)| {
        headers.extend(keys.map(|keys| ("CC".to_owned(), FieldValue::Array(keys))));
        headers.extend(deaths.map(|deaths| ("x-death".to_owned(), FieldValue::Array(deaths))));
        headers.extend(others);
        Some(table(headers)).filter(|headers| !headers.is_empty())
    });
    let texts = (option::of(ascii()), option::of(ascii()), id(), id(), option::of(short()));
    let more = (option::of(short()), option::of(short()), option::of(short()));
    let numbers = (
        option::of(1..=2_u8),
        option::of(any::<u8>()),
        option::of(any::<u64>().prop_map(|number| name(&number.to_string()))),
        option::of(0..=SECONDS_MAX),
    );
    (headers, texts, more, numbers).prop_map(|(headers, texts, more, numbers)| BasicProperties {
        headers,
        content_type: texts.0,
        content_encoding: texts.1,
        message_id: texts.2,
        correlation_id: texts.3,
        reply_to: texts.4,
        kind: more.0,
        user_id: more.1,
        app_id: more.2,
        delivery_mode: numbers.0,
        priority: numbers.1,
        expiration: numbers.2,
        timestamp: numbers.3,
        cluster_id: None,
    })
}

fn death() -> impl Strategy<Value = FieldValue> {
    let keys = vec(short().prop_map(FieldValue::from), 0..3);
    let ttl = option::of(any::<u32>().prop_map(|ttl| FieldValue::from(ttl.to_string())));
    let numbers = (0..=i64::MAX, 0..=SECONDS_MAX);
    (short(), short(), ascii(), keys, ttl, numbers).prop_map(
        |(queue, exchange, reason, keys, ttl, (count, time))| {
            let fields = [
                ("count", Some(FieldValue::I64(count))),
                ("reason", Some(reason.into())),
                ("queue", Some(queue.into())),
                ("time", Some(FieldValue::Timestamp(time))),
                ("exchange", Some(exchange.into())),
                ("routing-keys", Some(FieldValue::Array(keys))),
                ("original-expiration", ttl),
            ];
            let named = |(text, field): (&str, Option<_>)| field.map(|it| (name(text), it));
            FieldValue::Table(fields.into_iter().filter_map(named).collect())
        },
    )
}

pub(crate) fn body() -> impl Strategy<Value = Vec<Bytes>> {
    vec(vec(any::<u8>(), 0..20).prop_map(Bytes::from), 0..4)
}

fn seconds() -> impl Strategy<Value = Timestamp> {
    (0..=SECONDS_MAX as i64).prop_map(|seconds| Timestamp(seconds * 1000))
}

fn simple_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u8>().prop_map(Value::from),
        any::<u16>().prop_map(Value::from),
        any::<u32>().prop_map(Value::from),
        any::<i8>().prop_map(Value::from),
        any::<i16>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u32>().prop_map(|bits| f32::from_bits(bits).into()),
        any::<u64>().prop_map(|bits| f64::from_bits(bits).into()),
        seconds().prop_map(Value::from),
        vec(any::<u8>(), 0..9).prop_map(|it| Value::Binary(it.into())),
        "[^\0]{0,300}".prop_map(|text| Value::String(text.into())),
    ]
}

fn map(fields: Vec<(String, Value)>) -> Map {
    fields.into_iter().map(|(text, value)| (symbol(&text), value)).collect()
}

fn value() -> impl Strategy<Value = Value> {
    simple_value().prop_recursive(6, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::List),
            fields("[a-z]{0,4}", inner).prop_map(|it| Value::Map(map(it))),
        ]
    })
}

/// Any value at all.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => simple_value(),
        1 => any::<u64>().prop_map(Value::from),
        1 => any::<char>().prop_map(Value::from),
        1 => any::<i64>().prop_map(|it| Timestamp(it).into()),
        1 => any::<[u8; 16]>().prop_map(|it| Uuid(it).into()),
        1 => any::<[u8; 8]>().prop_map(|it| Value::Decimal64(Decimal64(it))),
        1 => "[ -~\0]{0,9}".prop_map(|text| symbol(&text).into()),
        1 => "[é\0]{0,200}".prop_map(|text| Value::String(text.into())),
    ];
    leaf.prop_recursive(6, 24, 4, |inner| {
        let pairs = vec((inner.clone(), inner.clone()), 0..4);
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::List),
            pairs.prop_map(|pairs| Value::Map(pairs.into_iter().collect())),
            vec(any::<u8>(), 0..4).prop_map(|items| {
                let items = items.into_iter().map(Value::from).collect();
                Array::new(Kind::Ubyte, items).unwrap().into()
            }),
            (inner.clone(), inner)
                .prop_map(|(descriptor, value)| { Value::from(Described { descriptor, value }) }),
        ]
    })
}

fn any_map() -> impl Strategy<Value = Map> {
    const SPECIAL: [&str; 10] = [
        "CC",
        "x-cc",
        "x-death",
        "x-opt-deaths",
        "x-message-id",
        "x-basic-type",
        "x-exchange",
        "x-amqp-1.0-properties",
        "x-opt-rabbitmq-received-time",
        "x-basic-expiration",
    ];
    let key = prop_oneof![
        any_value(),
        "(x-)?[a-c]".prop_map(|text| symbol(&text).into()),
        "(x-)?[a-cé]{1,2}".prop_map(|text| Value::String(text.into())),
        proptest::sample::select(&SPECIAL).prop_map(|text| symbol(text).into()),
    ];
    vec((key, any_value()), 0..5).prop_map(|pairs| pairs.into_iter().collect())
}

fn header() -> impl Strategy<Value = Header> {
    let fields = (
        option::of(any::<bool>()),
        option::of(any::<u8>()),
        option::of(any::<u32>().prop_map(Milliseconds)),
    );
    fields.prop_map(|(durable, priority, ttl)| Header {
        durable,
        priority,
        ttl,
        ..Header::default()
    })
}

fn standard() -> impl Strategy<Value = Properties> {
    let id = || {
        option::of(prop_oneof![
            "[a-zé]{0,9}".prop_map(|text| MessageId::String(text.into())),
            "[é]{128,130}".prop_map(|text| MessageId::String(text.into())),
            any::<[u8; 16]>().prop_map(|it| MessageId::Uuid(Uuid(it))),
            vec(any::<u8>(), 0..9).prop_map(|it| MessageId::Binary(it.into())),
        ])
    };
    let symbols = || option::of(ascii().prop_map(|text| symbol(&text)));
    let text = || option::of(short().prop_map(ShortStr::into_inner));
    let address = option::of("/queues/([a-z.~]|%2F|%C3%A9){0,20}".prop_map(|it| it.into()));
    let fields = (id(), id(), symbols(), symbols(), text(), address, text(), option::of(seconds()));
    fields.prop_map(|fields| Properties {
        message_id: fields.0,
        correlation_id: fields.1,
        content_type: fields.2,
        content_encoding: fields.3,
        user_id: fields.4.map(|user| user.into_bytes()),
        reply_to: fields.5,
        group_id: fields.6,
        creation_time: fields.7,
        ..Properties::default()
    })
}

/// Sections that come back from 0-9-1 as they were.
pub(crate) fn sections() -> impl Strategy<Value = Sections> {
    let annotations = (
        option::of(short()),
        fields("x-h[a-z]{0,3}", value()),
        option::of(vec("[^\0]{0,9}".prop_map(|key| Value::String(key.into())), 0..4)),
    );
    let annotations = annotations.prop_map(|(kind, others, keys)| {
        let kind = kind.map(|kind| ("x-basic-type".to_owned(), Value::String(kind.into_inner())));
        let keys = keys.map(|keys| ("x-cc".to_owned(), Value::List(keys)));
        kind.into_iter().chain(others).chain(keys).collect::<Vec<_>>()
    });
    let application = fields("[a-wé]{1,5}", simple_value());
    let body = prop_oneof![
        vec(any::<u8>(), 0..20).prop_map(|it| (Sort::Data(vec![it.into()]), Map::new())),
        (any_value(), any_map()).prop_map(|(value, footer)| (Sort::Value(value), footer)),
        (vec(vec(any_value(), 0..3), 1..3), any_map())
            .prop_map(|(sections, footer)| (Sort::Sequences(sections), footer)),
    ];
    (header(), annotations, standard(), application, body).prop_map(
        |(header, mut annotations, properties, application, (body, footer))| {
            // Of an encoded body the type is another.
            if !matches!(body, Sort::Data(_)) {
                annotations.retain(|(name, _)| name != "x-basic-type");
            }
            Sections {
                header,
                annotations: map(annotations),
                properties,
                application: application
                    .into_iter()
                    .map(|(key, it)| (ByteString::from(key), it))
                    .collect(),
                body,
                footer,
                ..Sections::default()
            }
        },
    )
}

/// Any sections at all.
pub(crate) fn any_sections() -> impl Strategy<Value = Sections> {
    let maps = (any_map(), any_map(), any_map(), any_map());
    (sections(), maps, any::<i64>(), "\\PC{0,300}").prop_map(|(sections, maps, time, text)| {
        let (delivery_annotations, annotations, application, footer) = maps;
        let properties = Properties {
            creation_time: Some(Timestamp(time)),
            reply_to: Some(text.clone().into()),
            user_id: Some(text.into()),
            ..sections.properties
        };
        Sections { delivery_annotations, annotations, properties, application, footer, ..sections }
    })
}

/// Any properties at all: of any headers, names twice among them.
pub(crate) fn any_properties() -> impl Strategy<Value = BasicProperties> {
    const SPECIAL: [&str; 10] = [
        "CC",
        "x-cc",
        "x-death",
        "x-opt-deaths",
        "x-message-id",
        "x-basic-type",
        "x-exchange",
        "x-amqp-1.0-properties",
        "x-amqp-1.0-footer",
        "x-correlation-id",
    ];
    let name_of = prop_oneof![
        "(x-)?[a-cé\0]{0,2}".prop_map(|text| name(&text)),
        proptest::sample::select(&SPECIAL).prop_map(name),
    ];
    let other = prop_oneof![
        any::<u64>().prop_map(FieldValue::Timestamp),
        (any::<u8>(), any::<u32>()).prop_map(|(scale, value)| FieldValue::Decimal { scale, value }),
        vec(any::<u8>(), 0..300).prop_map(|it| FieldValue::LongStr(it.into())),
        (0..=32_usize).prop_map(|levels| {
            (0..levels).fold(FieldValue::Void, |inner, _| FieldValue::Array(vec![inner]))
        }),
    ];
    let headers = vec((name_of, prop_oneof![field(), other, death()]), 0..6);
    let kind = option::of(prop_oneof![Just(name("amqp-1.0")), short()]);
    (properties(), headers, kind, any::<u64>(), short()).prop_map(
        |(properties, headers, kind, time, text)| BasicProperties {
            headers: Some(headers.into_iter().collect()),
            kind,
            timestamp: Some(time),
            content_type: Some(text.clone()),
            expiration: Some(text),
            ..properties
        },
    )
}
