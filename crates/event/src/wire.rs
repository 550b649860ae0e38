//! How an event travels by default: fedora-messaging's properties and headers, any AMQP library's
//! types. What fedora-messaging has no place for is in headers `tubepost_…`.

use bytes::Bytes;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::{Map, Value};

use crate::{Body, Encoding, Error, Event, Severity, cloudevents, plain_text, schema};

/// An AMQP message's headers as JSON values. Booleans, integers and strings keep their kind on
/// the wire; fedora-messaging uses no other. Integers of headers `cloudEvents_…` have 64 bits
/// there.
pub type Headers = Map<String, Value>;

/// An event as an AMQP message, before any library's types.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Wire {
    /// The topic, in full.
    pub routing_key: String,
    /// What the body is: `application/json`.
    pub content_type: Option<String>,
    /// `utf-8`.
    pub content_encoding: Option<String>,
    /// The event's id.
    pub message_id: Option<String>,
    /// 0 to 9.
    pub priority: Option<u8>,
    /// Delivery mode 2.
    pub persistent: bool,
    /// All headers.
    pub headers: Headers,
    /// The body.
    pub body: Bytes,
}

impl Event {
    /// The event as a message (fedora-messaging 3.9, wire format).
    pub fn to_wire(&self) -> Wire {
        let mut headers = self.headers.clone();
        match &self.schema {
            Some(schema) => headers.insert(SCHEMA.to_owned(), schema.as_str().into()),
            None => {
                headers.entry(SCHEMA_PACKAGE).or_insert_with(|| BASE_PACKAGE.into());
                headers.insert(SCHEMA.to_owned(), schema::BASE.into())
            }
        };
        headers.insert(SEVERITY.to_owned(), self.severity.number().into());
        headers.insert(PRIORITY.to_owned(), self.priority.unwrap_or(0).into());
        if let Some(sent_at) = self.sent_at {
            let sent_at = sent_at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string();
            headers.insert(SENT_AT.to_owned(), sent_at.into());
        }
        if let Some(version) = self.schema_version {
            headers.insert(SCHEMA_VERSION.to_owned(), version.into());
        }
        let texts = [(SOURCE, &self.source), (OBJECT, &self.object), (SIGNATURE, &self.signature)];
        for (name, text) in texts {
            if let Some(text) = text {
                headers.insert(name.to_owned(), text.as_str().into());
            }
        }
        Wire {
            routing_key: self.topic.to_string(),
            content_type: Some(self.body.encoding().content_type().to_owned()),
            content_encoding: self.content_encoding(),
            message_id: Some(self.id.clone()),
            priority: self.priority,
            persistent: true,
            headers,
            body: self.body.bytes().clone(),
        }
    }

    /// Only text has one.
    pub(crate) fn content_encoding(&self) -> Option<String> {
        (self.body.encoding() == Encoding::Json).then(|| "utf-8".to_owned())
    }

    pub(crate) fn from_fedora_messaging(mut wire: Wire) -> Result<Event, Error> {
        // fedora-messaging does not look at the content type, so what is not ours is JSON.
        let content_type = wire.content_type.as_deref().unwrap_or_default();
        let encoding = Encoding::of_content_type(content_type).unwrap_or_default();
        let body = Body::decode(std::mem::take(&mut wire.body), encoding)?;
        Event::from_parts(wire, body)
    }

    /// All of a message but the body, which is parsed already.
    pub(crate) fn from_parts(wire: Wire, body: Body) -> Result<Event, Error> {
        let topic = wire.routing_key.parse()?;
        let mut headers = wire.headers;
        let schema = take_string(&mut headers, SCHEMA)?.filter(|schema| schema != schema::BASE);
        let package = take_string(&mut headers, SCHEMA_PACKAGE)?;
        // The base schema's package says nothing and is put back on the wire.
        if let Some(package) = package.filter(|name| schema.is_some() || name != BASE_PACKAGE) {
            headers.insert(SCHEMA_PACKAGE.to_owned(), package.into());
        }
        let severity = severity(headers.remove(SEVERITY))?;
        let sent_at = match take_string(&mut headers, SENT_AT)? {
            None => None,
            Some(text) => {
                let time = time(&text);
                if time.is_none() {
                    // Not a time we can read: kept, so that it goes on as it came.
                    headers.insert(SENT_AT.to_owned(), text.into());
                }
                time
            }
        };
        let mirrored = headers.remove(PRIORITY).and_then(|mirror| mirror.as_u64());
        let mirrored = mirrored.and_then(|priority| u8::try_from(priority).ok()).filter(|p| *p > 0);
        let event = Event {
            sent_at,
            source: take_string(&mut headers, SOURCE)?,
            severity,
            schema,
            schema_version: schema_version(headers.remove(SCHEMA_VERSION))?,
            object: take_string(&mut headers, OBJECT)?,
            priority: wire.priority.or(mirrored),
            signature: take_string(&mut headers, SIGNATURE)?,
            ..Event::blank(wire.message_id.unwrap_or_default(), topic, body)
        };
        Event { headers, ..event }.received()
    }

    /// What holds for every event that comes from outside, whatever its clothes: names are within
    /// their limits, and what is empty is absent; without an id it gets one.
    pub(crate) fn received(mut self) -> Result<Event, Error> {
        if self.id.is_empty() {
            self.id = Event::fresh_id();
        }
        for name in [&mut self.source, &mut self.schema, &mut self.object, &mut self.signature] {
            name.take_if(|name| name.is_empty());
        }
        // Nobody said it, wherever that was written down.
        self.source.take_if(|source| source == cloudevents::NO_SOURCE);
        self.check()?;
        Ok(self)
    }
}

impl Wire {
    pub(crate) fn check_content_encoding(&self) -> Result<(), Error> {
        let encoding = self.content_encoding.as_deref().unwrap_or("utf-8");
        if UTF_8.iter().any(|name| encoding.eq_ignore_ascii_case(name)) {
            return Ok(());
        }
        let reason = format!("is '{}', not utf-8", plain_text::one_line(encoding, 40));
        Err(Error::Wire { what: "property content-encoding".into(), reason })
    }
}

fn take_string(headers: &mut Headers, key: &'static str) -> Result<Option<String>, Error> {
    match headers.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(bad_header(key, &other, "a string")),
    }
}

/// fedora-messaging 3.9, `Message.headers_schema`: a number, one of four; when missing, info.
fn severity(header: Option<Value>) -> Result<Severity, Error> {
    let Some(header) = header.filter(|header| !header.is_null()) else {
        return Ok(Severity::default());
    };
    let whole = |number: f64| number.fract() == 0.0 && (0.0..100.0).contains(&number);
    let number = header
        .as_i64()
        .or_else(|| header.as_f64().filter(|number| whole(*number)).map(|number| number as i64));
    let severity = number.and_then(Severity::from_number);
    severity.ok_or_else(|| bad_header(SEVERITY, &header, "10, 20, 30 or 40"))
}

/// Counted from 1; 0 says nothing.
fn schema_version(header: Option<Value>) -> Result<Option<u32>, Error> {
    let Some(header) = header.filter(|header| !header.is_null()) else { return Ok(None) };
    let version = header.as_u64().and_then(|version| u32::try_from(version).ok());
    let version = version.ok_or_else(|| bad_header(SCHEMA_VERSION, &header, "a number from 1"))?;
    Ok(Some(version).filter(|version| *version > 0))
}

fn bad_header(key: &'static str, found: &Value, expected: &str) -> Error {
    let found = plain_text::one_line(&found.to_string(), 40);
    Error::Wire { what: "header".into(), reason: format!("{key} is {found}, not {expected}") }
}

/// ISO 8601; without an offset it is UTC, as Python's `utcnow().isoformat()` writes it.
pub(crate) fn time(text: &str) -> Option<Timestamp> {
    let zoned = text.parse::<Timestamp>().ok();
    zoned.or_else(|| TimeZone::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok())
}

const SOURCE: &str = "tubepost_source";
const SCHEMA_VERSION: &str = "tubepost_schema_version";
const OBJECT: &str = "tubepost_object";
const SIGNATURE: &str = "tubepost_signature";
const BASE_PACKAGE: &str = "fedora_messaging";
const SCHEMA: &str = "fedora_messaging_schema";
pub(crate) const SCHEMA_PACKAGE: &str = "fedora_messaging_schema_package";
const SEVERITY: &str = "fedora_messaging_severity";
const SENT_AT: &str = "sent-at";
/// fedora-messaging mirrors the property in this header "for debugging purposes".
const PRIORITY: &str = "priority";
/// Python's names for what UTF-8 reads.
const UTF_8: [&str; 4] = ["utf-8", "utf8", "us-ascii", "ascii"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wire(headers: Value) -> Wire {
        let Value::Object(headers) = headers else { panic!("headers are an object") };
        Wire { routing_key: "a.b".into(), headers, body: "{}".into(), ..Wire::default() }
    }

    #[test]
    fn a_new_event_has_fedora_messagings_properties_and_headers() {
        let mut event = Event::new("org.example.a".parse().unwrap(), json!({"x": 1})).unwrap();
        event.sent_at = Some("2026-11-24T13:56:22.999Z".parse().unwrap());
        event.headers.insert("mine".into(), json!("kept"));
        let wire = event.to_wire();
        assert_eq!(
            Value::Object(wire.headers.clone()),
            json!({
                "fedora_messaging_schema": "base.message",
                "fedora_messaging_schema_package": "fedora_messaging",
                "fedora_messaging_severity": 20, "priority": 0, "mine": "kept",
                "sent-at": "2026-11-24T13:56:22+00:00",
            })
        );
        assert_eq!(wire.content_type.as_deref(), Some("application/json"));
        assert_eq!(wire.content_encoding.as_deref(), Some("utf-8"));
        assert_eq!((wire.priority, wire.persistent), (None, true));
        assert_eq!(&wire.body[..], b"{\"x\":1}");
    }

    #[test]
    fn what_fedora_messaging_has_no_place_for_is_in_headers_of_our_own() {
        let mut event = Event::new("a.b".parse().unwrap(), json!({})).unwrap();
        event.source = Some("//hall/doors".to_owned());
        (event.schema, event.schema_version) = (Some("door.open".to_owned()), Some(2));
        event.object = Some("door/north".to_owned());
        event.signature = Some("ed25519:hall:AA".to_owned());
        let wire = event.to_wire();
        for (name, value) in [
            ("tubepost_source", json!("//hall/doors")),
            ("tubepost_schema_version", json!(2)),
            ("tubepost_object", json!("door/north")),
            ("tubepost_signature", json!("ed25519:hall:AA")),
        ] {
            assert_eq!(wire.headers.get(name), Some(&value), "{name}");
        }
        assert_eq!(Event::from_wire(wire).unwrap(), event);
    }

    #[test]
    fn what_is_too_long_is_refused_by_name() {
        let long = "x".repeat(2049);
        let mut id = wire(json!({}));
        id.message_id = Some("x".repeat(256));
        for (wire, wanted) in [
            (id, "message id: has 256 bytes, more than 255"),
            (wire(json!({"tubepost_source": &long})), "message source: has 2049 bytes"),
            (wire(json!({"tubepost_object": &long})), "message object: has 2049 bytes"),
            (wire(json!({"fedora_messaging_schema": &long})), "message schema: has 2049 bytes"),
            (wire(json!({"tubepost_schema_version": -1})), "tubepost_schema_version is -1"),
        ] {
            let error = Event::from_wire(wire).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
        let line = json!({"topic": "a", "body": {}, "id": "x".repeat(256)}).to_string();
        assert!(Event::from_dump(&line).unwrap_err().to_string().contains("id: has 256 bytes"));
    }

    #[test]
    fn what_is_missing_is_filled_in_and_what_is_unknown_is_kept() {
        let event = Event::from_wire(wire(json!({"x-own": {"a": [1]}, "b": true}))).unwrap();
        assert_eq!(event.severity, Severity::Info);
        assert_eq!((event.schema, event.sent_at, event.priority), (None, None, None));
        assert_eq!(event.id.len(), 36);
        assert_eq!(Value::Object(event.headers), json!({"x-own": {"a": [1]}, "b": true}));
    }

    #[test]
    fn times_of_all_python_forms_are_read_and_others_are_kept_as_they_came() {
        for (text, expected) in [
            ("2026-11-24T13:56:22+00:00", Some("2026-11-24T13:56:22Z")),
            ("2026-11-24T15:56:22.5+02:00", Some("2026-11-24T13:56:22.5Z")),
            ("2026-11-24T13:56:22Z", Some("2026-11-24T13:56:22Z")),
            ("2026-11-24T13:56:22", Some("2026-11-24T13:56:22Z")),
            ("yesterday", None),
        ] {
            let event = Event::from_wire(wire(json!({"sent-at": text}))).unwrap();
            assert_eq!(event.sent_at, expected.map(|time| time.parse().unwrap()), "{text}");
            if expected.is_none() {
                assert_eq!(event.to_wire().headers.get("sent-at"), Some(&json!(text)));
            }
        }
    }

    #[test]
    fn what_fedora_messaging_refuses_is_refused_with_the_header_named() {
        for (headers, wanted) in [
            (json!({"fedora_messaging_severity": 15}), "fedora_messaging_severity is 15, not 10"),
            (json!({"fedora_messaging_severity": "20"}), "fedora_messaging_severity is \"20\""),
            (json!({"fedora_messaging_schema": 1}), "fedora_messaging_schema is 1, not a string"),
            (json!({"sent-at": 1.5}), "sent-at is 1.5, not a string"),
        ] {
            let error = Event::from_wire(wire(headers)).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
        let mut latin = wire(json!({}));
        latin.content_encoding = Some("latin-1".into());
        let error = Event::from_wire(latin).unwrap_err().to_string();
        assert_eq!(error, "message property content-encoding: is 'latin-1', not utf-8");
        let mut binary = wire(json!({}));
        binary.body = Bytes::from_static(b"{\"a\": \"\xff\"}");
        assert!(matches!(Event::from_wire(binary), Err(Error::Body(_))));
        assert_eq!(
            Event::from_wire(wire(json!({"fedora_messaging_severity": 30.0}))).unwrap().severity,
            Severity::Warning
        );
    }
}
