//! Who may do what: set and cleared by administrators, written down before it is in force. Users
//! are known to another crate: here a name is a name.

use std::sync::Arc;

use crate::{
    Access, Broker, Error,
    authorize::{Authority, Identity, Permission, PermissionChange, Permissions, TopicPermission},
    error::Kind,
    ledger::Change,
};

impl Broker {
    /// What decides who may do what.
    pub fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    /// The permissions as they are now.
    pub fn permissions(&self) -> Arc<Permissions> {
        self.authority.permissions()
    }

    /// Lets somebody into a virtual host whose connections are counted: `connection.open`.
    ///
    /// # Errors
    /// [`Kind::NotAllowed`] in RabbitMQ's words: there is no such virtual host, it has as many
    /// connections as it may have, or they have no permission there.
    pub fn connect(&self, vhost: &str, who: Identity) -> Result<Access, Error> {
        let vhost = self.vhost(vhost)?;
        let place = vhost.take_place().map_err(|limit| {
            let (vhost, user) = (vhost.name(), &who.name);
            Error::new(
                Kind::NotAllowed,
                format!(
                    "access to vhost '{vhost}' refused for user '{user}': connection limit \
                     ({limit}) is reached"
                ),
            )
        })?;
        Access::new(vhost, who, self.authority.clone(), Some(place))
    }

    /// As [`Broker::connect`] for a request of another kind, which no limit counts.
    ///
    /// # Errors
    /// As [`Broker::connect`].
    pub fn access(&self, vhost: &str, who: Identity) -> Result<Access, Error> {
        Access::new(self.vhost(vhost)?, who, self.authority.clone(), None)
    }

    /// Gives a permission, in place of any before.
    ///
    /// # Errors
    /// [`Kind::NotFound`]: no such virtual host. [`Kind::DiskFull`].
    pub fn set_permission(
        &self,
        user: &str,
        vhost: &str,
        permission: Permission,
    ) -> Result<(), Error> {
        let (user, vhost) = (user.into(), vhost.into());
        self.change_permission(PermissionChange::Set { user, vhost, permission }).map(drop)
    }

    /// Takes a permission away; then the user may not even connect there, default access or not.
    /// Says whether one was written down.
    ///
    /// # Errors
    /// As [`Broker::set_permission`].
    pub fn clear_permission(&self, user: &str, vhost: &str) -> Result<bool, Error> {
        let (user, vhost) = (user.into(), vhost.into());
        self.change_permission(PermissionChange::Cleared { user, vhost })
    }

    /// Limits what a user may publish to and bind from one topic exchange, in place of any limit
    /// before.
    ///
    /// # Errors
    /// As [`Broker::set_permission`], and [`Kind::PreconditionFailed`]: a pattern is none.
    pub fn set_topic_permission(
        &self,
        user: &str,
        vhost: &str,
        exchange: &str,
        write: &str,
        read: &str,
    ) -> Result<(), Error> {
        // Before it is written down.
        TopicPermission::new(user, vhost, write, read)
            .map_err(|error| Error::precondition(error.to_string()))?;
        let change = PermissionChange::TopicSet {
            user: user.into(),
            vhost: vhost.into(),
            exchange: exchange.into(),
            write: write.to_owned(),
            read: read.to_owned(),
        };
        self.change_permission(change).map(drop)
    }

    /// Takes the limits away from one topic exchange, or from all of the virtual host. Says whether
    /// there was one.
    ///
    /// # Errors
    /// As [`Broker::set_permission`].
    pub fn clear_topic_permission(
        &self,
        user: &str,
        vhost: &str,
        exchange: Option<&str>,
    ) -> Result<bool, Error> {
        let (user, vhost) = (user.into(), vhost.into());
        let exchange = exchange.map(Into::into);
        self.change_permission(PermissionChange::TopicCleared { user, vhost, exchange })
    }

    /// Forgets all that was allowed to a user who was deleted, so that the next of that name begins
    /// anew.
    ///
    /// # Errors
    /// [`Kind::DiskFull`].
    pub fn forget_user(&self, user: &str) -> Result<(), Error> {
        self.change_permission(PermissionChange::UserForgotten { user: user.into() }).map(drop)
    }

    fn change_permission(&self, change: PermissionChange) -> Result<bool, Error> {
        let _turn = self.ledger.turn();
        match &change {
            PermissionChange::Set { vhost, .. }
            | PermissionChange::Cleared { vhost, .. }
            | PermissionChange::TopicSet { vhost, .. }
            | PermissionChange::TopicCleared { vhost, .. } => drop(self.known_vhost(vhost)?),
            PermissionChange::UserForgotten { .. } => {}
        }
        let before = self.authority.permissions();
        let mut after = (*before).clone();
        let refuse = |error: crate::authorize::PatternError| Error::precondition(error.to_string());
        let was_there = after.apply(&change).map_err(refuse)?;
        if after != *before {
            self.ledger.record(&[Change::Permission(change)])?;
            self.authority.change(|permissions| *permissions = after);
        }
        Ok(was_there)
    }
}
