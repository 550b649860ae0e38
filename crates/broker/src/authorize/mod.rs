//! The one door: whether somebody may do something. Every way in asks here, whichever protocol or
//! page it is, with an [`Identity`], an [`Action`] and a [`Resource`]; the rules and the texts are
//! RabbitMQ's. Knows no passwords and no sockets; what is not allowed is refused.
//!
//! A user without a permission in a virtual host may do nothing there, not even connect, as in
//! RabbitMQ. Who has `default_access` may do everything in `/` until a permission says otherwise.
//!
//! ```
//! use broker::authorize::{Action, Identity, Permission, Permissions, Resource, Tags};
//!
//! let ada = Identity { name: "ada".into(), tags: Tags::default(), default_access: false };
//! let mut permissions = Permissions::default();
//! permissions.set("ada".into(), "/".into(), Permission::new("", "^events$", "^ada\\.")?);
//! let inbox = Resource::Queue { vhost: "/", name: "ada.inbox" };
//! assert!(permissions.authorize(&ada, Action::Read, &inbox).is_ok());
//! let refused = permissions.authorize(&ada, Action::Configure, &inbox).unwrap_err();
//! assert_eq!(
//!     refused.text,
//!     "configure access to queue 'ada.inbox' in vhost '/' refused for user 'ada'"
//! );
//! # Ok::<(), broker::authorize::PatternError>(())
//! ```

mod action;
mod authority;
mod change;
mod decisions;
mod identity;
mod lookahead;
#[cfg(test)]
mod matrix;
mod pattern;
mod permission;
mod permissions;
mod resource;

pub use action::Action;
pub use authority::Authority;
pub(crate) use change::PermissionChange;
pub use decisions::Decisions;
pub use identity::{Identity, Tags};
pub use pattern::{PATTERN_BYTES_MAX, Pattern, PatternError};
pub use permission::{Permission, TopicPermission};
pub use permissions::{DEFAULT_VHOST, Permissions};
pub use resource::Resource;

use crate::error::{Error, Kind};
use permission::permits;

impl Permissions {
    /// Whether somebody may do something with something.
    ///
    /// # Errors
    /// They may not: [`Kind::NotAllowed`] for connecting, [`Kind::PreconditionFailed`] for
    /// another's name, [`Kind::AccessRefused`] for all else.
    pub fn authorize(
        &self,
        who: &Identity,
        action: Action,
        resource: &Resource<'_>,
    ) -> Result<(), Error> {
        match self.may(who, action, resource) {
            true => Ok(()),
            false => Err(refusal(who, action, resource)),
        }
    }

    fn may(&self, who: &Identity, action: Action, resource: &Resource<'_>) -> bool {
        let tags = who.tags;
        if tags.owner {
            return true;
        }
        match (action, *resource) {
            (Action::Connect, Resource::VirtualHost(vhost)) => self.has_access(who, vhost),
            (
                Action::Configure | Action::Write | Action::Read | Action::Inspect,
                Resource::Queue { vhost, name },
            ) => self.may_touch(who, action, vhost, name),
            (
                Action::Configure | Action::Write | Action::Read | Action::Inspect,
                Resource::Exchange { vhost, name },
            ) => self.may_touch(who, action, vhost, Resource::matched_name(name)),
            (
                Action::WriteTopic | Action::ReadTopic,
                Resource::Topic { vhost, exchange, key, client_id },
            ) => {
                let limit = self.get_topic(&who.name, vhost, exchange);
                let limit = limit.map(|limit| match action {
                    Action::WriteTopic => &limit.write,
                    _ => &limit.read,
                });
                // RabbitMQ: without a limit every key will do.
                self.has_access(who, vhost) && limit.is_none_or(|it| it.is_in(key, client_id))
            }
            (Action::Impersonate, Resource::User(name)) => who.name == name || tags.impersonator,
            // The rest is administration.
            _ if !tags.may_manage() => false,
            (Action::Manage, Resource::Broker) => true,
            (Action::SeeVirtualHost, Resource::VirtualHost(vhost)) => {
                tags.may_see_all() || self.has_access(who, vhost)
            }
            (Action::SeeContents, Resource::VirtualHost(vhost)) => {
                tags.administrator || self.has_access(who, vhost)
            }
            (Action::SetPolicy, Resource::VirtualHost(vhost)) => {
                tags.administrator || (tags.policymaker && self.has_access(who, vhost))
            }
            (Action::SetGlobalParameter, Resource::Broker) => tags.may_set_policies(),
            (Action::SeeConnection, Resource::ConnectionOf(user)) => {
                tags.may_see_all() || who.name == user
            }
            (Action::CloseConnection, Resource::ConnectionOf(user)) => {
                tags.administrator || who.name == user
            }
            (Action::SeeNode, Resource::Broker) => tags.may_see_all(),
            (
                Action::DeclareVirtualHost
                | Action::DeleteVirtualHost
                | Action::LimitVirtualHost
                | Action::SetOperatorPolicy
                | Action::SetPermission
                | Action::SeePermissions,
                Resource::VirtualHost(_),
            )
            | (Action::SeePermissions | Action::SeeUsers | Action::ChangeUser, Resource::User(_))
            | (
                Action::SeePermissions
                | Action::SeeUsers
                | Action::ChangeNode
                | Action::ExportDefinitions
                | Action::ImportDefinitions,
                Resource::Broker,
            )
            | (Action::OperateQueue, Resource::Queue { .. }) => tags.administrator,
            // Nothing that can be done with such a thing.
            _ => false,
        }
    }

    fn has_access(&self, who: &Identity, vhost: &str) -> bool {
        self.effective(who, vhost).is_some()
    }

    fn may_touch(&self, who: &Identity, action: Action, vhost: &str, name: &str) -> bool {
        let Some(permission) = self.effective(who, vhost) else { return false };
        match action {
            Action::Configure => permits(&permission.configure, name),
            Action::Write => permits(&permission.write, name),
            Action::Read => permits(&permission.read, name),
            // RabbitMQ: passive declare.
            _ => [&permission.read, &permission.write, &permission.configure]
                .into_iter()
                .any(|pattern| permits(pattern, name)),
        }
    }
}

/// The texts are RabbitMQ's, those of its HTTP API with what was asked and the mend behind.
fn refusal(who: &Identity, action: Action, resource: &Resource<'_>) -> Error {
    let name = &who.name;
    let said = format!("{action} {resource} refused for user '{name}'");
    let mend =
        |what: &str, mend: &str| Error::new(Kind::AccessRefused, format!("{what}: {said}; {mend}"));
    match action {
        Action::Connect => Error::new(Kind::NotAllowed, said),
        Action::Configure
        | Action::Write
        | Action::Read
        | Action::Inspect
        | Action::WriteTopic
        | Action::ReadTopic => Error::new(Kind::AccessRefused, said),
        Action::Impersonate => {
            let claimed = match resource {
                Resource::User(claimed) => claimed,
                _ => "",
            };
            Error::precondition(format!(
                "user_id property set to '{claimed}' but authenticated user was '{name}'"
            ))
        }
        _ if !who.tags.may_manage() => {
            mend("Not management user", "allow it with: tubepost user set-tags NAME management")
        }
        Action::SeeVirtualHost | Action::SeeContents => mend(
            "User not authorised to access virtual host",
            "give them a permission there, or the tag administrator",
        ),
        Action::SetPolicy | Action::SetGlobalParameter => mend(
            "User not authorised to access object",
            "give them the tag policymaker and a permission there, or the tag administrator",
        ),
        Action::SeeConnection => mend(
            "User not authorised to access object",
            "it is another's: give them the tag monitoring or administrator",
        ),
        Action::CloseConnection => mend(
            "User not authorised to access object",
            "it is another's: give them the tag administrator",
        ),
        Action::SeeNode => {
            mend("Not monitor user", "allow it with: tubepost user set-tags NAME monitoring")
        }
        _ => mend(
            "Not administrator user",
            "allow it with: tubepost user set-tags NAME administrator",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(action: Action, resource: &Resource<'_>, tags: &[&str]) -> (Kind, String) {
        let who = Identity {
            name: "u".into(),
            tags: Tags::of(tags.iter().copied()),
            default_access: false,
        };
        let mut permissions = Permissions::default();
        permissions.set("u".into(), "/".into(), Permission::new("", "", "").unwrap());
        permissions.set_topic("u".into(), "/".into(), "x".into(), "", "").unwrap();
        let error = permissions.authorize(&who, action, resource).unwrap_err();
        (error.kind, error.text)
    }

    /// The expected ones are read in RabbitMQ 4.2: `rabbit_access_control`, `rabbit_misc:rs`.
    #[test]
    fn refusals_have_rabbitmqs_words() {
        let queue = Resource::Queue { vhost: "/", name: "q" };
        let default = Resource::Exchange { vhost: "/", name: "" };
        let topic = Resource::Topic { vhost: "/", exchange: "x", key: "k", client_id: None };
        let refused = Kind::AccessRefused;
        for (action, resource, kind, expected) in [
            (
                Action::Read,
                queue,
                refused,
                "read access to queue 'q' in vhost '/' refused for user 'u'",
            ),
            (
                Action::Write,
                queue,
                refused,
                "write access to queue 'q' in vhost '/' refused for user 'u'",
            ),
            (
                Action::Configure,
                queue,
                refused,
                "configure access to queue 'q' in vhost '/' refused for user 'u'",
            ),
            (
                Action::Inspect,
                queue,
                refused,
                "configure access to queue 'q' in vhost '/' refused for user 'u'",
            ),
            (
                Action::Write,
                default,
                refused,
                "write access to exchange 'amq.default' in vhost '/' refused for user 'u'",
            ),
            (
                Action::WriteTopic,
                topic,
                refused,
                "write access to topic 'k' in exchange 'x' in vhost '/' refused for user 'u'",
            ),
            (
                Action::ReadTopic,
                topic,
                refused,
                "read access to topic 'k' in exchange 'x' in vhost '/' refused for user 'u'",
            ),
            (
                Action::Connect,
                Resource::VirtualHost("v"),
                Kind::NotAllowed,
                "access to vhost 'v' refused for user 'u'",
            ),
            (
                Action::Impersonate,
                Resource::User("a"),
                Kind::PreconditionFailed,
                "user_id property set to 'a' but authenticated user was 'u'",
            ),
        ] {
            assert_eq!(text(action, &resource, &[]), (kind, expected.to_owned()));
        }
    }

    #[test]
    fn refusals_of_the_http_api_begin_with_rabbitmqs_words_and_end_with_the_mend() {
        for (action, resource, tags, expected) in [
            (
                Action::Manage,
                Resource::Broker,
                &[][..],
                "Not management user: managing the broker refused for user 'u'; allow it with: tubepost user set-tags NAME management",
            ),
            (
                Action::SeeUsers,
                Resource::Broker,
                &["monitoring"],
                "Not administrator user: seeing the broker",
            ),
            (Action::SeeNode, Resource::Broker, &["management"], "Not monitor user: "),
            (
                Action::SeeContents,
                Resource::VirtualHost("v"),
                &["monitoring"],
                "User not authorised to access virtual host: seeing what is in vhost 'v'",
            ),
            (
                Action::SetPolicy,
                Resource::VirtualHost("v"),
                &["policymaker"],
                "User not authorised to access object: setting policies of vhost 'v'",
            ),
            (
                Action::CloseConnection,
                Resource::ConnectionOf("a"),
                &["monitoring"],
                "User not authorised to access object: closing a connection of user 'a'",
            ),
        ] {
            let (kind, said) = text(action, &resource, tags);
            assert_eq!(kind, Kind::AccessRefused);
            assert!(said.starts_with(expected), "{said}");
        }
    }
}
