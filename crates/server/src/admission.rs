//! Letting somebody in who has logged in: to a virtual host, while there is a place for them.

use auth::User;
use broker::Access;
use tokio::sync::OwnedSemaphorePermit;

use crate::{Context, blocking, revocation, user_place::UserPlace};

/// What an open connection holds.
pub(crate) struct Admitted {
    /// What they may do.
    pub(crate) access: Access,
    /// A place among the open connections.
    pub(crate) place: OwnedSemaphorePermit,
    /// And among those of its user.
    pub(crate) place_of_user: UserPlace,
}

/// Why not.
pub(crate) enum NotAdmitted {
    /// There is no place left, in RabbitMQ's words.
    Full(String),
    /// The virtual host is not there, or not for them.
    Refused(broker::Error),
}

/// Lets a user into a virtual host. What was allowed to one of their name who was deleted is
/// forgotten first, or the next of that name does not come in.
pub(crate) fn admit(vhost: &str, login: &User, context: &Context) -> Result<Admitted, NotAdmitted> {
    let Ok(place) = context.open.clone().try_acquire_owned() else {
        let max = context.limits.connections_max;
        let text = format!("connection refused: node connection limit ({max}) is reached");
        return Err(NotAdmitted::Full(text));
    };
    // RabbitMQ: `rabbit_reader:is_over_user_connection_limit`.
    let max = login.limits.max_connections;
    let Some(place_of_user) = context.connections.users.take(&login.name, max) else {
        return Err(NotAdmitted::Full(format!(
            "connection refused for user '{}': user connection limit ({}) is reached",
            login.name,
            max.unwrap_or_default()
        )));
    };
    if !context.users.departed().is_empty() {
        let forgotten = blocking(|| revocation::forget_departed(&context.broker, &context.users));
        if context.users.departed().contains(&login.name) {
            forgotten.map_err(NotAdmitted::Refused)?;
        }
    }
    let access = context.broker.connect(vhost, revocation::identity(login));
    Ok(Admitted { access: access.map_err(NotAdmitted::Refused)?, place, place_of_user })
}
