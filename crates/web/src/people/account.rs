//! Who people are: the pages ask, and whoever keeps the users answers.

use std::{fmt, future::Future, net::IpAddr, pin::Pin, sync::Arc, time::Duration};

/// A person, as they are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The name that events use, too.
    pub name: String,
    /// Sees and changes what is others'; each time it is logged.
    pub operator: bool,
}

/// Somebody who wants to sign in.
pub struct Attempt<'a> {
    /// Their name.
    pub name: &'a str,
    /// Their password.
    pub password: &'a str,
    /// From where, as far as the socket says.
    pub from: Option<IpAddr>,
    /// A proxy handed it on, or it is for another name than this machine's own: whoever is behind
    /// it may be anywhere.
    pub is_far: bool,
}

/// Without the password.
impl fmt::Debug for Attempt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why somebody does not get in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSignedIn {
    /// No such name, or another password.
    Refused,
    /// Too many failed; not before this.
    Later(Duration),
}

/// What trying comes to.
pub type Trying<'a> =
    Pin<Box<dyn Future<Output = Result<Arc<dyn SignedIn>, NotSignedIn>> + Send + 'a>>;

/// Who knows the accounts.
pub trait Accounts: fmt::Debug + Send + Sync {
    /// Checks a name and a password. Slows down who guesses.
    fn sign_in<'a>(&'a self, attempt: Attempt<'a>) -> Trying<'a>;
}

/// Somebody who signed in.
pub trait SignedIn: fmt::Debug + Send + Sync {
    /// Who they are now; `None` when what they signed in with is no longer good: the account is
    /// gone, or has another password.
    fn now(&self) -> Option<Account>;
}
