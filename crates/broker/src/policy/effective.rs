//! What counts for a queue or an exchange: its arguments and its policies as one value. Who wins is
//! for each type of queue as RabbitMQ has it: `rabbit_amqqueue_process:process_args_policy`,
//! `rabbit_quorum_queue:gather_policy_config`, `rabbit_stream_queue:update_stream_conf`.

use bytestring::ByteString;

use super::{Definition, QueueArguments, QueueType, max_age};

/// What a full queue does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Overflow {
    /// Drops its oldest message, or dead-letters it.
    #[default]
    DropHead,
    /// Refuses the new message.
    RejectPublish,
    /// Refuses the new message, and dead-letters it.
    RejectPublishDlx,
}

impl Overflow {
    /// RabbitMQ's word.
    pub fn name(self) -> &'static str {
        match self {
            Overflow::DropHead => "drop-head",
            Overflow::RejectPublish => "reject-publish",
            Overflow::RejectPublishDlx => "reject-publish-dlx",
        }
    }

    pub(super) fn named(name: &str) -> Option<Overflow> {
        [Overflow::DropHead, Overflow::RejectPublish, Overflow::RejectPublishDlx]
            .into_iter()
            .find(|it| it.name() == name)
    }
}

/// How sure it is that a dead letter arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[expect(missing_docs, reason = "the variants are RabbitMQ's words")]
pub enum DeadLetterStrategy {
    #[default]
    AtMostOnce,
    AtLeastOnce,
}

impl DeadLetterStrategy {
    pub(super) fn named(name: &str) -> Option<DeadLetterStrategy> {
        match name {
            "at-most-once" => Some(DeadLetterStrategy::AtMostOnce),
            "at-least-once" => Some(DeadLetterStrategy::AtLeastOnce),
            _ => None,
        }
    }
}

/// Where messages wait. Accepted and shown; here they wait on disk, and as many as there is room
/// for in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[expect(missing_docs, reason = "the variants are RabbitMQ's words")]
pub enum QueueMode {
    #[default]
    Default,
    Lazy,
}

impl QueueMode {
    pub(super) fn named(name: &str) -> Option<QueueMode> {
        match name {
            "default" => Some(QueueMode::Default),
            "lazy" => Some(QueueMode::Lazy),
            _ => None,
        }
    }
}

/// The settings in force of a queue. `None` is no limit, or nothing of the kind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Effective {
    /// Milliseconds until a message expires.
    pub message_ttl: Option<u64>,
    /// Milliseconds of disuse until the queue goes.
    pub expires: Option<u64>,
    /// Messages it holds.
    pub max_length: Option<u64>,
    /// Bytes of bodies it holds.
    pub max_length_bytes: Option<u64>,
    /// What it does when it is full.
    pub overflow: Overflow,
    /// Where dead letters go; the empty name is the default exchange.
    pub dead_letter_exchange: Option<ByteString>,
    /// With which key; `None`: with their own. Without an exchange there is none.
    pub dead_letter_routing_key: Option<ByteString>,
    /// How sure it is that they arrive. At least once needs an [`Overflow::RejectPublish`].
    pub dead_letter_strategy: DeadLetterStrategy,
    /// The highest priority; `None`: the queue knows no priorities. Of the arguments only.
    pub max_priority: Option<u8>,
    /// One consumer at a time. Of the arguments only.
    pub single_active_consumer: bool,
    /// Returns of a message until it is dead-lettered or dropped. There is none that nobody asked
    /// for, unlike RabbitMQ's 20.
    pub delivery_limit: Option<u32>,
    /// Milliseconds that a delivery may wait for its acknowledgement.
    pub consumer_timeout: Option<u64>,
    /// Where messages wait.
    pub queue_mode: QueueMode,
    /// Milliseconds that a stream keeps its messages.
    pub max_age: Option<u64>,
    /// Bytes of a stream's segment.
    pub max_segment_bytes: Option<u64>,
    /// Bytes of the filter of a stream's chunk.
    pub filter_bytes: Option<u8>,
}

/// The settings in force of an exchange.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExchangeEffective {
    /// Where messages go that it has no destination for.
    pub alternate_exchange: Option<ByteString>,
}

impl Effective {
    /// Of a queue's arguments and its policies' merged definition ([`super::Applied::definition`]).
    pub fn of_queue(arguments: &QueueArguments, policy: &Definition) -> Effective {
        let asked = arguments;
        let count = |name: &str| policy.integer(name).and_then(|it| u64::try_from(it).ok());
        let text = |name: &str| policy.text(name).map(ByteString::from);
        if asked.queue_type == QueueType::Stream {
            return Effective {
                // RabbitMQ: the policy has precedence.
                max_length_bytes: count("max-length-bytes").or(asked.max_length_bytes),
                max_age: policy.text("max-age").and_then(max_age::milliseconds).or(asked.max_age),
                max_segment_bytes: count("stream-max-segment-size-bytes")
                    .or(asked.max_segment_bytes),
                filter_bytes: count("stream-filter-size-bytes")
                    .and_then(|it| u8::try_from(it).ok())
                    .or(asked.filter_bytes),
                consumer_timeout: least(count("consumer-timeout"), asked.consumer_timeout),
                ..Effective::default()
            };
        }
        let overflow = overflow(asked, policy.text("overflow").and_then(Overflow::named));
        let dead_letter_exchange =
            asked.dead_letter_exchange.clone().or_else(|| text("dead-letter-exchange"));
        let dead_letter_routing_key =
            asked.dead_letter_routing_key.clone().or_else(|| text("dead-letter-routing-key"));
        let strategy = asked
            .dead_letter_strategy
            .or_else(|| policy.text("dead-letter-strategy").and_then(DeadLetterStrategy::named));
        let queue_mode =
            asked.queue_mode.or_else(|| policy.text("queue-mode").and_then(QueueMode::named));
        Effective {
            message_ttl: least(count("message-ttl"), asked.message_ttl),
            expires: least(count("expires"), asked.expires),
            max_length: least(count("max-length"), asked.max_length),
            max_length_bytes: least(count("max-length-bytes"), asked.max_length_bytes),
            overflow,
            dead_letter_routing_key: dead_letter_routing_key
                .filter(|_| dead_letter_exchange.is_some()),
            dead_letter_exchange,
            dead_letter_strategy: match (strategy, overflow) {
                (Some(strategy), Overflow::RejectPublish) => strategy,
                _ => DeadLetterStrategy::AtMostOnce,
            },
            max_priority: asked.max_priority,
            single_active_consumer: asked.single_active_consumer,
            delivery_limit: delivery_limit(policy.integer("delivery-limit"), asked.delivery_limit),
            consumer_timeout: least(count("consumer-timeout"), asked.consumer_timeout),
            queue_mode: queue_mode.unwrap_or_default(),
            max_age: None,
            max_segment_bytes: None,
            filter_bytes: None,
        }
    }
}

impl ExchangeEffective {
    /// Of an exchange's `alternate-exchange` argument and its policies' merged definition: the
    /// argument counts first.
    pub fn of_exchange(argument: Option<&str>, policy: &Definition) -> ExchangeEffective {
        let alternate_exchange = argument.or_else(|| policy.text("alternate-exchange"));
        ExchangeEffective { alternate_exchange: alternate_exchange.map(ByteString::from) }
    }
}

fn least(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    [one, other].into_iter().flatten().min()
}

/// RabbitMQ: on a classic queue the argument counts first, on a quorum queue the policy, and there
/// `reject-publish-dlx` is not known and means nothing.
fn overflow(asked: &QueueArguments, of_policy: Option<Overflow>) -> Overflow {
    match asked.queue_type {
        QueueType::Quorum => of_policy
            .or(asked.overflow)
            .filter(|it| *it != Overflow::RejectPublishDlx)
            .unwrap_or_default(),
        _ => asked.overflow.or(of_policy).unwrap_or_default(),
    }
}

/// RabbitMQ: `resolve_delivery_limit`; a negative one is no limit, and looser than any.
fn delivery_limit(of_policy: Option<i64>, asked: Option<i64>) -> Option<u32> {
    [of_policy, asked]
        .into_iter()
        .flatten()
        .filter(|limit| *limit >= 0)
        .min()
        .map(|limit| u32::try_from(limit).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::policy::{Policies, Policy, PolicyKind};

    fn definition(value: Value) -> Definition {
        let body = json!({"pattern": "", "definition": value});
        Policy::parse(PolicyKind::User, "/", "p", &body).unwrap().definition
    }

    #[test]
    fn without_a_word_there_is_no_limit() {
        for &queue_type in QueueType::ALL {
            let asked = QueueArguments { queue_type, ..QueueArguments::default() };
            assert_eq!(Effective::of_queue(&asked, &Definition::default()), Effective::default());
        }
    }

    #[test]
    fn of_two_limits_the_smaller_counts_and_of_two_words_the_queues_own() {
        let policy = definition(json!({
            "message-ttl": 10, "expires": 10, "max-length": 10, "max-length-bytes": 10,
            "dead-letter-exchange": "policy", "dead-letter-routing-key": "policy",
            "overflow": "reject-publish", "queue-mode": "lazy", "consumer-timeout": 10
        }));
        let asked = QueueArguments {
            message_ttl: Some(5),
            expires: Some(15),
            max_length: Some(5),
            dead_letter_exchange: Some("own".into()),
            overflow: Some(Overflow::RejectPublishDlx),
            queue_mode: Some(QueueMode::Default),
            consumer_timeout: Some(20),
            max_priority: Some(9),
            ..QueueArguments::default()
        };
        let expected = Effective {
            message_ttl: Some(5),
            expires: Some(10),
            max_length: Some(5),
            max_length_bytes: Some(10),
            overflow: Overflow::RejectPublishDlx,
            dead_letter_exchange: Some("own".into()),
            dead_letter_routing_key: Some("policy".into()),
            consumer_timeout: Some(10),
            max_priority: Some(9),
            ..Effective::default()
        };
        assert_eq!(Effective::of_queue(&asked, &policy), expected);
    }

    #[test]
    fn a_quorum_queues_overflow_is_the_policys_and_decides_how_sure_dead_letters_are() {
        let quorum = |overflow, strategy| QueueArguments {
            queue_type: QueueType::Quorum,
            overflow,
            dead_letter_strategy: Some(strategy),
            dead_letter_exchange: Some("x".into()),
            ..QueueArguments::default()
        };
        let sure = DeadLetterStrategy::AtLeastOnce;
        let policy = definition(json!({"overflow": "reject-publish"}));
        let effective = Effective::of_queue(&quorum(Some(Overflow::DropHead), sure), &policy);
        assert_eq!(
            (effective.overflow, effective.dead_letter_strategy),
            (Overflow::RejectPublish, sure)
        );
        let none = Definition::default();
        let effective = Effective::of_queue(&quorum(Some(Overflow::RejectPublishDlx), sure), &none);
        assert_eq!(
            (effective.overflow, effective.dead_letter_strategy),
            (Overflow::DropHead, DeadLetterStrategy::AtMostOnce)
        );
    }

    #[test]
    fn a_streams_settings_are_the_policys() {
        let asked = QueueArguments {
            queue_type: QueueType::Stream,
            max_length_bytes: Some(5),
            max_age: Some(1),
            max_segment_bytes: Some(7),
            ..QueueArguments::default()
        };
        let policy = definition(json!({"max-length-bytes": 10, "max-age": "1h"}));
        let effective = Effective::of_queue(&asked, &policy);
        assert_eq!(
            (effective.max_length_bytes, effective.max_age, effective.max_segment_bytes),
            (Some(10), Some(3_600_000), Some(7))
        );
    }

    #[test]
    fn a_routing_key_without_an_exchange_is_for_nothing() {
        let policy = definition(json!({"dead-letter-routing-key": "k"}));
        let effective = Effective::of_queue(&QueueArguments::default(), &policy);
        assert_eq!(effective.dead_letter_routing_key, None);
        let policy =
            definition(json!({"dead-letter-routing-key": "k", "dead-letter-exchange": ""}));
        let effective = Effective::of_queue(&QueueArguments::default(), &policy);
        assert_eq!(effective.dead_letter_exchange.as_deref(), Some(""));
        assert_eq!(effective.dead_letter_routing_key.as_deref(), Some("k"));
    }

    #[test]
    fn an_exchanges_own_alternate_counts_before_the_policys() {
        let policy = definition(json!({"alternate-exchange": "policy"}));
        let alternate = |own| ExchangeEffective::of_exchange(own, &policy).alternate_exchange;
        assert_eq!(alternate(Some("own")).as_deref(), Some("own"));
        assert_eq!(alternate(None).as_deref(), Some("policy"));
        let none = ExchangeEffective::of_exchange(None, &Definition::default());
        assert_eq!(none.alternate_exchange, None);
    }

    fn limit() -> impl Strategy<Value = Option<i64>> {
        prop_oneof![Just(None), (-2_i64..6).prop_map(Some)]
    }

    proptest! {
        /// Three say something of a limit; whatever they say, the most cautious counts.
        #[test]
        fn no_limit_is_looser_than_anybody_asked(
            asked in limit(),
            users in limit(),
            operators in limit(),
            ttl in any::<[Option<u16>; 3]>(),
        ) {
            let settings = |limit: Option<i64>, ttl: Option<u16>| {
                let mut settings = serde_json::Map::new();
                settings.extend(limit.map(|it| ("delivery-limit".to_owned(), json!(it))));
                settings.extend(ttl.map(|it| ("message-ttl".to_owned(), json!(it))));
                (!settings.is_empty()).then_some(settings)
            };
            let mut policies = Policies::default();
            for (kind, settings) in [
                (PolicyKind::User, settings(users, ttl[1])),
                (PolicyKind::Operator, settings(operators, ttl[2])),
            ] {
                if let Some(settings) = settings {
                    let body = json!({"pattern": "^q", "definition": settings});
                    policies.set(Policy::parse(kind, "/", "p", &body).unwrap());
                }
            }
            let arguments = QueueArguments {
                queue_type: QueueType::Quorum,
                delivery_limit: asked,
                message_ttl: ttl[0].map(u64::from),
                ..QueueArguments::default()
            };
            let applied = policies.of_queue("/", "q", QueueType::Quorum);
            let effective = Effective::of_queue(&arguments, &applied.definition());
            let limits = [asked, users, operators].into_iter().flatten();
            let tightest = limits.filter(|it| *it >= 0).min();
            prop_assert_eq!(effective.delivery_limit.map(i64::from), tightest);
            let soonest = ttl.into_iter().flatten().min().map(u64::from);
            prop_assert_eq!(effective.message_ttl, soonest);
        }
    }
}
