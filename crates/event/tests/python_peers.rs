//! Against others' libraries, when the environment variable `TUBEPOST_PYTHON` names a Python that
//! has them: the CloudEvents SDK, `cbor2`, Google's `protobuf`, and `cryptography`.

#![allow(clippy::print_stdout, reason = "what was skipped")]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is what it should do")]

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use event::{Body, Clothing, Encoding, Event, HttpMode, Severity, SigningKey, Wire};
use serde_json::{Value, json};

/// Runs a script with a line on its standard input; `None` when there is no such Python.
fn python(script: &str, input: &Value) -> Option<Value> {
    let Some(python) = std::env::var_os("TUBEPOST_PYTHON") else {
        println!("skipped: TUBEPOST_PYTHON names no Python with the peers' packages");
        return None;
    };
    let mut child = Command::new(python)
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the script failed");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn event() -> Event {
    let topic = "org.example.door.open".parse().unwrap();
    let mut event = Event::new(topic, json!({"door": "north", "wörd": [1, 2.5, null]})).unwrap();
    event.sent_at = Some("2026-11-24T13:56:22Z".parse().unwrap());
    event.source = Some("//hall/doors".to_owned());
    event.severity = Severity::Warning;
    (event.schema, event.schema_version) = (Some("door.open".to_owned()), Some(2));
    event.object = Some("door/nörth \"1\"".to_owned());
    event.headers.insert("traceparent".to_owned(), json!("00-0af7-b7ad-01"));
    event.headers.insert("fedora_messaging_user_ada".to_owned(), json!(true));
    event
}

/// The SDK reads what is given, by HTTP or as AMQP properties, and writes it again in both modes.
const SDK: &str = r#"
import base64, json, sys
from cloudevents.core.bindings import amqp, http, rabbitmq
given = json.load(sys.stdin)
body = lambda it: base64.b64decode(it["body"])
text = lambda it: base64.b64encode(it).decode()
answer = []
for it in given:
    if it["by"] == "http":
        event = http.from_http_event(http.HTTPMessage(headers=it["headers"], body=body(it)))
    else:
        event = amqp.from_amqp_event(amqp.AMQPMessage(
            properties={"content-type": it["content_type"]},
            application_properties=it["headers"], application_data=body(it)))
    said = {"id": event.get_id(), "source": event.get_source(), "type": event.get_type(),
        "subject": event.get_subject(), "time": event.get_time().isoformat(),
        "schema": event.get_dataschema(), "data": event.get_data(),
        "severity": str(event.get_extension("severitynumber")),
        "trace": event.get_extension("traceparent")}
    written = []
    for message in (http.to_binary_event(event), http.to_structured_event(event)):
        written.append({"by": "http", "headers": message.headers, "body": text(message.body)})
    for message in (amqp.to_binary_event(event), amqp.to_structured_event(event)):
        written.append({"by": "amqp", "content_type": message.properties["content-type"],
            "headers": message.application_properties, "body": text(message.application_data)})
    message = rabbitmq.to_binary_event(event)
    written.append({"by": "amqp", "content_type": message.content_type,
        "headers": message.headers, "body": text(message.body)})
    answer.append({"said": said, "written": written})
print(json.dumps(answer))
"#;

#[test]
fn the_cloudevents_sdk_reads_what_we_write_and_writes_what_we_read() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let event = event();
    let mut given = Vec::new();
    for mode in [HttpMode::Binary, HttpMode::Structured] {
        let http = event.to_http(mode);
        let headers: Value = http.headers.into_iter().collect();
        given.push(json!({"by": "http", "headers": headers, "body": STANDARD.encode(http.body)}));
    }
    for clothing in [Clothing::CloudEventsBinary, Clothing::CloudEventsStructured] {
        let wire = event.to_wire_as(clothing);
        given
            .push(json!({"by": "amqp", "content_type": wire.content_type, "headers": wire.headers,
            "body": STANDARD.encode(wire.body)}));
    }
    let Some(answer) = python(SDK, &Value::from(given)) else { return };
    for told in answer.as_array().unwrap() {
        assert_eq!(
            told["said"],
            json!({"id": event.id, "source": "//hall/doors", "type": "org.example.door.open",
                "subject": "door/nörth \"1\"", "time": "2026-11-24T13:56:22+00:00",
                "schema": "urn:tubepost:schema:door.open:2", "data": event.body.object(),
                "severity": "13", "trace": "00-0af7-b7ad-01"})
        );
        for message in told["written"].as_array().unwrap() {
            let body = STANDARD.decode(message["body"].as_str().unwrap()).unwrap();
            let headers = message["headers"].as_object().unwrap();
            let read = if message["by"] == "http" {
                let text = |value: &'static Value| value.as_str().unwrap().as_bytes();
                let headers: &'static Value = Box::leak(Box::new(message["headers"].clone()));
                let headers = headers.as_object().unwrap().iter();
                let headers = headers.map(|(name, value)| (name.as_str(), text(value)));
                Event::from_http(headers, body.into()).unwrap().remove(0)
            } else {
                let wire = Wire {
                    routing_key: "org.example.door.open".to_owned(),
                    content_type: message["content_type"].as_str().map(str::to_owned),
                    headers: headers.clone(),
                    body: body.into(),
                    ..Wire::default()
                };
                Event::from_wire(wire).unwrap()
            };
            // Other headers travel beside the attributes on AMQP, where the SDK does not look.
            let mut read = read;
            read.headers.insert("fedora_messaging_user_ada".to_owned(), json!(true));
            assert_eq!(read, event, "{message}");
        }
    }
}

/// Both ways through `cbor2` and `google.protobuf.struct_pb2`.
const ENCODINGS: &str = r#"
import base64, json, sys
import cbor2
from google.protobuf import json_format, struct_pb2
given = json.load(sys.stdin)
struct = struct_pb2.Struct.FromString(base64.b64decode(given["protobuf"]))
cbor = cbor2.loads(base64.b64decode(given["cbor"]))
text = lambda it: base64.b64encode(it).decode()
again = json_format.ParseDict(cbor, struct_pb2.Struct())
print(json.dumps({"cbor_says": cbor, "protobuf_says": json_format.MessageToDict(struct),
    "cbor": text(cbor2.dumps(cbor)), "protobuf": text(again.SerializeToString())}))
"#;

#[test]
fn others_read_our_cbor_and_protobuf_and_we_read_theirs() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let body = json!({"text": "wörld", "none": null, "yes": true, "int": -7, "real": 0.1,
        "list": [1, [], {}, "x"], "object": {"": {"a": 1.5e300}}});
    let body = Body::try_from(body).unwrap();
    let bytes = |encoding| STANDARD.encode(body.encoded(encoding).unwrap().bytes());
    let (cbor, protobuf) = (bytes(Encoding::Cbor), bytes(Encoding::Protobuf));
    let given = json!({"cbor": cbor, "protobuf": protobuf});
    let Some(answer) = python(ENCODINGS, &given) else { return };
    assert_eq!(Body::try_from(answer["cbor_says"].clone()).unwrap(), body);
    // Protobuf's numbers are doubles, which Python writes as such.
    let said = Body::try_from(answer["protobuf_says"].clone()).unwrap();
    let said = said.encoded(Encoding::Protobuf).unwrap().bytes().clone();
    assert_eq!(Body::decode(said, Encoding::Protobuf).unwrap(), body);
    for encoding in [Encoding::Cbor, Encoding::Protobuf] {
        let theirs = STANDARD.decode(answer[encoding.name()].as_str().unwrap()).unwrap();
        assert_eq!(Body::decode(theirs, encoding).unwrap(), body, "{encoding}");
    }
}

/// docs/events.md, "Signatures", done by somebody who has only that: from a line of the dump.
const VERIFY: &str = r#"
import base64, json, sys
from cryptography.hazmat.primitives.serialization import load_pem_public_key
given = json.load(sys.stdin)
event = json.loads(given["line"])
headers = event["headers"]
algorithm, key, signature = headers["tubepost_signature"].split(":")
said = {"tubepost": "signature-1", "key": key, "id": event["id"], "topic": event["topic"],
    "severity": headers["fedora_messaging_severity"], "body": event["body"],
    "time": headers["sent-at"].replace("+00:00", "Z")}
for name, header in (("source", "tubepost_source"), ("object", "tubepost_object"),
        ("schema", "fedora_messaging_schema"), ("schema_version", "tubepost_schema_version")):
    if header in headers and headers[header] != "base.message":
        said[name] = headers[header]
kinds = ("user", "group", "rpm", "container", "module", "flatpak")
concerns = sorted(header for header, value in headers.items() if value is True
    and header.startswith(tuple(f"fedora_messaging_{kind}_" for kind in kinds)))
if concerns:
    said["concerns"] = concerns
statement = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
public = load_pem_public_key(given["public"].encode())
public.verify(base64.urlsafe_b64decode(signature + "=="), statement)
print(json.dumps({"algorithm": algorithm, "key": key}))
"#;

#[test]
fn a_signature_is_verified_by_another_program_from_the_dump() {
    let key = SigningKey::generate("hall").unwrap();
    let mut event = event();
    key.sign(&mut event).unwrap();
    let given = json!({"line": event.to_dump(), "public": key.public_pem()});
    let Some(answer) = python(VERIFY, &given) else { return };
    assert_eq!(answer, json!({"algorithm": "ed25519", "key": "hall"}));
}
