//! Password hashes: argon2id with the parameters OWASP gives (19 MiB, 2 passes), few at a time.

use std::sync::{Condvar, Mutex, PoisonError};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};

use crate::{
    Error, Secret,
    limits::{HASHING_MAX, PASSWORD_BYTES_MAX},
};

/// Computes hashes; at most [`HASHING_MAX`] at once, the others wait their turn.
pub(crate) struct Hashing {
    at_work: Mutex<usize>,
    ended: Condvar,
}

impl Hashing {
    pub(crate) fn new() -> Hashing {
        Hashing { at_work: Mutex::new(0), ended: Condvar::new() }
    }

    /// The hash to keep: `$argon2id$v=19$m=…`.
    pub(crate) fn hash(&self, password: &Secret) -> Result<String, Error> {
        match password.expose().len() {
            0 => return Err(Error::Password { reason: "is empty" }),
            size if size > PASSWORD_BYTES_MAX => {
                return Err(Error::Password { reason: "has more than 1024 bytes" });
            }
            _ => {}
        }
        self.in_turn(|| compute(password))
    }

    /// Whether `hash` is of this password. Without a hash, takes as long and says no.
    pub(crate) fn verify(&self, password: &Secret, hash: Option<&str>) -> bool {
        if password.expose().len() > PASSWORD_BYTES_MAX {
            return false;
        }
        let matches = self.in_turn(|| {
            let Ok(parsed) = PasswordHash::new(hash.unwrap_or(DECOY)) else { return false };
            Argon2::default().verify_password(password.expose().as_bytes(), &parsed).is_ok()
        });
        matches && hash.is_some()
    }

    fn in_turn<T>(&self, work: impl FnOnce() -> T) -> T {
        // A count is right even when a holder of the lock panicked.
        let at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.ended.wait_while(at_work, |at_work| *at_work >= HASHING_MAX);
        *waited.unwrap_or_else(PoisonError::into_inner) += 1;
        let _turn = Turn(self);
        work()
    }
}

struct Turn<'a>(&'a Hashing);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.at_work.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.ended.notify_one();
    }
}

fn compute(password: &Secret) -> Result<String, Error> {
    Argon2::default()
        .hash_password(password.expose().as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|error| Error::Hash(error.to_string()))
}

/// A hash of no password, with the same parameters: an unknown user takes as long as a known one.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
                     AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_argon2id_salted_and_fits_its_password_only() {
        let hashing = Hashing::new();
        let password = Secret::new("correct horse");
        let (one, two) = (hashing.hash(&password).unwrap(), hashing.hash(&password).unwrap());
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_ne!(one, two);
        assert!(hashing.verify(&password, Some(&one)));
        assert!(!hashing.verify(&Secret::new("wrong"), Some(&one)));
        assert!(!hashing.verify(&password, None));
        assert!(!hashing.verify(&password, Some("not a hash")));
        let decoy = PasswordHash::new(DECOY).unwrap();
        assert_eq!(decoy.params, PasswordHash::new(&one).unwrap().params);
    }

    #[test]
    fn passwords_that_are_empty_or_endless_are_refused() {
        let hashing = Hashing::new();
        assert!(hashing.hash(&Secret::new("")).is_err());
        assert!(hashing.hash(&Secret::new("x".repeat(1025))).is_err());
    }

    #[test]
    fn no_more_than_the_limit_are_at_work_at_once() {
        let hashing = Hashing::new();
        let (now, most) = (Mutex::new(0), Mutex::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    hashing.in_turn(|| {
                        let at_once = {
                            let mut now = now.lock().unwrap();
                            *now += 1;
                            *now
                        };
                        let mut most = most.lock().unwrap();
                        *most = at_once.max(*most);
                        drop(most);
                        std::thread::yield_now();
                        *now.lock().unwrap() -= 1;
                    });
                });
            }
        });
        assert!((1..=HASHING_MAX).contains(&*most.lock().unwrap()));
    }
}
