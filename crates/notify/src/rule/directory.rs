//! Who is in which group, and who maintains which package: what rules speak of and events do not
//! say. Asked when an event is tested, so that a change needs no rule to be compiled again.

use std::collections::BTreeSet;

use foldhash::HashMap;

use super::{Owner, who::People};

/// The groups and maintainers that are known.
#[derive(Debug, Default)]
pub struct Directory {
    members: HashMap<Box<str>, BTreeSet<Box<str>>>,
    groups_of: HashMap<Box<str>, Vec<Box<str>>>,
    maintainers: HashMap<Box<str>, Maintainers>,
}

/// Who maintains a package.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maintainers {
    /// By name.
    #[serde(default)]
    pub people: Vec<String>,
    /// Groups, all of whose members do.
    #[serde(default)]
    pub groups: Vec<String>,
}

impl Directory {
    /// Says who is in a group; nobody: the group is no more. Gives the people who came or went:
    /// of their rules, those that say `@my-groups` have to be compiled again.
    pub fn set_group(&mut self, group: &str, members: &[String]) -> Vec<String> {
        let members: BTreeSet<Box<str>> = members.iter().map(|name| name.as_str().into()).collect();
        let before = match members.is_empty() {
            true => self.members.remove(group),
            false => self.members.insert(group.into(), members.clone()),
        };
        let before = before.unwrap_or_default();
        for gone in before.difference(&members) {
            if let Some(groups) = self.groups_of.get_mut(gone) {
                groups.retain(|name| &**name != group);
                if groups.is_empty() {
                    self.groups_of.remove(gone);
                }
            }
        }
        for come in members.difference(&before) {
            self.groups_of.entry(come.clone()).or_default().push(group.into());
        }
        before.symmetric_difference(&members).map(ToString::to_string).collect()
    }

    /// Says who maintains a package; nobody: it is forgotten.
    pub fn set_maintainers(&mut self, package: &str, maintainers: Maintainers) {
        match maintainers == Maintainers::default() {
            true => drop(self.maintainers.remove(package)),
            false => drop(self.maintainers.insert(package.into(), maintainers)),
        }
    }

    /// The groups that have members.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(|name| &**name)
    }

    /// The packages that somebody maintains.
    pub(crate) fn packages(&self) -> impl Iterator<Item = &str> {
        self.maintainers.keys().map(|name| &**name)
    }

    /// The groups somebody is in.
    pub fn groups_of(&self, person: &str) -> &[Box<str>] {
        self.groups_of.get(person).map_or(&[], Vec::as_slice)
    }

    /// The groups of a rule's owner.
    pub(crate) fn groups_of_owner(&self, owner: &Owner) -> &[Box<str>] {
        match owner {
            Owner::Person(name) => self.groups_of(name),
            Owner::Group(_) => &[],
        }
    }

    /// Who maintains a package.
    pub fn maintainers(&self, package: &str) -> Option<&Maintainers> {
        self.maintainers.get(package)
    }

    /// Whether somebody is one of those.
    pub(crate) fn is_one(&self, person: &str, people: &People) -> bool {
        people.people.binary_search_by(|name| (**name).cmp(person)).is_ok()
            || (!people.groups.is_empty()
                && self.groups_of(person).iter().any(|group| people.groups.contains(group)))
    }

    /// Whether one of those maintains the package.
    pub(crate) fn is_maintained(&self, package: &str, by: &People) -> bool {
        let Some(maintainers) = self.maintainers.get(package) else { return false };
        let named = |group: &String| by.groups.binary_search_by(|g| (**g).cmp(group)).is_ok();
        maintainers.people.iter().any(|person| self.is_one(person, by))
            || maintainers.groups.iter().any(named)
            || maintainers.groups.iter().any(|group| {
                // A member of a maintaining group maintains.
                let members = self.members.get(group.as_str());
                members
                    .is_some_and(|members| by.people.iter().any(|person| members.contains(person)))
            })
    }

    /// All who maintain a package, by name or as members; some may come twice.
    pub(crate) fn for_each_maintainer<'d>(&'d self, package: &str, mut each: impl FnMut(&'d str)) {
        let Some(maintainers) = self.maintainers.get(package) else { return };
        maintainers.people.iter().for_each(|person| each(person));
        for group in &maintainers.groups {
            let members = self.members.get(group.as_str());
            members.into_iter().flatten().for_each(|person| each(person));
        }
    }

    /// The groups that maintain a package, and those of its maintainers.
    pub(crate) fn for_each_maintaining_group<'d>(
        &'d self,
        package: &str,
        mut each: impl FnMut(&'d str),
    ) {
        let Some(maintainers) = self.maintainers.get(package) else { return };
        maintainers.groups.iter().for_each(|group| each(group));
        for person in &maintainers.people {
            self.groups_of(person).iter().for_each(|group| each(group));
        }
    }
}
