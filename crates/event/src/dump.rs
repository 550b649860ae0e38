//! fedora-messaging's dump format: one JSON object a line, as its `dumps` writes it.

use std::{collections::BTreeMap, io};

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value, ser::Formatter};

use crate::{Body, Error, Event, Wire};

impl Event {
    /// One line, no line break: keys `body`, `headers`, `id`, `priority`, `queue`, `topic`. Keys
    /// are sorted throughout, characters are not escaped, as fedora-messaging does.
    pub fn to_dump(&self) -> String {
        let headers = Value::Object(self.to_wire().headers);
        let priority = Value::from(self.priority.unwrap_or(0));
        let (id, topic) = (Value::from(self.id.as_str()), Value::from(self.topic.as_str()));
        let dump = BTreeMap::from([
            ("body", Sorted(self.body.value())),
            ("headers", Sorted(&headers)),
            ("id", Sorted(&id)),
            ("priority", Sorted(&priority)),
            ("queue", Sorted(&Value::Null)),
            ("topic", Sorted(&topic)),
        ]);
        let mut line = Vec::with_capacity(self.body.bytes().len() + 512);
        let mut json = serde_json::Serializer::with_formatter(&mut line, Spaced);
        dump.serialize(&mut json).expect("a JSON value into memory cannot fail");
        String::from_utf8(line).expect("serde_json writes UTF-8")
    }

    /// The event of one line. `topic` and `body` are required; what else is missing is filled in
    /// as for [`Event::from_wire`]. Unknown keys are ignored.
    ///
    /// # Errors
    /// [`Error::Body`] or [`Error::Wire`] that names the key; [`Error::Topic`].
    pub fn from_dump(line: &str) -> Result<Event, Error> {
        let fault = |what: &'static str, reason: String| Error::Wire { what: what.into(), reason };
        let value = serde_json::from_str(line.trim_end_matches(['\r', '\n']))
            .map_err(|error| fault("line", format!("is not JSON: {error}")))?;
        let Value::Object(mut line) = value else {
            return Err(fault("line", "is not a JSON object".to_owned()));
        };
        let routing_key = match line.remove("topic") {
            Some(Value::String(topic)) => topic,
            Some(_) => return Err(fault("topic", "is not a string".to_owned())),
            None => return Err(fault("topic", "is missing".to_owned())),
        };
        let body = line.remove("body").ok_or_else(|| fault("body", "is missing".to_owned()))?;
        let headers = match line.remove("headers") {
            Some(Value::Object(headers)) => headers,
            None | Some(Value::Null) => Map::new(),
            Some(_) => return Err(fault("headers", "is not an object".to_owned())),
        };
        let message_id = match line.remove("id") {
            Some(Value::String(id)) => Some(id),
            None | Some(Value::Null) => None,
            Some(_) => return Err(fault("id", "is not a string".to_owned())),
        };
        let priority = match line.remove("priority") {
            None | Some(Value::Null) => None,
            Some(number) => match number.as_u64().and_then(|number| u8::try_from(number).ok()) {
                Some(0) => None,
                Some(number) => Some(number),
                None => return Err(fault("priority", format!("is {number}, not 0 to 255"))),
            },
        };
        let wire = Wire { routing_key, message_id, priority, headers, ..Wire::default() };
        Event::from_parts(wire, Body::try_from(body)?)
    }
}

/// A value with the keys of its objects sorted.
struct Sorted<'a>(&'a Value);

impl Serialize for Sorted<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Object(object) => {
                let mut keys: Vec<&String> = object.keys().collect();
                keys.sort_unstable();
                let mut map = to.serialize_map(Some(object.len()))?;
                for key in keys {
                    map.serialize_entry(key, &object.get(key).map(Sorted))?;
                }
                map.end()
            }
            Value::Array(items) => to.collect_seq(items.iter().map(Sorted)),
            other => other.serialize(to),
        }
    }
}

/// Python's default separators, `, ` and `: `.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        to: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { to.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        to: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { to.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        to.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by fedora-messaging 3.9.1.
    const REAL: &str = r#"{"body": {"hello": "wörld"}, "headers": {"fedora_messaging_schema": "base.message", "fedora_messaging_schema_package": "fedora_messaging", "fedora_messaging_severity": 20, "priority": 0, "sent-at": "2026-11-24T13:56:22+00:00"}, "id": "a779ed1e-58ed-4efd-a9d5-0be8d3650265", "priority": 0, "queue": null, "topic": "org.fedoraproject.dev.git.other"}"#;

    fn unordered(line: &str) -> Value {
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn a_line_of_fedora_messaging_comes_out_as_it_went_in() {
        let event = Event::from_dump(REAL).unwrap();
        assert_eq!(event.id, "a779ed1e-58ed-4efd-a9d5-0be8d3650265");
        assert_eq!((event.schema.as_deref(), event.priority), (None, None));
        assert!(event.headers.is_empty(), "{:?}", event.headers);
        assert_eq!(unordered(&event.to_dump()), unordered(REAL));
        assert_eq!(event.to_dump(), REAL);
    }

    #[test]
    fn topic_and_body_are_enough_and_unknown_keys_do_not_matter() {
        let event = Event::from_dump(r#"{"topic": "a.b", "body": {"x": 1}, "more": [1]}"#).unwrap();
        assert_eq!(event.topic.as_str(), "a.b");
        assert!(!event.id.is_empty());
        assert_eq!(event.sent_at, None);
    }

    #[test]
    fn what_is_wrong_with_a_line_is_named() {
        for (line, wanted) in [
            ("", "line"),
            ("[]", "line: is not a JSON object"),
            ("{\"body\": {}}", "topic: is missing"),
            ("{\"topic\": \"a\"}", "body: is missing"),
            ("{\"topic\": 1, \"body\": {}}", "topic: is not a string"),
            ("{\"topic\": \"a b\", \"body\": {}}", "white space"),
            ("{\"topic\": \"a\", \"body\": []}", "an array"),
            ("{\"topic\": \"a\", \"body\": {}, \"headers\": 1}", "headers: is not an object"),
            ("{\"topic\": \"a\", \"body\": {}, \"id\": 1}", "id: is not a string"),
            ("{\"topic\": \"a\", \"body\": {}, \"priority\": -1}", "priority: is -1"),
            (
                "{\"topic\": \"a\", \"body\": {}, \"headers\": {\"fedora_messaging_severity\": 5}}",
                "10, 20, 30 or 40",
            ),
        ] {
            let error = Event::from_dump(line).unwrap_err().to_string();
            assert!(error.contains(wanted), "{line}: {error}");
        }
        let deep =
            format!("{{\"topic\":\"a\",\"body\":{}1{}}}", "{\"a\":".repeat(9999), "}".repeat(9999));
        assert!(Event::from_dump(&deep).is_err());
    }
}
