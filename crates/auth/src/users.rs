//! The users: who is one, and whether a login is.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use crate::{
    Error, Peer, Refused, Secret, User,
    hashing::Hashing,
    limits::{REMEMBERED_FOR, REMEMBERED_MAX},
    remembered::Remembered,
    user::SERVICE_ACCOUNT,
    user_file::{Hashes, Stamp, UserFile},
};

/// Gives the time; a test has its own.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// All users of one Tubepost. Shared by reference between threads.
pub struct Users {
    file: UserFile,
    clock: Clock,
    hashing: Hashing,
    service_password: Secret,
    state: Mutex<State>,
}

struct State {
    hashes: Hashes,
    stamp: Option<Stamp>,
    /// The state of the file that could not be read, so that it is said once.
    unreadable: Option<Option<Stamp>>,
    remembered: Remembered,
}

impl Users {
    /// Reads the users; without a file there are none yet.
    ///
    /// # Errors
    /// The file cannot be read, is damaged, or is of a newer version.
    pub fn open(path: impl Into<PathBuf>) -> Result<Users, Error> {
        Users::open_with_clock(path, Arc::new(Instant::now))
    }

    /// As [`Users::open`], with a clock for how long verified logins are remembered.
    ///
    /// # Errors
    /// As [`Users::open`].
    pub fn open_with_clock(path: impl Into<PathBuf>, clock: Clock) -> Result<Users, Error> {
        let file = UserFile::new(path.into());
        let (hashes, stamp) = file.read()?;
        let remembered = Remembered::new(REMEMBERED_MAX, REMEMBERED_FOR)?;
        Ok(Users {
            file,
            clock,
            hashing: Hashing::new(),
            service_password: Secret::generate()?,
            state: Mutex::new(State { hashes, stamp, unreadable: None, remembered }),
        })
    }

    /// Creates a user. Takes as long as a password hash.
    ///
    /// # Errors
    /// A name or password that cannot be one, a user of that name, a file that cannot be written.
    pub fn add(&self, name: &str, password: &Secret) -> Result<User, Error> {
        User::check_name(name)?;
        let hash = self.hashing.hash(password)?;
        self.change(|hashes| match hashes.contains_key(name) {
            true => Err(Error::Exists { name: name.to_owned() }),
            false => {
                hashes.insert(name.to_owned(), hash);
                Ok(User { name: name.to_owned() })
            }
        })
    }

    /// Gives a user another password. Open connections stay.
    ///
    /// # Errors
    /// As [`Users::add`], but for a user that is not there.
    pub fn set_password(&self, name: &str, password: &Secret) -> Result<(), Error> {
        let hash = self.hashing.hash(password)?;
        self.change(|hashes| match hashes.get_mut(name) {
            Some(kept) => {
                *kept = hash;
                Ok(())
            }
            None => Err(Error::Unknown { name: name.to_owned() }),
        })
    }

    /// Removes a user.
    ///
    /// # Errors
    /// There is none of that name, or the file cannot be written.
    pub fn delete(&self, name: &str) -> Result<(), Error> {
        self.change(|hashes| match hashes.remove(name) {
            Some(_) => Ok(()),
            None => Err(Error::Unknown { name: name.to_owned() }),
        })
    }

    /// The users that operators created, by name.
    pub fn list(&self) -> Vec<User> {
        self.fresh_state().hashes.keys().map(|name| User { name: name.clone() }).collect()
    }

    /// Whether an operator created a user: without one, a server listens on loopback only.
    pub fn has_operator_users(&self) -> bool {
        !self.fresh_state().hashes.is_empty()
    }

    /// The login of the services inside the server. The password is of this process and is gone
    /// with it; it is accepted from everywhere, since nobody can know or guess it.
    pub fn service_login(&self) -> (&'static str, &Secret) {
        (SERVICE_ACCOUNT, &self.service_password)
    }

    /// Whether a login is a user's. Takes as long as a password hash unless the same login was
    /// verified a moment ago, so on a server's threads first try [`Users::verify_at_once`].
    ///
    /// # Errors
    /// [`Refused`], for the log; a peer is told only that it was refused.
    pub fn verify(&self, name: &str, password: &Secret, peer: Peer) -> Result<User, Refused> {
        if let Some(verdict) = self.verify_at_once(name, password, peer) {
            return verdict;
        }
        let hash = self.fresh_state().hashes.get(name).cloned();
        let verified = self.hashing.verify(password, hash.as_deref());
        let mut state = self.lock();
        // Only if the user still has the password that was just proved.
        match hash.filter(|hash| verified && state.hashes.get(name) == Some(hash)) {
            Some(hash) => {
                state.remembered.remember(name, password, &hash, (self.clock)());
                Ok(User { name: name.to_owned() })
            }
            None => Err(Refused::Credentials { name: shortened(name) }),
        }
    }

    /// The verdict on a login that needs no hash: one verified a moment ago, the built-in guest,
    /// the service account. `None`: ask [`Users::verify`], on a thread that may take its time.
    pub fn verify_at_once(
        &self,
        name: &str,
        password: &Secret,
        peer: Peer,
    ) -> Option<Result<User, Refused>> {
        let accepted = || Some(Ok(User { name: name.to_owned() }));
        let state = self.fresh_state();
        match state.hashes.get(name) {
            Some(hash) => match state.remembered.knows(name, password, hash, (self.clock)()) {
                true => accepted(),
                false => None,
            },
            None if name == SERVICE_ACCOUNT => match password.is(self.service_password.expose()) {
                true => accepted(),
                false => Some(Err(Refused::Credentials { name: name.to_owned() })),
            },
            None if name == GUEST && password.is(GUEST) => match peer {
                Peer::Loopback => accepted(),
                Peer::Remote => Some(Err(Refused::GuestFromElsewhere)),
            },
            None => None,
        }
    }

    /// The user whom a certificate names that the caller has verified. Only users that an operator
    /// created: not the built-in guest, whose login is for this machine and no proof of anything,
    /// nor the services inside the server.
    ///
    /// # Errors
    /// [`Refused`], for the log; a peer is told only that it was refused.
    pub fn verify_certified(&self, name: &str) -> Result<User, Refused> {
        match name != SERVICE_ACCOUNT && self.fresh_state().hashes.contains_key(name) {
            true => Ok(User { name: name.to_owned() }),
            false => Err(Refused::Certificate { name: shortened(name) }),
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Hashes) -> Result<T, Error>) -> Result<T, Error> {
        let (result, hashes, stamp) = self.file.change(change)?;
        let mut state = self.lock();
        (state.hashes, state.stamp, state.unreadable) = (hashes, stamp, None);
        Ok(result)
    }

    // The users as the file has them now. One that vanished or cannot be read changes nothing: a
    // slip of an editor must not lock everybody out, nor let anybody in.
    fn fresh_state(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        let stamp = match self.file.stamp() {
            Ok(stamp) if stamp == state.stamp => return state,
            Ok(stamp) => stamp,
            Err(_) => None,
        };
        if state.unreadable == Some(stamp) {
            return state;
        }
        match self.file.read() {
            Ok((hashes, Some(stamp))) => {
                (state.hashes, state.stamp, state.unreadable) = (hashes, Some(stamp), None);
            }
            Ok((_, None)) => {
                tracing::warn!(file = %self.file.path().display(), "the users file is gone; the users known stay until a restart");
                state.unreadable = Some(stamp);
            }
            Err(error) => {
                tracing::error!(%error, "the users file cannot be read; the users known stay");
                state.unreadable = Some(stamp);
            }
        }
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is one assignment: a panic leaves none half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name of a peer's choice, for the log.
fn shortened(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(80).collect()
}

/// Name and password of the built-in user, as every AMQP client expects it.
const GUEST: &str = "guest";

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use tempfile::TempDir;

    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text)
    }

    fn users() -> (TempDir, Users) {
        let directory = tempfile::tempdir().unwrap();
        let users = Users::open(directory.path().join("users.json")).unwrap();
        (directory, users)
    }

    #[test]
    fn users_are_added_changed_listed_and_deleted() {
        let (_directory, users) = users();
        assert!(!users.has_operator_users());
        users.add("bob", &secret("b")).unwrap();
        users.add("ada", &secret("a")).unwrap();
        assert!(matches!(users.add("ada", &secret("x")), Err(Error::Exists { .. })));
        assert_eq!(
            users.list().into_iter().map(|user| user.name).collect::<Vec<_>>(),
            ["ada", "bob"]
        );
        users.set_password("ada", &secret("new")).unwrap();
        assert!(users.verify("ada", &secret("a"), Peer::Loopback).is_err());
        assert_eq!(users.verify("ada", &secret("new"), Peer::Remote).unwrap().name, "ada");
        users.delete("ada").unwrap();
        assert!(users.verify("ada", &secret("new"), Peer::Remote).is_err());
        assert!(matches!(users.delete("ada"), Err(Error::Unknown { .. })));
        assert!(matches!(users.set_password("ada", &secret("x")), Err(Error::Unknown { .. })));
        assert!(users.has_operator_users());
    }

    #[test]
    fn guest_works_on_loopback_only_and_not_once_an_operator_made_one() {
        let (_directory, users) = users();
        let guest = |password: &str, peer| users.verify("guest", &secret(password), peer);
        assert!(guest("guest", Peer::Loopback).is_ok());
        assert_eq!(guest("guest", Peer::Remote), Err(Refused::GuestFromElsewhere));
        assert!(guest("wrong", Peer::Loopback).is_err());
        users.add("ada", &secret("a")).unwrap();
        assert!(guest("guest", Peer::Loopback).is_ok());
        users.add("guest", &secret("mine")).unwrap();
        assert!(guest("guest", Peer::Loopback).is_err());
        assert!(guest("mine", Peer::Remote).is_ok());
    }

    #[test]
    fn the_service_account_is_of_this_process_only() {
        let (directory, users) = users();
        let (name, password) = users.service_login();
        assert!(users.verify(name, password, Peer::Remote).is_ok());
        assert!(users.verify(name, &secret("guest"), Peer::Loopback).is_err());
        let other = Users::open(directory.path().join("users.json")).unwrap();
        assert!(other.verify(name, password, Peer::Loopback).is_err());
        assert!(users.add(name, &secret("x")).is_err());
    }

    #[test]
    fn a_certificate_is_a_login_of_users_that_an_operator_created_only() {
        let (_directory, users) = users();
        for name in ["guest", SERVICE_ACCOUNT, "", "ada", "ada\n"] {
            let refused = users.verify_certified(name).unwrap_err();
            assert!(matches!(refused, Refused::Certificate { .. }), "{name}: {refused}");
        }
        users.add("ada", &secret("a")).unwrap();
        users.add("guest", &secret("mine")).unwrap();
        assert_eq!(users.verify_certified("ada").unwrap().name, "ada");
        assert!(users.verify_certified("guest").is_ok());
        assert!(users.verify_certified("Ada").is_err(), "names are compared octet by octet");
        users.delete("ada").unwrap();
        assert!(users.verify_certified("ada").is_err());
    }

    #[test]
    fn a_change_by_another_process_takes_effect_at_once() {
        let (directory, users) = users();
        let other = Users::open(directory.path().join("users.json")).unwrap();
        other.add("ada", &secret("a")).unwrap();
        assert!(users.verify("ada", &secret("a"), Peer::Remote).is_ok());
        other.set_password("ada", &secret("b")).unwrap();
        assert!(users.verify("ada", &secret("a"), Peer::Remote).is_err());
        other.delete("ada").unwrap();
        assert!(users.verify("ada", &secret("b"), Peer::Remote).is_err());
    }

    #[test]
    fn a_file_damaged_or_gone_while_running_changes_nothing() {
        let (directory, users) = users();
        users.add("ada", &secret("a")).unwrap();
        let path = directory.path().join("users.json");
        fs::write(&path, "{").unwrap();
        assert!(users.verify("ada", &secret("a"), Peer::Remote).is_ok());
        assert!(users.add("bob", &secret("b")).is_err(), "a damaged file must not be overwritten");
        fs::remove_file(&path).unwrap();
        assert!(users.verify("ada", &secret("a"), Peer::Remote).is_ok());
        assert!(users.verify("bob", &secret("b"), Peer::Remote).is_err());
    }

    #[test]
    fn a_verified_login_needs_no_hash_for_a_while() {
        let directory = tempfile::tempdir().unwrap();
        let now = Arc::new(Mutex::new(Instant::now()));
        let clock = {
            let now = now.clone();
            Arc::new(move || *now.lock().unwrap())
        };
        let users = Users::open_with_clock(directory.path().join("users.json"), clock).unwrap();
        users.add("ada", &secret("a")).unwrap();
        let at_once = |password: &str| users.verify_at_once("ada", &secret(password), Peer::Remote);
        assert_eq!(at_once("a"), None);
        users.verify("ada", &secret("a"), Peer::Remote).unwrap();
        assert!(at_once("a").is_some_and(|verdict| verdict.is_ok()));
        assert_eq!(at_once("b"), None);
        *now.lock().unwrap() += Duration::from_secs(61);
        assert_eq!(at_once("a"), None);
        users.verify("ada", &secret("a"), Peer::Remote).unwrap();
        users.set_password("ada", &secret("b")).unwrap();
        assert_eq!(at_once("a"), None);
    }
}
