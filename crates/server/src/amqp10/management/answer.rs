//! What is said to a request: a status of HTTP, and a body or the reason.

use amqp10::{
    Encode as _, SectionKind,
    messaging::Properties,
    section::{encode_map_section, encode_value},
    types::{MessageId, Value},
};
use broker::error::Kind;
use bytes::{Bytes, BytesMut};

/// A status of HTTP (RFC 9110 §15), as far as it is said here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    Created,
    NoContent,
    BadRequest,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    Conflict,
    TooLarge,
    InternalError,
    NotImplemented,
    Unavailable,
}

impl Status {
    pub(super) fn code(self) -> u16 {
        self.said().0
    }

    pub(super) fn words(self) -> &'static str {
        self.said().1
    }

    fn said(self) -> (u16, &'static str) {
        match self {
            Status::Ok => (200, "OK"),
            Status::Created => (201, "Created"),
            Status::NoContent => (204, "No Content"),
            Status::BadRequest => (400, "Bad Request"),
            Status::Forbidden => (403, "Forbidden"),
            Status::NotFound => (404, "Not Found"),
            Status::MethodNotAllowed => (405, "Method Not Allowed"),
            Status::Conflict => (409, "Conflict"),
            Status::TooLarge => (413, "Content Too Large"),
            Status::InternalError => (500, "Internal Server Error"),
            Status::NotImplemented => (501, "Not Implemented"),
            Status::Unavailable => (503, "Service Unavailable"),
        }
    }
}

/// The answer to a request of HTTP.
#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) status: Status,
    pub(super) body: Value,
}

impl Answer {
    pub(super) fn new(status: Status, body: impl Into<Value>) -> Answer {
        Answer { status, body: body.into() }
    }

    /// It is done, and there is nothing to say.
    pub(super) fn done() -> Answer {
        Answer { status: Status::NoContent, body: Value::Null }
    }

    /// Its message: HTTP over AMQP, working draft 06, §5.
    pub(super) fn encode(&self, correlation_id: Option<MessageId>) -> Bytes {
        let mut out = BytesMut::new();
        let subject = Some(self.status.code().to_string().into());
        Properties { subject, correlation_id, ..Properties::default() }.encode(&mut out);
        encode_map_section(SectionKind::ApplicationProperties, &mut out, |map| {
            map.entry("http:response", "1.1");
        });
        encode_value(&self.body, &mut out);
        out.freeze()
    }
}

/// Why a request is not done.
#[derive(Debug, PartialEq)]
pub(super) enum Refusal {
    /// It is answered with that.
    Answered(Status, String),
    /// The user may not. RabbitMQ: it ends the session.
    Unauthorized(String),
}

/// What becomes of a request of HTTP.
pub(super) type Outcome = Result<Answer, Refusal>;

impl Refusal {
    pub(super) fn bad_request(text: impl Into<String>) -> Refusal {
        Refusal::Answered(Status::BadRequest, text.into())
    }

    /// RabbitMQ: it says 400 whatever was wrong, but for what is not the client's fault.
    pub(super) fn of(error: broker::Error) -> Refusal {
        let status = match error.kind {
            Kind::AccessRefused => return Refusal::Unauthorized(error.text),
            Kind::DiskFull => Status::Unavailable,
            Kind::Internal => Status::InternalError,
            Kind::NotFound
            | Kind::ResourceLocked
            | Kind::PreconditionFailed
            | Kind::NotAllowed
            | Kind::NotImplemented
            | Kind::ResourceError => Status::BadRequest,
        };
        Refusal::Answered(status, error.text)
    }

    /// Of a declaration: something is there, and it is not the same.
    pub(super) fn of_declaration(error: broker::Error) -> Refusal {
        match error.kind {
            Kind::PreconditionFailed => Refusal::Answered(Status::Conflict, error.text),
            _ => Refusal::of(error),
        }
    }
}
