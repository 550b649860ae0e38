//! People who sign in, and what is theirs: rules, destinations, silence, history. The HTTP API and
//! the pages of a person are two faces of this.
//!
//! Who somebody is, [`Accounts`] says; what they may see and change is said in one place,
//! `people/owner.rs`. Stores are worked with on threads that may wait, a few at once.

mod account;
pub(crate) mod call;
mod choices;
pub(crate) mod codes;
pub(crate) mod destinations;
mod groups;
pub(crate) mod history;
mod oidc;
pub(crate) mod origin;
pub(crate) mod owner;
pub(crate) mod preview;
pub(crate) mod reference;
pub(crate) mod refusal;
pub(crate) mod rules;
pub(crate) mod session;
pub(crate) mod silence;
mod stores;
pub(crate) mod table;
pub(crate) mod visitor;

use std::{fmt, sync::Arc};

use notify::{Kind, Webhook, store::Location};
use tokio::sync::Semaphore;

pub use oidc::{Oidc, OidcSettings};

pub use account::{Account, Accounts, Attempt, NotSignedIn, SignedIn, Trying};

use self::{codes::Codes, session::Sessions, stores::Stores};
use crate::limits::{LOGINS_AT_ONCE, STORE_CALLS_AT_ONCE};

/// Everything there is for people. One for all listeners, so that a session holds on each.
pub struct People {
    pub(crate) accounts: Arc<dyn Accounts>,
    pub(crate) sessions: Sessions,
    pub(crate) logins: Semaphore,
    pub(crate) stores: Arc<Stores>,
    pub(crate) codes: Codes,
    pub(crate) calls: Arc<Semaphore>,
    pub(crate) ways: Ways,
    pub(crate) oidc: Option<Oidc>,
}

/// How people are told here, as far as the pages have to know.
#[derive(Debug, Clone, Default)]
pub struct Ways {
    /// The kinds that are set up.
    pub kinds: Vec<Kind>,
    /// Whose receivers have to be given a secret.
    pub webhook: Option<Webhook>,
    /// What browsers subscribe with, when they can be told.
    pub push_key: Option<String>,
    /// What stands before `/feeds/` in the addresses of people's feeds.
    pub feed_url: String,
    /// Where the pages are reached from elsewhere: `https://bus.example.org`.
    pub page_url: Option<String>,
}

impl People {
    /// People with these accounts; `rules` is where their rules are.
    pub fn new(accounts: Arc<dyn Accounts>, rules: Location, ways: Ways) -> People {
        People {
            accounts,
            sessions: Sessions::default(),
            logins: Semaphore::new(LOGINS_AT_ONCE),
            stores: Arc::new(Stores::new(rules)),
            codes: Codes::default(),
            calls: Arc::new(Semaphore::new(STORE_CALLS_AT_ONCE)),
            ways,
            oidc: None,
        }
    }

    /// People sign in by a provider, too.
    #[must_use]
    pub fn with_oidc(self, oidc: Oidc) -> People {
        People { oidc: Some(oidc), ..self }
    }
}

impl fmt::Debug for People {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("People").field("ways", &self.ways).finish_non_exhaustive()
    }
}
