//! All policies, and which of them is whose.

use std::{cmp::Reverse, collections::BTreeMap};

use bytestring::ByteString;
use serde::{Deserialize, Serialize};

use super::{Definition, Policy, PolicyKind, QueueType};

/// The policies and operator policies of all virtual hosts: a value that is set and deleted entry
/// by entry.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<Policy>", into = "Vec<Policy>")]
pub struct Policies {
    /// The one that counts first.
    vhosts: BTreeMap<(ByteString, PolicyKind), Vec<Policy>>,
}

/// The policies of one queue or exchange.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Applied<'a> {
    /// The one that counts of those that policymakers set.
    pub policy: Option<&'a Policy>,
    /// The one that counts of those that operators set.
    pub operator_policy: Option<&'a Policy>,
}

impl Applied<'_> {
    /// The settings of both together: `effective_policy_definition` in the HTTP API.
    pub fn definition(&self) -> Definition {
        let definition = |policy: Option<&'_ Policy>| policy.map(|it| it.definition.clone());
        let (users, operators) = (definition(self.policy), definition(self.operator_policy));
        Definition::merged(users.as_ref(), operators.as_ref())
    }
}

impl Policies {
    /// Adds a policy, in place of any of its kind and name in its virtual host. Says whether there
    /// was one.
    pub fn set(&mut self, policy: Policy) -> bool {
        let replaced = self.delete(policy.kind, &policy.vhost, &policy.name);
        let of_vhost = self.vhosts.entry((policy.vhost.clone(), policy.kind)).or_default();
        let rank = |it: &Policy| (Reverse(it.priority), it.name.clone());
        let at = of_vhost.partition_point(|it| rank(it) < rank(&policy));
        of_vhost.insert(at, policy);
        replaced
    }

    /// Deletes a policy; says whether there was one.
    pub fn delete(&mut self, kind: PolicyKind, vhost: &str, name: &str) -> bool {
        let key = (ByteString::from(vhost), kind);
        let Some(of_vhost) = self.vhosts.get_mut(&key) else { return false };
        let before = of_vhost.len();
        of_vhost.retain(|policy| policy.name != name);
        let deleted = of_vhost.len() != before;
        if of_vhost.is_empty() {
            self.vhosts.remove(&key);
        }
        deleted
    }

    /// Forgets all of a virtual host that was deleted.
    pub fn forget_vhost(&mut self, vhost: &str) {
        self.vhosts.retain(|(it, _), _| *it != vhost);
    }

    /// One by its name.
    pub fn get(&self, kind: PolicyKind, vhost: &str, name: &str) -> Option<&Policy> {
        self.of_vhost(kind, vhost).find(|policy| policy.name == name)
    }

    /// Those of a kind in a virtual host, the one that counts first.
    pub fn of_vhost(&self, kind: PolicyKind, vhost: &str) -> impl Iterator<Item = &Policy> {
        self.vhosts.get(&(ByteString::from(vhost), kind)).into_iter().flatten()
    }

    /// All, by virtual host and kind.
    pub fn iter(&self) -> impl Iterator<Item = &Policy> {
        self.vhosts.values().flatten()
    }

    /// The policies of a queue.
    pub fn of_queue(&self, vhost: &str, name: &str, queue_type: QueueType) -> Applied<'_> {
        self.applied(vhost, |policy| policy.is_of_queue(name, queue_type))
    }

    /// The policies of an exchange.
    pub fn of_exchange(&self, vhost: &str, name: &str) -> Applied<'_> {
        self.applied(vhost, |policy| policy.is_of_exchange(name))
    }

    fn applied(&self, vhost: &str, applies: impl Fn(&Policy) -> bool) -> Applied<'_> {
        let first = |kind| self.of_vhost(kind, vhost).find(|policy| applies(policy));
        Applied { policy: first(PolicyKind::User), operator_policy: first(PolicyKind::Operator) }
    }
}

impl From<Vec<Policy>> for Policies {
    fn from(all: Vec<Policy>) -> Policies {
        let mut policies = Policies::default();
        for policy in all {
            policies.set(policy);
        }
        policies
    }
}

impl From<Policies> for Vec<Policy> {
    fn from(policies: Policies) -> Vec<Policy> {
        policies.vhosts.into_values().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn policy(name: &str, pattern: &str, priority: i64, apply_to: &str, key: &str) -> Policy {
        let value = match key {
            "max-age" => json!("1D"),
            _ => json!(1),
        };
        let body = json!({"pattern": pattern, "priority": priority, "apply-to": apply_to,
                          "definition": {key: value}});
        Policy::parse(PolicyKind::User, "/", name, &body).unwrap()
    }

    fn name_of(policy: Option<&Policy>) -> Option<&str> {
        policy.map(|policy| &*policy.name)
    }

    #[test]
    fn the_highest_priority_counts_and_then_the_name() {
        let mut policies = Policies::default();
        for (name, priority) in [("c", 1), ("b", 5), ("a", 5), ("d", -1)] {
            assert!(!policies.set(policy(name, "", priority, "all", "expires")));
        }
        let counts = |policies: &Policies| {
            name_of(policies.of_queue("/", "q", QueueType::Classic).policy).map(str::to_owned)
        };
        for expected in ["a", "b", "c", "d"] {
            assert_eq!(counts(&policies).as_deref(), Some(expected));
            assert!(policies.delete(PolicyKind::User, "/", expected));
        }
        assert_eq!(counts(&policies), None);
        assert_eq!(policies, Policies::default(), "nothing empty is kept");
        policies.set(policy("a", "", 0, "all", "expires"));
        assert!(policies.set(policy("a", "^x", 0, "all", "expires")), "replaced");
        assert_eq!(counts(&policies), None);
        assert_eq!(policies.iter().count(), 1);
        policies.forget_vhost("/");
        assert_eq!(policies, Policies::default());
    }

    #[test]
    fn a_policy_with_a_setting_that_a_queue_does_not_know_is_not_its_own() {
        let mut policies = Policies::default();
        policies.set(policy("stream", "", 9, "all", "max-age"));
        policies.set(policy("any", "", 0, "all", "max-length-bytes"));
        let of = |queue_type| name_of(policies.of_queue("/", "q", queue_type).policy);
        assert_eq!(of(QueueType::Stream), Some("stream"));
        assert_eq!(of(QueueType::Classic), Some("any"));
        assert_eq!(of(QueueType::Quorum), Some("any"));
        assert_eq!(name_of(policies.of_exchange("/", "x").policy), Some("stream"));
        assert_eq!(name_of(policies.of_queue("other", "q", QueueType::Stream).policy), None);
    }

    const APPLY: [&str; 6] =
        ["all", "queues", "classic_queues", "quorum_queues", "streams", "exchanges"];
    const KEYS: [&str; 5] =
        ["expires", "max-age", "delivery-limit", "max-length-bytes", "consumer-timeout"];
    const PATTERNS: [&str; 5] = ["", "^a", "b", "a$", "^(?!a)"];
    const NAMES: [&str; 4] = ["a", "ab", "b", "ba"];

    /// Looks at all of them, and at each rule by itself.
    fn naive(all: &[Policy], name: &str, queue_type: Option<QueueType>) -> Option<String> {
        let fits = |policy: &&Policy| {
            let kind = match queue_type {
                None => ["all", "exchanges"].contains(&policy.apply_to.name()),
                Some(queue_type) => {
                    let of_type = match queue_type {
                        QueueType::Stream => "streams".to_owned(),
                        other => format!("{other}_queues"),
                    };
                    ["all", "queues", &of_type].contains(&policy.apply_to.name())
                }
            };
            let known = queue_type.is_none_or(|queue_type| {
                policy.definition.iter().all(|(key, _)| match key {
                    "expires" => queue_type != QueueType::Stream,
                    "max-age" => queue_type == QueueType::Stream,
                    "delivery-limit" => queue_type == QueueType::Quorum,
                    _ => true,
                })
            });
            let pattern = match policy.pattern.as_str() {
                "" => true,
                "^a" => name.starts_with('a'),
                "b" => name.contains('b'),
                "a$" => name.ends_with('a'),
                _ => !name.starts_with('a'),
            };
            kind && known && pattern
        };
        let mut fitting: Vec<&Policy> = all.iter().filter(fits).collect();
        fitting.sort_by(|a, b| (b.priority, &a.name).cmp(&(a.priority, &b.name)));
        fitting.first().map(|policy| policy.name.to_string())
    }

    proptest! {
        #[test]
        fn which_policy_counts_is_what_looking_at_all_of_them_says(
            drawn in prop::collection::vec((0..5_usize, -2_i64..3, 0..6_usize, 0..5_usize), 0..12),
        ) {
            let all: Vec<Policy> = drawn
                .iter()
                .enumerate()
                .map(|(n, (pattern, priority, apply_to, key))| {
                    policy(&format!("p{}", n * 7 % 12), PATTERNS[*pattern], *priority, APPLY[*apply_to], KEYS[*key])
                })
                .collect();
            let policies = Policies::from(all.clone());
            for name in NAMES {
                for &queue_type in QueueType::ALL {
                    let found = policies.of_queue("/", name, queue_type).policy;
                    let found = found.map(|policy| policy.name.to_string());
                    prop_assert_eq!(found, naive(&all, name, Some(queue_type)));
                }
                let found = policies.of_exchange("/", name).policy;
                prop_assert_eq!(found.map(|it| it.name.to_string()), naive(&all, name, None));
            }
            let text = serde_json::to_string(&policies).unwrap();
            prop_assert_eq!(serde_json::from_str::<Policies>(&text).unwrap(), policies);
        }
    }
}
