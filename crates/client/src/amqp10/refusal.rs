//! Conditions of AMQP 1.0 as the reply codes of AMQP 0-9-1 that say the same: whoever asks why an
//! event was refused needs not know by which protocol.

use ::amqp10::{ErrorCondition, definition::AmqpError};

use crate::conversation::{Ending, Refusal};

/// The refusal that an error is.
pub(super) fn refusal(what: Option<String>, error: Option<&AmqpError>) -> Refusal {
    let Some(error) = error else {
        let text = "it ended what was asked of it, without a reason".to_owned();
        return Refusal { what, code: INTERNAL_ERROR, text };
    };
    Refusal { what, code: code(error.condition.as_ref()), text: words(error) }
}

/// The end of a connection that was closed with that.
pub(super) fn ending(error: Option<&AmqpError>) -> Ending {
    match error {
        None => Ending::Lost("the bus closed it".to_owned()),
        Some(error) if error.condition == ErrorCondition::ConnectionForced => {
            Ending::Lost(words(error))
        }
        Some(error) => Ending::Refused(refusal(None, Some(error))),
    }
}

/// `amqp:not-found: no queue 'mail'`.
pub(super) fn words(error: &AmqpError) -> String {
    match &error.description {
        Some(description) => format!("{}: {description}", error.condition),
        None => error.condition.to_string(),
    }
}

/// What is it in AMQP 0-9-1.
pub(super) fn code(condition: &str) -> u16 {
    match condition {
        "amqp:link:message-size-exceeded" => 311,
        "amqp:unauthorized-access" => 403,
        "amqp:not-found" | "amqp:resource-deleted" => 404,
        "amqp:resource-locked" => 405,
        "amqp:precondition-failed" => 406,
        "amqp:decode-error" | "amqp:invalid-field" => 502,
        "amqp:frame-size-too-small" | "amqp:connection:framing-error" => 501,
        "amqp:resource-limit-exceeded" => 506,
        "amqp:not-allowed" | "amqp:illegal-state" => 530,
        "amqp:not-implemented" => 540,
        _ => INTERNAL_ERROR,
    }
}

const INTERNAL_ERROR: u16 = 541;
