//! What is not done, and why: the same for the API, as JSON, and for the pages, as text.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use notify::{rule::Fault, store};
use serde_json::{Map, Value, json};

/// A request that is not done.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// What and why, with the mend.
    pub(crate) reason: String,
    /// What is wrong with a rule, each with its place.
    pub(crate) faults: Vec<Fault>,
    retry_after_s: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, reason: impl Into<String>) -> Refusal {
        Refusal { status, reason: reason.into(), faults: Vec::new(), retry_after_s: None }
    }

    pub(crate) fn bad_request(reason: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, reason)
    }

    pub(crate) fn unfit(reason: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, reason)
    }

    pub(crate) fn forbidden(reason: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::FORBIDDEN, reason)
    }

    pub(crate) fn not_found(reason: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, reason)
    }

    pub(crate) fn not_signed_in() -> Refusal {
        let said = "No account has this name and password.";
        Refusal::new(StatusCode::UNAUTHORIZED, said)
    }

    pub(crate) fn later(reason: impl Into<String>, seconds: u64) -> Refusal {
        let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, reason);
        Refusal { retry_after_s: Some(seconds), ..refusal }
    }

    pub(crate) fn unavailable(reason: impl Into<String>) -> Refusal {
        let refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason);
        Refusal { retry_after_s: Some(5), ..refusal }
    }

    pub(crate) fn of_faults(faults: Vec<Fault>) -> Refusal {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        Refusal { faults, ..Refusal::unfit(lines.join("\n")) }
    }

    /// `Retry-After`, where there is one.
    pub(crate) fn with_headers(&self, mut answer: Response) -> Response {
        if let Some(seconds) = self.retry_after_s {
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut said = Map::from_iter([("error".to_owned(), Value::from(self.reason.as_str()))]);
        if !self.faults.is_empty() {
            said.insert("faults".to_owned(), json!(self.faults));
        }
        let mut answer = (self.status, Json(Value::Object(said))).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let ask = HeaderValue::from_static("Basic realm=\"Tubepost\", charset=\"UTF-8\"");
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, ask);
        }
        self.with_headers(answer)
    }
}

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Refusal {
        match error {
            store::Error::Rule(faults) => Refusal::of_faults(faults),
            store::Error::Refused(reason) => Refusal::unfit(reason),
            // The database's words are for the log: they may name files and hosts.
            error => {
                tracing::warn!(%error, "a person's page or call could not be answered");
                Refusal::unavailable("The store of rules does not answer; try again in a minute.")
            }
        }
    }
}
