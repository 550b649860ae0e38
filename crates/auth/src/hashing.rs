//! Password hashes: argon2id with the parameters OWASP gives (19 MiB, 2 passes), few at a time,
//! and one login at a time once, however many clients send it.

use std::{
    collections::HashSet,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};

use crate::{
    Error, Iterations, Secret,
    limits::{HASHING_MAX, PASSWORD_BYTES_MAX},
    scram::Verifiers,
    stored_hash::{Scheme, StoredHash},
};

/// Computes hashes; at most [`HASHING_MAX`] at once, the others wait their turn.
pub(crate) struct Hashing {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    at_work: usize,
    #[cfg(test)]
    turns: usize,
    /// The logins that are being verified.
    logins: HashSet<[u8; 32]>,
}

/// What came of waiting for a turn.
pub(crate) enum Waited<'a, T> {
    /// It is this one's turn, until dropped.
    Turn(Turn<'a>),
    /// It came to be known meanwhile.
    Known(T),
}

impl Hashing {
    pub(crate) fn new() -> Hashing {
        Hashing { state: Mutex::default(), ended: Condvar::new() }
    }

    /// The hash to keep.
    pub(crate) fn hash(&self, password: &Secret) -> Result<StoredHash, Error> {
        self.kept(password, None).map(|kept| kept.hash)
    }

    /// All that is to be kept of a password.
    pub(crate) fn kept(&self, password: &Secret, scram: Option<Iterations>) -> Result<Kept, Error> {
        match password.expose().len() {
            0 => return Err(Error::Password { reason: "is empty" }),
            size if size > PASSWORD_BYTES_MAX => {
                return Err(Error::Password { reason: "has more than 1024 bytes" });
            }
            _ => {}
        }
        match self.turn(None, || None::<()>) {
            Waited::Turn(turn) => {
                let scram = scram.map(|iterations| turn.verifiers(password, iterations));
                Ok(Kept { hash: turn.hash(password)?, scram: scram.transpose()? })
            }
            Waited::Known(()) => Err(Error::Hash("nothing was known before".to_owned())),
        }
    }

    /// Waits for a turn at computing. `login` is what will be verified: while another has its turn
    /// with the same, this one waits. `known` is asked before each wait: the answer may be there.
    pub(crate) fn turn<T>(
        &self,
        login: Option<[u8; 32]>,
        known: impl Fn() -> Option<T>,
    ) -> Waited<'_, T> {
        let mut state = self.lock();
        loop {
            if let Some(answer) = known() {
                return Waited::Known(answer);
            }
            let same = login.is_some_and(|login| state.logins.contains(&login));
            if state.at_work < HASHING_MAX && !same {
                state.at_work += 1;
                #[cfg(test)]
                {
                    state.turns += 1;
                }
                state.logins.extend(login);
                return Waited::Turn(Turn { of: self, login });
            }
            state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// How often it was somebody's turn.
    #[cfg(test)]
    pub(crate) fn turns(&self) -> usize {
        self.lock().turns
    }

    // A count is right even when a holder of the lock panicked.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is kept of a password.
pub(crate) struct Kept {
    pub(crate) hash: StoredHash,
    pub(crate) scram: Option<Verifiers>,
}

/// A turn at computing hashes.
pub(crate) struct Turn<'a> {
    of: &'a Hashing,
    login: Option<[u8; 32]>,
}

/// What a password is to a hash.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    No,
    Yes,
    /// It fits a hash that is weaker than ours, which is this.
    Better(StoredHash),
}

impl Turn<'_> {
    /// Whether `hash` is of this password. Takes as long when there is none or it is not.
    pub(crate) fn verify(&self, password: &Secret, hash: Option<&StoredHash>) -> Fit {
        if password.expose().is_empty() || password.expose().len() > PASSWORD_BYTES_MAX {
            return Fit::No;
        }
        match hash.map(|hash| &hash.0) {
            Some(Scheme::Argon2id(text)) if argon2_fits(password, text) => Fit::Yes,
            Some(Scheme::Argon2id(_)) => Fit::No,
            Some(Scheme::Salted { digest, salt, sum }) if digest.fits(salt, password, sum) => {
                self.hash(password).map_or(Fit::Yes, Fit::Better)
            }
            Some(Scheme::Salted { .. }) | None => {
                argon2_fits(password, DECOY);
                Fit::No
            }
        }
    }

    /// Whether others could have their turn meanwhile.
    pub(crate) fn leaves_room(&self) -> bool {
        self.of.lock().at_work < HASHING_MAX
    }

    pub(crate) fn verifiers(
        &self,
        password: &Secret,
        iterations: Iterations,
    ) -> Result<Verifiers, Error> {
        Ok(Verifiers::derive(password, iterations)?)
    }

    fn hash(&self, password: &Secret) -> Result<StoredHash, Error> {
        Argon2::default()
            .hash_password(password.expose().as_bytes())
            .map(|hash| StoredHash(Scheme::Argon2id(hash.to_string())))
            .map_err(|error| Error::Hash(error.to_string()))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.of.lock();
        state.at_work -= 1;
        if let Some(login) = self.login {
            state.logins.remove(&login);
        }
        drop(state);
        // All: who waits for the same login, and who waits for any turn.
        self.of.ended.notify_all();
    }
}

fn argon2_fits(password: &Secret, hash: &str) -> bool {
    let Ok(parsed) = PasswordHash::new(hash) else { return false };
    Argon2::default().verify_password(password.expose().as_bytes(), &parsed).is_ok()
}

/// A hash of no password, with the same parameters: an unknown user takes as long as a known one.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
                     AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[cfg(test)]
mod tests {
    use super::*;

    fn verify(hashing: &Hashing, password: &str, hash: Option<&StoredHash>) -> Fit {
        match hashing.turn(None, || None::<()>) {
            Waited::Turn(turn) => turn.verify(&Secret::new(password), hash),
            Waited::Known(()) => panic!("nothing is known"),
        }
    }

    #[test]
    fn a_hash_is_argon2id_salted_and_fits_its_password_only() {
        let hashing = Hashing::new();
        let password = Secret::new("correct horse");
        let (one, two) = (hashing.hash(&password).unwrap(), hashing.hash(&password).unwrap());
        assert!(one.text().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one:?}");
        assert_ne!(one, two);
        assert_eq!(verify(&hashing, "correct horse", Some(&one)), Fit::Yes);
        assert_eq!(verify(&hashing, "wrong", Some(&one)), Fit::No);
        assert_eq!(verify(&hashing, "correct horse", None), Fit::No);
        let text = one.text();
        let (decoy, real) = (PasswordHash::new(DECOY).unwrap(), PasswordHash::new(&text).unwrap());
        assert_eq!(decoy.params, real.params);
        assert_eq!(hashing.lock().at_work, 0);
    }

    #[test]
    fn a_password_that_fits_rabbitmqs_hash_gives_one_of_ours() {
        let hashing = Hashing::new();
        let imported = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR";
        let imported = StoredHash::parse(imported, None).unwrap();
        assert_eq!(verify(&hashing, "test13", Some(&imported)), Fit::No);
        let Fit::Better(ours) = verify(&hashing, "test12", Some(&imported)) else { panic!() };
        assert_eq!(ours.algorithm(), "argon2id");
        assert_eq!(verify(&hashing, "test12", Some(&ours)), Fit::Yes);
    }

    #[test]
    fn passwords_that_are_empty_or_endless_are_refused() {
        let hashing = Hashing::new();
        assert!(hashing.hash(&Secret::new("")).is_err());
        assert!(hashing.hash(&Secret::new("x".repeat(1025))).is_err());
        assert!(hashing.hash(&Secret::new("x".repeat(1024))).is_ok());
    }

    #[test]
    fn no_more_than_the_limit_are_at_work_at_once_and_one_of_each_login() {
        let hashing = Hashing::new();
        let (now, most) = (Mutex::new((0, HashSet::new())), Mutex::new(0));
        std::thread::scope(|scope| {
            for thread in 0..12_u8 {
                let (hashing, now, most) = (&hashing, &now, &most);
                scope.spawn(move || {
                    let login = [thread % 3; 32];
                    let Waited::Turn(turn) = hashing.turn(Some(login), || None::<()>) else {
                        panic!("nothing is known")
                    };
                    {
                        let mut now = now.lock().unwrap();
                        now.0 += 1;
                        assert!(now.1.insert(login), "the same login twice at once");
                        let mut most = most.lock().unwrap();
                        *most = now.0.max(*most);
                    }
                    std::thread::yield_now();
                    let mut now = now.lock().unwrap();
                    now.0 -= 1;
                    now.1.remove(&login);
                    drop(turn);
                });
            }
        });
        assert!((1..=HASHING_MAX).contains(&*most.lock().unwrap()));
        assert_eq!(hashing.lock().at_work, 0);
    }

    #[test]
    fn who_waits_for_a_turn_learns_what_came_to_be_known_meanwhile() {
        let hashing = Hashing::new();
        let verified = Mutex::new(false);
        let known = || verified.lock().unwrap().then_some("verified");
        let Waited::Turn(turn) = hashing.turn(Some([1; 32]), known) else { panic!() };
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| match hashing.turn(Some([1; 32]), known) {
                Waited::Known(answer) => Some(answer),
                Waited::Turn(_) => None,
            });
            *verified.lock().unwrap() = true;
            drop(turn);
            assert_eq!(waiting.join().unwrap(), Some("verified"));
        });
    }
}
