//! A user, and where a peer stands.

use std::{fmt, net::IpAddr};

use crate::{Error, Tags, UserLimits, limits::NAME_BYTES_MAX};

/// Somebody who logged in, or might.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct User {
    /// The name.
    pub name: String,
    /// What they may administer.
    pub tags: Tags,
    /// Where the user comes from.
    pub origin: Origin,
    /// They may do everything in the virtual host `/` as long as no permission there is written
    /// down for them.
    pub default_access: bool,
    /// They can log in with a password.
    pub has_password: bool,
    /// What they may have open.
    pub limits: UserLimits,
    pub(crate) id: u64,
    pub(crate) proof: Proof,
}

/// Where a user comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// An operator created them.
    Operator,
    /// The built-in `guest`, from this machine.
    BuiltIn,
    /// The services inside the server.
    Service,
}

/// What a login was made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Proof {
    /// The password that was the user's nth.
    Password(u32),
    /// Somebody else's word.
    Vouched,
}

/// What became of somebody who logged in before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recheck {
    /// As before.
    Same,
    /// Still there, with other tags or another default access: this.
    Changed(User),
    /// Their connections are to end.
    Ended(Ended),
}

/// Why the connections of a user are to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The user was deleted, or deleted and made anew.
    Deleted,
    /// The password they logged in with is not theirs any more.
    PasswordChanged,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Ended::Deleted => "user was deleted",
            Ended::PasswordChanged => "password was changed",
        })
    }
}

/// Where a login comes from; the caller knows its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// This machine: 127.0.0.0/8, ::1, a Unix socket. A proxy on this machine makes everybody look
    /// like this; behind one, create a user named `guest` to close the built-in one.
    Loopback,
    /// Anywhere else, nobody knows where: failed logins are not counted.
    Remote,
    /// This address, not of this machine.
    Address(IpAddr),
}

impl From<IpAddr> for Peer {
    fn from(address: IpAddr) -> Peer {
        match address.to_canonical() {
            address if address.is_loopback() => Peer::Loopback,
            address => Peer::Address(address),
        }
    }
}

impl User {
    pub(crate) fn guest() -> User {
        // RabbitMQ's guest is an administrator, and its tools log in as it.
        User {
            name: GUEST.to_owned(),
            tags: Tags::new([Tags::ADMINISTRATOR]).expect("it is one word"),
            origin: Origin::BuiltIn,
            default_access: true,
            has_password: true,
            limits: UserLimits::default(),
            id: 0,
            proof: Proof::Password(0),
        }
    }

    pub(crate) fn service() -> User {
        User {
            name: SERVICE_ACCOUNT.to_owned(),
            tags: Tags::default(),
            origin: Origin::Service,
            default_access: true,
            has_password: true,
            limits: UserLimits::default(),
            id: 0,
            proof: Proof::Password(0),
        }
    }

    /// Checks a name for a new user.
    pub(crate) fn check_name(name: &str) -> Result<(), Error> {
        let fault = |reason: &str| {
            Err(Error::Name { name: name.chars().take(80).collect(), reason: reason.to_owned() })
        };
        match name {
            "" => fault("is empty"),
            _ if name.len() > NAME_BYTES_MAX => fault("has more than 255 bytes"),
            _ if name.chars().any(char::is_control) => fault("has a control character"),
            _ if name.trim() != name => fault("begins or ends with a space"),
            SERVICE_ACCOUNT => fault("is the account of the services inside the server"),
            _ => Ok(()),
        }
    }
}

/// The name the services inside the server log in with.
pub(crate) const SERVICE_ACCOUNT: &str = "tubepost.services";

/// Name and password of the built-in user, as every AMQP client expects it.
pub(crate) const GUEST: &str = "guest";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_confuse_are_refused_with_the_reason() {
        for name in ["", " ada", "a\nb", SERVICE_ACCOUNT, &"x".repeat(256)] {
            assert!(User::check_name(name).is_err(), "{name:?}");
        }
        for name in ["ada", "Ada Lovelace", "ünï", "git@example.org"] {
            assert!(User::check_name(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_peer_of_this_machine_is_known_by_every_way_to_write_its_address() {
        for address in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(Peer::from(address.parse::<IpAddr>().unwrap()), Peer::Loopback);
        }
        let elsewhere: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        assert_eq!(Peer::from(elsewhere), Peer::Address("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn the_built_in_guest_is_an_administrator() {
        assert!(User::guest().tags.has(Tags::ADMINISTRATOR));
        assert!(User::service().tags.is_empty());
    }
}
