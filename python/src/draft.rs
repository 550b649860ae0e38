//! An event on its way between Python and the library: made of what a service says, checked, and
//! written as the JSON of which Python makes its own.

use client::{Event, Severity, TraceContext};
use event::{Body, Encoding, Registry, Wire};
use pyo3::prelude::*;
use serde_json::{
    Map, Value,
    value::{RawValue, to_raw_value},
};

use crate::{
    exceptions::{InvalidEvent, exception, no_event},
    process,
};

/// An event that is not published yet.
#[pyclass(frozen, module = "tubepost._native")]
pub(crate) struct Draft(pub(crate) Event);

#[pymethods]
impl Draft {
    /// `body` and `headers` are JSON objects as text. `prefixed`: the configured prefix goes before
    /// the topic. `trace` is a traceparent and a tracestate.
    #[new]
    #[pyo3(signature = (topic, body, *, headers=None, id=None, severity=None, priority=None,
                        source=None, object=None, schema=None, trace=None, prefixed=false))]
    #[allow(clippy::too_many_arguments, reason = "an event has so many parts")]
    fn new(
        topic: &str,
        body: &str,
        headers: Option<&str>,
        id: Option<String>,
        severity: Option<u8>,
        priority: Option<u8>,
        source: Option<String>,
        object: Option<String>,
        schema: Option<String>,
        trace: Option<(String, String)>,
        prefixed: bool,
    ) -> PyResult<Draft> {
        let full = match prefixed {
            true => process::sender()?.topic(topic).map_err(|error| exception(&error))?,
            false => topic.parse().map_err(|error| no_event(&error))?,
        };
        let body = Body::parse(body.to_owned()).map_err(|error| no_event(&error))?;
        let fresh = Event::with_body(full, body.clone());
        // Headers may say what is a part of the event: fedora-messaging's do.
        let wire = Wire {
            routing_key: fresh.topic.to_string(),
            message_id: Some(id.unwrap_or_else(|| fresh.id.clone())),
            headers: headers.map_or(Ok(Map::new()), object_of)?,
            body: body.bytes().clone(),
            ..Wire::default()
        };
        let said = Event::from_wire(wire).map_err(|error| no_event(&error))?;
        let severity = match severity {
            None => said.severity,
            Some(number) => Severity::from_number(i64::from(number)).ok_or_else(|| {
                InvalidEvent::new_err(format!("severity is {number}, not 10, 20, 30 or 40"))
            })?,
        };
        let mut event = Event {
            sent_at: said.sent_at.or(fresh.sent_at),
            severity,
            priority: priority.or(said.priority),
            source: source.or(said.source.clone()),
            object: object.or(said.object.clone()),
            schema: schema.or(said.schema.clone()),
            ..said
        };
        if let Some((parent, state)) = trace
            && let Ok(context) = parent.parse::<TraceContext>()
        {
            context.with_state(&state).put_into(&mut event);
        }
        event.check().map_err(|error| no_event(&error))?;
        Ok(Draft(event))
    }

    #[getter]
    fn id(&self) -> &str {
        &self.0.id
    }

    /// The event as JSON.
    fn json(&self) -> PyResult<String> {
        json(&self.0)
    }

    /// As it will be published, with what its schema fills in.
    fn completed(&self) -> PyResult<Draft> {
        let mut event = self.0.clone();
        if event.schema.is_none() && event.signature.is_none() {
            Registry::builtin().complete(&mut event).map_err(|error| no_event(&error))?;
        }
        Ok(Draft(event))
    }

    /// What a person is told of it, as JSON.
    fn describe(&self) -> PyResult<String> {
        written(&Registry::builtin().describe(&self.0))
    }
}

fn object_of(text: &str) -> PyResult<Map<String, Value>> {
    serde_json::from_str(text)
        .map_err(|error| InvalidEvent::new_err(format!("headers are not a JSON object: {error}")))
}

/// An event as Python reads it, its body as it was written.
pub(crate) fn json(event: &Event) -> PyResult<String> {
    let body = match event.body.encoding() {
        Encoding::Json => serde_json::from_slice::<Box<RawValue>>(event.body.bytes()),
        Encoding::Cbor | Encoding::Protobuf => to_raw_value(event.body.object()),
    };
    let body = body.map_err(|error| InvalidEvent::new_err(error.to_string()))?;
    written(&Written {
        topic: event.topic.as_str(),
        id: &event.id,
        body: &body,
        severity: event.severity.number(),
        headers: &event.headers,
        sent_at: event.sent_at.map(|time| time.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()),
        source: event.source.as_deref(),
        object: event.object.as_deref(),
        schema: event.schema.as_deref(),
        schema_version: event.schema_version,
        priority: event.priority,
    })
}

fn written(value: &impl serde::Serialize) -> PyResult<String> {
    serde_json::to_string(value).map_err(|error| InvalidEvent::new_err(error.to_string()))
}

#[derive(serde::Serialize)]
struct Written<'a> {
    topic: &'a str,
    id: &'a str,
    body: &'a RawValue,
    severity: u8,
    headers: &'a Map<String, Value>,
    sent_at: Option<String>,
    source: Option<&'a str>,
    object: Option<&'a str>,
    schema: Option<&'a str>,
    schema_version: Option<u32>,
    priority: Option<u8>,
}
