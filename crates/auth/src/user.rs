//! A user, and where a peer stands.

use crate::{Error, limits::NAME_BYTES_MAX};

/// Somebody who logged in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct User {
    /// The name.
    pub name: String,
}

/// Where a login comes from; the caller knows its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// This machine: 127.0.0.0/8, ::1, a Unix socket. A proxy on this machine makes everybody look
    /// like this; behind one, create a user named `guest` to close the built-in one.
    Loopback,
    /// Anywhere else.
    Remote,
}

impl User {
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
}
