//! All rules at once: which of a hundred thousand want an event. An index finds those that may,
//! by something the event must have for them; only these are asked.
//!
//! A rule is in the index under the keys of one test that has to hold for it, the rarest
//! (`rule/compile.rs` chooses), or under all keys of an `any`. A rule with none (every event of
//! some text of two letters, say) is *broad*, and asked for each event. Rules come and go one by
//! one, at the cost of their own keys.

mod grams;
mod index;
mod topics;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use event::{Description, Event};

use crate::rule::{Compiled, Directory, Facts, Maintainers, Rule};

use self::index::{Index, Slot};

/// The rules that are enabled, ready to be asked.
#[derive(Debug, Default)]
pub struct Matcher {
    index: Index,
    entries: Vec<Option<Entry>>,
    free: Vec<Slot>,
    by_id: HashMap<Arc<str>, Slot>,
    by_groups: HashMap<Box<str>, Vec<Slot>>,
    directory: Directory,
    failures: Mutex<Failures>,
}

#[derive(Debug)]
struct Entry {
    rule: Arc<Rule>,
    compiled: Compiled,
    id: Arc<str>,
}

/// Expressions that could not be worked out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failures {
    /// How many times, since the start.
    pub count: u64,
    /// The last: the rule's id and the reason.
    pub last: Option<(String, String)>,
}

/// Memory that is used again from event to event.
#[derive(Debug, Default)]
pub struct Scratch {
    candidates: Vec<Slot>,
    /// The round in which a slot was last found.
    seen: Vec<u32>,
    round: u32,
}

impl Matcher {
    /// Puts a rule in, in the place of one with the same id. One that is not enabled is only
    /// taken out.
    ///
    /// # Errors
    /// The rule is wrong, see [`Rule::check`]; then the one before is out, too.
    pub fn put(&mut self, rule: Arc<Rule>) -> Result<(), String> {
        self.remove(&rule.id);
        if !rule.enabled {
            return Ok(());
        }
        let compiled = Compiled::of(&rule.what, &rule.owner, &self.directory)?;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            Slot(u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX))
        });
        self.index.insert(slot, compiled.keys().as_deref());
        if compiled.by_groups {
            self.by_groups.entry(rule.owner.name().into()).or_default().push(slot);
        }
        let id: Arc<str> = rule.id.as_str().into();
        self.by_id.insert(Arc::clone(&id), slot);
        if let Some(entry) = self.entries.get_mut(slot.0 as usize) {
            *entry = Some(Entry { rule, compiled, id });
        }
        Ok(())
    }

    /// Takes a rule out.
    pub fn remove(&mut self, id: &str) {
        let Some(slot) = self.by_id.remove(id) else { return };
        let Some(entry) = self.entries.get_mut(slot.0 as usize).and_then(Option::take) else {
            return;
        };
        self.index.remove(slot, entry.compiled.keys().as_deref());
        if let Some(slots) = self.by_groups.get_mut(entry.rule.owner.name()) {
            slots.retain(|other| *other != slot);
            if slots.is_empty() {
                self.by_groups.remove(entry.rule.owner.name());
            }
        }
        self.free.push(slot);
    }

    /// How many rules are in it.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The ids of the rules.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.by_id.keys().map(|id| &**id)
    }

    /// How many rules no key was found for: each event asks them all.
    pub fn broad(&self) -> usize {
        self.index.broad()
    }

    /// A rule that is in it.
    pub fn rule(&self, id: &str) -> Option<&Arc<Rule>> {
        Some(&self.entry(*self.by_id.get(id)?)?.rule)
    }

    /// Groups and maintainers, as they are now.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Says who is in a group; it holds for the next event.
    pub fn set_group(&mut self, group: &str, members: &[String]) {
        for person in self.directory.set_group(group, members) {
            let slots = self.by_groups.get(person.as_str()).cloned().unwrap_or_default();
            let rules: Vec<Arc<Rule>> = slots
                .into_iter()
                .filter_map(|slot| Some(Arc::clone(&self.entry(slot)?.rule)))
                .collect();
            for rule in rules {
                // It was compiled before, and groups are no reason to fail.
                let put = self.put(rule);
                debug_assert!(put.is_ok(), "{put:?}");
            }
        }
    }

    /// Says who maintains a package; it holds for the next event.
    pub fn set_maintainers(&mut self, package: &str, maintainers: Maintainers) {
        self.directory.set_maintainers(package, maintainers);
    }

    /// The rules that want an event, in no order.
    pub fn matches<'m>(
        &'m self,
        event: &Event,
        description: &Description,
        scratch: &mut Scratch,
    ) -> Vec<&'m Arc<Rule>> {
        let facts = Facts::new(event, description);
        let round = scratch.begin(self.entries.len());
        self.index.find(&facts, &self.directory, &mut scratch.candidates);
        let mut found = Vec::new();
        for slot in &scratch.candidates {
            // Several keys may lead to one rule.
            match scratch.seen.get_mut(slot.0 as usize) {
                Some(seen) if *seen != round => *seen = round,
                _ => continue,
            }
            let Some(entry) = self.entry(*slot) else { continue };
            if entry.compiled.wants(&facts, &self.directory, &mut |reason| self.fail(entry, reason))
            {
                found.push(&entry.rule);
            }
        }
        found
    }

    /// As [`Matcher::matches`], rule by rule: what the index is measured and tested against.
    pub fn matches_linearly<'m>(
        &'m self,
        event: &Event,
        description: &Description,
    ) -> Vec<&'m Arc<Rule>> {
        let facts = Facts::new(event, description);
        let wants = |entry: &&Entry| {
            entry.compiled.wants(&facts, &self.directory, &mut |reason| self.fail(entry, reason))
        };
        self.entries.iter().flatten().filter(wants).map(|entry| &entry.rule).collect()
    }

    /// Expressions that failed so far.
    pub fn failures(&self) -> Failures {
        self.failures.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn entry(&self, slot: Slot) -> Option<&Entry> {
        self.entries.get(slot.0 as usize)?.as_ref()
    }

    fn fail(&self, entry: &Entry, reason: &str) {
        let mut failures = self.failures.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        failures.count += 1;
        failures.last = Some((entry.id.to_string(), reason.to_owned()));
    }
}

impl Scratch {
    fn begin(&mut self, slots: usize) -> u32 {
        self.candidates.clear();
        self.seen.resize(slots, 0);
        self.round = self.round.checked_add(1).unwrap_or_else(|| {
            self.seen.fill(0);
            1
        });
        self.round
    }
}

#[cfg(test)]
mod tests;
