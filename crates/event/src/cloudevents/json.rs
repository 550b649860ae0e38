//! CloudEvents' JSON format: one event as a document, several as a batch.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use super::{Attributes, Envelope, add_headers, attributes, shown, wrong};
use crate::{
    Body, Encoding, Error, Event,
    limits::{ATTRIBUTES_MAX, BATCH_EVENTS_MAX},
    plain_text,
};

pub(super) const CONTENT_TYPE: &str = "application/cloudevents+json";
pub(super) const BATCH_CONTENT_TYPE: &str = "application/cloudevents-batch+json";

/// The media type, without its parameters and in lower case.
pub(super) fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

pub(super) fn check_content_type(content_type: &str) -> Result<(), Error> {
    if media_type(content_type) == CONTENT_TYPE {
        return Ok(());
    }
    let content_type = plain_text::one_line(content_type, 60);
    let reason = format!("is '{content_type}'; of CloudEvents' formats {CONTENT_TYPE} is read");
    Err(Error::Wire { what: "property content-type".into(), reason })
}

/// The event as one document. A JSON body is in it byte for byte.
pub(super) fn write(event: &Event) -> Vec<u8> {
    let (mut attributes, headers) = attributes(event);
    add_headers(&mut attributes, headers);
    let encoding = event.body.encoding();
    attributes.insert("datacontenttype".to_owned(), encoding.content_type().into());
    let bytes = event.body.bytes();
    let mut document = Value::Object(attributes).to_string().into_bytes();
    document.reserve(bytes.len() * 4 / 3 + 24);
    // The brace that ends the object, which has at least the required attributes.
    document.pop();
    if encoding == Encoding::Json {
        document.extend(b",\"data\":");
        document.extend(bytes);
        document.push(b'}');
    } else {
        document.extend(b",\"data_base64\":\"");
        document.extend(STANDARD.encode(bytes).into_bytes());
        document.extend(b"\"}");
    }
    document
}

pub(super) fn write_batch(events: &[Event]) -> Vec<u8> {
    let mut batch = vec![b'['];
    for event in events {
        if batch.len() > 1 {
            batch.push(b',');
        }
        batch.extend(write(event));
    }
    batch.push(b']');
    batch
}

/// The attributes and the body of one document.
pub(super) fn read(document: &Bytes) -> Result<(Attributes, Body), Error> {
    let mut read: Document<'_> =
        serde_json::from_slice(document).map_err(|error| malformed(&error))?;
    let content_type = match read.attributes.shift_remove("datacontenttype") {
        None | Some(Value::Null) => None,
        Some(Value::String(content_type)) => Some(content_type),
        Some(other) => {
            return Err(wrong("datacontenttype", format!("is {}, not text", shown(&other))));
        }
    };
    let encoding = Envelope::encoding(content_type.as_deref())?;
    let body = match (read.data, read.base64) {
        (Some(_), Some(_)) => {
            return Err(wrong("data_base64", "is there beside data".to_owned()));
        }
        (None, None) => Body::parse("{}")?,
        (Some(data), None) if encoding == Encoding::Json => {
            Body::parse(document.slice_ref(data.get().as_bytes()))?
        }
        (Some(_), None) => {
            let reason = format!("is JSON, but datacontenttype is {}", encoding.content_type());
            return Err(wrong("data", reason));
        }
        (None, Some(base64)) => {
            let bytes = STANDARD.decode(base64);
            let bytes = bytes.map_err(|error| wrong("data_base64", format!("is none: {error}")))?;
            Body::decode(bytes, encoding)?
        }
    };
    // JSON format §2.2: null is as good as not there.
    read.attributes.retain(|_, value| !value.is_null());
    for (name, value) in &read.attributes {
        if !(value.is_string() || value.is_boolean() || value.is_i64()) {
            let reason = format!("is {}, not text, a whole number, or a boolean", shown(value));
            return Err(wrong(name.clone(), reason));
        }
    }
    Ok((read.attributes, body))
}

/// The documents of a batch.
pub(super) fn read_batch(batch: &Bytes) -> Result<Vec<Bytes>, Error> {
    let documents: Batch<'_> = serde_json::from_slice(batch).map_err(|error| malformed(&error))?;
    let documents = documents.0.into_iter();
    Ok(documents.map(|document| batch.slice_ref(document.get().as_bytes())).collect())
}

fn malformed(error: &serde_json::Error) -> Error {
    Error::Wire { what: "CloudEvent".into(), reason: error.to_string() }
}

struct Document<'a> {
    attributes: Attributes,
    data: Option<&'a RawValue>,
    base64: Option<String>,
}

impl<'de> Deserialize<'de> for Document<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Document<'de>, D::Error> {
        from.deserialize_map(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object with specversion, id, source and type")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Document<'de>, A::Error> {
        let (mut attributes, mut data, mut base64) = (Attributes::new(), None, None);
        while let Some(name) = entries.next_key::<String>()? {
            let again = match name.as_str() {
                "data" => data.replace(entries.next_value::<&RawValue>()?).is_some(),
                "data_base64" => base64.replace(entries.next_value::<Option<String>>()?).is_some(),
                _ => attributes.insert(name.clone(), entries.next_value()?).is_some(),
            };
            let name = plain_text::one_line(&name, 40);
            if again {
                return Err(A::Error::custom(format!("attribute {name} is there twice")));
            }
            if attributes.len() > ATTRIBUTES_MAX {
                let reason = format!("more than {ATTRIBUTES_MAX} attributes");
                return Err(A::Error::custom(reason));
            }
        }
        let data = data.filter(|data| data.get() != "null");
        Ok(Document { attributes, data, base64: base64.flatten() })
    }
}

struct Batch<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Batch<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Batch<'de>, D::Error> {
        from.deserialize_seq(BatchVisitor).map(Batch)
    }
}

struct BatchVisitor;

impl<'de> Visitor<'de> for BatchVisitor {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON array of CloudEvents")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut documents = Vec::new();
        while let Some(document) = items.next_element()? {
            if documents.len() == BATCH_EVENTS_MAX {
                return Err(A::Error::custom(format!("more than {BATCH_EVENTS_MAX} events")));
            }
            documents.push(document);
        }
        Ok(documents)
    }
}
