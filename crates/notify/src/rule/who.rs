//! People as a rule names them: by name, by group, or as its owner sees them.

use std::{fmt, str::FromStr};

use super::Owner;

/// One of those a rule means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// `@me`: the rule's owner; all members, when a group owns it.
    Me,
    /// `@my-groups`: all members of the owner's groups; of the group itself, when it owns the rule.
    MyGroups,
    /// `@group:kernel`: the members of a group.
    Group(String),
    /// `ada`: somebody.
    Person(String),
}

impl FromStr for Who {
    type Err = String;

    fn from_str(text: &str) -> Result<Who, String> {
        let who = match text.strip_prefix('@') {
            None => Who::Person(text.to_owned()),
            Some("me") => Who::Me,
            Some("my-groups") => Who::MyGroups,
            Some(other) => match other.strip_prefix("group:") {
                Some(name) => Who::Group(name.to_owned()),
                None => return Err(format!("'{text}' is nobody; {MEND}")),
            },
        };
        match &who {
            Who::Person(name) | Who::Group(name) if !is_name(name) => {
                Err(format!("'{text}' is not a name of 1 to {NAME_BYTES_MAX} bytes; {MEND}"))
            }
            _ => Ok(who),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Me => f.write_str("@me"),
            Who::MyGroups => f.write_str("@my-groups"),
            Who::Group(name) => write!(f, "@group:{name}"),
            Who::Person(name) => f.write_str(name),
        }
    }
}

/// People of a rule, its owner known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct People {
    /// Sorted names.
    pub(crate) people: Box<[Box<str>]>,
    /// Groups, whose members are asked for when an event is tested: they change.
    pub(crate) groups: Box<[Box<str>]>,
}

impl People {
    /// Resolves what depends on the owner; `groups_of_owner` are those the owner is in.
    pub(crate) fn resolve(all: &[Who], owner: &Owner, groups_of_owner: &[Box<str>]) -> People {
        let (mut people, mut groups): (Vec<Box<str>>, Vec<Box<str>>) = (Vec::new(), Vec::new());
        for who in all {
            match (who, owner) {
                (Who::Person(name), _) | (Who::Me, Owner::Person(name)) => {
                    people.push(name.as_str().into());
                }
                (Who::Group(name), _) | (Who::Me | Who::MyGroups, Owner::Group(name)) => {
                    groups.push(name.as_str().into());
                }
                (Who::MyGroups, Owner::Person(_)) => groups.extend_from_slice(groups_of_owner),
            }
        }
        for names in [&mut people, &mut groups] {
            names.sort_unstable();
            names.dedup();
        }
        People { people: people.into(), groups: groups.into() }
    }
}

/// Whether it can be the name of a person, a group, a package.
pub(crate) fn is_name(text: &str) -> bool {
    let length = 1..=NAME_BYTES_MAX;
    length.contains(&text.len()) && text.trim() == text && !text.contains(char::is_control)
}

pub(crate) const NAME_BYTES_MAX: usize = 255;
const MEND: &str = "write a name, @me, @my-groups or @group:NAME";
