//! An event comes out of every clothing, every encoding and the dump as it went in, and what it
//! was signed with still holds.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is what it should do")]

use std::sync::LazyLock;

use bytes::Bytes;
use event::{
    Body, Clothing, Encoding, Event, Http, HttpMode, SigningKey, Topic, Verdict, Verifier, Wire,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// JSON whose integers every encoding can hold.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        (-(1_i64 << 53) + 1..1 << 53).prop_map(Value::from),
        (-1e9..1e9).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            any_object(inner).prop_map(Value::from),
        ]
    })
}

fn any_object(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::vec((any::<String>(), value), 0..6).prop_map(|it| it.into_iter().collect())
}

/// Names that are attributes of CloudEvents, that could be taken for some, and that cannot be any.
const HEADER_NAMES: &str = "[a-z0-9]{1,24}|traceparent|data|severitytext|cetype|ce-[a-z]{1,5}|\
    cloudEvents[_:](id|x)|x-[a-z]{1,9}|fedora_messaging_(user|rpm|group)_[a-zé]{1,9}|[ -~]{1,9}";

/// What fedora-messaging's headers mean is not a header of the event's own.
fn is_own(name: &str) -> bool {
    !["priority", "sent-at"].contains(&name)
}

fn any_event() -> impl Strategy<Value = Event> {
    let topic = "[a-z]{1,8}(\\.[a-zä0-9_-]{0,8}){0,6}".prop_map(|it| it.parse::<Topic>().unwrap());
    let name = || prop::option::of("[ -~éß]{1,40}|https?://[a-z.]{1,20}/[a-z]{0,9}");
    let severity = prop::sample::select(vec!["debug", "info", "warning", "error"]);
    let headers = prop::collection::vec((HEADER_NAMES, any_json()), 0..6);
    let seconds = prop::option::of(-1_000_000_000..4_000_000_000_i64);
    let named = (name(), name(), name(), prop::option::of(1..9_u32), "[!-~é]{1,60}");
    let rest = (severity, headers, prop::option::of(1..=9_u8), seconds);
    let encoding = prop::sample::select(Encoding::ALL.to_vec());
    let body = (any_object(any_json()), encoding);
    (topic, body, named, rest).prop_map(|(topic, (body, encoding), named, rest)| {
        let body = Body::try_from(Value::from(body)).unwrap().encoded(encoding).unwrap();
        // Read as it will be: a double that is whole is an integer in Protobuf.
        let body = Body::decode(body.bytes().clone(), encoding).unwrap();
        let mut event = Event::with_body(topic, body);
        let (severity, headers, priority, seconds) = rest;
        event.severity = severity.parse().unwrap();
        event.headers = headers.into_iter().filter(|(name, _)| is_own(name)).collect();
        event.priority = priority;
        event.sent_at = seconds.map(|seconds| jiff::Timestamp::from_second(seconds).unwrap());
        (event.source, event.schema, event.object, event.schema_version, event.id) = named;
        event
    })
}

fn read_http(http: &Http) -> Vec<Event> {
    let headers = http.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    Event::from_http(headers, http.body.clone()).unwrap()
}

/// As Event's equality, and the body to the byte.
fn same(found: &Event, wanted: &Event, how: &str) -> Result<(), TestCaseError> {
    prop_assert_eq!(found, wanted, "{}", how);
    prop_assert_eq!(found.body.bytes(), wanted.body.bytes(), "{}", how);
    prop_assert_eq!(found.body.encoding(), wanted.body.encoding(), "{}", how);
    Ok(())
}

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate("key-1").unwrap());

fn verifier() -> Verifier {
    let mut verifier = Verifier::default();
    verifier.add("key-1", &KEY.public_pem()).unwrap();
    verifier
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn an_event_comes_out_of_all_clothes_as_it_went_in(event in any_event()) {
        for clothing in Clothing::ALL {
            let wire = event.to_wire_as(clothing);
            prop_assert_eq!(Clothing::of(&wire), clothing);
            same(&Event::from_wire(wire).unwrap(), &event, clothing.name())?;
        }
        for mode in [HttpMode::Binary, HttpMode::Structured] {
            let http = event.to_http(mode);
            for (name, value) in &http.headers {
                prop_assert!(value.bytes().all(|b| (0x20..0x7f).contains(&b)), "{name}: {value}");
            }
            let [read] = &read_http(&http)[..] else { panic!("it is one event") };
            same(read, &event, &format!("{mode:?}"))?;
        }
        let pair = [event.clone(), event];
        prop_assert_eq!(&read_http(&Event::to_http_batch(&pair))[..], &pair[..]);
    }

    #[test]
    fn a_signature_holds_after_any_way_through_clothes_bridges_and_the_dump(
        event in any_event(), way in prop::collection::vec(0..7_usize, 0..5),
        encoding in prop::sample::select(Encoding::ALL.to_vec()),
    ) {
        let mut event = Event { sent_at: Some(jiff::Timestamp::UNIX_EPOCH), ..event };
        KEY.sign(&mut event).unwrap();
        for step in way {
            event = match step {
                0..3 => Event::from_wire(event.to_wire_as(Clothing::ALL[step])).unwrap(),
                3 => read_http(&event.to_http(HttpMode::Binary)).remove(0),
                4 => read_http(&event.to_http(HttpMode::Structured)).remove(0),
                5 => Event::from_dump(&event.to_dump()).unwrap(),
                _ => Event { body: event.body.encoded(encoding).unwrap(), ..event },
            };
            // Bridges add headers of their own, and have their own priorities.
            event.headers.insert("x-received-from".to_owned(), json!("bridge"));
            event.priority = Some(3);
        }
        prop_assert_eq!(verifier().verify(&event), Verdict::Valid { key: "key-1".to_owned() });
    }

    #[test]
    fn no_message_makes_the_reader_panic(
        clothing in prop::sample::select(Clothing::ALL.to_vec()), event in any_event(),
        name in "cloudEvents_(id|source|type|time|specversion|subject|tubepost[a-z]{1,9})",
        value in any_json(), cut in 0..400_usize, octet in any::<u8>(), place in 0..400_usize,
    ) {
        let mut wire = event.to_wire_as(clothing);
        let mut body = wire.body.to_vec();
        if let Some(byte) = body.get_mut(place) {
            *byte = octet;
        }
        body.truncate(body.len().saturating_sub(cut));
        wire.headers.insert(name, value);
        drop(Event::from_wire(Wire { body: body.into(), ..wire }));
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in any::<Vec<u8>>(), headers in any::<[Vec<u8>; 3]>()) {
        for encoding in Encoding::ALL {
            drop(Body::decode(bytes.clone(), encoding));
        }
        let names = ["ce-id", "ce-specversion", "content-type"];
        let headers = names.into_iter().zip(headers.iter().map(Vec::as_slice));
        drop(Event::from_http(headers, Bytes::from(bytes)));
    }
}
