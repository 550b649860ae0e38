//! The users: who is one. What changes them is in `change`, what a login comes to in `login`.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use crate::{
    Ended, Error, Options, Origin, Recheck, Secret, User,
    hashing::Hashing,
    limits::{FAILURES_MAX, REMEMBERED_FOR, REMEMBERED_MAX},
    remembered::Remembered,
    scram::Verifiers,
    throttle::Throttle,
    user::{Proof, SERVICE_ACCOUNT},
    user_file::{Content, Entry, Stamp, UserFile},
};

mod change;
mod login;
mod scram;

pub(crate) use scram::Challenged;

/// Gives the time; a test has its own.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// All users of one Tubepost. Shared by reference between threads.
pub struct Users {
    file: UserFile,
    clock: Clock,
    options: Options,
    hashing: Hashing,
    service_password: Secret,
    /// For as long as the file has none.
    scram_secret: [u8; 32],
    scram_guest: OnceLock<Verifiers>,
    generation: AtomicU64,
    state: Mutex<State>,
}

struct State {
    content: Content,
    stamp: Option<Stamp>,
    /// The state of the file that could not be read, so that it is said once.
    unreadable: Option<Option<Stamp>>,
    remembered: Remembered,
    throttle: Throttle,
}

impl Users {
    /// Reads the users; without a file there are none yet.
    ///
    /// # Errors
    /// The file cannot be read, is damaged, or is of a newer version.
    pub fn open(path: impl Into<PathBuf>) -> Result<Users, Error> {
        Users::open_with_clock(path, Arc::new(Instant::now))
    }

    /// As [`Users::open`], with a clock for how long verified and failed logins are remembered.
    ///
    /// # Errors
    /// As [`Users::open`].
    pub fn open_with_clock(path: impl Into<PathBuf>, clock: Clock) -> Result<Users, Error> {
        let file = UserFile::new(path.into());
        let (content, stamp) = file.read()?;
        let state = State {
            content,
            stamp,
            unreadable: None,
            remembered: Remembered::new(REMEMBERED_MAX, REMEMBERED_FOR)?,
            throttle: Throttle::new(FAILURES_MAX),
        };
        let mut scram_secret = [0; 32];
        getrandom::fill(&mut scram_secret)?;
        Ok(Users {
            file,
            clock,
            options: Options::default(),
            hashing: Hashing::new(),
            service_password: Secret::generate()?,
            scram_secret,
            scram_guest: OnceLock::new(),
            generation: AtomicU64::new(0),
            state: Mutex::new(state),
        })
    }

    /// The same users, with what an operator decided; without it there are passwords and
    /// certificates only.
    #[must_use]
    pub fn with_options(self, options: Options) -> Users {
        Users { options, ..self }
    }

    /// What an operator decided.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The users that operators created, by name.
    pub fn list(&self) -> Vec<User> {
        let state = self.fresh_state();
        state.content.users.iter().map(|(name, entry)| entry.user(name)).collect()
    }

    /// The user of that name that an operator created.
    pub fn get(&self, name: &str) -> Option<User> {
        self.fresh_state().content.users.get(name).map(|entry| entry.user(name))
    }

    /// Whether an operator created a user: without one, a server listens on loopback only.
    pub fn has_operator_users(&self) -> bool {
        !self.fresh_state().content.users.is_empty()
    }

    /// The login of the services inside the server. The password is of this process and is gone
    /// with it; it is accepted from everywhere, since nobody can know or guess it.
    pub fn service_login(&self) -> (&'static str, &Secret) {
        (SERVICE_ACCOUNT, &self.service_password)
    }

    /// A number that is another one when the users changed, in this process or by another. To be
    /// asked again and again: costs one look at the file's date. After a change,
    /// [`Users::recheck`] whoever is logged in, and see [`Users::departed`].
    pub fn generation(&self) -> u64 {
        drop(self.fresh_state());
        self.generation.load(Ordering::Acquire)
    }

    /// What became of somebody who logged in before.
    pub fn recheck(&self, user: &User) -> Recheck {
        let state = self.lock();
        let entry = state.content.users.get(&user.name);
        match (user.origin, entry) {
            (Origin::Service, _) | (Origin::BuiltIn, None) => Recheck::Same,
            // An operator made one of that name, which closes the built-in one.
            (Origin::BuiltIn, Some(_)) | (Origin::Operator, None) => Recheck::Ended(Ended::Deleted),
            (Origin::Operator, Some(entry)) if entry.id != user.id => {
                Recheck::Ended(Ended::Deleted)
            }
            (Origin::Operator, Some(entry)) => match user.proof {
                Proof::Password(number) if number != entry.password_number => {
                    Recheck::Ended(Ended::PasswordChanged)
                }
                proof => match (User { proof, ..entry.user(&user.name) }) {
                    now if now == *user => Recheck::Same,
                    now => Recheck::Changed(now),
                },
            },
        }
    }

    /// Names of users that were deleted and may have been made anew since: what was allowed to
    /// them must not be allowed to the next of that name. Forget it, then say so with
    /// [`Users::forget_departed`]; until then they are named again, also after a restart.
    pub fn departed(&self) -> Vec<String> {
        self.fresh_state().content.departed.iter().cloned().collect()
    }

    /// The users as the file has them now. One that vanished or cannot be read changes nothing: a
    /// slip of an editor must not lock everybody out, nor let anybody in.
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
            Ok((content, Some(stamp))) => self.take(&mut state, content, Some(stamp)),
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

    fn take(&self, state: &mut State, content: Content, stamp: Option<Stamp>) {
        if state.content != content {
            state.content = content;
            self.generation.fetch_add(1, Ordering::Release);
        }
        (state.stamp, state.unreadable) = (stamp, None);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is one assignment: a panic leaves none half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn user(&self, name: &str) -> User {
        User {
            name: name.to_owned(),
            tags: self.tags.clone(),
            origin: Origin::Operator,
            default_access: self.default_access,
            has_password: self.hash.is_some(),
            limits: self.limits,
            id: self.id,
            proof: Proof::Password(self.password_number),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;
    use crate::{Credential, NewUser, Peer, Tags};

    fn secret(text: &str) -> Secret {
        Secret::new(text)
    }

    fn users() -> (TempDir, Users) {
        let directory = tempfile::tempdir().unwrap();
        let users = Users::open(directory.path().join("users.json")).unwrap();
        (directory, users)
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
        let generation = users.generation();
        let path = directory.path().join("users.json");
        fs::write(&path, "{").unwrap();
        assert!(users.verify("ada", &secret("a"), Peer::Remote).is_ok());
        assert!(users.add("bob", &secret("b")).is_err(), "a damaged file must not be overwritten");
        fs::remove_file(&path).unwrap();
        assert!(users.verify("ada", &secret("a"), Peer::Remote).is_ok());
        assert!(users.verify("bob", &secret("b"), Peer::Remote).is_err());
        assert_eq!(users.generation(), generation);
    }

    #[test]
    fn what_became_of_who_is_logged_in_is_told_for_each_change_by_any_process() {
        let (directory, users) = users();
        let other = Users::open(directory.path().join("users.json")).unwrap();
        users.add("ada", &secret("a")).unwrap();
        let ada = users.verify("ada", &secret("a"), Peer::Remote).unwrap();
        let vouched = users.vouched("ada").unwrap();
        let guest = users.verify("guest", &secret("guest"), Peer::Loopback).unwrap();
        let mut generation = users.generation();
        let mut changed = |users: &Users| {
            let before = std::mem::replace(&mut generation, users.generation());
            before != generation
        };
        assert!(!changed(&users));
        assert_eq!(users.recheck(&ada), Recheck::Same);

        other.set_tags("ada", Tags::parse("monitoring").unwrap()).unwrap();
        assert!(changed(&users) && !changed(&users));
        let Recheck::Changed(now) = users.recheck(&ada) else { panic!() };
        assert!(now.tags.has(Tags::MONITORING));
        assert_eq!(users.recheck(&now), Recheck::Same);

        other.set_password("ada", &secret("b")).unwrap();
        assert!(changed(&users));
        assert_eq!(users.recheck(&now), Recheck::Ended(Ended::PasswordChanged));
        // The certificate is still theirs.
        assert!(matches!(users.recheck(&vouched), Recheck::Changed(_)));

        other.delete("ada").unwrap();
        assert!(changed(&users));
        assert_eq!(users.recheck(&vouched), Recheck::Ended(Ended::Deleted));
        other.add("ada", &secret("a")).unwrap();
        assert!(changed(&users));
        assert_eq!(users.recheck(&ada), Recheck::Ended(Ended::Deleted), "another ada");

        assert_eq!(users.recheck(&guest), Recheck::Same);
        other.add("guest", &secret("mine")).unwrap();
        assert!(changed(&users));
        assert_eq!(users.recheck(&guest), Recheck::Ended(Ended::Deleted));
        let (name, password) = users.service_login();
        let service = users.verify(name, password, Peer::Loopback).unwrap();
        assert_eq!(users.recheck(&service), Recheck::Same);
    }

    #[test]
    fn deleted_users_are_named_until_what_was_theirs_is_forgotten() {
        let (directory, users) = users();
        let new = NewUser {
            credential: Credential::NoPassword,
            tags: Tags::default(),
            default_access: false,
        };
        for name in ["ada", "bob"] {
            users.create(name, &new).unwrap();
            users.delete(name).unwrap();
        }
        users.create("ada", &new).unwrap();
        let again = Users::open(directory.path().join("users.json")).unwrap();
        assert_eq!(again.departed(), ["ada", "bob"]);
        again.forget_departed(&["ada".to_owned()]).unwrap();
        assert_eq!(users.departed(), ["bob"]);
        assert!(users.get("ada").is_some());
    }
}
