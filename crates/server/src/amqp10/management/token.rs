//! Tokens by which a client would stay logged in: nobody logs in by one here.

use amqp10::types::Value;

use super::{
    answer::{Outcome, Refusal, Status},
    request::term,
};

/// `PUT /auth/tokens`. RabbitMQ says 204 to who logged in by password, and passes the token over;
/// who sends one believes that it matters.
pub(super) fn put(body: &Value) -> Outcome {
    match body {
        Value::Binary(_) => {
            let text = "a token changes nothing: nobody is logged in by one here, and a login by \
                        password or certificate does not expire; do not send it";
            Err(Refusal::Answered(Status::NotImplemented, text.to_owned()))
        }
        other => Err(Refusal::bad_request(format!("a token is binary, not {}", term(other)))),
    }
}
