//! What a login comes to.

use super::{State, Users};
use crate::{
    Peer, Refused, Secret, User,
    hashing::{Fit, Turn, Waited},
    scram::Verifiers,
    stored_hash::StoredHash,
    user::{GUEST, Proof, SERVICE_ACCOUNT},
    user_file::Entry,
};

impl Users {
    /// Whether a login is a user's. Takes as long as a password hash unless the same login was
    /// verified a moment ago, and waits for its turn at hashing, so on a server's threads first try
    /// [`Users::verify_at_once`]. Many of the same login at once cost one hash together. Who fails
    /// too often is refused unseen for a while; a login from another address is not.
    ///
    /// # Errors
    /// [`Refused`], for the log; a peer is told only that it was refused.
    pub fn verify(&self, name: &str, password: &Secret, peer: Peer) -> Result<User, Refused> {
        if let Some(verdict) = self.verify_at_once(name, password, peer) {
            return verdict;
        }
        let login = self.lock().remembered.proof(name, password, "");
        let known = || self.known(&self.lock(), name, password, peer);
        let turn = match self.hashing.turn(Some(login), known) {
            Waited::Known(verdict) => return verdict,
            Waited::Turn(turn) => turn,
        };
        let entry = self.lock().content.users.get(name).cloned();
        let hash = entry.as_ref().and_then(|entry| entry.hash.as_ref());
        let fit = turn.verify(password, hash);
        let better = match fit {
            Fit::No => None,
            Fit::Yes => Some(None),
            Fit::Better(hash) => Some(Some(hash)),
        };
        let (Some(entry), Some(hash), Some(better)) = (entry.as_ref(), hash, better) else {
            self.lock().throttle.failed(name, peer, (self.clock)());
            return Err(Refused::Credentials { name: shortened(name) });
        };
        let verifiers = self.missing_verifiers(&turn, entry, password);
        if better.is_some() || verifiers.is_some() {
            self.improve(name, hash, better.as_ref(), verifiers.as_ref());
        }
        self.succeeded(name, password, better.as_ref().unwrap_or(hash), peer);
        Ok(entry.user(name))
    }

    /// What is not kept yet of a right password, or of other rounds than it should.
    fn missing_verifiers(
        &self,
        turn: &Turn<'_>,
        entry: &Entry,
        password: &Secret,
    ) -> Option<Verifiers> {
        let iterations = self.options.scram?;
        if entry.scram.as_ref().is_some_and(|kept| kept.have(iterations)) {
            return None;
        }
        // They cost ten times a login. When everybody comes back at once after a restart, the
        // handshakes of who waits for a turn would time out: then at the next login.
        if !turn.leaves_room() {
            return None;
        }
        turn.verifiers(password, iterations).ok()
    }

    /// The verdict on a login that needs no hash: one verified a moment ago, the built-in guest,
    /// the service account, one too many of those that failed. `None`: ask [`Users::verify`], on a
    /// thread that may take its time.
    pub fn verify_at_once(
        &self,
        name: &str,
        password: &Secret,
        peer: Peer,
    ) -> Option<Result<User, Refused>> {
        self.known(&self.fresh_state(), name, password, peer)
    }

    /// The user for whom somebody else vouches, as a verified certificate does with its name (SASL
    /// `EXTERNAL`). Operators' users only: the built-in ones have no certificate.
    ///
    /// # Errors
    /// There is no such user.
    pub fn vouched(&self, name: &str) -> Result<User, Refused> {
        match self.get(name) {
            Some(user) => Ok(User { proof: Proof::Vouched, ..user }),
            None => Err(Refused::NoSuchUser { name: shortened(name) }),
        }
    }

    fn known(
        &self,
        state: &State,
        name: &str,
        password: &Secret,
        peer: Peer,
    ) -> Option<Result<User, Refused>> {
        let now = (self.clock)();
        match state.content.users.get(name) {
            Some(entry) => {
                if let Some(hash) = &entry.hash
                    && state.remembered.knows(name, password, &hash.text(), now)
                {
                    return Some(Ok(entry.user(name)));
                }
            }
            None if name == SERVICE_ACCOUNT => {
                return Some(match password.is(self.service_password.expose()) {
                    true => Ok(User::service()),
                    false => Err(Refused::Credentials { name: name.to_owned() }),
                });
            }
            None if name == GUEST && password.is(GUEST) => {
                return Some(match peer {
                    Peer::Loopback => Ok(User::guest()),
                    Peer::Remote | Peer::Address(_) => Err(Refused::GuestFromElsewhere),
                });
            }
            None => {}
        }
        let wait = state.throttle.wait(name, peer, now)?;
        Some(Err(Refused::TooManyFailures { name: shortened(name), wait }))
    }

    fn succeeded(&self, name: &str, password: &Secret, hash: &StoredHash, peer: Peer) {
        let now = (self.clock)();
        let mut state = self.lock();
        state.remembered.remember(name, password, &hash.text(), now);
        state.throttle.succeeded(name, peer);
    }

    // The login is right either way; the next one tries again.
    fn improve(
        &self,
        name: &str,
        known: &StoredHash,
        better: Option<&StoredHash>,
        verifiers: Option<&Verifiers>,
    ) {
        let improved = self.change(|content| {
            match content.users.get_mut(name) {
                Some(entry) if entry.hash.as_ref() == Some(known) => {
                    entry.hash = better.or(Some(known)).cloned();
                    entry.scram = verifiers.cloned().or_else(|| entry.scram.take());
                }
                // Changed meanwhile.
                _ => {}
            }
            Ok(())
        });
        if let Err(error) = improved {
            tracing::warn!(%error, user = name, "what is kept of the password stays as it was");
        }
    }
}

fn shortened(name: &str) -> String {
    name.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Mutex},
        time::{Duration, Instant},
    };

    use tempfile::TempDir;

    use super::*;
    use crate::{Credential, NewUser, Tags};

    fn secret(text: &str) -> Secret {
        Secret::new(text)
    }

    struct Site {
        _directory: TempDir,
        users: Users,
        now: Arc<Mutex<Instant>>,
    }

    impl Site {
        fn new() -> Site {
            let directory = tempfile::tempdir().unwrap();
            let now = Arc::new(Mutex::new(Instant::now()));
            let clock = {
                let now = now.clone();
                Arc::new(move || *now.lock().unwrap())
            };
            let path = directory.path().join("users.json");
            let users = Users::open_with_clock(path, clock).unwrap();
            Site { _directory: directory, users, now }
        }

        fn pass(&self, seconds: u64) {
            *self.now.lock().unwrap() += Duration::from_secs(seconds);
        }
    }

    #[test]
    fn guest_works_on_loopback_only_and_not_once_an_operator_made_one() {
        let site = Site::new();
        let users = &site.users;
        let guest = |password: &str, peer| users.verify("guest", &secret(password), peer);
        assert!(guest("guest", Peer::Loopback).is_ok());
        assert_eq!(guest("guest", Peer::Remote), Err(Refused::GuestFromElsewhere));
        let elsewhere = Peer::Address("192.0.2.1".parse().unwrap());
        assert_eq!(guest("guest", elsewhere), Err(Refused::GuestFromElsewhere));
        assert!(guest("wrong", Peer::Loopback).is_err());
        assert!(users.vouched("guest").is_err());
        users.add("ada", &secret("a")).unwrap();
        assert!(guest("guest", Peer::Loopback).is_ok());
        users.add("guest", &secret("mine")).unwrap();
        assert!(guest("guest", Peer::Loopback).is_err());
        assert!(guest("mine", Peer::Remote).is_ok());
    }

    #[test]
    fn the_service_account_is_of_this_process_only() {
        let site = Site::new();
        let (name, password) = site.users.service_login();
        assert!(site.users.verify(name, password, Peer::Remote).is_ok());
        assert!(site.users.verify(name, &secret("guest"), Peer::Loopback).is_err());
        let other = Users::open(site.users.file.path()).unwrap();
        assert!(other.verify(name, password, Peer::Loopback).is_err());
        assert!(site.users.add(name, &secret("x")).is_err());
        assert!(site.users.vouched(name).is_err());
    }

    #[test]
    fn a_verified_login_needs_no_hash_for_a_while() {
        let site = Site::new();
        let users = &site.users;
        users.add("ada", &secret("a")).unwrap();
        let at_once = |password: &str| users.verify_at_once("ada", &secret(password), Peer::Remote);
        assert_eq!(at_once("a"), None);
        users.verify("ada", &secret("a"), Peer::Remote).unwrap();
        assert!(at_once("a").is_some_and(|verdict| verdict.is_ok()));
        assert_eq!(at_once("b"), None);
        site.pass(61);
        assert_eq!(at_once("a"), None);
        users.verify("ada", &secret("a"), Peer::Remote).unwrap();
        users.set_password("ada", &secret("b")).unwrap();
        assert_eq!(at_once("a"), None);
    }

    #[test]
    fn who_fails_too_often_is_refused_unseen_and_nobody_else_is() {
        let site = Site::new();
        let users = &site.users;
        users.add("ada", &secret("right")).unwrap();
        let here = Peer::Address("192.0.2.1".parse().unwrap());
        let there = Peer::Address("192.0.2.2".parse().unwrap());
        let login = |password: &str, peer| users.verify("ada", &secret(password), peer);
        for _ in 0..10 {
            assert!(matches!(login("wrong", here), Err(Refused::Credentials { .. })));
        }
        let refused = login("right", here).unwrap_err();
        assert!(matches!(refused, Refused::TooManyFailures { .. }), "{refused}");
        assert!(refused.to_string().contains("in 6 s"), "{refused}");
        assert!(users.verify_at_once("ada", &secret("right"), here).is_some());
        assert!(login("right", there).is_ok());
        // Remembered from the other address, so no guess.
        assert!(login("right", here).is_ok());
        site.pass(61);
        assert!(login("right", here).is_ok());
    }

    #[test]
    fn many_clients_with_one_login_cost_one_hash_and_all_get_in() {
        let site = Site::new();
        let users = &site.users;
        users.add("ada", &secret("a")).unwrap();
        let peer = Peer::Address("192.0.2.1".parse().unwrap());
        let before = users.hashing.turns();
        std::thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| users.verify("ada", &secret("a"), peer).unwrap());
            }
        });
        assert_eq!(users.hashing.turns(), before + 1);
    }

    #[test]
    fn a_login_with_rabbitmqs_hash_is_taken_over_and_hashed_better() {
        let site = Site::new();
        let users = &site.users;
        let imported = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR";
        let new = NewUser {
            credential: Credential::Hash(StoredHash::parse(imported, None).unwrap()),
            tags: Tags::default(),
            default_access: false,
        };
        let created = users.create("ada", &new).unwrap();
        let kept = || std::fs::read_to_string(users.file.path()).unwrap();
        assert!(users.verify("ada", &secret("test13"), Peer::Remote).is_err());
        assert!(kept().contains(imported));
        let user = users.verify("ada", &secret("test12"), Peer::Remote).unwrap();
        assert!(!kept().contains(imported) && kept().contains("$argon2id$"), "{}", kept());
        assert!(users.verify_at_once("ada", &secret("test12"), Peer::Remote).is_some());
        // Nothing that ends a connection has happened.
        assert_eq!((users.recheck(&user), user), (crate::Recheck::Same, created));
        site.pass(61);
        assert!(users.verify("ada", &secret("test12"), Peer::Remote).is_ok());
    }

    #[test]
    fn a_user_without_password_gets_in_by_certificate_only() {
        let site = Site::new();
        let users = &site.users;
        let new = NewUser {
            credential: Credential::NoPassword,
            tags: Tags::default(),
            default_access: true,
        };
        users.create("ci", &new).unwrap();
        for password in ["", "ci", "guest"] {
            assert!(users.verify("ci", &secret(password), Peer::Loopback).is_err());
        }
        assert_eq!(users.vouched("ci").unwrap().name, "ci");
        assert!(users.vouched("nobody").unwrap_err().to_string().contains("--no-password"));
    }
}
