//! Every row of "From 1.0 to 0-9-1".

use amqp10::{
    definition::{Milliseconds, SequenceNo},
    types::{MessageId, Timestamp},
};

use super::{
    from_091::{URN, UUID, death, deaths},
    *,
};

struct Case {
    row: &'static str,
    sections: Sections,
    properties: BasicProperties,
    body: &'static [u8],
}

fn case(row: &'static str, sections: Sections, properties: BasicProperties) -> Case {
    Case { row, sections, properties, body: b"" }
}

fn header(row: &'static str, header: Header, properties: BasicProperties) -> Case {
    case(row, Sections { header, ..Default::default() }, properties)
}

fn standard(row: &'static str, properties: Properties, expected: BasicProperties) -> Case {
    case(row, Sections { properties, ..Default::default() }, expected)
}

fn annotation(row: &'static str, annotations: Map, expected: BasicProperties) -> Case {
    case(row, Sections { annotations, ..Default::default() }, expected)
}

fn application(row: &'static str, application: Map, expected: BasicProperties) -> Case {
    case(row, Sections { application, ..Default::default() }, expected)
}

fn said(headers: Option<FieldTable>) -> BasicProperties {
    BasicProperties { headers, ..Default::default() }
}

fn nothing() -> BasicProperties {
    BasicProperties::default()
}

fn long() -> String {
    "é".repeat(128)
}

fn cases_of_header() -> Vec<Case> {
    let of = || Header::default();
    let mode = |mode| BasicProperties { delivery_mode: Some(mode), ..Default::default() };
    let priority = |it| BasicProperties { priority: Some(it), ..Default::default() };
    let expiration = |text| BasicProperties { expiration: Some(name(text)), ..Default::default() };
    let delivery = symbols([("x-a", true.into())]);
    vec![
        header("header: `durable` true", Header { durable: Some(true), ..of() }, mode(2)),
        header("header: `durable` false", Header { durable: Some(false), ..of() }, mode(1)),
        annotation(
            "no `durable`, but annotation `x-basic-delivery-mode`, ubyte",
            symbols([("x-basic-delivery-mode", 2_u8.into())]),
            mode(2),
        ),
        annotation(
            "no `durable`, but annotation `x-basic-delivery-mode`, ubyte",
            symbols([("x-basic-delivery-mode", 2_u32.into())]),
            nothing(),
        ),
        header("header: `priority`", Header { priority: Some(200), ..of() }, priority(200)),
        annotation(
            "no `priority`, but annotation `x-basic-priority`, ubyte",
            symbols([("x-basic-priority", 3_u8.into())]),
            priority(3),
        ),
        header(
            "header: `ttl`",
            Header { ttl: Some(Milliseconds(20_000)), ..of() },
            expiration("20000"),
        ),
        annotation(
            "no `ttl`, but annotation `x-basic-expiration`, string",
            symbols([("x-basic-expiration", "4294967296".into())]),
            expiration("4294967296"),
        ),
        header(
            "header: `first-acquirer`, `delivery-count`",
            Header { first_acquirer: Some(true), delivery_count: Some(3), ..of() },
            nothing(),
        ),
        case(
            "delivery annotations",
            Sections { delivery_annotations: delivery, ..Default::default() },
            nothing(),
        ),
    ]
}

fn cases_of_names() -> Vec<Case> {
    macro_rules! names {
        ($($row:literal, $id:expr, $short:expr, $header:expr;)*) => {
            vec![$(
                standard(
                    concat!("properties: `message-id`, ", $row),
                    Properties { message_id: Some($id), ..Default::default() },
                    BasicProperties {
                        message_id: Some(name($short)).filter(|it| !it.is_empty()),
                        headers: $header.and_then(|field| headers([("x-message-id", field)])),
                        ..Default::default()
                    },
                ),
                standard(
                    concat!("properties: `correlation-id`, ", $row),
                    Properties { correlation_id: Some($id), ..Default::default() },
                    BasicProperties {
                        correlation_id: Some(name($short)).filter(|it| !it.is_empty()),
                        headers: $header.and_then(|field| headers([("x-correlation-id", field)])),
                        ..Default::default()
                    },
                ),
            )*]
        };
    }
    names! {
        "uuid", UUID, URN, None;
        "ulong", MessageId::Ulong(u64::MAX), "18446744073709551615", None;
        "string", MessageId::String("m".into()), "m", None;
        "string that is no short string", MessageId::String(long().into()), "", Some(FieldValue::from(long()));
        "string that is no short string", MessageId::String("\0".into()), "", Some(FieldValue::from("\0"));
        "binary", MessageId::Binary(octets("m")), "", Some(FieldValue::Bytes(octets("m")));
    }
}

fn cases_of_properties() -> Vec<Case> {
    let of = || Properties::default();
    let to = || nothing();
    let answers = |address: &str| Properties { reply_to: Some(address.into()), ..of() };
    let answered = |queue| BasicProperties { reply_to: Some(name(queue)), ..to() };
    vec![
        standard(
            "properties: `user-id`",
            Properties { user_id: Some(octets("guest")), ..of() },
            BasicProperties { user_id: Some(name("guest")), ..to() },
        ),
        standard(
            "properties: `user-id` that is no text or no short string",
            Properties { user_id: Some(octets("\0guest")), ..of() },
            to(),
        ),
        standard(
            "properties: `user-id` that is no text or no short string",
            Properties { user_id: Some(Bytes::from_static(b"\xff")), ..of() },
            to(),
        ),
        standard(
            "properties: `user-id` that is no text or no short string",
            Properties { user_id: Some(long().into()), ..of() },
            to(),
        ),
        standard(
            "properties: `to`, `subject`, `absolute-expiry-time`, `group-sequence`, `reply-to-group-id`",
            Properties {
                to: Some("/queues/q".into()),
                subject: Some("s".into()),
                absolute_expiry_time: Some(Timestamp(1)),
                group_sequence: Some(SequenceNo(1)),
                reply_to_group_id: Some("g".into()),
                ..of()
            },
            to(),
        ),
        standard(
            "properties: `reply-to`, `/queues/` and a name",
            answers("/queues/reply%2Fto"),
            answered("reply/to"),
        ),
        standard(
            "properties: `reply-to`, any other",
            answers("reply%2Fto"),
            answered("reply%2Fto"),
        ),
        standard(
            "properties: `reply-to` that is no short string, or not well encoded",
            answers(&long()),
            to(),
        ),
        standard(
            "properties: `reply-to` that is no short string, or not well encoded",
            answers("/queues/%2"),
            to(),
        ),
        standard(
            "properties: `content-type`",
            Properties { content_type: Some(symbol("text/plain")), ..of() },
            BasicProperties { content_type: Some(name("text/plain")), ..to() },
        ),
        standard(
            "properties: `content-encoding`",
            Properties { content_encoding: Some(symbol("gzip")), ..of() },
            BasicProperties { content_encoding: Some(name("gzip")), ..to() },
        ),
        standard(
            "properties: `creation-time`",
            Properties { creation_time: Some(Timestamp(10_999)), ..of() },
            BasicProperties { timestamp: Some(10), ..to() },
        ),
        standard(
            "properties: `creation-time` before 1970",
            Properties { creation_time: Some(Timestamp(-1)), ..of() },
            to(),
        ),
        standard(
            "properties: `group-id`",
            Properties { group_id: Some("g".into()), ..of() },
            BasicProperties { app_id: Some(name("g")), ..to() },
        ),
        standard(
            "properties: a text that is no short string",
            Properties {
                group_id: Some(long().into()),
                content_type: Some(symbol(&"x".repeat(256))),
                content_encoding: Some(symbol("\0")),
                ..of()
            },
            to(),
        ),
    ]
}

fn cases_of_annotations() -> Vec<Case> {
    let list = Value::List(vec!["q1".into(), "q2".into()]);
    let array = FieldValue::Array(vec!["q1".into(), "q2".into()]);
    let mut ulong_key = Map::new();
    ulong_key.push(7_u64, true);
    ulong_key.push("x-string", true);
    let internal = [
        ("x-exchange", Value::from("x")),
        ("x-routing-key", "k".into()),
        ("x-death", list.clone()),
        ("x-basic-other", true.into()),
    ];
    let unnamed = "annotation or application property whose name is no short string";
    vec![
        annotation(
            "annotation `x-basic-type`, string",
            symbols([("x-basic-type", "t".into())]),
            BasicProperties { kind: Some(name("t")), ..nothing() },
        ),
        annotation(
            "annotation `x-basic-type`, string",
            symbols([("x-basic-type", 1_u8.into())]),
            nothing(),
        ),
        annotation(
            "annotation `x-cc`, a list or an array",
            symbols([("x-cc", list.clone())]),
            said(headers([("CC", array.clone())])),
        ),
        annotation(
            "annotation `x-opt-deaths`, as a broker writes it",
            symbols([("x-opt-deaths", deaths([("ttl", 50_u32.into())]))]),
            said(headers([("x-death", death("50"))])),
        ),
        annotation(
            "annotation `x-opt-deaths`, any other",
            symbols([("x-opt-deaths", list.clone())]),
            nothing(),
        ),
        annotation(
            "annotation `x-opt-rabbitmq-received-time`",
            symbols([("x-opt-rabbitmq-received-time", Timestamp(1_234).into())]),
            said(headers([("timestamp_in_ms", FieldValue::I64(1_234))])),
        ),
        annotation(
            "annotation `x-exchange`, `x-routing-key`, `x-death`, any other `x-basic-…`",
            symbols(internal),
            nothing(),
        ),
        annotation(
            "any other annotation `x-…`, a symbol",
            symbols([("x-cc", Map::new().into())]),
            said(headers([("x-cc", FieldTable::new().into())])),
        ),
        annotation(
            "any other annotation `x-…`, a symbol",
            symbols([("x-a", list.clone())]),
            said(headers([("x-a", array.clone())])),
        ),
        annotation("any other annotation", symbols([("a", true.into())]), nothing()),
        annotation("any other annotation", ulong_key, nothing()),
        application(
            "application property",
            strings([("a", true.into()), ("x-b", list)]),
            said(headers([("a", true.into()), ("x-b", array)])),
        ),
        application(unnamed, strings([(&long(), true.into()), ("\0", true.into())]), nothing()),
        annotation(unnamed, symbols([(&"x-".repeat(128), true.into())]), nothing()),
        case(
            "application property of a name that is a header already",
            Sections {
                annotations: symbols([("x-a", 1_u8.into())]),
                application: strings([
                    ("x-a", 2_u8.into()),
                    ("b", 3_u8.into()),
                    ("b", 4_u8.into()),
                ]),
                ..Default::default()
            },
            said(headers([("x-a", FieldValue::U8(1)), ("b", FieldValue::U8(3))])),
        ),
    ]
}

fn cases_of_bodies() -> Vec<Case> {
    let encoded = || BasicProperties { kind: Some(name("amqp-1.0")), ..nothing() };
    let footer = || symbols([("x-a", true.into())]);
    let bodied = |row, body, footer, properties, octets| Case {
        body: octets,
        ..case(row, Sections { body, footer, ..Default::default() }, properties)
    };
    let data = || Sort::Data(vec![octets("he"), octets(""), octets("llo")]);
    let sequences = Sort::Sequences(vec![vec![], vec![Value::Null]]);
    vec![
        bodied("no body", Sort::None, Map::new(), nothing(), b""),
        bodied("data sections", data(), Map::new(), nothing(), b"hello"),
        bodied(
            "amqp-sequence sections",
            sequences,
            Map::new(),
            encoded(),
            b"\0Sv\x45\0Sv\xc0\x02\x01\x40",
        ),
        bodied(
            "amqp-value section",
            Sort::Value("v".into()),
            footer(),
            encoded(),
            b"\0Sw\xa1\x01v\0Sx\xc1\x07\x02\xa3\x03x-a\x41",
        ),
        bodied("footer of any other body", data(), footer(), nothing(), b"hello"),
    ]
}

fn cases() -> Vec<Case> {
    let mut cases = cases_of_header();
    cases.extend(cases_of_names());
    cases.extend(cases_of_properties());
    cases.extend(cases_of_annotations());
    cases.extend(cases_of_bodies());
    cases
}

#[test]
fn every_row_is_as_it_says() {
    for Case { row, sections, properties, body } in cases() {
        let converted = to_091(&sections);
        assert_eq!(converted.properties, properties, "{row}");
        assert_eq!(converted.body.concat(), body, "{row}");
    }
}

#[test]
fn every_row_has_its_case() {
    table::check("From 1.0 to 0-9-1", cases().iter().map(|case| case.row));
}
