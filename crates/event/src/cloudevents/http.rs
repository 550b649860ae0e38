//! CloudEvents' HTTP binding: the headers and the body of a request or an answer, without HTTP
//! itself.

use bytes::Bytes;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};
use serde_json::Value;

use super::{Attributes, Envelope, add_headers, attributes, is_structured, json, wrong};
use crate::{Error, Event, Headers};

/// Events as headers and body, for any HTTP library.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Http {
    /// Names are in lower case, values are ASCII; `content-type` is one of them.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

/// How one event is put into HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpMode {
    /// Attributes in headers `ce-NAME`, the body as it is.
    Binary,
    /// All in the body, `application/cloudevents+json`.
    Structured,
}

impl Event {
    /// The event as a CloudEvent for HTTP.
    pub fn to_http(&self, mode: HttpMode) -> Http {
        match mode {
            HttpMode::Binary => binary(self),
            HttpMode::Structured => whole(json::CONTENT_TYPE, json::write(self)),
        }
    }

    /// Several events in one body, `application/cloudevents-batch+json`. Whoever reads it takes
    /// 1000 at most.
    pub fn to_http_batch(events: &[Event]) -> Http {
        whole(json::BATCH_CONTENT_TYPE, json::write_batch(events))
    }

    /// The events of a request or an answer, in whichever mode: one, or those of a batch. Names of
    /// headers may be in any case; headers that are not CloudEvents' are not looked at.
    ///
    /// # Errors
    /// As [`Event::from_wire`]; also when it is no CloudEvent at all.
    pub fn from_http<'a>(
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        body: Bytes,
    ) -> Result<Vec<Event>, Error> {
        let (mut attributes, mut content_type) = (Attributes::new(), None);
        for (name, value) in headers {
            let name = name.to_ascii_lowercase();
            if name == CONTENT_TYPE {
                content_type = Some(String::from_utf8_lossy(value).into_owned());
            } else if let Some(attribute) = name.strip_prefix(PREFIX) {
                let text = text(value).ok_or_else(|| {
                    wrong(attribute.to_owned(), "is not UTF-8, percent-encoded".to_owned())
                })?;
                if attributes.insert(attribute.to_owned(), text.into()).is_some() {
                    return Err(wrong(attribute.to_owned(), "is there twice".to_owned()));
                }
            }
        }
        let stated = content_type.as_deref().unwrap_or_default();
        if json::media_type(stated) == json::BATCH_CONTENT_TYPE {
            return json::read_batch(&body)?.iter().map(document).collect();
        }
        if is_structured(stated) {
            json::check_content_type(stated)?;
            return Ok(vec![document(&body)?]);
        }
        if attributes.is_empty() {
            let reason = "has no header ce-specversion, and its content-type is not \
                          application/cloudevents+json";
            return Err(Error::Wire { what: "HTTP".into(), reason: reason.to_owned() });
        }
        let body = Envelope::body(body, content_type.as_deref())?;
        Ok(vec![envelope(attributes).event(body)?])
    }
}

fn binary(event: &Event) -> Http {
    let (mut attributes, mut rest) = attributes(event);
    // A header is text; so that other extensions come back as what they were, they are said again.
    for (name, value) in &event.headers {
        if !value.is_string() && attributes.contains_key(name) {
            rest.insert(name.clone(), value.clone());
        }
    }
    add_headers(&mut attributes, rest);
    let content_type = event.body.encoding().content_type().to_owned();
    let mut headers = vec![(CONTENT_TYPE.to_owned(), content_type)];
    headers.extend(attributes.into_iter().map(|(name, value)| {
        let text = match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        (format!("{PREFIX}{name}"), utf8_percent_encode(&text, ENCODED).to_string())
    }));
    Http { headers, body: event.body.bytes().clone() }
}

fn whole(content_type: &str, body: Vec<u8>) -> Http {
    let headers = vec![(CONTENT_TYPE.to_owned(), content_type.to_owned())];
    Http { headers, body: body.into() }
}

fn document(document: &Bytes) -> Result<Event, Error> {
    let (attributes, body) = json::read(document)?;
    envelope(attributes).event(body)
}

fn envelope(attributes: Attributes) -> Envelope {
    let (headers, routing_key) = (Headers::new(), String::new());
    Envelope { attributes, headers, routing_key, priority: None }
}

/// HTTP binding 1.0 §3.1.3.2: quotes around it are taken off, then percent-encoding is.
fn text(value: &[u8]) -> Option<String> {
    let quoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    let value = match quoted {
        None => value.to_vec(),
        Some(quoted) => {
            let mut plain = Vec::with_capacity(quoted.len());
            let mut bytes = quoted.iter();
            while let Some(byte) = bytes.next() {
                let byte = if *byte == b'\\' { bytes.next()? } else { byte };
                plain.push(*byte);
            }
            plain
        }
    };
    let text = percent_decode(&value).decode_utf8().ok()?;
    Some(text.into_owned())
}

const CONTENT_TYPE: &str = "content-type";
const PREFIX: &str = "ce-";
/// Besides what is not ASCII.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');
