//! From what an event has to the rules that may want it.

use event::Severity;
use foldhash::HashMap;

use super::{grams::Grams, topics::Topics};
use crate::rule::{Directory, Facts, Key, Kind};

/// A rule's place in the matcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot(pub(super) u32);

/// Rules by their keys.
#[derive(Debug, Default)]
pub(super) struct Index {
    topics: Topics,
    names: [HashMap<Box<str>, Vec<Slot>>; Kind::COUNT],
    severities: [Vec<Slot>; 4],
    grams: Grams,
    broad: Vec<Slot>,
}

impl Index {
    /// How many rules have no key.
    pub(super) fn broad(&self) -> usize {
        self.broad.len()
    }

    /// Puts a rule under its keys.
    pub(super) fn insert(&mut self, slot: Slot, keys: Option<&[Key<'_>]>) {
        let Some(keys) = keys else { return self.broad.push(slot) };
        for key in keys {
            match key {
                Key::Topic(pattern) => self.topics.insert(pattern, slot),
                Key::Severity(severity) => self.severities[place(*severity)].push(slot),
                Key::Text(text) => self.grams.insert(text, slot),
                Key::Name(kind, name) => {
                    self.names[*kind as usize].entry((*name).into()).or_default().push(slot);
                }
            }
        }
    }

    /// Takes a rule out from under the same keys.
    pub(super) fn remove(&mut self, slot: Slot, keys: Option<&[Key<'_>]>) {
        let Some(keys) = keys else { return take(&mut self.broad, slot) };
        for key in keys {
            match key {
                Key::Topic(pattern) => self.topics.remove(pattern, slot),
                Key::Severity(severity) => take(&mut self.severities[place(*severity)], slot),
                Key::Text(text) => self.grams.remove(text, slot),
                Key::Name(kind, name) => {
                    let names = &mut self.names[*kind as usize];
                    if let Some(slots) = names.get_mut(*name) {
                        take(slots, slot);
                        if slots.is_empty() {
                            names.remove(*name);
                        }
                    }
                }
            }
        }
    }

    /// The rules that may want an event; some may be there twice.
    pub(super) fn find(&self, facts: &Facts<'_>, directory: &Directory, found: &mut Vec<Slot>) {
        let told = facts.description;
        found.extend_from_slice(&self.broad);
        self.topics.find(facts.event.topic.as_str(), found);
        found.extend_from_slice(&self.severities[place(told.severity)]);
        self.grams.find(facts, found);
        let mut look = |kind: Kind, name: &str| {
            if let Some(slots) = self.names[kind as usize].get(name) {
                found.extend_from_slice(slots);
            }
        };
        // Most are in lower case already.
        match told.app.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) {
            true => look(Kind::App, &told.app.to_lowercase()),
            false => look(Kind::App, &told.app),
        }
        if let Some(schema) = &facts.event.schema {
            look(Kind::Schema, schema);
        }
        if let Some(agent) = &told.agent {
            look(Kind::Agent, agent);
            directory.groups_of(agent).iter().for_each(|group| look(Kind::AgentOf, group));
        }
        for person in &told.people {
            look(Kind::Person, person);
            directory.groups_of(person).iter().for_each(|group| look(Kind::PersonOf, group));
        }
        for package in &told.packages {
            look(Kind::Package, package);
            directory.for_each_maintainer(package, |person| look(Kind::Maintainer, person));
            directory.for_each_maintaining_group(package, |group| look(Kind::MaintainerOf, group));
        }
        if !self.names[Kind::Header as usize].is_empty() {
            facts.event.headers.keys().for_each(|name| look(Kind::Header, name));
        }
        for object in facts.objects() {
            look(Kind::Object, object);
            if !self.names[Kind::ObjectBelow as usize].is_empty() {
                for (slash, _) in object.match_indices('/') {
                    look(Kind::ObjectBelow, object.split_at(slash + 1).0);
                }
            }
        }
    }
}

/// Severities are 10, 20, 30, 40.
fn place(severity: Severity) -> usize {
    match severity {
        Severity::Debug => 0,
        Severity::Info => 1,
        Severity::Warning => 2,
        Severity::Error => 3,
    }
}

/// Removes a slot wherever it stands; their order means nothing.
pub(super) fn take(slots: &mut Vec<Slot>, slot: Slot) {
    if let Some(at) = slots.iter().position(|other| *other == slot) {
        slots.swap_remove(at);
    }
}
