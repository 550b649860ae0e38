//! The `x-` arguments that a queue may be declared with: which type knows which, and what they must
//! be, in RabbitMQ's order and words (`rabbit_amqqueue:declare_args`, 4.2).

use super::{QueueType, erlang, key::LEADER_LOCATORS, max_age};
use crate::{Arguments, Value};

/// One argument.
pub(super) struct Argument {
    pub(super) name: &'static str,
    check: Check,
    types: &'static [QueueType],
}

#[derive(Clone, Copy)]
enum Check {
    /// Ten years at most, in milliseconds; not nothing.
    Expiry,
    /// Ten years at most, in milliseconds.
    Ttl,
    Text,
    /// A text, beside a dead letter exchange.
    DeadLetterRoutingKey,
    /// One of these words; else this.
    OneOf(&'static [&'static str], &'static str),
    /// One of these words; else a sentence with this in it.
    Supported(&'static [&'static str], &'static str),
    NotNegative,
    Positive,
    /// 255 at most.
    Priority,
    Version,
    Bool,
    MaxAge,
    /// RabbitMQ does not look: what is not of its type says nothing.
    Anything,
}

const ALL: &[QueueType] = QueueType::ALL;
const CLASSIC: &[QueueType] = &[QueueType::Classic];
const QUORUM: &[QueueType] = &[QueueType::Quorum];
const STREAM: &[QueueType] = &[QueueType::Stream];
const NOT_STREAM: &[QueueType] = &[QueueType::Classic, QueueType::Quorum];

const fn argument(name: &'static str, check: Check, types: &'static [QueueType]) -> Argument {
    Argument { name, check, types }
}

#[rustfmt::skip]
pub(super) const ARGUMENTS: &[Argument] = &[
    argument("x-expires", Check::Expiry, NOT_STREAM),
    argument("x-message-ttl", Check::Ttl, NOT_STREAM),
    argument("x-dead-letter-exchange", Check::Text, NOT_STREAM),
    argument("x-dead-letter-routing-key", Check::DeadLetterRoutingKey, NOT_STREAM),
    argument("x-dead-letter-strategy", Check::OneOf(&["at-most-once", "at-least-once"], "invalid_dlx_strategy"), QUORUM),
    argument("x-max-length", Check::NotNegative, NOT_STREAM),
    argument("x-max-length-bytes", Check::NotNegative, ALL),
    argument("x-max-in-memory-length", Check::NotNegative, QUORUM),
    argument("x-max-in-memory-bytes", Check::NotNegative, QUORUM),
    argument("x-max-priority", Check::Priority, CLASSIC),
    argument("x-overflow", Check::OneOf(&["drop-head", "reject-publish", "reject-publish-dlx"], "invalid_overflow"), NOT_STREAM),
    argument("x-queue-mode", Check::Supported(&["default", "lazy"], "queue mode"), CLASSIC),
    argument("x-queue-version", Check::Version, CLASSIC),
    argument("x-single-active-consumer", Check::Bool, NOT_STREAM),
    argument("x-queue-type", Check::Anything, ALL),
    argument("x-quorum-initial-group-size", Check::Positive, QUORUM),
    argument("x-max-age", Check::MaxAge, STREAM),
    argument("x-stream-max-segment-size-bytes", Check::NotNegative, STREAM),
    argument("x-stream-filter-size-bytes", Check::NotNegative, STREAM),
    argument("x-initial-cluster-size", Check::Positive, STREAM),
    argument("x-queue-leader-locator", Check::OneOf(LEADER_LOCATORS, "invalid_queue_locator_arg"), ALL),
    argument("x-queue-master-locator", Check::Anything, CLASSIC),
    argument("x-delivery-limit", Check::Anything, QUORUM),
];

/// RabbitMQ: `?MAX_SUPPORTED_PRIORITY`.
const PRIORITY_MAX: i64 = 255;

/// RabbitMQ: `rabbit_misc:check_expiry`; ten years.
const EXPIRY_MS_MAX: i64 = 315_360_000_000;

impl Argument {
    pub(super) fn named(name: &str) -> Option<&'static Argument> {
        ARGUMENTS.iter().find(|argument| argument.name == name)
    }

    pub(super) fn is_known_to(&self, queue_type: QueueType) -> bool {
        self.types.contains(&queue_type)
    }

    /// What is wrong with a value, as Erlang prints it.
    pub(super) fn check(&self, value: &Value, all: &Arguments) -> Result<(), String> {
        match self.check {
            Check::Anything => Ok(()),
            Check::Expiry => match integer(value)? {
                0 => Err("{value_zero,0}".to_owned()),
                number => expiry(number),
            },
            Check::Ttl => expiry(integer(value)?),
            Check::Text => text(value).map(drop),
            Check::DeadLetterRoutingKey => match all.get("x-dead-letter-exchange") {
                _ if value.as_str().is_none() => text(value).map(drop),
                None => Err("routing_key_but_no_dlx_defined".to_owned()),
                Some(_) => Ok(()),
            },
            Check::OneOf(words, otherwise) => match words.contains(&text(value)?) {
                true => Ok(()),
                false => Err(otherwise.to_owned()),
            },
            Check::Supported(words, what) => match text(value)? {
                word if words.contains(&word) => Ok(()),
                word => Err(erlang::string(&format!("unsupported {what} '{word}'"))),
            },
            Check::NotNegative => not_negative(value).map(drop),
            Check::Positive => match not_negative(value)? {
                0 => Err("{value_zero,0}".to_owned()),
                _ => Ok(()),
            },
            Check::Priority => match not_negative(value)? {
                number if number > PRIORITY_MAX => Err(format!("{{max_value_exceeded,{number}}}")),
                _ => Ok(()),
            },
            Check::Version => match not_negative(value)? {
                1 | 2 => Ok(()),
                number => Err(erlang::string(&format!("unsupported queue version '{number}'"))),
            },
            Check::Bool => match value {
                Value::Bool(_) => Ok(()),
                other => Err(unacceptable(other)),
            },
            Check::MaxAge => match max_age::milliseconds(text(value)?) {
                Some(_) => Ok(()),
                None => Err("invalid_max_age".to_owned()),
            },
        }
    }
}

fn integer(value: &Value) -> Result<i64, String> {
    let wrong = || format!("expected integer, got {}", value.type_name());
    value.as_integer().ok_or_else(|| erlang::string(&wrong()))
}

fn not_negative(value: &Value) -> Result<i64, String> {
    match integer(value)? {
        number @ ..0 => Err(format!("{{value_negative,{number}}}")),
        number => Ok(number),
    }
}

fn expiry(number: i64) -> Result<(), String> {
    match number {
        ..0 => Err(format!("{{value_negative,{number}}}")),
        number if number > EXPIRY_MS_MAX => Err(format!("{{value_too_large,{number}}}")),
        _ => Ok(()),
    }
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| unacceptable(value))
}

pub(super) fn unacceptable(value: &Value) -> String {
    format!("{{unacceptable_type,{}}}", value.type_name())
}
