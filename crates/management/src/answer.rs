//! What a handler answers, and how that becomes HTTP. A long list is made while it is sent, a piece
//! at a time, so that it never stands in memory as a whole.

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::stream;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::{limits::ANSWER_PIECE_BYTES, refusal::Refusal};

/// Items of a list that is sent as it is made.
pub(crate) type Items = Box<dyn Iterator<Item = Value> + Send>;

/// The answer to a request that was done.
pub(crate) enum Answer {
    /// 200 with this.
    Json(Value),
    /// 200 with an array of these.
    Items(Items),
    /// 200 with text of this type.
    Text(&'static str, String),
    /// 201: it is new; where it is, where that is to be said.
    Created(Option<String>),
    /// 204: done.
    Done,
    /// Another status, with this.
    Status(StatusCode, Value),
    /// 302 to there.
    Elsewhere(String),
}

/// What came of a request.
pub(crate) type Outcome = Result<Answer, Refusal>;

impl Answer {
    /// 201 or 204, as RabbitMQ answers PUT.
    pub(crate) fn put(is_new: bool) -> Answer {
        match is_new {
            true => Answer::Created(None),
            false => Answer::Done,
        }
    }

    pub(crate) fn into_response(self) -> Response {
        match self {
            Answer::Json(value) => json(StatusCode::OK, &value),
            Answer::Status(status, value) => json(status, &value),
            Answer::Items(items) => typed(StatusCode::OK, JSON, streamed(items)),
            Answer::Text(of_type, text) => typed(StatusCode::OK, of_type, Body::from(text)),
            Answer::Created(location) => {
                with_location(empty(StatusCode::CREATED), location.as_deref())
            }
            Answer::Done => empty(StatusCode::NO_CONTENT),
            Answer::Elsewhere(location) => with_location(empty(StatusCode::FOUND), Some(&location)),
        }
    }
}

impl Refusal {
    pub(crate) fn into_response(self) -> Response {
        let mut response = json(self.status, &self.body());
        if self.error == "not_authorized" {
            let ask = HeaderValue::from_static("Basic realm=\"RabbitMQ Management\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, ask);
        }
        response
    }
}

pub(crate) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn json(status: StatusCode, value: &Value) -> Response {
    typed(status, JSON, Body::from(value.to_string()))
}

fn typed(status: StatusCode, of_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(of_type));
    response
}

fn with_location(mut response: Response, location: Option<&str>) -> Response {
    if let Some(location) = location.and_then(|it| HeaderValue::from_str(it).ok()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Makes the array on a thread that may take its time, a few pieces ahead of the peer; a peer that
/// goes away ends it.
fn streamed(items: Items) -> Body {
    let (pieces, taken) = mpsc::channel::<Bytes>(4);
    tokio::task::spawn_blocking(move || {
        let mut piece = String::from("[");
        for (at, item) in items.enumerate() {
            if at > 0 {
                piece.push(',');
            }
            piece.push_str(&item.to_string());
            if piece.len() >= ANSWER_PIECE_BYTES
                && pieces.blocking_send(std::mem::take(&mut piece).into()).is_err()
            {
                return;
            }
        }
        piece.push(']');
        // Nobody is left to be told.
        drop(pieces.blocking_send(piece.into()));
    });
    Body::from_stream(stream::unfold(taken, |mut taken| async move {
        taken.recv().await.map(|piece| (Ok::<Bytes, std::io::Error>(piece), taken))
    }))
}

const JSON: &str = "application/json";

/// What tells a browser not to do anything with an answer but read it.
pub(crate) const PROTECTION: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    async fn body(answer: Answer) -> Value {
        let body = answer.into_response().into_body();
        serde_json::from_slice(&axum::body::to_bytes(body, usize::MAX).await.unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_list_is_sent_in_pieces_and_is_one_array() {
        let items = (0..20_000).map(|n| json!({"n": n}));
        let value = body(Answer::Items(Box::new(items))).await;
        let all = value.as_array().unwrap();
        assert_eq!((all.len(), &all[19_999]["n"]), (20_000, &json!(19_999)));
        assert_eq!(body(Answer::Items(Box::new(std::iter::empty()))).await, json!([]));
    }

    #[test]
    fn who_is_not_logged_in_is_asked_to_and_who_may_not_is_not() {
        let asked = |refusal: Refusal| {
            refusal.into_response().headers().contains_key(header::WWW_AUTHENTICATE)
        };
        assert!(asked(Refusal::login_failed()));
        assert!(!asked(Refusal::not_authorised("x")), "a browser would ask again and again");
    }
}
