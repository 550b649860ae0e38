//! Why something is refused, as AMQP 1.0 says it: the broker's kinds of refusal and the conditions
//! that stand for them (AMQP 1.0 §2.8.15 to §2.8.18).

use amqp10::{ErrorCondition, definition::AmqpError};
use broker::error::Kind;

/// An error with these words.
pub(super) fn error(condition: ErrorCondition, text: impl Into<String>) -> AmqpError {
    AmqpError { condition, description: Some(text.into().into()), info: None }
}

/// No place left.
pub(super) fn full(text: String) -> AmqpError {
    error(ErrorCondition::ResourceLimitExceeded, text)
}

/// Why somebody is not let into a virtual host. RabbitMQ: `amqp:unauthorized-access` also where it
/// is not there.
pub(super) fn of_connect(refused: &broker::Error) -> AmqpError {
    match refused.kind {
        Kind::NotFound | Kind::AccessRefused | Kind::NotAllowed => {
            error(ErrorCondition::UnauthorizedAccess, &*refused.text)
        }
        _ => of(refused),
    }
}

/// The same refusal.
pub(super) fn of(refused: &broker::Error) -> AmqpError {
    let condition = match refused.kind {
        Kind::NotFound => ErrorCondition::NotFound,
        Kind::AccessRefused => ErrorCondition::UnauthorizedAccess,
        Kind::ResourceLocked => ErrorCondition::ResourceLocked,
        Kind::PreconditionFailed => ErrorCondition::PreconditionFailed,
        Kind::NotAllowed => ErrorCondition::NotAllowed,
        Kind::NotImplemented => ErrorCondition::NotImplemented,
        Kind::ResourceError | Kind::DiskFull => ErrorCondition::ResourceLimitExceeded,
        Kind::Internal => ErrorCondition::InternalError,
    };
    error(condition, &*refused.text)
}
