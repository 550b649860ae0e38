//! Why a request is not done, as RabbitMQ's API says it: a status, a word and a reason.

use axum::http::StatusCode;
use broker::error::Kind;
use serde_json::{Value, json};

/// A refusal. Its reason names what was refused, and the mend where there is one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) error: &'static str,
    pub(crate) reason: Value,
}

impl Refusal {
    fn new(status: StatusCode, error: &'static str, reason: impl Into<String>) -> Refusal {
        Refusal { status, error, reason: Value::String(reason.into()) }
    }

    /// 400: it cannot be so.
    pub(crate) fn bad_request(reason: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, "bad_request", reason)
    }

    /// 401: they may not. RabbitMQ says 401 here, too.
    pub(crate) fn not_authorised(reason: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::UNAUTHORIZED, "not_authorised", reason)
    }

    /// 401: who is it?
    pub(crate) fn login_failed() -> Refusal {
        Refusal::new(StatusCode::UNAUTHORIZED, "not_authorized", "Login failed")
    }

    /// 403: the request is not what it seems.
    pub(crate) fn forbidden(reason: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::FORBIDDEN, "forbidden", reason)
    }

    /// 404: what the address names is not there.
    pub(crate) fn no_object(reason: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, "Object Not Found", reason)
    }

    /// 404: something else that is needed is not there.
    pub(crate) fn not_found(reason: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, "not_found", reason)
    }

    /// 405, with the methods there are.
    pub(crate) fn method(allowed: &str) -> Refusal {
        let reason = format!("only {allowed} here");
        Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", reason)
    }

    /// 408: the peer is too slow.
    pub(crate) fn too_slow(reason: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", reason)
    }

    /// 413: more than may be.
    pub(crate) fn too_large(reason: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", reason)
    }

    /// 503: not now.
    pub(crate) fn unavailable(reason: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", reason)
    }

    /// 500: it is not the peer's fault.
    pub(crate) fn internal(reason: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_server_error", reason)
    }

    /// The same under RabbitMQ's word for it.
    pub(crate) fn named(self, error: &'static str) -> Refusal {
        Refusal { error, ..self }
    }

    /// The same of a permission to be set, whose virtual host or user is not there: there it is the
    /// request that is wrong (RabbitMQ).
    pub(crate) fn of_permission(self) -> Refusal {
        let what = self.reason.as_str().unwrap_or_default();
        Refusal::bad_request(format!("vhost_or_user_not_found: {what}"))
    }

    pub(crate) fn body(&self) -> Value {
        json!({"error": self.error, "reason": self.reason})
    }
}

impl From<broker::Error> for Refusal {
    fn from(error: broker::Error) -> Refusal {
        match error.kind {
            Kind::NotFound => Refusal::not_found(error.text),
            Kind::AccessRefused => Refusal::not_authorised(error.text),
            // RabbitMQ has one code for a virtual host that is not there, one that is full, and one
            // that they may not enter.
            Kind::NotAllowed if error.text.starts_with("vhost ") => Refusal::not_found(error.text),
            Kind::NotAllowed => Refusal::not_authorised(error.text),
            Kind::ResourceLocked
            | Kind::PreconditionFailed
            | Kind::ResourceError
            | Kind::NotImplemented => Refusal::bad_request(error.text),
            Kind::DiskFull => Refusal::unavailable(error.text),
            Kind::Internal => Refusal::internal(error.text),
        }
    }
}

impl From<auth::Error> for Refusal {
    fn from(error: auth::Error) -> Refusal {
        match error {
            auth::Error::Unknown { .. } => Refusal::no_object(error.to_string()),
            auth::Error::File { .. } | auth::Error::Format { .. } | auth::Error::Random(_) => {
                Refusal::internal(error.to_string())
            }
            _ => Refusal::bad_request(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use broker::{Broker, Options};

    use super::*;

    #[test]
    fn the_brokers_refusals_have_the_statuses_of_rabbitmq() {
        let broker = Broker::in_memory(&Options::default());
        let nobody = broker::authorize::Identity {
            name: "u".into(),
            tags: Default::default(),
            default_access: false,
        };
        let missing = Refusal::from(broker.access("nope", nobody.clone()).unwrap_err());
        assert_eq!((missing.status.as_u16(), missing.error), (404, "not_found"));
        let refused = Refusal::from(broker.access("/", nobody).unwrap_err());
        assert_eq!((refused.status.as_u16(), refused.error), (401, "not_authorised"));
        let vhost = broker.vhost("/").unwrap();
        let me = broker.new_connection();
        let missing = Refusal::from(vhost.queue("q", me).unwrap_err());
        assert_eq!(
            missing.body(),
            json!({"error": "not_found", "reason": "no queue 'q' in vhost '/'"})
        );
    }
}
