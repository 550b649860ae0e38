//! `POST /events`: takes events, as CloudEvents in all three modes of their HTTP binding or as a
//! plain JSON object, and publishes them as whoever asks. Answers when the bus has confirmed them.

use std::sync::Arc;

use axum::{
    Json,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use client::{Error, Published};
use event::{Event, Registry};
use serde_json::{Map, Value, json};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout, timeout_at},
};

use crate::{
    guard::{ask_for_login, basic},
    limits::{PUBLISH_BODY_BYTES_MAX, PUBLISH_BODY_WAIT, PUBLISH_WAIT, PUBLISHES_MAX},
    people::origin::is_own_page,
    publishers::{Credentials, Publishers},
    route::Site,
};

/// What it takes to publish.
#[derive(Debug)]
pub(crate) struct Door {
    publishers: Publishers,
    /// Requests at once.
    places: Semaphore,
}

impl Door {
    pub(crate) fn new(publishers: Publishers) -> Door {
        Door { publishers, places: Semaphore::new(PUBLISHES_MAX) }
    }
}

/// A request that is not done, with the reason and the mend.
struct Refusal {
    status: StatusCode,
    said: Map<String, Value>,
}

impl Refusal {
    fn new(status: StatusCode, reason: impl Into<String>) -> Refusal {
        Refusal { status, said: Map::from_iter([("error".to_owned(), reason.into().into())]) }
    }

    fn with(mut self, key: &str, value: impl Into<Value>) -> Refusal {
        self.said.insert(key.to_owned(), value.into());
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let again = self.status == StatusCode::SERVICE_UNAVAILABLE;
        let mut answer = (self.status, Json(Value::Object(self.said))).into_response();
        if again {
            answer.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(RETRY_S));
        }
        answer
    }
}

/// Publishes what a request has.
pub(crate) async fn events(State(site): State<Site>, request: Request) -> Response {
    let Some(door) = &site.publishing else {
        let said = "Nothing is published here: this server has no bus for that.";
        return Refusal::new(StatusCode::NOT_FOUND, said).into_response();
    };
    let (head, body) = request.into_parts();
    if !is_own_page(&head.uri, &head.headers) {
        let said = "Pages of other sites may not publish here.";
        return Refusal::new(StatusCode::FORBIDDEN, said).into_response();
    }
    let Some((user, password)) = head.headers.get(header::AUTHORIZATION).and_then(basic) else {
        return ask_for_login();
    };
    let Ok(_place) = door.places.try_acquire() else {
        let said = "Too many publish at this moment; try again.";
        return Refusal::new(StatusCode::SERVICE_UNAVAILABLE, said).into_response();
    };
    let events = match taken(&site.schemas, &head.headers, body).await {
        Ok(events) => events,
        Err(refusal) => return refusal.into_response(),
    };
    publish(door, &Credentials { user, password }, &events).await
}

/// The events of a request, complete as they are published; all of them, or none.
async fn taken(schemas: &Registry, headers: &HeaderMap, body: Body) -> Result<Vec<Event>, Refusal> {
    let body = timeout(PUBLISH_BODY_WAIT, to_bytes(body, PUBLISH_BODY_BYTES_MAX)).await;
    let body = body.map_err(|_| {
        Refusal::new(StatusCode::REQUEST_TIMEOUT, "The body did not come in time; send it again.")
    })?;
    let body = body.map_err(|error| match is_too_large(&error) {
        true => Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!(
                "The body has more than {PUBLISH_BODY_BYTES_MAX} bytes; put what is large elsewhere, \
                 and a link into the event."
            ),
        ),
        false => Refusal::new(StatusCode::BAD_REQUEST, "The body did not come whole."),
    })?;
    let mut events = read(headers, body)?;
    for (index, event) in events.iter_mut().enumerate() {
        let completed = match event.schema.is_none() && event.signature.is_none() {
            true => schemas.complete(event),
            false => schemas.validate(event),
        };
        completed.and_then(|()| event.check()).map_err(|error| unfit(&error, index))?;
    }
    Ok(events)
}

fn is_too_large(error: &axum::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        source = error.source();
    }
    false
}

fn read(headers: &HeaderMap, body: Bytes) -> Result<Vec<Event>, Refusal> {
    let said = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let media_type = said.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let is_cloud_event = headers.keys().any(|name| name.as_str().starts_with("ce-"))
        || media_type.to_ascii_lowercase().starts_with("application/cloudevents");
    let no_event = |error: event::Error| Refusal::new(StatusCode::BAD_REQUEST, error.to_string());
    if is_cloud_event {
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        return Event::from_http(headers, body).map_err(no_event);
    }
    if !media_type.eq_ignore_ascii_case("application/json") {
        let expected = "application/json with a topic and a body, or a CloudEvent: headers ce-…, \
                        application/cloudevents+json or application/cloudevents-batch+json";
        let reason = format!("The content-type is not one of events; expected {expected}.");
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, reason));
    }
    let text = std::str::from_utf8(&body).map_err(|error| {
        Refusal::new(StatusCode::BAD_REQUEST, format!("The body is not UTF-8: {error}"))
    })?;
    let mut event = Event::from_dump(text).map_err(no_event)?;
    if event.sent_at.is_none() {
        event.sent_at = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).ok();
    }
    Ok(vec![event])
}

/// RFC 9110 §15.5.21: it is read, and is not what it has to be.
fn unfit(error: &event::Error, index: usize) -> Refusal {
    let refusal = Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string());
    let refusal = refusal.with("index", index);
    match error {
        event::Error::Invalid { schema, reasons } => {
            refusal.with("schema", schema.as_str()).with("reasons", reasons.clone())
        }
        _ => refusal,
    }
}

async fn publish(door: &Arc<Door>, who: &Credentials, events: &[Event]) -> Response {
    let deadline = Instant::now() + PUBLISH_WAIT;
    let late = |_| {
        let said = "The bus did not answer in time: the events may be published, or not. Send them \
                    again with the same ids.";
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, said)
    };
    let publisher = match timeout_at(deadline, door.publishers.of(who)).await.map_err(late) {
        Ok(Ok(publisher)) => publisher,
        Ok(Err(error)) => return refused(&error).into_response(),
        Err(refusal) => return refusal.into_response(),
    };
    let outcomes = match timeout_at(deadline, publisher.publish_all(events)).await.map_err(late) {
        Ok(outcomes) => outcomes,
        Err(refusal) => return refusal.into_response(),
    };
    let mut worst: Option<Refusal> = None;
    let mut said = Vec::with_capacity(events.len());
    for (event, outcome) in events.iter().zip(outcomes) {
        said.push(match outcome {
            Ok(published) => json!({"id": event.id, "routed": published == Published::Routed}),
            Err(error) => {
                if error.is_outage() {
                    door.publishers.forget(who);
                }
                let refusal = refused(&error);
                let of_this = json!({"id": event.id, "error": refusal.said.get("error")});
                worst = worst.or(Some(refusal));
                of_this
            }
        });
    }
    match worst {
        None => Json(json!({"events": said})).into_response(),
        Some(refusal) => refusal.with("events", said).into_response(),
    }
}

/// What the bus says, in HTTP's words.
fn refused(error: &Error) -> Refusal {
    let status = match error {
        Error::LoginRefused { .. } => StatusCode::UNAUTHORIZED,
        Error::VirtualHost { .. } | Error::Refused { code: 403, .. } => StatusCode::FORBIDDEN,
        Error::Event { .. } | Error::NoEvent(_) => StatusCode::UNPROCESSABLE_ENTITY,
        error if error.is_outage() => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_GATEWAY,
    };
    Refusal::new(status, error.to_string())
}

/// After an outage, in seconds.
const RETRY_S: u16 = 5;
