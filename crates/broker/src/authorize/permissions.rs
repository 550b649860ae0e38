//! All permissions: a value that is set and cleared entry by entry, as the ledger's changes say,
//! and read whole. Knows no users: who is deleted must be forgotten here
//! ([`Permissions::forget_user`]).

use std::collections::BTreeMap;

use bytestring::ByteString;
use serde::{Deserialize, Serialize};

use super::{
    identity::Identity,
    pattern::PatternError,
    permission::{Permission, TopicPermission},
};

/// Who may do what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Permissions {
    users: BTreeMap<ByteString, BTreeMap<ByteString, Rights>>,
}

/// The rights of a user in a virtual host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Rights {
    permission: Standing,
    topics: BTreeMap<ByteString, TopicPermission>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Standing {
    /// Nobody said anything: the identity's default access counts.
    #[default]
    Unsaid,
    /// An operator took the permission away, or the default access.
    Cleared,
    Given(Permission),
}

/// The virtual host where an identity's default access counts.
pub const DEFAULT_VHOST: &str = "/";

impl Permissions {
    /// Gives a permission in place of any before.
    pub fn set(&mut self, user: ByteString, vhost: ByteString, permission: Permission) {
        self.rights(user, vhost).permission = Standing::Given(permission);
    }

    /// Takes a permission away: then the user may not even connect to that virtual host, default
    /// access or not. Says whether one was written down.
    pub fn clear(&mut self, user: &str, vhost: &str) -> bool {
        let before = self.rights_of(user, vhost).map(|rights| &rights.permission);
        let was_given = matches!(before, Some(Standing::Given(_)));
        if vhost == DEFAULT_VHOST {
            self.rights(user.into(), vhost.into()).permission = Standing::Cleared;
        } else if was_given {
            self.rights(user.into(), vhost.into()).permission = Standing::Unsaid;
            self.drop_empty(user, vhost);
        }
        was_given
    }

    /// Limits what the user may publish to and bind from one topic exchange, in place of any limit
    /// before.
    ///
    /// # Errors
    /// A pattern is none.
    pub fn set_topic(
        &mut self,
        user: ByteString,
        vhost: ByteString,
        exchange: ByteString,
        write: &str,
        read: &str,
    ) -> Result<(), PatternError> {
        let permission = TopicPermission::new(&user, &vhost, write, read)?;
        self.rights(user, vhost).topics.insert(exchange, permission);
        Ok(())
    }

    /// Takes the limits away from one topic exchange, or from all of the virtual host. Says whether
    /// there was one.
    pub fn clear_topic(&mut self, user: &str, vhost: &str, exchange: Option<&str>) -> bool {
        let Some(rights) = self.users.get_mut(user).and_then(|of_user| of_user.get_mut(vhost))
        else {
            return false;
        };
        let before = rights.topics.len();
        match exchange {
            Some(exchange) => _ = rights.topics.remove(exchange),
            None => rights.topics.clear(),
        }
        let changed = rights.topics.len() != before;
        self.drop_empty(user, vhost);
        changed
    }

    /// Forgets all of a user who was deleted, so that the next of that name begins anew.
    pub fn forget_user(&mut self, user: &str) {
        self.users.remove(user);
    }

    /// Forgets all of a virtual host that was deleted.
    pub fn forget_vhost(&mut self, vhost: &str) {
        self.users.retain(|_, of_user| {
            of_user.remove(vhost);
            !of_user.is_empty()
        });
    }

    /// The permission that counts for somebody, written down or by default; `None`: they may not
    /// even connect.
    pub fn effective(&self, who: &Identity, vhost: &str) -> Option<&Permission> {
        match self.rights_of(&who.name, vhost).map(|rights| &rights.permission) {
            Some(Standing::Given(permission)) => Some(permission),
            Some(Standing::Cleared) => None,
            Some(Standing::Unsaid) | None => {
                (who.default_access && vhost == DEFAULT_VHOST).then(Permission::full)
            }
        }
    }

    /// The permission that is written down.
    pub fn get(&self, user: &str, vhost: &str) -> Option<&Permission> {
        match &self.rights_of(user, vhost)?.permission {
            Standing::Given(permission) => Some(permission),
            Standing::Unsaid | Standing::Cleared => None,
        }
    }

    /// The limit of one topic exchange that is written down.
    pub fn get_topic(&self, user: &str, vhost: &str, exchange: &str) -> Option<&TopicPermission> {
        self.rights_of(user, vhost)?.topics.get(exchange)
    }

    /// All that are written down: user, virtual host, permission; by user and virtual host.
    pub fn iter(&self) -> impl Iterator<Item = (&ByteString, &ByteString, &Permission)> {
        self.all().filter_map(|(user, vhost, rights)| match &rights.permission {
            Standing::Given(permission) => Some((user, vhost, permission)),
            Standing::Unsaid | Standing::Cleared => None,
        })
    }

    /// All limits of topic exchanges: user, virtual host, exchange, limit.
    pub fn topics(
        &self,
    ) -> impl Iterator<Item = (&ByteString, &ByteString, &ByteString, &TopicPermission)> {
        self.all().flat_map(|(user, vhost, rights)| {
            let topics = rights.topics.iter();
            topics.map(move |(exchange, permission)| (user, vhost, exchange, permission))
        })
    }

    /// Who was denied a virtual host, so that their default access does not count there.
    pub(super) fn cleared(&self) -> impl Iterator<Item = (&ByteString, &ByteString)> {
        let cleared = self.all().filter(|(_, _, it)| it.permission == Standing::Cleared);
        cleared.map(|(user, vhost, _)| (user, vhost))
    }

    /// Whether any topic exchange of the virtual host is limited for the user.
    pub fn limits_topics(&self, user: &str, vhost: &str) -> bool {
        self.rights_of(user, vhost).is_some_and(|rights| !rights.topics.is_empty())
    }

    fn all(&self) -> impl Iterator<Item = (&ByteString, &ByteString, &Rights)> {
        self.users
            .iter()
            .flat_map(|(user, of_user)| of_user.iter().map(move |(vhost, it)| (user, vhost, it)))
    }

    fn rights(&mut self, user: ByteString, vhost: ByteString) -> &mut Rights {
        self.users.entry(user).or_default().entry(vhost).or_default()
    }

    fn rights_of(&self, user: &str, vhost: &str) -> Option<&Rights> {
        self.users.get(user)?.get(vhost)
    }

    fn drop_empty(&mut self, user: &str, vhost: &str) {
        let Some(of_user) = self.users.get_mut(user) else { return };
        if of_user.get(vhost).is_some_and(|rights| *rights == Rights::default()) {
            of_user.remove(vhost);
        }
        if of_user.is_empty() {
            self.users.remove(user);
        }
    }
}

/// As RabbitMQ's definitions write them, and what was cleared besides.
#[derive(Serialize, Deserialize)]
struct Written {
    permissions: Vec<Given>,
    topic_permissions: Vec<TopicGiven>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cleared: Vec<Cleared>,
}

#[derive(Serialize, Deserialize)]
struct Given {
    user: ByteString,
    vhost: ByteString,
    #[serde(flatten)]
    permission: Permission,
}

#[derive(Serialize, Deserialize)]
struct TopicGiven {
    user: ByteString,
    vhost: ByteString,
    exchange: ByteString,
    write: String,
    read: String,
}

#[derive(Serialize, Deserialize)]
struct Cleared {
    user: ByteString,
    vhost: ByteString,
}

impl TryFrom<Written> for Permissions {
    type Error = PatternError;

    fn try_from(written: Written) -> Result<Permissions, PatternError> {
        let mut permissions = Permissions::default();
        for Cleared { user, vhost } in written.cleared {
            permissions.clear(&user, &vhost);
        }
        for Given { user, vhost, permission } in written.permissions {
            permissions.set(user, vhost, permission);
        }
        for it in written.topic_permissions {
            permissions.set_topic(it.user, it.vhost, it.exchange, &it.write, &it.read)?;
        }
        Ok(permissions)
    }
}

impl From<Permissions> for Written {
    fn from(permissions: Permissions) -> Written {
        let given = permissions.iter().map(|(user, vhost, permission)| Given {
            user: user.clone(),
            vhost: vhost.clone(),
            permission: permission.clone(),
        });
        let topics = permissions.topics().map(|(user, vhost, exchange, it)| TopicGiven {
            user: user.clone(),
            vhost: vhost.clone(),
            exchange: exchange.clone(),
            write: it.write().to_owned(),
            read: it.read().to_owned(),
        });
        let cleared = permissions.cleared();
        Written {
            permissions: given.collect(),
            topic_permissions: topics.collect(),
            cleared: cleared
                .map(|(user, vhost)| Cleared { user: user.clone(), vhost: vhost.clone() })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorize::Tags;

    fn named(name: &'static str, default_access: bool) -> Identity {
        Identity { name: name.into(), tags: Tags::default(), default_access }
    }

    fn permission(read: &str) -> Permission {
        Permission::new("", "", read).unwrap()
    }

    #[test]
    fn default_access_counts_in_one_virtual_host_until_anything_is_said() {
        let mut permissions = Permissions::default();
        let (ada, bob) = (named("ada", true), named("bob", false));
        assert_eq!(permissions.effective(&ada, "/"), Some(Permission::full()));
        assert_eq!(permissions.effective(&ada, "v"), None);
        assert_eq!(permissions.effective(&bob, "/"), None);
        permissions.set("ada".into(), "/".into(), permission("^a"));
        assert_eq!(permissions.effective(&ada, "/"), Some(&permission("^a")));
        assert!(permissions.clear("ada", "/") && !permissions.clear("ada", "/"));
        assert_eq!(permissions.effective(&ada, "/"), None);
        permissions.forget_user("ada");
        assert_eq!(permissions.effective(&ada, "/"), Some(Permission::full()));
        assert!(!permissions.clear("ada", "/"), "the default access is taken away as well");
        assert_eq!(permissions.effective(&ada, "/"), None);
    }

    #[test]
    fn a_limit_of_topics_does_not_touch_the_rest() {
        let mut permissions = Permissions::default();
        let ada = named("ada", true);
        permissions.set_topic("ada".into(), "/".into(), "x".into(), "^a", "^b").unwrap();
        assert_eq!(permissions.effective(&ada, "/"), Some(Permission::full()));
        assert!(permissions.set_topic("ada".into(), "/".into(), "y".into(), "(", "").is_err());
        assert!(permissions.get_topic("ada", "/", "y").is_none());
        assert!(!permissions.clear_topic("ada", "/", Some("y")));
        assert!(permissions.clear_topic("ada", "/", Some("x")));
        assert_eq!(permissions, Permissions::default(), "nothing empty is kept");
        permissions.set_topic("ada".into(), "v".into(), "x".into(), "", "").unwrap();
        permissions.set("ada".into(), "v".into(), permission(""));
        assert!(permissions.clear("ada", "v") && permissions.clear_topic("ada", "v", None));
        assert_eq!(permissions, Permissions::default());
    }

    #[test]
    fn what_is_forgotten_of_a_virtual_host_is_forgotten_of_all_users() {
        let mut permissions = Permissions::default();
        for user in ["ada", "bob"] {
            permissions.set(user.into(), "v".into(), permission(".*"));
        }
        permissions.set("bob".into(), "w".into(), permission(".*"));
        permissions.forget_vhost("v");
        let left: Vec<_> = permissions.iter().map(|(user, vhost, _)| (&**user, &**vhost)).collect();
        assert_eq!(left, [("bob", "w")]);
    }

    #[test]
    fn they_are_written_as_definitions_write_them_and_read_back() {
        let mut permissions = Permissions::default();
        permissions.set("ada".into(), "/".into(), Permission::new("^$", "a", ".*").unwrap());
        permissions.set_topic("ada".into(), "/".into(), "amq.topic".into(), "^a", "").unwrap();
        permissions.clear("bob", "/");
        let written = serde_json::to_value(&permissions).unwrap();
        assert_eq!(
            written,
            serde_json::json!({
                "permissions": [
                    {"user": "ada", "vhost": "/", "configure": "^$", "write": "a", "read": ".*"}
                ],
                "topic_permissions": [
                    {"user": "ada", "vhost": "/", "exchange": "amq.topic", "write": "^a", "read": ""}
                ],
                "cleared": [{"user": "bob", "vhost": "/"}]
            })
        );
        assert_eq!(serde_json::from_value::<Permissions>(written).unwrap(), permissions);
    }
}
