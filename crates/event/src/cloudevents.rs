//! An event as the attributes of a CloudEvent 1.0, and back. How they travel is told by `amqp`,
//! `http` and `json`.

pub(crate) mod amqp;
pub(crate) mod http;
mod json;
mod schema_uri;
mod severity;

use std::borrow::Cow;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{
    Body, Encoding, Error, Event, Headers,
    limits::{ATTRIBUTE_BYTES_MAX, ATTRIBUTES_MAX},
    plain_text, wire,
};

/// Attributes by name, with values of CloudEvents' types: boolean, integer, text.
pub(crate) type Attributes = Map<String, Value>;

/// A CloudEvent whose data is taken out already.
pub(crate) struct Envelope {
    pub(crate) attributes: Attributes,
    /// What came beside the attributes.
    pub(crate) headers: Headers,
    /// What the bus says the topic is; empty where there is no bus.
    pub(crate) routing_key: String,
    pub(crate) priority: Option<u8>,
}

/// All attributes of an event but `datacontenttype`, and those of its headers that CloudEvents has
/// no attribute for.
pub(crate) fn attributes(event: &Event) -> (Attributes, Headers) {
    let mut attributes = Attributes::new();
    let mut set = |name: &str, value: Value| attributes.insert(name.to_owned(), value);
    set("specversion", SPEC_VERSION.into());
    set("id", event.id.as_str().into());
    set("source", event.source.as_deref().unwrap_or(NO_SOURCE).into());
    set("type", event.topic.as_str().into());
    if let Some(sent_at) = event.sent_at {
        set("time", sent_at.to_string().into());
    }
    if let Some(object) = &event.object {
        set("subject", object.as_str().into());
    }
    if let Some(uri) = schema_uri::of(event.schema.as_deref(), event.schema_version) {
        set("dataschema", uri.into());
    }
    let (text, number) = severity::of(event.severity);
    set("severitytext", text.into());
    set("severitynumber", number.into());
    if let Some(priority) = event.priority {
        set(PRIORITY, priority.into());
    }
    if let Some(signature) = &event.signature {
        set(SIGNATURE, signature.as_str().into());
    }
    let mut rest = Headers::new();
    for (name, value) in &event.headers {
        let to = if is_extension(name, value) { &mut attributes } else { &mut rest };
        to.insert(name.clone(), value.clone());
    }
    (attributes, rest)
}

/// Headers as the one attribute that has them all, as JSON text.
pub(crate) fn add_headers(attributes: &mut Attributes, headers: Headers) {
    if !headers.is_empty() {
        attributes.insert(HEADERS.to_owned(), Value::Object(headers).to_string().into());
    }
}

impl Envelope {
    /// The encoding of the data, whose media type stands where the binding says.
    pub(crate) fn encoding(content_type: Option<&str>) -> Result<Encoding, Error> {
        let content_type = content_type.unwrap_or_default();
        if content_type.is_empty() {
            return Ok(Encoding::Json);
        }
        Encoding::of_content_type(content_type).ok_or_else(|| {
            let reason = format!(
                "is '{}'; an event's body is application/json, …+json, application/cbor or application/protobuf",
                plain_text::one_line(content_type, 60)
            );
            wrong("datacontenttype", reason)
        })
    }

    /// The body of data that stands by itself. A CloudEvent may have none; what is known of it is
    /// then nothing more.
    pub(crate) fn body(data: Bytes, content_type: Option<&str>) -> Result<Body, Error> {
        match (Envelope::encoding(content_type)?, data.is_empty()) {
            // Protobuf's empty object has no bytes.
            (Encoding::Json | Encoding::Cbor, true) => Body::parse("{}"),
            (encoding, _) => Body::decode(data, encoding),
        }
    }

    /// The event with this body.
    pub(crate) fn event(mut self, body: Body) -> Result<Event, Error> {
        let names = self.attributes.iter();
        let bytes = names.map(|(name, value)| name.len() + value.as_str().map_or(8, str::len));
        let (count, bytes) = (self.attributes.len(), bytes.sum::<usize>());
        if count > ATTRIBUTES_MAX || bytes > ATTRIBUTE_BYTES_MAX {
            let reason = format!(
                "are {count} with {bytes} bytes, more than {ATTRIBUTES_MAX} with {ATTRIBUTE_BYTES_MAX}"
            );
            return Err(Error::Wire { what: "attributes".into(), reason });
        }
        let version = self.required("specversion")?;
        if version != SPEC_VERSION {
            let reason = format!("is '{}', not 1.0", plain_text::one_line(&version, 40));
            return Err(wrong("specversion", reason));
        }
        let id = self.required("id")?;
        let source = Some(self.required("source")?);
        let kind = self.required("type")?;
        let topic = match self.routing_key.is_empty() {
            true => kind.parse()?,
            false => self.routing_key.parse()?,
        };
        let (schema, schema_version) = match self.text("dataschema")? {
            Some(uri) => schema_uri::read(&uri).map_err(|reason| wrong("dataschema", reason))?,
            None => (None, None),
        };
        let event = Event {
            sent_at: self.time()?,
            source,
            severity: severity::take(&mut self.attributes)?,
            schema,
            schema_version,
            object: self.text("subject")?,
            priority: self.priority()?,
            signature: self.text(SIGNATURE)?,
            ..Event::blank(id, topic, body)
        };
        let mut headers = self.into_headers()?;
        // Routing and permissions went by the routing key, so that is the topic.
        if event.topic.as_str() != kind {
            headers.insert(OTHER_TYPE.to_owned(), kind.into());
        }
        Event { headers, ..event }.received()
    }

    fn required(&mut self, name: &'static str) -> Result<String, Error> {
        let text = self.text(name)?.filter(|text| !text.is_empty());
        text.ok_or_else(|| wrong(name, "is missing".to_owned()))
    }

    fn text(&mut self, name: &'static str) -> Result<Option<String>, Error> {
        match self.attributes.shift_remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(name, format!("is {}, not text", shown(&other)))),
        }
    }

    /// Text as RFC 3339 has it, or AMQP's timestamp as a number: of seconds from AMQP 0-9-1, of
    /// milliseconds from 1.0.
    fn time(&mut self) -> Result<Option<Timestamp>, Error> {
        let Some(value) = self.attributes.shift_remove("time").filter(|it| !it.is_null()) else {
            return Ok(None);
        };
        let time = match (&value, value.as_i64()) {
            (Value::String(text), _) => wire::time(text),
            (_, Some(seconds)) if seconds.abs() < SECONDS_MAX => {
                Timestamp::from_second(seconds).ok()
            }
            (_, Some(milliseconds)) => Timestamp::from_millisecond(milliseconds).ok(),
            _ => None,
        };
        let wrong = || wrong("time", format!("is {}, not as 2026-11-24T13:56:22Z", shown(&value)));
        time.map(Some).ok_or_else(wrong)
    }

    fn priority(&mut self) -> Result<Option<u8>, Error> {
        let Some(value) = self.attributes.shift_remove(PRIORITY).filter(|it| !it.is_null()) else {
            return Ok(self.priority);
        };
        let number = integer(&value).and_then(|number| u8::try_from(number).ok());
        let wrong = || wrong(PRIORITY, format!("is {}, not 0 to 255", shown(&value)));
        number.map(Some).ok_or_else(wrong)
    }

    /// What is left: extensions, the one that holds headers, and what came beside them.
    fn into_headers(mut self) -> Result<Headers, Error> {
        let packed = self.text(HEADERS)?;
        let mut headers = self.headers;
        for (name, value) in self.attributes {
            if !is_name(&name) {
                let reason = "has other characters than a to z and 0 to 9".to_owned();
                return Err(wrong(name, reason));
            }
            if headers.get(&name).is_some_and(|other| *other != value) {
                let reason = "is there twice, as an attribute and as a header".to_owned();
                return Err(wrong(name, reason));
            }
            headers.insert(name, value);
        }
        let Some(packed) = packed else { return Ok(headers) };
        let packed: Headers = serde_json::from_str(&packed)
            .map_err(|error| wrong(HEADERS, format!("is not a JSON object: {error}")))?;
        headers.extend(packed);
        Ok(headers)
    }
}

/// Whether a header can be an extension attribute, and come back as it was.
fn is_extension(name: &str, value: &Value) -> bool {
    let fits = match value {
        Value::Bool(_) => true,
        Value::Number(number) => number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
        // CloudEvents 1.0 §3.2: String has no control characters.
        Value::String(text) => !text.is_empty() && !text.contains(char::is_control),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    };
    fits && name.len() <= NAME_BYTES_MAX && is_name(name) && !RESERVED.contains(&name)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// The number itself, or its decimal text: the canonical form of an integer.
fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

fn shown(value: &Value) -> String {
    plain_text::one_line(&value.to_string(), 40)
}

pub(crate) fn wrong(name: impl Into<Cow<'static, str>>, reason: String) -> Error {
    let name = plain_text::one_line(&name.into(), 40);
    Error::Wire { what: format!("attribute {name}").into(), reason }
}

/// Whether a content type says that the whole CloudEvent is in the body, in whatever format.
pub(crate) fn is_structured(content_type: &str) -> bool {
    let begins = content_type.trim_start().get(..STRUCTURED.len());
    begins.is_some_and(|begins| begins.eq_ignore_ascii_case(STRUCTURED))
}

const SPEC_VERSION: &str = "1.0";
const STRUCTURED: &str = "application/cloudevents";
/// `source` is required; this says that the event has none.
pub(crate) const NO_SOURCE: &str = "urn:tubepost:source:unknown";
const PRIORITY: &str = "tubepostpriority";
const SIGNATURE: &str = "tubepostsignature";
const HEADERS: &str = "tubepostheaders";
/// The `type` of a CloudEvent that was published with another routing key.
const OTHER_TYPE: &str = "cetype";
/// CloudEvents 1.0 §3.1: names should not be longer.
const NAME_BYTES_MAX: usize = 20;
/// Names that mean something in one of the bindings.
const RESERVED: [&str; 14] = [
    "specversion",
    "id",
    "source",
    "type",
    "time",
    "subject",
    "datacontenttype",
    "dataschema",
    "data",
    severity::TEXT,
    severity::NUMBER,
    PRIORITY,
    SIGNATURE,
    HEADERS,
];
/// The year 5138 in seconds, 1973 in milliseconds.
const SECONDS_MAX: i64 = 100_000_000_000;

#[cfg(test)]
mod tests;
