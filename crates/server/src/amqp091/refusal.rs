//! A refusal as AMQP 0-9-1 says it: a code, a text, the method, and how far it reaches.

use amqp091::{Error, MethodId, Reach, ReplyCode, ShortStr};
use broker::error::Kind;

/// Why a channel or the connection is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: ReplyCode,
    pub(super) text: ShortStr,
    pub(super) method: Option<MethodId>,
}

impl Refusal {
    pub(super) fn new(code: ReplyCode, text: impl std::fmt::Display) -> Refusal {
        Refusal { code, text: code.text(text), method: None }
    }

    /// A method that is not for servers to receive, or on the wrong kind of channel (RabbitMQ).
    pub(super) fn unimplemented_method() -> Refusal {
        Refusal::new(ReplyCode::CommandInvalid, "unimplemented method")
    }

    /// RabbitMQ: nothing but `channel.close` between `tx.commit` and its answer.
    pub(super) fn while_committing() -> Refusal {
        let text = "unexpected command while processing 'tx.commit'";
        Refusal::new(ReplyCode::ChannelError, text)
    }

    pub(super) fn in_method(mut self, method: MethodId) -> Refusal {
        self.method.get_or_insert(method);
        self
    }

    pub(super) fn reach(&self) -> Reach {
        self.code.reach()
    }

    pub(super) fn class_id(&self) -> u16 {
        self.method.map_or(0, |id| id.class)
    }

    pub(super) fn method_id(&self) -> u16 {
        self.method.map_or(0, |id| id.method)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal { code: error.reply_code(), text: error.text(), method: error.method() }
    }
}

impl From<broker::Error> for Refusal {
    fn from(error: broker::Error) -> Refusal {
        let code = match error.kind {
            Kind::NotFound => ReplyCode::NotFound,
            Kind::AccessRefused => ReplyCode::AccessRefused,
            Kind::ResourceLocked => ReplyCode::ResourceLocked,
            Kind::PreconditionFailed => ReplyCode::PreconditionFailed,
            Kind::NotAllowed => ReplyCode::NotAllowed,
            Kind::NotImplemented => ReplyCode::NotImplemented,
            Kind::ResourceError | Kind::DiskFull => ReplyCode::ResourceError,
            Kind::Internal => ReplyCode::InternalError,
        };
        Refusal::new(code, error.text)
    }
}
