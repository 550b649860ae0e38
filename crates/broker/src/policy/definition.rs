//! What a policy sets: settings that were checked.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::{PolicyKind, QueueType, erlang, key::Key, mirroring};

/// Settings by name.
pub(super) type Settings = BTreeMap<String, Value>;

/// The settings of one policy, each known and of its type; or those of a policy and an operator
/// policy merged.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(transparent)]
pub struct Definition(Settings);

impl Definition {
    /// Checks the settings, `{"max-length": 5}`; says in RabbitMQ's words what is wrong with them.
    pub(super) fn check(kind: PolicyKind, name: &str, value: &Value) -> Result<Definition, String> {
        let Some(fields) = value.as_object() else {
            let validator = kind.validator();
            return Err(format!(
                "parse error while reading policy {name}: {}. Validator: {validator}.",
                erlang::term(value)
            ));
        };
        if fields.is_empty() {
            return Err("no policy provided".to_owned());
        }
        let settings: Settings =
            fields.iter().map(|(name, it)| (name.clone(), it.clone())).collect();
        let known = |name: &str| {
            Key::named(name).filter(|key| kind == PolicyKind::User || key.merge.is_some())
        };
        for (name, value) in &settings {
            if let Some(key) = known(name) {
                key.check(value)?;
            }
        }
        mirroring::check(&settings)?;
        let unknown: Vec<_> = settings.iter().filter(|(name, _)| known(name).is_none()).collect();
        match unknown.is_empty() {
            true => Ok(Definition(settings)),
            false => Err(format!(
                "{} are not recognised policy settings",
                erlang::pairs(unknown.into_iter())
            )),
        }
    }

    /// What counts when both are set: for each setting the more cautious value, or the operator's.
    pub(super) fn merged(users: Option<&Definition>, operators: Option<&Definition>) -> Definition {
        let mut settings = users.map(|it| it.0.clone()).unwrap_or_default();
        for (name, operators) in operators.iter().flat_map(|it| &it.0) {
            let value = match (settings.get(name), Key::named(name).and_then(|key| key.merge)) {
                (Some(users), Some(merge)) => merge.of(users, operators),
                _ => operators,
            };
            let value = value.clone();
            settings.insert(name.clone(), value);
        }
        Definition(settings)
    }

    /// Whether queues of this type know all of its settings: else the policy is none of theirs.
    pub(super) fn is_known_to(&self, queue_type: QueueType) -> bool {
        self.0.keys().all(|name| Key::named(name).is_none_or(|key| key.is_known_to(queue_type)))
    }

    /// The value of one setting.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Whether it sets nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        self.get(name)?.as_i64()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn check(kind: PolicyKind, value: &Value) -> Result<Definition, String> {
        Definition::check(kind, "p", value)
    }

    #[test]
    fn what_is_wrong_is_said_in_rabbitmqs_words() {
        for (kind, value, expected) in [
            (PolicyKind::User, json!({}), "no policy provided"),
            (
                PolicyKind::User,
                json!({"max-length": -1, "x": 1}),
                "-1 is not a valid maximum length",
            ),
            (
                PolicyKind::User,
                json!({"x": 1, "a": "b"}),
                "[{<<\"a\">>,<<\"b\">>},{<<\"x\">>,1}] are not recognised policy settings",
            ),
            (
                PolicyKind::Operator,
                json!({"max-age": "1D"}),
                "[{<<\"max-age\">>,<<\"1D\">>}] are not recognised policy settings",
            ),
            (
                PolicyKind::User,
                json!("x"),
                "parse error while reading policy p: <<\"x\">>. Validator: policy_validator.",
            ),
            (
                PolicyKind::Operator,
                json!([]),
                "parse error while reading policy p: []. Validator: operator_policy_validator.",
            ),
        ] {
            assert_eq!(check(kind, &value).unwrap_err(), expected);
        }
    }

    fn limit() -> impl Strategy<Value = Option<i64>> {
        prop_oneof![Just(None), (-2_i64..6).prop_map(Some)]
    }

    fn definition(limits: &[(&str, Option<i64>)]) -> Definition {
        let settings =
            limits.iter().filter_map(|(name, value)| Some((name.to_string(), json!((*value)?))));
        Definition(settings.collect())
    }

    proptest! {
        #[test]
        fn a_merged_limit_is_never_looser_than_either(
            users in limit(),
            operators in limit(),
            of_users in limit(),
            of_operators in limit(),
        ) {
            let names = ["max-length", "delivery-limit"];
            let one = definition(&[(names[0], users), (names[1], of_users)]);
            let other = definition(&[(names[0], operators), (names[1], of_operators)]);
            let merged = Definition::merged(Some(&one), Some(&other));
            let least = [users, operators].into_iter().flatten().min();
            prop_assert_eq!(merged.integer(names[0]), least);
            // No limit, written as a negative number, is the loosest.
            let limits = || [of_users, of_operators].into_iter().flatten();
            let tightest = limits().filter(|it| *it >= 0).min().or_else(|| limits().max());
            prop_assert_eq!(merged.integer(names[1]), tightest);
        }
    }

    #[test]
    fn without_the_other_each_counts_as_it_is() {
        let one = definition(&[("max-length", Some(5))]);
        assert_eq!(Definition::merged(Some(&one), None), one);
        assert_eq!(Definition::merged(None, Some(&one)), one);
        assert!(Definition::merged(None, None).is_empty());
    }
}
