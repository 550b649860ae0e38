//! What one connection was allowed a moment ago, so that no pattern is matched for every message.
//! Forgotten whole when the permissions change: then a right that was taken away is gone at once.

use bytestring::ByteString;
use hashbrown::{Equivalent, HashSet};

use super::{Action, Authority, Identity, Resource};
use crate::Error;

/// What one user was allowed on one connection to one virtual host. Refusals are not remembered:
/// each ends a channel anyway.
#[derive(Debug)]
pub struct Decisions {
    who: Identity,
    vhost: ByteString,
    generation: u64,
    allowed: HashSet<Allowed, foldhash::fast::RandomState>,
    /// Whether there is a topic exchange here that is limited for the user, once it was looked up.
    limits_topics: Option<bool>,
}

/// Decisions that one connection remembers; past them it begins anew.
const DECISIONS_MAX: usize = 1024;

#[derive(Debug, PartialEq, Eq, Hash)]
struct Allowed {
    action: Action,
    kind: Kind,
    /// The exchange of a topic.
    within: ByteString,
    name: ByteString,
}

#[derive(PartialEq, Eq, Hash)]
struct Asked<'a> {
    action: Action,
    kind: Kind,
    within: &'a str,
    name: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Queue,
    Exchange,
    Topic,
}

impl Equivalent<Allowed> for Asked<'_> {
    fn equivalent(&self, other: &Allowed) -> bool {
        self.action == other.action
            && self.kind == other.kind
            && other.name == self.name
            && other.within == self.within
    }
}

impl Decisions {
    /// Nothing was decided yet.
    pub fn new(who: Identity, vhost: ByteString) -> Decisions {
        Decisions { who, vhost, generation: 0, allowed: HashSet::default(), limits_topics: None }
    }

    /// Whose connection it is.
    pub fn who(&self) -> &Identity {
        &self.who
    }

    /// The user has other tags now, or another default access.
    pub fn is_now(&mut self, who: Identity) {
        self.who = who;
        self.forget();
    }

    /// Whether any topic exchange of the virtual host is limited for the user: else no key need be
    /// asked about.
    pub fn limits_topics(&mut self, authority: &Authority) -> bool {
        self.refresh(authority);
        let Decisions { who, vhost, limits_topics, .. } = self;
        *limits_topics
            .get_or_insert_with(|| authority.permissions().limits_topics(&who.name, vhost))
    }

    fn forget(&mut self) {
        self.allowed.clear();
        self.limits_topics = None;
    }

    /// Forgets what was decided by permissions that are not in force any more.
    fn refresh(&mut self, authority: &Authority) {
        // Before the permissions, which can only be newer then.
        let generation = authority.generation();
        if self.generation != generation {
            self.forget();
            self.generation = generation;
        }
    }

    /// Whether the connection's user may do something with a queue of its virtual host.
    ///
    /// # Errors
    /// As [`super::Permissions::authorize`].
    pub fn queue(
        &mut self,
        authority: &Authority,
        action: Action,
        name: &str,
    ) -> Result<(), Error> {
        self.ask(authority, Asked { action, kind: Kind::Queue, within: "", name }, None)
    }

    /// Whether the connection's user may do something with an exchange of its virtual host.
    ///
    /// # Errors
    /// As [`super::Permissions::authorize`].
    pub fn exchange(
        &mut self,
        authority: &Authority,
        action: Action,
        name: &str,
    ) -> Result<(), Error> {
        self.ask(authority, Asked { action, kind: Kind::Exchange, within: "", name }, None)
    }

    /// Whether the connection's user may publish with, or bind with, this key of a topic exchange.
    ///
    /// # Errors
    /// As [`super::Permissions::authorize`].
    pub fn topic(
        &mut self,
        authority: &Authority,
        action: Action,
        exchange: &str,
        key: &str,
        client_id: Option<&str>,
    ) -> Result<(), Error> {
        let asked = Asked { action, kind: Kind::Topic, within: exchange, name: key };
        self.ask(authority, asked, client_id)
    }

    fn ask(
        &mut self,
        authority: &Authority,
        asked: Asked<'_>,
        client_id: Option<&str>,
    ) -> Result<(), Error> {
        self.refresh(authority);
        if self.allowed.contains(&asked) {
            return Ok(());
        }
        let (vhost, name) = (&*self.vhost, asked.name);
        let resource = match asked.kind {
            Kind::Queue => Resource::Queue { vhost, name },
            Kind::Exchange => Resource::Exchange { vhost, name },
            Kind::Topic => Resource::Topic { vhost, exchange: asked.within, key: name, client_id },
        };
        authority.authorize(&self.who, asked.action, &resource)?;
        if self.allowed.len() >= DECISIONS_MAX {
            self.allowed.clear();
        }
        self.allowed.insert(Allowed {
            action: asked.action,
            kind: asked.kind,
            within: asked.within.into(),
            name: name.into(),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorize::{Permission, Permissions, Tags};

    fn site() -> (Authority, Decisions) {
        let mut permissions = Permissions::default();
        permissions.set("u".into(), "v".into(), Permission::new("", "^x", "^q").unwrap());
        let who = Identity { name: "u".into(), tags: Tags::default(), default_access: false };
        (Authority::new(permissions), Decisions::new(who, "v".into()))
    }

    #[test]
    fn a_decision_is_remembered_for_its_action_and_its_thing_only() {
        let (authority, mut decisions) = site();
        for _ in 0..2 {
            assert!(decisions.queue(&authority, Action::Read, "q").is_ok());
            assert!(decisions.queue(&authority, Action::Write, "q").is_err());
            assert!(decisions.exchange(&authority, Action::Write, "x").is_ok());
            assert!(decisions.queue(&authority, Action::Read, "x").is_err());
            assert!(decisions.topic(&authority, Action::WriteTopic, "x", "q", None).is_ok());
            assert_eq!(decisions.allowed.len(), 3);
        }
        let asked = |action| Asked { action, kind: Kind::Queue, within: "", name: "q" };
        assert!(decisions.allowed.contains(&asked(Action::Read)), "it is found again");
        assert!(!decisions.allowed.contains(&asked(Action::Configure)));
        let refused = decisions.queue(&authority, Action::Read, "x").unwrap_err();
        assert_eq!(refused.text, "read access to queue 'x' in vhost 'v' refused for user 'u'");
    }

    #[test]
    fn a_right_that_is_taken_away_is_gone_at_once() {
        let (authority, mut decisions) = site();
        assert!(decisions.queue(&authority, Action::Read, "q").is_ok());
        authority.change(|it| it.clear("u", "v"));
        assert!(decisions.queue(&authority, Action::Read, "q").is_err());
        authority.change(|it| it.set("u".into(), "v".into(), Permission::full().clone()));
        assert!(decisions.queue(&authority, Action::Read, "q").is_ok());
        decisions.is_now(Identity { name: "w".into(), ..decisions.who().clone() });
        assert!(decisions.queue(&authority, Action::Read, "q").is_err());
    }

    #[test]
    fn it_does_not_grow_with_the_keys_that_a_peer_makes_up() {
        let (authority, mut decisions) = site();
        for key in 0..5000 {
            let key = key.to_string();
            decisions.topic(&authority, Action::WriteTopic, "x", &key, None).unwrap();
            assert!(decisions.allowed.len() <= DECISIONS_MAX);
        }
    }
}
