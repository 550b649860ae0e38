//! The settings that a policy may have: their types, who may set them, how an operator's and a
//! user's value go together, and which queue types know them. A table, from RabbitMQ 3.13 to 4.2.

use serde_json::Value;

use super::{QueueType, erlang, max_age};

/// One setting.
pub(super) struct Key {
    pub(super) name: &'static str,
    check: Check,
    /// What a refusal says it is not.
    what: &'static str,
    /// How it is merged with an operator's; `None`: operators cannot set it.
    pub(super) merge: Option<Merge>,
    /// A policy with it is none of queues of these types.
    pub(super) unsupported: &'static [QueueType],
}

#[derive(Clone, Copy)]
enum Check {
    Text,
    /// Not less, not more.
    Integer(i64, i64),
    OneOf(&'static [&'static str]),
    MaxAge,
    /// Of mirrored queues, which RabbitMQ 4 has no more: read, checked together, without effect.
    Mirroring,
}

/// Of two values, the one that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Merge {
    Less,
    More,
    Operators,
    /// Negative is no limit.
    Limit,
    /// `all` before `exactly` before the operator's.
    MirrorMode,
}

/// The types of queue that do not know a setting.
const NOT_STREAM: &[QueueType] = &[QueueType::Stream];
const ONLY_CLASSIC: &[QueueType] = &[QueueType::Quorum, QueueType::Stream];
const ONLY_QUORUM: &[QueueType] = &[QueueType::Classic, QueueType::Stream];
const ONLY_STREAM: &[QueueType] = &[QueueType::Classic, QueueType::Quorum];

/// RabbitMQ: `?MAX_STREAM_MAX_SEGMENT_SIZE`.
pub(super) const SEGMENT_BYTES_MAX: u64 = 3_000_000_000;

/// RabbitMQ: `rabbit_queue_location:queue_leader_locators`.
pub(super) const LEADER_LOCATORS: &[&str] =
    &["client-local", "balanced", "random", "least-leaders", "min-masters"];

const fn key(
    name: &'static str,
    check: Check,
    what: &'static str,
    merge: Option<Merge>,
    unsupported: &'static [QueueType],
) -> Key {
    Key { name, check, what, merge, unsupported }
}

const fn at_least(least: i64) -> Check {
    Check::Integer(least, i64::MAX)
}

#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    key("alternate-exchange", Check::Text, "a valid alternate exchange name", None, &[]),
    key("consumer-timeout", at_least(0), "a valid consumer timeout", None, &[]),
    key("dead-letter-exchange", Check::Text, "a valid dead letter exchange name", None, NOT_STREAM),
    key("dead-letter-routing-key", Check::Text, "a valid dead letter routing key", None, NOT_STREAM),
    key("dead-letter-strategy", Check::OneOf(&["at-most-once", "at-least-once"]), "a valid dead letter strategy", None, ONLY_QUORUM),
    key("delivery-limit", at_least(i64::MIN), "a valid delivery limit", Some(Merge::Limit), ONLY_QUORUM),
    key("expires", at_least(1), "a valid queue expiry", Some(Merge::Less), NOT_STREAM),
    key("initial-cluster-size", at_least(0), "a valid cluster size", None, ONLY_STREAM),
    key("max-age", Check::MaxAge, "a valid max age", None, ONLY_STREAM),
    key("max-in-memory-bytes", at_least(0), "a valid maximum memory in bytes", Some(Merge::Less), ONLY_QUORUM),
    key("max-in-memory-length", at_least(0), "a valid maximum memory in bytes", Some(Merge::Less), ONLY_QUORUM),
    key("max-length", at_least(0), "a valid maximum length", Some(Merge::Less), NOT_STREAM),
    key("max-length-bytes", at_least(0), "a valid maximum length in bytes", Some(Merge::Less), &[]),
    key("message-ttl", at_least(0), "a valid message TTL", Some(Merge::Less), NOT_STREAM),
    key("overflow", Check::OneOf(&["drop-head", "reject-publish", "reject-publish-dlx"]), "a valid overflow value", Some(Merge::Operators), NOT_STREAM),
    key("queue-leader-locator", Check::OneOf(&["client-local", "balanced", "random", "least-leaders"]), "a valid queue leader locator value", None, &[]),
    key("queue-master-locator", Check::OneOf(LEADER_LOCATORS), "a valid master locator", Some(Merge::Operators), ONLY_CLASSIC),
    key("queue-mode", Check::OneOf(&["default", "lazy"]), "a valid queue-mode value", None, ONLY_CLASSIC),
    key("queue-version", Check::Integer(1, 2), "a valid queue-version value", Some(Merge::Operators), &[]),
    key("stream-filter-size-bytes", Check::Integer(16, 255), "a valid filter size. Valid range is 16-255", None, &[]),
    key("stream-max-segment-size-bytes", Check::Integer(0, SEGMENT_BYTES_MAX as i64), "a valid segment size", None, ONLY_STREAM),
    key("target-group-size", at_least(1), "a valid qq target count value", Some(Merge::More), ONLY_QUORUM),
    key("ha-mode", Check::Mirroring, "", Some(Merge::MirrorMode), ONLY_CLASSIC),
    key("ha-params", Check::Mirroring, "", Some(Merge::Operators), ONLY_CLASSIC),
    key("ha-promote-on-failure", Check::Mirroring, "", None, ONLY_CLASSIC),
    key("ha-promote-on-shutdown", Check::Mirroring, "", None, ONLY_CLASSIC),
    key("ha-sync-batch-size", Check::Mirroring, "", None, &[]),
    key("ha-sync-mode", Check::Mirroring, "", Some(Merge::Operators), ONLY_CLASSIC),
];

impl Key {
    /// The setting of that name.
    pub(super) fn named(name: &str) -> Option<&'static Key> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// Whether queues of this type know it.
    pub(super) fn is_known_to(&self, queue_type: QueueType) -> bool {
        !self.unsupported.contains(&queue_type)
    }

    /// What is wrong with a value, in RabbitMQ's words.
    pub(super) fn check(&self, value: &Value) -> Result<(), String> {
        let fits = match self.check {
            Check::Text => value.is_string(),
            Check::Integer(least, most) => {
                // Numbers beyond 2⁶³ are larger than any that means something.
                value.as_i64().is_some_and(|it| (least..=most).contains(&it))
            }
            Check::OneOf(words) => value.as_str().is_some_and(|it| words.contains(&it)),
            Check::MaxAge => value.as_str().and_then(max_age::milliseconds).is_some(),
            Check::Mirroring => true,
        };
        match fits {
            true => Ok(()),
            false => Err(format!("{} is not {}", erlang::term(value), self.what)),
        }
    }
}

impl Merge {
    /// Of the user's and the operator's value, the one that counts.
    pub(super) fn of<'a>(self, users: &'a Value, operators: &'a Value) -> &'a Value {
        let (Some(user), Some(operator)) = (users.as_i64(), operators.as_i64()) else {
            return match self {
                Merge::MirrorMode if users == "all" => users,
                Merge::MirrorMode if operators != "all" && users == "exactly" => users,
                _ => operators,
            };
        };
        let users_counts = match self {
            Merge::Less => user <= operator,
            Merge::More => user >= operator,
            Merge::Operators | Merge::MirrorMode => false,
            Merge::Limit if user < 0 || operator < 0 => user >= operator,
            Merge::Limit => user <= operator,
        };
        if users_counts { users } else { operators }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_setting_takes_its_values_and_refuses_others_in_rabbitmqs_words() {
        for (name, good, bad, said) in [
            (
                "alternate-exchange",
                json!("ae"),
                json!(1),
                "1 is not a valid alternate exchange name",
            ),
            ("consumer-timeout", json!(0), json!(-1), "-1 is not a valid consumer timeout"),
            (
                "dead-letter-exchange",
                json!(""),
                json!(true),
                "true is not a valid dead letter exchange name",
            ),
            (
                "dead-letter-routing-key",
                json!("k"),
                json!([]),
                "[] is not a valid dead letter routing key",
            ),
            (
                "dead-letter-strategy",
                json!("at-least-once"),
                json!("x"),
                "<<\"x\">> is not a valid dead letter strategy",
            ),
            ("delivery-limit", json!(-1), json!("5"), "<<\"5\">> is not a valid delivery limit"),
            ("expires", json!(1), json!(0), "0 is not a valid queue expiry"),
            ("initial-cluster-size", json!(3), json!(-3), "-3 is not a valid cluster size"),
            ("max-age", json!("7D"), json!("7d"), "<<\"7d\">> is not a valid max age"),
            (
                "max-in-memory-bytes",
                json!(1),
                json!(1.5),
                "1.5 is not a valid maximum memory in bytes",
            ),
            (
                "max-in-memory-length",
                json!(1),
                json!(null),
                "null is not a valid maximum memory in bytes",
            ),
            ("max-length", json!(0), json!(-1), "-1 is not a valid maximum length"),
            (
                "max-length-bytes",
                json!(0),
                json!("1"),
                "<<\"1\">> is not a valid maximum length in bytes",
            ),
            ("message-ttl", json!(0), json!(-1), "-1 is not a valid message TTL"),
            (
                "overflow",
                json!("reject-publish-dlx"),
                json!("drop"),
                "<<\"drop\">> is not a valid overflow value",
            ),
            (
                "queue-leader-locator",
                json!("balanced"),
                json!("here"),
                "<<\"here\">> is not a valid queue leader locator value",
            ),
            (
                "queue-master-locator",
                json!("min-masters"),
                json!(0),
                "0 is not a valid master locator",
            ),
            (
                "queue-mode",
                json!("lazy"),
                json!("eager"),
                "<<\"eager\">> is not a valid queue-mode value",
            ),
            ("queue-version", json!(2), json!(3), "3 is not a valid queue-version value"),
            (
                "stream-filter-size-bytes",
                json!(16),
                json!(15),
                "15 is not a valid filter size. Valid range is 16-255",
            ),
            (
                "stream-max-segment-size-bytes",
                json!(3_000_000_000_u64),
                json!(3_000_000_001_u64),
                "3000000001 is not a valid segment size",
            ),
            ("target-group-size", json!(1), json!(0), "0 is not a valid qq target count value"),
        ] {
            let key = Key::named(name).unwrap();
            assert_eq!(key.check(&good), Ok(()), "{name}");
            assert_eq!(key.check(&bad), Err(said.to_owned()), "{name}");
        }
        assert!(KEYS.iter().all(|key| Key::named(key.name).unwrap().name == key.name));
    }

    #[test]
    fn of_two_limits_the_more_cautious_counts() {
        let merged = |merge: Merge, user: i64, operator: i64| {
            merge.of(&json!(user), &json!(operator)).as_i64().unwrap()
        };
        assert_eq!((merged(Merge::Less, 5, 3), merged(Merge::Less, 3, 5)), (3, 3));
        assert_eq!((merged(Merge::More, 5, 3), merged(Merge::More, 3, 5)), (5, 5));
        assert_eq!((merged(Merge::Limit, -1, 3), merged(Merge::Limit, 3, -1)), (3, 3));
        assert_eq!((merged(Merge::Limit, 2, 3), merged(Merge::Limit, -1, -2)), (2, -1));
        assert_eq!(merged(Merge::Operators, 1, 2), 2);
        let merged = |user: &str, operator: &str| {
            Merge::MirrorMode.of(&json!(user), &json!(operator)).as_str().unwrap().to_owned()
        };
        assert_eq!(merged("exactly", "all"), "all");
        assert_eq!(merged("exactly", "nodes"), "exactly");
        assert_eq!(merged("nodes", "nodes"), "nodes");
    }
}
