//! Who signs in to the pages: this server's users. The one place where the pages meet them.

use std::{fmt, sync::Arc};

use auth::{Origin, Peer, Recheck, Refused, Secret, Tags, User, Users};
use notify::{rule::Owner, store::Location};
use web::{Account, Accounts, Attempt, NotSignedIn, Oidc, People, SignedIn, Trying, Ways};

/// Everything the pages have for people, who are told as `config` says.
pub(crate) fn people(
    users: Arc<Users>,
    (rules, feed_url): (Location, String),
    config: Option<notify::Config>,
    oidc: Option<Oidc>,
) -> Arc<People> {
    let page_url = config.as_ref().and_then(|config| config.mail.page_url.clone());
    let accounts = UserAccounts::new(users, page_url.is_some());
    let push = config.as_ref().and_then(|config| config.push.as_ref());
    let push_key = push.and_then(|push| match push.key() {
        Ok(key) => Some(key.public()),
        Err(error) => {
            tracing::warn!("browsers cannot be added on the pages: notify.push.key_file {error}");
            None
        }
    });
    let ways = Ways {
        kinds: config.as_ref().map(notify::Config::kinds).unwrap_or_default(),
        push_key,
        webhook: config.and_then(|config| config.webhook),
        feed_url,
        page_url,
    };
    let people = People::new(Arc::new(accounts), rules, ways);
    Arc::new(match oidc {
        Some(oidc) => people.with_oidc(oidc),
        None => people,
    })
}

/// Users as people. Operators are those with the tag `administrator`.
pub(crate) struct UserAccounts {
    users: Arc<Users>,
    /// Others come by another name than this machine's.
    is_public: bool,
}

impl UserAccounts {
    /// `is_public`: the pages are reached by a proxy.
    pub(crate) fn new(users: Arc<Users>, is_public: bool) -> UserAccounts {
        UserAccounts { users, is_public }
    }

    fn taken(&self, user: User, is_near: bool) -> Result<Arc<dyn SignedIn>, NotSignedIn> {
        let is_person = match user.origin {
            Origin::Operator => true,
            // Everybody knows the password: it is for who tries this on their own machine.
            Origin::BuiltIn => is_near && !self.is_public,
            Origin::Service => false,
        };
        // A user may be called what rules take for a group.
        let is_person = is_person && user.name.parse() == Ok(Owner::Person(user.name.clone()));
        if !is_person {
            tracing::warn!(user = user.name, "may not sign in to the pages");
            return Err(NotSignedIn::Refused);
        }
        Ok(Arc::new(UserSignedIn { users: Arc::clone(&self.users), user }))
    }
}

impl Accounts for UserAccounts {
    fn sign_in<'a>(&'a self, attempt: Attempt<'a>) -> Trying<'a> {
        Box::pin(async move {
            let Attempt { name, password, from, is_far } = attempt;
            let (name, password) = (name.to_owned(), Secret::new(password));
            let peer = from.map_or(Peer::Remote, Peer::from);
            let is_near = peer == Peer::Loopback && !is_far;
            let verdict = match self.users.verify_at_once(&name, &password, peer) {
                Some(verdict) => verdict,
                None => {
                    let users = Arc::clone(&self.users);
                    let verify = move || users.verify(&name, &password, peer);
                    let verified = tokio::task::spawn_blocking(verify).await;
                    verified.map_err(|_| NotSignedIn::Refused)?
                }
            };
            match verdict {
                Ok(user) => self.taken(user, is_near),
                Err(refused) => {
                    tracing::warn!(%refused, "the pages");
                    Err(match refused {
                        Refused::TooManyFailures { wait, .. } => NotSignedIn::Later(wait),
                        _ => NotSignedIn::Refused,
                    })
                }
            }
        })
    }
}

/// One who did, as they were then.
struct UserSignedIn {
    users: Arc<Users>,
    user: User,
}

impl SignedIn for UserSignedIn {
    fn now(&self) -> Option<Account> {
        let account = |user: &User| Account {
            name: user.name.clone(),
            operator: user.tags.has(Tags::ADMINISTRATOR),
        };
        match self.users.recheck(&self.user) {
            Recheck::Same => Some(account(&self.user)),
            Recheck::Changed(user) => Some(account(&user)),
            Recheck::Ended(_) => None,
        }
    }
}

impl fmt::Debug for UserAccounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserAccounts").field("is_public", &self.is_public).finish_non_exhaustive()
    }
}

impl fmt::Debug for UserSignedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserSignedIn").field("user", &self.user.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sign_in(accounts: &UserAccounts, name: &str, password: &str) -> Option<Account> {
        attempt(accounts, name, password, "127.0.0.1", false).await
    }

    async fn attempt(
        accounts: &UserAccounts,
        name: &str,
        password: &str,
        from: &str,
        is_far: bool,
    ) -> Option<Account> {
        let from = Some(from.parse().unwrap());
        let signed_in = accounts.sign_in(Attempt { name, password, from, is_far }).await;
        signed_in.ok()?.now()
    }

    fn users() -> (tempfile::TempDir, Arc<Users>) {
        let directory = tempfile::tempdir().unwrap();
        let users = Users::open(directory.path().join("users.json")).unwrap();
        (directory, Arc::new(users))
    }

    #[tokio::test]
    async fn a_user_signs_in_until_the_password_is_another_and_administrators_are_operators() {
        let (_directory, users) = users();
        let accounts = UserAccounts::new(Arc::clone(&users), false);
        users.add("ada", &Secret::new("a")).unwrap();
        let ada =
            accounts.taken(users.verify("ada", &Secret::new("a"), Peer::Loopback).unwrap(), true);
        let ada = ada.unwrap();
        assert!(!ada.now().unwrap().operator);
        users.set_tags("ada", Tags::parse("administrator").unwrap()).unwrap();
        assert!(ada.now().unwrap().operator, "at once");
        users.set_password("ada", &Secret::new("b")).unwrap();
        assert_eq!(ada.now(), None);
        assert_eq!(sign_in(&accounts, "ada", "a").await, None);
        assert!(sign_in(&accounts, "ada", "b").await.is_some());
        users.add("group:kernel", &Secret::new("a")).unwrap();
        assert_eq!(sign_in(&accounts, "group:kernel", "a").await, None, "it would be the group");
    }

    #[tokio::test]
    async fn guest_and_the_services_account_are_nobody_to_others() {
        let (_directory, users) = users();
        let accounts = UserAccounts::new(Arc::clone(&users), false);
        assert!(sign_in(&accounts, "guest", "guest").await.is_some());
        assert_eq!(attempt(&accounts, "guest", "guest", "127.0.0.1", true).await, None);
        assert_eq!(attempt(&accounts, "guest", "guest", "192.0.2.1", false).await, None);
        let public = UserAccounts::new(Arc::clone(&users), true);
        assert_eq!(sign_in(&public, "guest", "guest").await, None);
        let (name, password) = users.service_login();
        assert_eq!(sign_in(&accounts, name, password.expose()).await, None);
    }
}
