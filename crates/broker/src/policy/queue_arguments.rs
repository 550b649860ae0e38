//! A queue's own arguments, read and checked.

use bytestring::ByteString;

use super::{
    DeadLetterStrategy, Overflow, QueueMode, QueueType,
    argument::{ARGUMENTS, Argument, unacceptable},
    erlang,
    key::SEGMENT_BYTES_MAX,
    max_age,
};
use crate::{Arguments, Error, Value, error::Resource};

/// What a queue's arguments ask for; `None` where they say nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueueArguments {
    /// `x-queue-type`, or the default of the virtual host.
    pub queue_type: QueueType,
    /// `x-message-ttl`, in milliseconds.
    pub message_ttl: Option<u64>,
    /// `x-expires`, in milliseconds.
    pub expires: Option<u64>,
    /// `x-max-length`, in messages.
    pub max_length: Option<u64>,
    /// `x-max-length-bytes`.
    pub max_length_bytes: Option<u64>,
    /// `x-overflow`.
    pub overflow: Option<Overflow>,
    /// `x-dead-letter-exchange`.
    pub dead_letter_exchange: Option<ByteString>,
    /// `x-dead-letter-routing-key`.
    pub dead_letter_routing_key: Option<ByteString>,
    /// `x-dead-letter-strategy`.
    pub dead_letter_strategy: Option<DeadLetterStrategy>,
    /// `x-max-priority`.
    pub max_priority: Option<u8>,
    /// `x-single-active-consumer`.
    pub single_active_consumer: bool,
    /// `x-delivery-limit`; negative is no limit.
    pub delivery_limit: Option<i64>,
    /// `x-consumer-timeout`, in milliseconds; RabbitMQ does not check it before 4.3.
    pub consumer_timeout: Option<u64>,
    /// `x-queue-mode`.
    pub queue_mode: Option<QueueMode>,
    /// `x-max-age`, in milliseconds.
    pub max_age: Option<u64>,
    /// `x-stream-max-segment-size-bytes`.
    pub max_segment_bytes: Option<u64>,
    /// `x-stream-filter-size-bytes`.
    pub filter_bytes: Option<u8>,
}

impl QueueArguments {
    /// Reads the arguments of a queue that is to be declared. Names that RabbitMQ does not know are
    /// passed over, as it does.
    ///
    /// # Errors
    /// [`crate::error::Kind::PreconditionFailed`] in RabbitMQ's words, which name the queue.
    pub fn parse(
        vhost: &str,
        name: &str,
        arguments: &Arguments,
        default_type: QueueType,
    ) -> Result<QueueArguments, Error> {
        let queue = Resource { kind: "queue", name, vhost };
        let invalid = |argument: &str, fault: &str| {
            Error::precondition(format!("invalid arg '{argument}' for {queue}: {fault}"))
        };
        // RabbitMQ's channel looks at this one before the queue does.
        if let Some(value) = arguments.get("x-dead-letter-exchange")
            && value.as_str().is_none()
        {
            let type_name = value.type_name();
            return Err(Error::precondition(format!(
                "invalid type '{type_name}' for arg 'x-dead-letter-exchange' in {queue}"
            )));
        }
        let queue_type =
            queue_type(arguments, default_type).map_err(|fault| invalid("x-queue-type", &fault))?;
        for argument in ARGUMENTS.iter().filter(|argument| argument.is_known_to(queue_type)) {
            if let Some(value) = arguments.get(argument.name) {
                argument.check(value, arguments).map_err(|fault| invalid(argument.name, &fault))?;
            }
        }
        for (argument, _) in arguments.iter() {
            if Argument::named(argument).is_some_and(|it| !it.is_known_to(queue_type)) {
                let module = queue_type.module();
                return Err(Error::precondition(format!(
                    "invalid arg '{argument}' for {queue} of queue type {module}"
                )));
            }
        }
        let read = QueueArguments::read(arguments, queue_type);
        read.check_stream(arguments)?;
        Ok(read)
    }

    /// Those of a queue that is there, which were checked when it was declared. What an earlier
    /// version let pass and means nothing says nothing.
    pub fn of(arguments: &Arguments) -> QueueArguments {
        QueueArguments::read(
            arguments,
            queue_type(arguments, QueueType::Classic).unwrap_or_default(),
        )
    }

    /// The arguments that a type of queue knows, in RabbitMQ's order.
    pub(crate) fn known_to(queue_type: QueueType) -> impl Iterator<Item = &'static str> {
        let known = move |argument: &&Argument| argument.is_known_to(queue_type);
        ARGUMENTS.iter().filter(known).map(|argument| argument.name)
    }

    fn read(arguments: &Arguments, queue_type: QueueType) -> QueueArguments {
        let integer = |name: &str| arguments.get(name).and_then(Value::as_integer);
        let count = |name: &str| integer(name).and_then(|number| u64::try_from(number).ok());
        let text = |name: &str| arguments.get(name).and_then(Value::as_str);
        QueueArguments {
            queue_type,
            message_ttl: count("x-message-ttl"),
            expires: count("x-expires"),
            max_length: count("x-max-length"),
            max_length_bytes: count("x-max-length-bytes"),
            overflow: text("x-overflow").and_then(Overflow::named),
            dead_letter_exchange: text("x-dead-letter-exchange").map(ByteString::from),
            dead_letter_routing_key: text("x-dead-letter-routing-key").map(ByteString::from),
            dead_letter_strategy: text("x-dead-letter-strategy")
                .and_then(DeadLetterStrategy::named),
            max_priority: count("x-max-priority").and_then(|number| u8::try_from(number).ok()),
            single_active_consumer: arguments.get("x-single-active-consumer")
                == Some(&Value::Bool(true)),
            delivery_limit: integer("x-delivery-limit"),
            consumer_timeout: count("x-consumer-timeout"),
            queue_mode: text("x-queue-mode").and_then(QueueMode::named),
            max_age: text("x-max-age").and_then(max_age::milliseconds),
            max_segment_bytes: count("x-stream-max-segment-size-bytes"),
            filter_bytes: count("x-stream-filter-size-bytes")
                .and_then(|number| u8::try_from(number).ok()),
        }
    }

    /// RabbitMQ: `rabbit_stream_queue:declare`, whose texts name nothing.
    fn check_stream(&self, arguments: &Arguments) -> Result<(), Error> {
        if self.max_segment_bytes.is_some_and(|bytes| bytes > SEGMENT_BYTES_MAX) {
            return Err(Error::precondition(
                "Exceeded max value for x-stream-max-segment-size-bytes",
            ));
        }
        let is_there = arguments.get("x-stream-filter-size-bytes").is_some();
        if is_there && self.filter_bytes.is_none_or(|bytes| bytes < 16) {
            return Err(Error::precondition("Invalid value for x-stream-filter-size-bytes"));
        }
        Ok(())
    }

    /// Whether a queue of this type may be declared so. Quorum queues and streams are durable,
    /// belong to nobody, and stay.
    ///
    /// # Errors
    /// [`crate::error::Kind::PreconditionFailed`] in RabbitMQ's words.
    pub fn check_properties(
        &self,
        vhost: &str,
        name: &str,
        durable: bool,
        exclusive: bool,
        auto_delete: bool,
    ) -> Result<(), Error> {
        let property = match (self.queue_type, auto_delete, exclusive, durable) {
            (QueueType::Classic, ..) | (_, false, false, true) => return Ok(()),
            (_, true, _, _) => "auto-delete",
            (_, _, true, _) => "exclusive-owner",
            (_, _, _, false) => "non-durable",
        };
        let queue = Resource { kind: "queue", name, vhost };
        Err(Error::precondition(format!("invalid property '{property}' for {queue}")))
    }
}

/// RabbitMQ: an empty type, or `undefined`, is none.
fn queue_type(arguments: &Arguments, default: QueueType) -> Result<QueueType, String> {
    match arguments.get("x-queue-type") {
        None => Ok(default),
        Some(value) => match value.as_str() {
            None => Err(unacceptable(value)),
            Some("" | "undefined") => Ok(default),
            Some(name) => name
                .parse()
                .map_err(|unknown: super::UnknownQueueType| erlang::string(&unknown.to_string())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[(&str, Value)]) -> Result<QueueArguments, String> {
        let arguments = arguments.iter().map(|(name, value)| (name.to_string(), value.clone()));
        QueueArguments::parse("/", "q", &arguments.collect(), QueueType::Classic)
            .map_err(|error| error.text)
    }

    fn text(text: &str) -> Value {
        Value::Longstr(text.to_owned())
    }

    #[test]
    fn what_is_asked_for_is_read_whatever_the_width_of_its_numbers() {
        let read = parse(&[
            ("x-message-ttl", Value::Byte(5)),
            ("x-expires", Value::UnsignedInt(60_000)),
            ("x-max-length", Value::Long(0)),
            ("x-max-length-bytes", Value::Long(i64::MAX)),
            ("x-overflow", text("reject-publish-dlx")),
            ("x-dead-letter-exchange", text("")),
            ("x-dead-letter-routing-key", text("k")),
            ("x-max-priority", Value::UnsignedByte(255)),
            ("x-single-active-consumer", Value::Bool(true)),
            ("x-queue-mode", text("lazy")),
            ("x-queue-version", Value::Short(2)),
            ("x-consumer-timeout", Value::SignedInt(1000)),
            ("x-something", Value::Table(Arguments::default())),
        ]);
        let expected = QueueArguments {
            queue_type: QueueType::Classic,
            message_ttl: Some(5),
            expires: Some(60_000),
            max_length: Some(0),
            max_length_bytes: Some(i64::MAX as u64),
            overflow: Some(Overflow::RejectPublishDlx),
            dead_letter_exchange: Some("".into()),
            dead_letter_routing_key: Some("k".into()),
            max_priority: Some(255),
            single_active_consumer: true,
            queue_mode: Some(QueueMode::Lazy),
            consumer_timeout: Some(1000),
            ..QueueArguments::default()
        };
        assert_eq!(read, Ok(expected));
    }

    #[test]
    fn the_type_decides_which_arguments_there_are() {
        let quorum = parse(&[
            ("x-queue-type", text("quorum")),
            ("x-delivery-limit", Value::SignedInt(-1)),
            ("x-dead-letter-strategy", text("at-least-once")),
            ("x-quorum-initial-group-size", Value::SignedInt(3)),
        ]);
        assert_eq!(quorum.unwrap().delivery_limit, Some(-1));
        let stream = parse(&[
            ("x-queue-type", text("stream")),
            ("x-max-age", text("2h")),
            ("x-stream-max-segment-size-bytes", Value::Long(3_000_000_000)),
            ("x-stream-filter-size-bytes", Value::SignedInt(16)),
        ])
        .unwrap();
        assert_eq!((stream.max_age, stream.filter_bytes), (Some(7_200_000), Some(16)));
        // RabbitMQ takes anything here and makes nothing of it.
        let quorum = parse(&[
            ("x-queue-type", text("quorum")),
            ("x-delivery-limit", text("5")),
            ("x-consumer-timeout", Value::SignedInt(-1)),
        ])
        .unwrap();
        assert_eq!((quorum.delivery_limit, quorum.consumer_timeout), (None, None));
        for empty in ["", "undefined"] {
            assert!(parse(&[("x-queue-type", text(empty))]).is_ok(), "{empty}");
        }
    }

    /// The expected ones are read in RabbitMQ 4.2, `rabbit_amqqueue` and `rabbit_channel`.
    #[test]
    fn what_is_wrong_is_said_in_rabbitmqs_words() {
        let stream = ("x-queue-type", text("stream"));
        let quorum = ("x-queue-type", text("quorum"));
        let at = |name: &str, fault: &str| {
            format!("invalid arg '{name}' for queue 'q' in vhost '/': {fault}")
        };
        for (arguments, expected) in [
            (vec![("x-message-ttl", text("5"))], at("x-message-ttl", "\"expected integer, got longstr\"")),
            (vec![("x-message-ttl", Value::Long(-1))], at("x-message-ttl", "{value_negative,-1}")),
            (vec![("x-message-ttl", Value::Long(315_360_000_001))], at("x-message-ttl", "{value_too_large,315360000001}")),
            (vec![("x-expires", Value::Long(0))], at("x-expires", "{value_zero,0}")),
            (vec![("x-max-length", Value::Double(1.0))], at("x-max-length", "\"expected integer, got double\"")),
            (vec![("x-max-length-bytes", Value::SignedInt(-5))], at("x-max-length-bytes", "{value_negative,-5}")),
            (vec![("x-max-priority", Value::SignedInt(256))], at("x-max-priority", "{max_value_exceeded,256}")),
            (vec![("x-overflow", text("explode"))], at("x-overflow", "invalid_overflow")),
            (vec![("x-overflow", Value::Bool(true))], at("x-overflow", "{unacceptable_type,bool}")),
            (vec![("x-dead-letter-routing-key", text("k"))], at("x-dead-letter-routing-key", "routing_key_but_no_dlx_defined")),
            (vec![("x-dead-letter-routing-key", Value::Void)], at("x-dead-letter-routing-key", "{unacceptable_type,void}")),
            (vec![("x-dead-letter-exchange", Value::SignedInt(1))], "invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue 'q' in vhost '/'".to_owned()),
            (vec![("x-queue-mode", text("eager"))], at("x-queue-mode", "\"unsupported queue mode 'eager'\"")),
            (vec![("x-queue-version", Value::Byte(3))], at("x-queue-version", "\"unsupported queue version '3'\"")),
            (vec![("x-single-active-consumer", text("true"))], at("x-single-active-consumer", "{unacceptable_type,longstr}")),
            (vec![("x-queue-type", text("foo"))], at("x-queue-type", "\"unsupported queue type 'foo'\"")),
            (vec![("x-queue-type", Value::Byte(1))], at("x-queue-type", "{unacceptable_type,byte}")),
            (vec![("x-queue-leader-locator", text("here"))], at("x-queue-leader-locator", "invalid_queue_locator_arg")),
            (vec![quorum.clone(), ("x-dead-letter-strategy", text("maybe"))], at("x-dead-letter-strategy", "invalid_dlx_strategy")),
            (vec![quorum.clone(), ("x-quorum-initial-group-size", Value::Byte(0))], at("x-quorum-initial-group-size", "{value_zero,0}")),
            (vec![stream.clone(), ("x-max-age", text("1d"))], at("x-max-age", "invalid_max_age")),
            (vec![("x-max-age", text("1D"))], "invalid arg 'x-max-age' for queue 'q' in vhost '/' of queue type rabbit_classic_queue".to_owned()),
            (vec![quorum, ("x-max-priority", Value::Byte(1))], "invalid arg 'x-max-priority' for queue 'q' in vhost '/' of queue type rabbit_quorum_queue".to_owned()),
            (vec![stream.clone(), ("x-expires", text("?"))], "invalid arg 'x-expires' for queue 'q' in vhost '/' of queue type rabbit_stream_queue".to_owned()),
            (vec![stream.clone(), ("x-stream-max-segment-size-bytes", Value::Long(3_000_000_001))], "Exceeded max value for x-stream-max-segment-size-bytes".to_owned()),
            (vec![stream.clone(), ("x-stream-filter-size-bytes", Value::Long(15))], "Invalid value for x-stream-filter-size-bytes".to_owned()),
            (vec![stream, ("x-stream-filter-size-bytes", Value::Long(256))], "Invalid value for x-stream-filter-size-bytes".to_owned()),
        ] {
            assert_eq!(parse(&arguments), Err(expected), "{arguments:?}");
        }
    }

    #[test]
    fn quorum_queues_and_streams_are_durable_belong_to_nobody_and_stay() {
        let check = |queue_type, durable, exclusive, auto_delete| {
            let arguments = QueueArguments { queue_type, ..QueueArguments::default() };
            arguments
                .check_properties("/", "q", durable, exclusive, auto_delete)
                .map_err(|error| error.text)
        };
        let invalid = |property: &str| {
            Err(format!("invalid property '{property}' for queue 'q' in vhost '/'"))
        };
        for queue_type in [QueueType::Quorum, QueueType::Stream] {
            assert_eq!(check(queue_type, true, false, false), Ok(()));
            assert_eq!(check(queue_type, false, true, true), invalid("auto-delete"));
            assert_eq!(check(queue_type, false, true, false), invalid("exclusive-owner"));
            assert_eq!(check(queue_type, false, false, false), invalid("non-durable"));
        }
        assert_eq!(check(QueueType::Classic, false, true, true), Ok(()));
    }
}
