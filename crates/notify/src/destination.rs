//! The seam to everything that can tell a person: mail now; chat, desktop and others fit here.

use std::{fmt, future::Future};

use crate::Notice;

/// A way to tell people. Knows nothing of rules, of order or of waiting: it tries once.
pub trait Destination: Send + Sync {
    /// Delivers one notice. `Ok` means that the other side took it and answers for it now.
    ///
    /// # Errors
    /// [`Failure`] says who has to wait, or that waiting does not help.
    fn deliver(&self, notice: &Notice) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Nothing was delivered for a while: let go of what is held.
    fn rest(&self) -> impl Future<Output = ()> + Send;
}

/// Why a notice was not taken. Each carries the reason in the other side's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Nobody can be told now: away, refusing the login, out of order. Everything waits.
    Away(String),
    /// This address cannot be told now; others can. Only it waits.
    Deferred(String),
    /// This notice will never be taken.
    Refused(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Failure::Away(reason) | Failure::Deferred(reason) | Failure::Refused(reason)) = self;
        f.write_str(reason)
    }
}
