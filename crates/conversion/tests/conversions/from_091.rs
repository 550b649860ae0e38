//! Every row of "From 0-9-1 to 1.0".

use amqp10::{
    definition::Milliseconds,
    types::{Array, Kind, MessageId, Timestamp, Uuid},
};

use super::*;

struct Case {
    row: &'static str,
    properties: BasicProperties,
    body: &'static [&'static [u8]],
    expected: Sections,
}

fn case(row: &'static str, properties: BasicProperties, expected: Sections) -> Case {
    let annotations = match expected.annotations.is_empty() {
        true => routed([]),
        false => expected.annotations.clone(),
    };
    Case { row, properties, body: &[], expected: Sections { annotations, ..expected } }
}

fn header(row: &'static str, fields: Option<FieldTable>, expected: Sections) -> Case {
    case(row, BasicProperties { headers: fields, ..Default::default() }, expected)
}

/// A case of one property of 0-9-1 and one of AMQP 1.0.
macro_rules! property {
    ($row:literal, $field:ident: $value:expr, {$($expected:ident: $is:expr)?}) => {
        case(
            $row,
            BasicProperties { $field: Some($value), ..Default::default() },
            Sections {
                properties: Properties { $($expected: Some($is),)? ..Default::default() },
                ..Default::default()
            },
        )
    };
}

pub(crate) const URN: &str = "urn:uuid:550e8400-e29b-41d4-a716-446655440000";
pub(crate) const UUID: MessageId = MessageId::Uuid(Uuid([
    0x55, 0x0e, 0x84, 0x00, 0xe2, 0x9b, 0x41, 0xd4, 0xa7, 0x16, 0x44, 0x66, 0x55, 0x44, 0, 0,
]));

fn headed(header: Header) -> Sections {
    Sections { header, ..Default::default() }
}

fn cases_of_properties() -> Vec<Case> {
    let durable = |durable| headed(Header { durable: Some(durable), ..Default::default() });
    let mode = |mode| BasicProperties { delivery_mode: Some(mode), ..Default::default() };
    let expiration = |text| BasicProperties { expiration: Some(name(text)), ..Default::default() };
    let kind = |text| BasicProperties { kind: Some(name(text)), ..Default::default() };
    let annotated = |text: &str, value: Value| Sections {
        annotations: routed([(text, value)]),
        ..Default::default()
    };
    vec![
        case("`delivery-mode` 2", mode(2), durable(true)),
        case("`delivery-mode` 1, or any other number", mode(1), durable(false)),
        case("`delivery-mode` 1, or any other number", mode(7), durable(false)),
        case("no `delivery-mode`", BasicProperties::default(), Sections::default()),
        case(
            "`priority`",
            BasicProperties { priority: Some(98), ..Default::default() },
            headed(Header { priority: Some(98), ..Default::default() }),
        ),
        case(
            "`expiration`",
            expiration("4294967295"),
            headed(Header { ttl: Some(Milliseconds(u32::MAX)), ..Default::default() }),
        ),
        case(
            "`expiration` of more than 32 bits",
            expiration("4294967296"),
            annotated("x-basic-expiration", "4294967296".into()),
        ),
        property!("`message-id`, `urn:uuid:` and a UUID", message_id: name(URN), {message_id: UUID}),
        property!("`message-id`, any other", message_id: name("m"), {message_id: MessageId::String("m".into())}),
        property!("`correlation-id`, `urn:uuid:` and a UUID", correlation_id: name(URN), {correlation_id: UUID}),
        property!("`correlation-id`, any other", correlation_id: name("c"), {correlation_id: MessageId::String("c".into())}),
        property!("`user-id`", user_id: name("guest"), {user_id: octets("guest")}),
        property!("`reply-to`", reply_to: name("reply/to"), {reply_to: "/queues/reply%2Fto".into()}),
        property!("`content-type`", content_type: name("text/plain"), {content_type: symbol("text/plain")}),
        property!("`content-type` that is not ASCII", content_type: name("text/é"), {}),
        property!("`content-encoding`", content_encoding: name("gzip"), {content_encoding: symbol("gzip")}),
        property!("`content-encoding` that is not ASCII", content_encoding: name("gžip"), {}),
        property!("`timestamp`", timestamp: 99, {creation_time: Timestamp(99_000)}),
        property!("`timestamp` whose milliseconds take more than 63 bits", timestamp: u64::MAX / 1000, {}),
        property!("`app-id`", app_id: name("a"), {group_id: "a".into()}),
        property!("`cluster-id`", cluster_id: name("c"), {}),
        case("`type`", kind("45"), annotated("x-basic-type", "45".into())),
        Case {
            body: &[b"\0Sw", b"\x41"],
            ..case(
                "`type` `amqp-1.0`, and a body of sections",
                kind("amqp-1.0"),
                Sections { body: Sort::Value(true.into()), ..Default::default() },
            )
        },
        Case {
            body: &[b"\0Sw"],
            ..case(
                "`type` `amqp-1.0`, and any other body",
                kind("amqp-1.0"),
                Sections {
                    body: Sort::Data(vec![octets("\0Sw")]),
                    ..annotated("x-basic-type", "amqp-1.0".into())
                },
            )
        },
    ]
}

fn id_in_header(row: &'static str, header_name: &str, is_message_id: bool) -> Vec<Case> {
    let long = "long".repeat(64);
    [
        (FieldValue::Bytes(octets("\0")), Some(MessageId::Binary(octets("\0")))),
        (FieldValue::from(long.clone()), Some(MessageId::String(long.into()))),
        // Nobody had to move this one.
        (FieldValue::from("short"), None),
    ]
    .into_iter()
    .map(|(field, id)| {
        let mut expected = Sections::default();
        if id.is_none() {
            expected.annotations = routed([(header_name, "short".into())]);
        }
        match is_message_id {
            true => expected.properties.message_id = id,
            false => expected.properties.correlation_id = id,
        }
        header(row, headers([(header_name, field)]), expected)
    })
    .collect()
}

pub(crate) fn death(expiration: &'static str) -> FieldValue {
    let fields = [
        ("count", FieldValue::I64(2)),
        ("reason", "expired".into()),
        ("queue", "q".into()),
        ("time", FieldValue::Timestamp(77)),
        ("exchange", "x".into()),
        ("routing-keys", FieldValue::Array(vec!["k".into()])),
        ("original-expiration", expiration.into()),
    ];
    FieldValue::Array(vec![FieldValue::Table(headers(fields).unwrap())])
}

pub(crate) fn deaths<const N: usize>(ttl: [(&str, Value); N]) -> Value {
    let mut map = symbols(ttl);
    for (key, value) in [
        ("queue", Value::from("q")),
        ("reason", symbol("expired").into()),
        ("count", 2_u64.into()),
        ("first-time", Timestamp(77_000).into()),
        ("last-time", Timestamp(77_000).into()),
        ("exchange", "x".into()),
        ("routing-keys", Array::new(Kind::String, vec!["k".into()]).unwrap().into()),
    ] {
        map.push(symbol(key), value);
    }
    Array::new(Kind::Map, vec![map.into()]).unwrap().into()
}

fn cases_of_headers() -> Vec<Case> {
    let annotated = |text: &str, value: Value| Sections {
        annotations: routed([(text, value)]),
        ..Default::default()
    };
    let applied =
        |pairs: [(&str, Value); 1]| Sections { application: strings(pairs), ..Default::default() };
    let array = FieldValue::Array(vec!["q1".into(), "q2".into()]);
    let list = Value::List(vec!["q1".into(), "q2".into()]);
    vec![
        header(
            "header `x-death`, as a broker writes it",
            headers([("x-death", death("50"))]),
            annotated("x-opt-deaths", deaths([("ttl", 50_u32.into())])),
        ),
        header(
            "header `x-death`, as a broker writes it",
            headers([("x-death", death("4294967296"))]),
            annotated("x-opt-deaths", deaths([])),
        ),
        header(
            "header `x-death`, any other",
            headers([("x-death", array.clone())]),
            annotated("x-death", list.clone()),
        ),
        header(
            "header `CC`, an array",
            headers([("CC", array.clone())]),
            annotated("x-cc", list.clone()),
        ),
        header("any other header `x-…`", headers([("x-a", array.clone())]), annotated("x-a", list)),
        header(
            "any other header `x-…`",
            headers([("x-b", FieldValue::I8(-1))]),
            annotated("x-b", (-1_i8).into()),
        ),
        header(
            "any other header `x-…` with a name that is not ASCII",
            headers([("x-é", FieldValue::Void)]),
            Sections::default(),
        ),
        header(
            "any other header of a simple type",
            headers([("é", FieldValue::Bool(true))]),
            applied([("é", true.into())]),
        ),
        header(
            "any other header of a simple type",
            headers([("CC", "k2".into())]),
            applied([("CC", "k2".into())]),
        ),
        header(
            "any other header that is an array or a table",
            headers([("a", array), ("CC", FieldTable::new().into())]),
            Sections::default(),
        ),
        header(
            "a header whose name another had before",
            headers([
                ("a", true.into()),
                ("x-a", 1.into()),
                ("a", false.into()),
                ("x-a", 2.into()),
                ("x-exchange", "forged".into()),
            ]),
            Sections {
                annotations: routed([("x-a", 1_i32.into())]),
                ..applied([("a", true.into())])
            },
        ),
        header(
            "exchange and routing key",
            None,
            Sections {
                annotations: symbols([("x-exchange", "x".into()), ("x-routing-key", "k".into())]),
                ..Default::default()
            },
        ),
    ]
}

/// A section as RabbitMQ before 3.13 put it into a header.
fn encoded(sections: &Sections) -> FieldValue {
    let mut out = BytesMut::new();
    sections.encode(&mut out);
    FieldValue::LongStr(out.freeze())
}

fn binary(field: &FieldValue) -> Value {
    let FieldValue::LongStr(octets) = field else { panic!("it was encoded") };
    Value::Binary(octets.clone())
}

fn cases_of_sections() -> Vec<Case> {
    let nothing = || Sections { body: Sort::None, ..Default::default() };
    let about = |user: &'static str| Properties {
        subject: Some("s".into()),
        user_id: Some(octets(user)),
        ..Default::default()
    };
    let properties = encoded(&Sections { properties: about("forged"), ..nothing() });
    let application = strings([("a", 1_u8.into()), ("b", 2_u64.into())]);
    let application = encoded(&Sections { application, ..nothing() });
    let annotations = symbols([("x-a", 1_u8.into()), ("x-exchange", "forged".into())]);
    let annotations = encoded(&Sections { annotations, ..nothing() });
    let footer = symbols([("x-hash", 7_u64.into())]);
    let foot = encoded(&Sections { footer: footer.clone(), ..nothing() });
    vec![
        case(
            "header `x-amqp-1.0-properties`, a section",
            BasicProperties {
                headers: headers([("x-amqp-1.0-properties", properties.clone())]),
                message_id: Some(name("m")),
                user_id: Some(name("guest")),
                ..Default::default()
            },
            Sections { properties: about("guest"), ..Default::default() },
        ),
        header(
            "header `x-amqp-1.0-app-properties`, a section",
            headers([
                ("b", true.into()),
                ("x-amqp-1.0-app-properties", application),
                ("c", true.into()),
            ]),
            Sections {
                application: strings([("a", 1_u8.into()), ("b", 2_u64.into()), ("c", true.into())]),
                ..Default::default()
            },
        ),
        header(
            "header `x-amqp-1.0-message-annotations`, a section",
            headers([
                ("x-a", true.into()),
                ("x-amqp-1.0-message-annotations", annotations),
                ("x-b", true.into()),
            ]),
            Sections {
                annotations: routed([("x-a", 1_u8.into()), ("x-b", true.into())]),
                ..Default::default()
            },
        ),
        header(
            "header `x-amqp-1.0-footer`, a section",
            headers([("x-amqp-1.0-footer", foot.clone())]),
            Sections { footer, ..Default::default() },
        ),
        header(
            "any header of these four names that is no such section",
            headers([
                ("x-amqp-1.0-footer", properties.clone()),
                ("x-amqp-1.0-properties", FieldValue::I8(1)),
                ("x-amqp-1.0-properties", foot),
            ]),
            Sections {
                annotations: routed([
                    ("x-amqp-1.0-footer", binary(&properties)),
                    ("x-amqp-1.0-properties", 1_i8.into()),
                ]),
                ..Default::default()
            },
        ),
    ]
}

fn cases() -> Vec<Case> {
    let mut cases = cases_of_properties();
    cases.extend(id_in_header(
        "no `message-id`, but header `x-message-id` of octets, or of UTF-8 that is no short string",
        "x-message-id",
        true,
    ));
    cases.extend(id_in_header("no `correlation-id`, but header `x-correlation-id` of octets, or of UTF-8 that is no short string", "x-correlation-id", false));
    cases.extend(cases_of_headers());
    cases.extend(cases_of_sections());
    cases.push(case("body", BasicProperties::default(), Sections::default()));
    cases.push(Case {
        body: &[b"he", b"", b"llo"],
        ..case(
            "body",
            BasicProperties::default(),
            Sections { body: Sort::Data(vec![octets("hello")]), ..Default::default() },
        )
    });
    let sequences = Sort::Sequences(vec![vec![Value::Null], vec![true.into(), false.into()]]);
    cases.push(Case {
        body: &[b"\0Sv\xc0\x02\x01", b"\x40\0Sv\xc0\x03\x02\x41\x42"],
        ..case(
            "body of sections, under the `type` `amqp-1.0`",
            BasicProperties { kind: Some(name("amqp-1.0")), ..Default::default() },
            Sections { body: sequences, ..Default::default() },
        )
    });
    cases
}

#[test]
fn every_row_is_as_it_says() {
    for Case { row, properties, body, expected } in cases() {
        let body: Vec<_> = body.iter().map(|part| Bytes::from_static(part)).collect();
        let (header, sections) = to_10(&properties, &body);
        let mut octets = BytesMut::new();
        expected.encode(&mut octets);
        assert_eq!(header, expected.header, "{row}");
        assert_eq!(Bytes::from(sections), octets.freeze(), "{row}");
    }
}

const TOLD: &str = "what the broker has to say";

#[test]
fn what_is_told_comes_before_what_was_published() {
    let published = BasicProperties {
        headers: headers([("x-opt-deaths", 1.into()), ("x-a", 2.into())]),
        ..Default::default()
    };
    let told = [(symbol("x-opt-deaths"), deaths([])), (symbol("x-stream-offset"), 7_u64.into())];
    let converted = to_amqp10(&PropertyList::from(&published), &[], ROUTED, &told);
    let expected = Sections {
        annotations: routed([
            ("x-opt-deaths", deaths([])),
            ("x-stream-offset", 7_u64.into()),
            ("x-a", 2_i32.into()),
        ]),
        ..Default::default()
    };
    let mut octets = BytesMut::new();
    expected.encode(&mut octets);
    assert_eq!(converted.sections.concat(), octets);
}

#[test]
fn every_row_has_its_case() {
    let cases = cases();
    let rows = cases.iter().map(|case| case.row).chain([TOLD]);
    table::check("From 0-9-1 to 1.0", rows);
}
