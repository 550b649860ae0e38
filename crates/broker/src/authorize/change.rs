//! Changes of permissions, as the ledger has them. A start applies the ones that it reads as they
//! were applied when they were made.

use bytestring::ByteString;
use serde::{Deserialize, Serialize};

use super::{PatternError, Permission, Permissions};

/// One change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PermissionChange {
    /// This one, in place of any before.
    Set { user: ByteString, vhost: ByteString, permission: Permission },
    /// None, and no default access either.
    Cleared { user: ByteString, vhost: ByteString },
    /// This limit of one topic exchange, in place of any before.
    TopicSet {
        user: ByteString,
        vhost: ByteString,
        exchange: ByteString,
        write: String,
        read: String,
    },
    /// No limit of one topic exchange, or of any of the virtual host.
    TopicCleared { user: ByteString, vhost: ByteString, exchange: Option<ByteString> },
    /// Nothing of a user who was deleted.
    UserForgotten { user: ByteString },
}

impl Permissions {
    /// Applies a change; says whether it took away something that was written down.
    pub(crate) fn apply(&mut self, change: &PermissionChange) -> Result<bool, PatternError> {
        match change.clone() {
            PermissionChange::Set { user, vhost, permission } => {
                self.set(user, vhost, permission);
                Ok(false)
            }
            PermissionChange::Cleared { user, vhost } => Ok(self.clear(&user, &vhost)),
            PermissionChange::TopicSet { user, vhost, exchange, write, read } => {
                self.set_topic(user, vhost, exchange, &write, &read)?;
                Ok(false)
            }
            PermissionChange::TopicCleared { user, vhost, exchange } => {
                Ok(self.clear_topic(&user, &vhost, exchange.as_deref()))
            }
            PermissionChange::UserForgotten { user } => {
                self.forget_user(&user);
                Ok(false)
            }
        }
    }

    /// The changes that build them from nothing.
    pub(crate) fn changes(&self) -> impl Iterator<Item = PermissionChange> {
        // Refusals before grants: what is lost with the end of a file gives nobody more.
        let cleared = self.cleared().map(|(user, vhost)| PermissionChange::Cleared {
            user: user.clone(),
            vhost: vhost.clone(),
        });
        let topics = self.topics().map(|(user, vhost, exchange, it)| PermissionChange::TopicSet {
            user: user.clone(),
            vhost: vhost.clone(),
            exchange: exchange.clone(),
            write: it.write().to_owned(),
            read: it.read().to_owned(),
        });
        let given = self.iter().map(|(user, vhost, permission)| PermissionChange::Set {
            user: user.clone(),
            vhost: vhost.clone(),
            permission: permission.clone(),
        });
        cleared.chain(topics).chain(given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_built_anew_by_the_changes_that_say_what_they_are() {
        let mut permissions = Permissions::default();
        permissions.set("ada".into(), "/".into(), Permission::new("^$", "a", ".*").unwrap());
        permissions.set_topic("ada".into(), "v".into(), "x".into(), "^{username}", "").unwrap();
        permissions.clear("bob", "/");
        let written: Vec<String> =
            permissions.changes().map(|it| serde_json::to_string(&it).unwrap()).collect();
        let mut read = Permissions::default();
        for text in &written {
            let change: PermissionChange = serde_json::from_str(text).unwrap();
            read.apply(&change).unwrap();
        }
        assert_eq!(read, permissions, "{written:?}");
        read.apply(&PermissionChange::UserForgotten { user: "ada".into() }).unwrap();
        read.apply(&PermissionChange::UserForgotten { user: "bob".into() }).unwrap();
        assert_eq!(read, Permissions::default());
    }
}
