//! One call: who asks, for what, with what. Handlers are plain functions on a thread that may wait
//! for the disk.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    http::request::Parts,
};
use bytes::Bytes;
use event::Registry;
use notify::rule::Owner;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

use super::{People, refusal::Refusal, visitor::Visitor};
use crate::{
    Feed,
    limits::{CALL_BODY_BYTES_MAX, CALL_BODY_WAIT, CALL_TURN_WAIT},
};

/// What a handler is given.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) people: Arc<People>,
    pub(crate) feed: Feed,
    pub(crate) schemas: Registry,
    pub(crate) visitor: Visitor,
    /// What stands in the address, by name.
    pub(crate) places: Vec<(String, String)>,
    /// The query.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

/// What it gives.
pub(crate) type Outcome = Result<Answer, Refusal>;

/// What was done.
#[derive(Debug)]
pub(crate) enum Answer {
    /// This.
    Json(Value),
    /// It was made, and is this.
    Made(Value),
    /// It goes on: this is needed next.
    Accepted(Value),
    /// Nothing is left to say.
    Done,
}

/// A handler.
pub(crate) type Handler = fn(&Call) -> Outcome;

impl Call {
    /// Runs a handler when it is its turn.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        handler: impl FnOnce(&Call) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let places = Arc::clone(&self.people.calls);
        let Ok(Ok(turn)) = timeout(CALL_TURN_WAIT, places.acquire_owned()).await else {
            return Err(Refusal::unavailable("Too many ask at this moment; try again."));
        };
        let work = move || {
            let outcome = handler(&self);
            drop(turn);
            outcome
        };
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a person's call failed");
            let said = "The call failed; the server's log says why.";
            Err(Refusal::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, said))
        })
    }

    /// What stands in the address under a name.
    pub(crate) fn place(&self, name: &str) -> &str {
        find(&self.places, name).unwrap_or_default()
    }

    /// A parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        find(&self.query, name)
    }

    /// A parameter that is a number.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let wrong = |_| Refusal::bad_request(format!("{name} is a number, 0 or more."));
        self.parameter(name).map(|text| text.parse().map_err(wrong)).transpose()
    }

    /// The owner that the address names.
    pub(crate) fn owner(&self) -> Result<Owner, Refusal> {
        self.place("owner").parse().map_err(|why: String| Refusal::bad_request(why))
    }

    /// The body, read as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Refusal::bad_request(format!("The body: {error}")))
    }
}

fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(this, _)| this == name).map(|(_, value)| value.as_str())
}

/// The parameters of an address.
pub(crate) fn query_of(head: &Parts) -> Vec<(String, String)> {
    let query = head.uri.query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes()).into_owned().take(PARAMETERS_MAX).collect()
}

/// A body, as far as it may be.
pub(crate) async fn body_of(body: Body) -> Result<Bytes, Refusal> {
    use axum::http::StatusCode;
    match timeout(CALL_BODY_WAIT, to_bytes(body, CALL_BODY_BYTES_MAX)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => {
            let said =
                format!("The body has more than {CALL_BODY_BYTES_MAX} bytes, or is cut off.");
            Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, said))
        }
        Err(_) => {
            let said = "The body did not come in time; send it again.";
            Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, said))
        }
    }
}

/// For how long a preview may look at past events.
pub(crate) const PREVIEW_WAIT: Duration = Duration::from_secs(2);
const PARAMETERS_MAX: usize = 100;
