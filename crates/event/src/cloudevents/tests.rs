//! What the attributes are to the byte, what others write, and what is refused.

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::{Clothing, HttpMode, Severity, Wire};

fn event() -> Event {
    let topic = "org.example.git.receive".parse().unwrap();
    let mut event = Event::new(topic, json!({"agent": "ada"})).unwrap();
    event.id = "01a21228-e12a-7580-bd3f-6647cb7bca63".to_owned();
    event.sent_at = Some("2026-11-24T13:56:22Z".parse().unwrap());
    event.source = Some("https://git.example.org".to_owned());
    event.severity = Severity::Warning;
    (event.schema, event.schema_version) = (Some("git.receive".to_owned()), Some(1));
    event.object = Some("git/rpms/kernel".to_owned());
    event.headers.insert("fedora_messaging_user_ada".to_owned(), json!(true));
    event.headers.insert("traceparent".to_owned(), json!("00-0af7-b7ad-01"));
    event
}

fn structured(document: Value) -> Result<Event, Error> {
    let wire = Wire {
        routing_key: "a.b".to_owned(),
        content_type: Some("application/cloudevents+json; charset=UTF-8".to_owned()),
        body: document.to_string().into(),
        ..Wire::default()
    };
    Event::from_wire(wire)
}

fn least(more: Value) -> Value {
    let mut document = json!({"specversion": "1.0", "id": "1", "source": "/s", "type": "a.b"});
    document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    document
}

#[test]
fn binary_on_amqp_has_the_bindings_names_and_keeps_other_headers_beside() {
    let wire = event().to_wire_as(Clothing::CloudEventsBinary);
    assert_eq!(
        Value::Object(wire.headers.clone()),
        json!({
            "fedora_messaging_user_ada": true,
            "cloudEvents_specversion": "1.0",
            "cloudEvents_id": "01a21228-e12a-7580-bd3f-6647cb7bca63",
            "cloudEvents_source": "https://git.example.org",
            "cloudEvents_type": "org.example.git.receive",
            "cloudEvents_time": "2026-11-24T13:56:22Z",
            "cloudEvents_subject": "git/rpms/kernel",
            "cloudEvents_dataschema": "urn:tubepost:schema:git.receive:1",
            "cloudEvents_severitytext": "WARN",
            "cloudEvents_severitynumber": 13,
            "cloudEvents_traceparent": "00-0af7-b7ad-01",
        })
    );
    assert_eq!(wire.content_type.as_deref(), Some("application/json"));
    assert_eq!(&wire.body[..], b"{\"agent\":\"ada\"}");
    assert_eq!(Event::from_wire(wire).unwrap(), event());
}

#[test]
fn structured_is_one_document_with_the_body_byte_for_byte() {
    let mut event = event();
    event.body = Body::parse("{\"n\": 1.50}").unwrap();
    let wire = event.to_wire_as(Clothing::CloudEventsStructured);
    assert_eq!(wire.content_type.as_deref(), Some("application/cloudevents+json"));
    assert!(wire.headers.is_empty());
    assert_eq!(
        std::str::from_utf8(&wire.body).unwrap(),
        "{\"specversion\":\"1.0\",\"id\":\"01a21228-e12a-7580-bd3f-6647cb7bca63\",\
         \"source\":\"https://git.example.org\",\"type\":\"org.example.git.receive\",\
         \"time\":\"2026-11-24T13:56:22Z\",\"subject\":\"git/rpms/kernel\",\
         \"dataschema\":\"urn:tubepost:schema:git.receive:1\",\"severitytext\":\"WARN\",\
         \"severitynumber\":13,\"traceparent\":\"00-0af7-b7ad-01\",\
         \"tubepostheaders\":\"{\\\"fedora_messaging_user_ada\\\":true}\",\
         \"datacontenttype\":\"application/json\",\"data\":{\"n\": 1.50}}"
    );
    let back = Event::from_wire(wire).unwrap();
    assert_eq!((back.body.bytes(), &back), (event.body.bytes(), &event));
}

#[test]
fn binary_on_http_is_percent_encoded_text() {
    let mut event = event();
    event.object = Some("git/\"ö %\"".to_owned());
    let http = event.to_http(HttpMode::Binary);
    let header = |name: &str| {
        let found = http.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(header("content-type"), Some("application/json"));
    assert_eq!(header("ce-type"), Some("org.example.git.receive"));
    assert_eq!(header("ce-subject"), Some("git/%22%C3%B6%20%25%22"));
    assert_eq!(header("ce-tubepostheaders"), Some("{%22fedora_messaging_user_ada%22:true}"));
    let headers = http.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    assert_eq!(Event::from_http(headers, http.body.clone()).unwrap(), [event]);
}

#[test]
fn what_others_write_is_read() {
    // Java's and .NET's names, Knative's on RabbitMQ, quotes, times as AMQP has them, no data.
    for prefix in ["cloudEvents:", "cloudEvents_", "ce-"] {
        for time in
            [json!(1_764_000_000), json!(1_764_000_000_000_i64), json!("2025-11-24T16:00:00Z")]
        {
            let name = |name: &str| format!("{prefix}{name}");
            let headers = json!({name("specversion"): "1.0", name("id"): "7", name("source"): "/s",
                name("type"): "a.b", name("time"): time, name("severitynumber"): 21, "other": 1});
            let Value::Object(headers) = headers else { unreachable!("it is an object") };
            let wire = Wire { routing_key: "a.b".to_owned(), headers, ..Wire::default() };
            let event = Event::from_wire(wire).unwrap();
            assert_eq!((event.id.as_str(), event.severity), ("7", Severity::Error));
            assert_eq!(event.sent_at, Some("2025-11-24T16:00:00Z".parse().unwrap()));
            assert_eq!((event.headers.len(), event.body.object().len()), (1, 0));
        }
    }
    let headers = [
        ("Ce-SpecVersion", "1.0"),
        ("ce-id", "\"a\\\"b\""),
        ("ce-source", "/s%20t"),
        ("ce-type", "a.b"),
        ("Content-Type", "application/json; charset=utf-8"),
        ("host", "x"),
    ];
    let headers = headers.map(|(name, value)| (name, value.as_bytes()));
    let read = Event::from_http(headers, "{\"a\": 1}".into()).unwrap();
    assert_eq!((read[0].id.as_str(), read[0].source.as_deref()), ("a\"b", Some("/s t")));
}

#[test]
fn the_topic_is_what_the_bus_routed_by_and_another_type_is_kept() {
    let event = structured(least(json!({"type": "com.example.Some"}))).unwrap();
    assert_eq!(event.topic.as_str(), "a.b");
    assert_eq!(event.headers.get("cetype"), Some(&json!("com.example.Some")));
    // Past the default exchange there is a queue's name and no topic.
    let wire =
        Wire { routing_key: String::new(), ..event.to_wire_as(Clothing::CloudEventsStructured) };
    assert_eq!(Event::from_wire(wire).unwrap(), event);
}

#[test]
fn what_is_malformed_is_refused_with_the_field_named() {
    for (document, wanted) in [
        (json!([]), "CloudEvent: invalid type: sequence, expected a JSON object"),
        (json!({}), "attribute specversion: is missing"),
        (least(json!({"specversion": "0.3"})), "attribute specversion: is '0.3', not 1.0"),
        (least(json!({"id": ""})), "attribute id: is missing"),
        (least(json!({"id": 7})), "attribute id: is 7, not text"),
        (least(json!({"id": "x".repeat(256)})), "message id: has 256 bytes, more than 255"),
        (least(json!({"source": null})), "attribute source: is missing"),
        (least(json!({"source": "x".repeat(2049)})), "message source: has 2049 bytes"),
        (least(json!({"time": "yesterday"})), "attribute time: is \"yesterday\""),
        (least(json!({"dataschema": "urn:tubepost:schema:a:b"})), "attribute dataschema: is 'urn"),
        (least(json!({"datacontenttype": "text/plain"})), "datacontenttype: is 'text/plain'"),
        (least(json!({"data": [1]})), "body is not a JSON object: it is an array"),
        (least(json!({"data": {}, "data_base64": "e30="})), "data_base64: is there beside data"),
        (least(json!({"data_base64": "?"})), "attribute data_base64: is none: Invalid"),
        (
            least(json!({"data": {}, "datacontenttype": "application/cbor"})),
            "attribute data: is JSON, but datacontenttype is application/cbor",
        ),
        (least(json!({"severitynumber": -1})), "attribute severitynumber: is -1"),
        (least(json!({"tubepostpriority": 300})), "tubepostpriority: is 300, not 0 to 255"),
        (least(json!({"tubepostheaders": "[]"})), "tubepostheaders: is not a JSON object"),
        (least(json!({"list": [1]})), "attribute list: is [1], not text"),
        (least(json!({"Upper": "x"})), "attribute Upper: has other characters"),
    ] {
        let error = structured(document).unwrap_err().to_string();
        assert!(error.contains(wanted), "{wanted}: {error}");
    }
    let many: Map<String, Value> = (0..5000).map(|n| (format!("a{n}"), json!(n))).collect();
    let error = structured(least(Value::Object(many))).unwrap_err().to_string();
    assert!(error.contains("more than 4096 attributes"), "{error}");
    let error = structured(least(json!({"a": "x".repeat(200_000)}))).unwrap_err().to_string();
    assert!(error.contains("attributes: are 5 with 200"), "{error}");
}

#[test]
fn an_attribute_that_is_there_twice_is_refused_by_name() {
    let twice =
        "{\"specversion\":\"1.0\",\"id\":\"1\",\"id\":\"2\",\"source\":\"/\",\"type\":\"a\"}";
    let wire = Wire {
        routing_key: "a".to_owned(),
        content_type: Some("application/cloudevents+json".to_owned()),
        body: twice.into(),
        ..Wire::default()
    };
    let error = Event::from_wire(wire).unwrap_err().to_string();
    assert!(error.contains("attribute id is there twice"), "{error}");

    let mut wire = event().to_wire_as(Clothing::CloudEventsBinary);
    wire.headers.insert("ce-id".to_owned(), json!("other"));
    let error = Event::from_wire(wire).unwrap_err().to_string();
    assert!(error.contains("attribute id: is there twice, with two prefixes"), "{error}");

    let mut wire = event().to_wire_as(Clothing::CloudEventsBinary);
    wire.headers.insert("traceparent".to_owned(), json!("other"));
    let error = Event::from_wire(wire).unwrap_err().to_string();
    assert!(
        error.contains("attribute traceparent: is there twice, as an attribute and"),
        "{error}"
    );

    let headers = [("ce-id", &b"1"[..]), ("CE-ID", b"2")];
    let error = Event::from_http(headers, Bytes::new()).unwrap_err().to_string();
    assert!(error.contains("attribute id: is there twice"), "{error}");
}

#[test]
fn http_that_is_no_cloudevent_or_not_utf_8_is_refused_with_the_reason() {
    let error = Event::from_http([], Bytes::new()).unwrap_err().to_string();
    assert!(error.contains("HTTP: has no header ce-specversion"), "{error}");
    let error = Event::from_http([("ce-id", &b"%ff"[..])], Bytes::new()).unwrap_err().to_string();
    assert!(error.contains("attribute id: is not UTF-8"), "{error}");
    for content_type in ["application/cloudevents+avro", "application/cloudevents"] {
        let headers = [("content-type", content_type.as_bytes())];
        let error = Event::from_http(headers, Bytes::new()).unwrap_err().to_string();
        assert!(error.contains("property content-type: is 'application/cloudevents"), "{error}");
    }
}

#[test]
fn a_batch_has_each_event_and_a_bound() {
    let events = [event(), Event { id: "2".to_owned(), ..event() }];
    let http = Event::to_http_batch(&events);
    let headers = http.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    assert_eq!(Event::from_http(headers, http.body.clone()).unwrap(), events);
    let headers = [("content-type", &b"application/cloudevents-batch+json"[..])];
    let many = format!("[{}1]", "1,".repeat(1000));
    let error = Event::from_http(headers, many.into()).unwrap_err().to_string();
    assert!(error.contains("more than 1000 events"), "{error}");
    assert_eq!(Event::from_http(headers, "[]".into()).unwrap(), []);
}
