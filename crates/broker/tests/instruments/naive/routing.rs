//! Where a message goes, by the rules read aloud: no trie, no index, no cache.

use std::collections::BTreeSet;

use broker::ExchangeKind;

use super::{Bound, Naive, Refusal, Target};
use crate::command::{End, Pairs};

impl Naive {
    /// The numbers of the queues a message reaches, in order; an error as the broker says it.
    pub(crate) fn route(
        &self,
        exchange: &str,
        key: &str,
        headers: Pairs,
    ) -> Result<Vec<u64>, Refusal> {
        if exchange.is_empty() {
            return Ok(self.queue(key).map(|queue| queue.number).into_iter().collect());
        }
        self.exchange(exchange).ok_or(Refusal::NotFound)?;
        let (mut queues, mut visited) = (BTreeSet::new(), BTreeSet::new());
        let mut next = vec![exchange.to_owned()];
        while let Some(name) = next.pop() {
            let Some(at) = self.exchange(&name).filter(|_| visited.insert(name.clone())) else {
                continue;
            };
            for bound in self.bindings.iter().filter(|bound| bound.source == name) {
                if fits(at.kind, bound, key, headers) {
                    match &bound.to {
                        Target::Queue(number) => drop(queues.insert(*number)),
                        Target::Exchange(name) => next.push(name.clone()),
                    }
                }
            }
        }
        Ok(queues.into_iter().collect())
    }

    /// The two ends of a binding, if they are there and `by` may see them.
    pub(crate) fn ends(
        &self,
        source: &str,
        to: End,
        arguments: Pairs,
        by: u32,
    ) -> Result<Target, Refusal> {
        let exchange = self.exchange(source).ok_or(Refusal::NotFound)?;
        let target = match to {
            End::Queue(name) => Target::Queue(self.visible(name, by)?.number),
            End::Exchange(name) => {
                self.exchange(name).ok_or(Refusal::NotFound)?;
                Target::Exchange(name.to_owned())
            }
        };
        match exchange.kind == ExchangeKind::Headers && arguments.is_refused() {
            true => Err(Refusal::PreconditionFailed),
            false => Ok(target),
        }
    }
}

fn fits(kind: ExchangeKind, bound: &Bound, key: &str, headers: Pairs) -> bool {
    match kind {
        ExchangeKind::Fanout => true,
        ExchangeKind::Direct => bound.key == key,
        ExchangeKind::Topic => topic(&words(&bound.key), &words(key)),
        ExchangeKind::Headers => {
            let has = |(name, value): &(&str, Option<&str>)| {
                let found = headers.plain().into_iter().find(|(other, _)| other == name);
                found.is_some_and(|(_, other)| value.is_none() || other == *value)
            };
            let wanted = bound.arguments.plain();
            match bound.arguments.matches_any() {
                true => wanted.iter().any(has),
                false => wanted.iter().all(has),
            }
        }
        other => unreachable!("no command declares an exchange of type {}", other.name()),
    }
}

fn words(key: &str) -> Vec<&str> {
    if key.is_empty() { Vec::new() } else { key.split('.').collect() }
}

fn topic(pattern: &[&str], key: &[&str]) -> bool {
    match (pattern.split_first(), key.split_first()) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some((&"#", rest)), _) => (0..=key.len()).any(|skip| topic(rest, &key[skip..])),
        (Some(_), None) => false,
        (Some((word, rest)), Some((first, others))) => {
            (*word == "*" || word == first) && topic(rest, others)
        }
    }
}
