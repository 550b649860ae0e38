//! Rights that end while somebody is connected: looks ten times a second whether users or
//! permissions changed, whoever changed them, and tells all connections. Each then looks after
//! itself.

use std::{sync::Arc, time::Duration};

use auth::{Ended, Recheck, Users};
use broker::{
    Access, Broker,
    authorize::{Identity, Tags},
};
use tokio::{sync::watch, time::MissedTickBehavior};

use crate::blocking;

/// What users and permissions are, by the numbers that change with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rights {
    users: u64,
    permissions: u64,
}

impl Rights {
    pub(crate) fn now(broker: &Broker, users: &Users) -> Rights {
        Rights { users: users.generation(), permissions: broker.authority().generation() }
    }
}

/// Looks until nobody listens any more.
pub(crate) async fn watch(broker: Arc<Broker>, users: Arc<Users>, changed: watch::Sender<Rights>) {
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut was_refused = false;
    loop {
        tick.tick().await;
        // A look needs no place of its own; only to write is this thread's given to another.
        let forgotten = match users.departed().is_empty() {
            true => Ok(()),
            false => blocking(|| forget_departed(&broker, &users)),
        };
        let now = Rights::now(&broker, &users);
        if let Err(error) = &forgotten
            && !was_refused
        {
            tracing::error!("rights of deleted users are there still, nobody has them: {error}");
        }
        was_refused = forgotten.is_err();
        changed.send_if_modified(|before| std::mem::replace(before, now) != now);
    }
}

/// What has become of somebody who is connected.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Is who logged in.
    Same,
    /// Is it still, and may do something else now.
    Changed,
    /// Is to go: why, in RabbitMQ's words (`rabbit_connection_tracking`; it lets those be whose
    /// password changed).
    Ended(String),
}

/// Looks again who `login` is, and brings them and what they may do up to date.
pub(crate) fn recheck(users: &Users, login: &mut auth::User, access: &mut Access) -> Standing {
    let vhost = access.vhost();
    if vhost.is_deleted() {
        return Standing::Ended(format!("vhost '{}' is deleted", vhost.name()));
    }
    match users.recheck(login) {
        Recheck::Same => Standing::Same,
        Recheck::Changed(user) => {
            access.is_now(identity(&user));
            *login = user;
            Standing::Changed
        }
        Recheck::Ended(Ended::Deleted) => {
            Standing::Ended(format!("user '{}' is deleted", login.name))
        }
        Recheck::Ended(Ended::PasswordChanged) => {
            Standing::Ended(format!("password of user '{}' was changed", login.name))
        }
    }
}

/// The broker's words for somebody who logged in.
pub fn identity(user: &auth::User) -> Identity {
    Identity {
        name: user.name.as_str().into(),
        tags: Tags::of(user.tags.iter()),
        default_access: user.default_access,
    }
}

/// Forgets what was allowed to users who were deleted, so that it is not allowed to the next of
/// their name. To be called before somebody is let in, and before somebody is given a right; costs
/// a look at a file's date when nobody was deleted.
///
/// # Errors
/// It could not be written down: then nobody of those names may be let in.
pub fn forget_departed(broker: &Broker, users: &Users) -> Result<(), broker::Error> {
    let departed = users.departed();
    if departed.is_empty() {
        return Ok(());
    }
    departed.iter().try_for_each(|name| broker.forget_user(name))?;
    if let Err(error) = users.forget_departed(&departed) {
        // It is done again next time: what the next of that name is given meanwhile goes, too.
        tracing::warn!("rights of deleted users are gone, and that cannot be noted: {error}");
    }
    Ok(())
}

/// A right that was taken back is gone within a second.
const LOOK_EVERY: Duration = Duration::from_millis(100);
