//! The `x-` arguments of a consumer: which type of queue knows which, and what they must be, in
//! RabbitMQ's words (`rabbit_amqqueue:consume_args`). Names that no type knows are passed over.

use super::{QueueType, erlang};
use crate::{Arguments, Error, Reading, Value, error::Resource};

/// What a consumer's arguments ask for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConsumerArguments {
    /// `x-priority`: the higher, the sooner it gets messages.
    pub priority: i64,
    /// Of a stream: where it begins, and what it wants.
    pub reading: Reading,
}

impl ConsumerArguments {
    /// Reads the arguments of a consumer of a queue of that type.
    ///
    /// # Errors
    /// [`crate::error::Kind::PreconditionFailed`] in RabbitMQ's words, which name the queue.
    pub fn parse(
        vhost: &str,
        queue: &str,
        arguments: &Arguments,
        queue_type: QueueType,
    ) -> Result<ConsumerArguments, Error> {
        let what = Resource { kind: "queue", name: queue, vhost };
        let invalid = |argument: &str, fault: &str| {
            Error::precondition(format!("invalid arg '{argument}' for {what}: {fault}"))
        };
        let is_stream = queue_type == QueueType::Stream;
        let mut read = ConsumerArguments::default();
        if let Some(value) = arguments.get(PRIORITY).filter(|_| !is_stream) {
            let wrong = || format!("expected integer, got {}", value.type_name());
            let priority = value.as_integer();
            read.priority = priority.ok_or_else(|| invalid(PRIORITY, &erlang::string(&wrong())))?;
        }
        if is_stream {
            read.reading = Reading::of_arguments(arguments)
                .map_err(|value| invalid(STREAM_OFFSET, &no_offset(value)))?;
        }
        let strange = if is_stream { PRIORITY } else { STREAM_OFFSET };
        if arguments.get(strange).is_some() {
            let module = queue_type.module();
            return Err(Error::precondition(format!(
                "invalid arg '{strange}' for {what} of queue type {module}"
            )));
        }
        Ok(read)
    }
}

fn no_offset(value: &Value) -> String {
    let type_name = value.type_name();
    let shown = match (value.as_str(), value.as_integer()) {
        (Some(text), _) => format!(",{}", erlang::binary(text)),
        (None, Some(number)) => format!(",{number}"),
        (None, None) => String::new(),
    };
    format!("{{invalid_stream_offset_arg,{{{type_name}{shown}}}}}")
}

const PRIORITY: &str = "x-priority";
pub(crate) const STREAM_OFFSET: &str = "x-stream-offset";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(argument: &str, value: Value, of: QueueType) -> Result<ConsumerArguments, String> {
        let arguments = [(argument.to_owned(), value)].into_iter().collect();
        ConsumerArguments::parse("/", "q", &arguments, of).map_err(|error| error.text)
    }

    #[test]
    fn each_type_of_queue_knows_its_own() {
        for of in [QueueType::Classic, QueueType::Quorum] {
            assert_eq!(parse(PRIORITY, Value::Byte(-3), of).unwrap().priority, -3);
            let module = of.module();
            let expected = format!(
                "invalid arg 'x-stream-offset' for queue 'q' in vhost '/' of queue type {module}"
            );
            let first = Value::Longstr("first".to_owned());
            assert_eq!(parse(STREAM_OFFSET, first, of), Err(expected));
        }
        let refused = parse(PRIORITY, Value::Long(1), QueueType::Stream).unwrap_err();
        assert!(refused.ends_with("of queue type rabbit_stream_queue"), "{refused}");
        let known = parse("x-stream-filter", Value::Long(1), QueueType::Classic);
        assert_eq!(known, Ok(ConsumerArguments::default()), "passed over");
    }

    #[test]
    fn what_is_wrong_is_said_as_erlang_prints_it() {
        let begin = "invalid arg 'x-stream-offset' for queue 'q' in vhost '/': ";
        for (value, expected) in [
            (Value::Longstr("5".to_owned()), "{invalid_stream_offset_arg,{longstr,<<\"5\">>}}"),
            (Value::SignedInt(-1), "{invalid_stream_offset_arg,{signedint,-1}}"),
            (Value::Void, "{invalid_stream_offset_arg,{void}}"),
        ] {
            let refused = parse(STREAM_OFFSET, value, QueueType::Stream);
            assert_eq!(refused, Err(format!("{begin}{expected}")));
        }
        let refused = parse(PRIORITY, Value::Bool(true), QueueType::Classic).unwrap_err();
        assert!(refused.ends_with(": \"expected integer, got bool\""), "{refused}");
    }
}
