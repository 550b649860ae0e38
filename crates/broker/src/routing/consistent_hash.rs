//! Consistent hash: of all destinations the one whose name and the message's key hash highest
//! together (rendezvous hashing). Each gets a share exactly as large as its weight says, a new one
//! takes its share from all others and nothing else moves, and the same key finds the same
//! destination after a restart.
//!
//! The weight is the binding key. RabbitMQ: of several bindings to one destination the first
//! counts; when it goes, here the next does.

use std::collections::BTreeMap;

use super::{Map, stable_hash};
use crate::{
    Error, Headers, Value,
    binding::{Binding, Destination, DestinationKey},
    exchange::HashOn,
};

#[derive(Debug)]
pub(crate) struct ConsistentHash {
    hash_on: HashOn,
    members: Map<DestinationKey, Member>,
    /// Destinations of one weight compete by hash alone; only their winners are weighed.
    classes: BTreeMap<u64, Vec<Candidate>>,
}

#[derive(Debug)]
struct Member {
    /// The weights of its bindings, in the order they were made. The first counts.
    weights: Vec<u64>,
    /// Where it is in its class.
    at: usize,
}

#[derive(Debug)]
struct Candidate {
    hash: u64,
    destination: Destination,
}

impl ConsistentHash {
    pub(super) fn new(hash_on: HashOn) -> ConsistentHash {
        ConsistentHash { hash_on, members: Map::default(), classes: BTreeMap::new() }
    }

    /// Whether the routing key alone decides.
    pub(super) fn is_by_key(&self) -> bool {
        self.hash_on == HashOn::Key
    }

    pub(super) fn bind(&mut self, binding: &Binding) {
        // What cannot be a weight was refused when it was bound.
        let weight = weight(&binding.key).unwrap_or(1);
        let key = binding.destination.key();
        if let Some(member) = self.members.get_mut(&key) {
            member.weights.push(weight);
            return;
        }
        let at = self.enter(&binding.destination, weight);
        self.members.insert(key, Member { weights: vec![weight], at });
    }

    pub(super) fn unbind(&mut self, binding: &Binding) {
        let weight = weight(&binding.key).unwrap_or(1);
        let key = binding.destination.key();
        let Some(member) = self.members.get_mut(&key) else { return };
        let Some(index) = member.weights.iter().position(|it| *it == weight) else { return };
        member.weights.remove(index);
        if index > 0 {
            return;
        }
        let (at, next) = (member.at, member.weights.first().copied());
        self.leave(weight, at);
        match next {
            None => drop(self.members.remove(&key)),
            Some(next) => {
                let at = self.enter(&binding.destination, next);
                self.members.get_mut(&key).into_iter().for_each(|member| member.at = at);
            }
        }
    }

    fn enter(&mut self, destination: &Destination, weight: u64) -> usize {
        let class = self.classes.entry(weight).or_default();
        let hash = stable_hash::of(destination.stable_name().as_bytes());
        class.push(Candidate { hash, destination: destination.clone() });
        class.len() - 1
    }

    fn leave(&mut self, weight: u64, at: usize) {
        let Some(class) = self.classes.get_mut(&weight) else { return };
        class.swap_remove(at);
        let moved = class.get(at).map(|candidate| candidate.destination.key());
        if class.is_empty() {
            self.classes.remove(&weight);
        }
        if let Some(member) = moved.and_then(|key| self.members.get_mut(&key)) {
            member.at = at;
        }
    }

    pub(super) fn route(
        &self,
        key: &str,
        headers: &dyn Headers,
        visit: &mut dyn FnMut(&Destination),
    ) {
        let hash = match &self.hash_on {
            HashOn::Key => stable_hash::of(key.as_bytes()),
            HashOn::Header(name) => hash_of(headers.header(name)),
            HashOn::Property(property) => hash_of(headers.property(*property)),
        };
        let mut best: Option<(f64, &Candidate)> = None;
        for (weight, class) in &self.classes {
            let scores = class.iter().map(|it| (stable_hash::mixed(hash ^ it.hash), it));
            let Some((score, candidate)) = scores.max_by_key(|(score, it)| (*score, it.hash))
            else {
                continue;
            };
            // Uniform in (0, 1); then the greatest of ln(u)/w is each one's with probability w/Σw.
            let uniform = ((score >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
            let weighed = uniform.ln() / *weight as f64;
            if best.is_none_or(|(most, _)| weighed > most) {
                best = Some((weighed, candidate));
            }
        }
        best.into_iter().for_each(|(_, candidate)| visit(&candidate.destination));
    }
}

/// What all messages without the header or property have in common: they go to one destination
/// (RabbitMQ).
fn hash_of(value: Option<Value>) -> u64 {
    match value {
        None => stable_hash::of(b""),
        Some(Value::Binary(bytes)) => stable_hash::of(&bytes),
        Some(Value::Timestamp(time)) => stable_hash::of(time.to_string().as_bytes()),
        // A number hashes as its digits.
        Some(value) => stable_hash::of(value.to_string().as_bytes()),
    }
}

fn weight(key: &str) -> Option<u64> {
    key.parse().ok().filter(|weight| *weight > 0)
}

/// RabbitMQ: `rabbit_exchange_type_consistent_hash:validate_binding`.
pub(super) fn validate(binding: &Binding) -> Result<(), Error> {
    let key = &*binding.key;
    // Erlang's integers have no end: 2⁶⁴ destinations have.
    let digits = key.strip_prefix(['+', '-']).unwrap_or(key);
    let is_integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match (is_integer, weight(key)) {
        (true, Some(_)) => Ok(()),
        (true, None) if key.starts_with('-') || digits.bytes().all(|it| it == b'0') => {
            Err(Error::precondition("The binding key must be greater than 0"))
        }
        (true, None) => Err(Error::precondition(format!(
            "The binding key must be no more than {}: {key}",
            u64::MAX
        ))),
        (false, _) => Err(Error::precondition(format!(
            "The binding key must be an integer: {}",
            crate::policy::binary(key)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{Arguments, arguments::Property};

    fn binding(name: &str, weight: &str) -> Binding {
        Binding {
            destination: Destination::Exchange(name.into()),
            key: weight.into(),
            arguments: Arguments::default(),
        }
    }

    fn of(members: &[(&str, &str)]) -> ConsistentHash {
        let mut hash = ConsistentHash::new(HashOn::Key);
        members.iter().for_each(|(name, weight)| hash.bind(&binding(name, weight)));
        hash
    }

    fn routed(hash: &ConsistentHash, key: &str) -> String {
        let mut found = Vec::new();
        hash.route(key, &(), &mut |it| match it {
            Destination::Exchange(name) => found.push(name.to_string()),
            Destination::Queue(_) => unreachable!("the tests bind exchanges"),
        });
        assert_eq!(found.len(), 1, "one destination");
        found.remove(0)
    }

    const KEYS: usize = 40_000;

    fn key(number: usize) -> String {
        format!("org.example.package.{number}")
    }

    #[test]
    fn each_destination_gets_the_share_that_its_weight_says() {
        let names: Vec<String> = (0..10).map(|number| format!("shard-{number}")).collect();
        let weights = ["1", "1", "1", "1", "1", "2", "2", "3", "4", "4"];
        let members: Vec<(&str, &str)> =
            names.iter().map(String::as_str).zip(weights.iter().copied()).collect();
        let hash = of(&members);
        let mut counts = BTreeMap::<String, usize>::new();
        (0..KEYS).for_each(|it| *counts.entry(routed(&hash, &key(it))).or_default() += 1);
        for (name, weight) in members {
            let expected = KEYS * weight.parse::<usize>().unwrap() / 20;
            let got = counts[name];
            // 2000 expected for weight 1: six standard deviations are 13 %.
            let off = got.abs_diff(expected) as f64 / expected as f64;
            assert!(off < 0.13, "{name} of weight {weight} got {got}, expected {expected}");
        }
    }

    #[test]
    fn a_new_destination_takes_its_share_and_nothing_else_moves() {
        let mut hash = of(&[("a", "1"), ("b", "1"), ("c", "1"), ("d", "2")]);
        let before: Vec<String> = (0..KEYS).map(|it| routed(&hash, &key(it))).collect();
        hash.bind(&binding("e", "1"));
        let after: Vec<String> = (0..KEYS).map(|it| routed(&hash, &key(it))).collect();
        let moved = before.iter().zip(&after).filter(|(before, after)| before != after);
        let moved: Vec<&String> = moved.map(|(_, after)| after).collect();
        assert!(moved.iter().all(|it| *it == "e"), "only to the new one");
        let share = moved.len() as f64 / KEYS as f64;
        assert!((share - 1.0 / 6.0).abs() < 0.012, "{share} moved, a sixth is the new one's");
        hash.unbind(&binding("e", "1"));
        let again: Vec<String> = (0..KEYS).map(|it| routed(&hash, &key(it))).collect();
        assert_eq!(again, before, "and back");
    }

    #[test]
    fn the_order_of_binding_does_not_matter() {
        let (one, other) =
            (of(&[("a", "1"), ("b", "3"), ("c", "1")]), of(&[("c", "1"), ("a", "1"), ("b", "3")]));
        (0..1000).for_each(|it| assert_eq!(routed(&one, &key(it)), routed(&other, &key(it))));
    }

    #[test]
    fn of_several_bindings_to_one_destination_the_first_counts() {
        let mut hash = of(&[("a", "1"), ("b", "1"), ("a", "1000")]);
        let to_a =
            |hash: &ConsistentHash| (0..2000).filter(|it| routed(hash, &key(*it)) == "a").count();
        assert!((800..1200).contains(&to_a(&hash)), "half of them");
        hash.unbind(&binding("a", "1"));
        assert!(to_a(&hash) > 1950, "now the other one counts");
        hash.unbind(&binding("a", "1000"));
        assert_eq!(to_a(&hash), 0);
    }

    #[test]
    fn a_header_or_property_decides_instead_of_the_key() {
        struct Message(i64);
        impl Headers for Message {
            fn header(&self, name: &str) -> Option<Value> {
                (name == "user").then_some(Value::Long(self.0))
            }
            fn property(&self, property: Property) -> Option<Value> {
                (property == Property::MessageId).then(|| Value::Longstr(self.0.to_string()))
            }
        }
        for hash_on in [HashOn::Header("user".into()), HashOn::Property(Property::MessageId)] {
            let mut hash = ConsistentHash::new(hash_on);
            (0..8).for_each(|it| hash.bind(&binding(&format!("q{it}"), "1")));
            let route = |key: &str, headers: &dyn Headers| {
                let mut found = Vec::new();
                hash.route(key, headers, &mut |it| found.push(format!("{it:?}")));
                found
            };
            assert!(!hash.is_by_key());
            assert_eq!(route("a", &Message(1)), route("b", &Message(1)));
            let all: std::collections::BTreeSet<_> =
                (0..100).map(|it| route("a", &Message(it))).collect();
            assert_eq!(all.len(), 8, "and not all go to one");
            assert_eq!(route("a", &()), route("b", &()), "without it they go to one");
        }
    }

    #[test]
    fn only_a_positive_integer_is_a_weight() {
        let refusal = |weight: &str| validate(&binding("q", weight)).unwrap_err().text;
        assert!(validate(&binding("q", "1")).is_ok() && validate(&binding("q", "+7")).is_ok());
        assert!(validate(&binding("q", "18446744073709551615")).is_ok());
        assert_eq!(refusal("0"), "The binding key must be greater than 0");
        assert_eq!(refusal("-3"), "The binding key must be greater than 0");
        assert_eq!(refusal("a"), "The binding key must be an integer: <<\"a\">>");
        assert_eq!(refusal(""), "The binding key must be an integer: <<>>");
        assert!(refusal("18446744073709551616").contains("no more than"));
    }
}
