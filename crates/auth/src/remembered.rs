//! Logins that were verified a moment ago, so that a thousand clients that come back at once do not
//! cost a thousand hashes. Knows no passwords: it keeps a keyed hash, and the key is this
//! process's.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use blake2::{
    Blake2bMac,
    digest::{KeyInit, Mac, consts::U32},
};
use subtle::ConstantTimeEq;

use crate::{Error, Secret};

/// At most `bound` logins, each for at most `lifetime`.
pub(crate) struct Remembered {
    key: [u8; 64],
    bound: usize,
    lifetime: Duration,
    logins: HashMap<String, Login>,
}

struct Login {
    proof: [u8; 32],
    until: Instant,
}

impl Remembered {
    pub(crate) fn new(bound: usize, lifetime: Duration) -> Result<Remembered, Error> {
        let mut key = [0; 64];
        getrandom::fill(&mut key)?;
        Ok(Remembered { key, bound, lifetime, logins: HashMap::new() })
    }

    /// Whether this user proved this password while this hash was theirs.
    pub(crate) fn knows(&self, name: &str, password: &Secret, hash: &str, now: Instant) -> bool {
        self.logins.get(name).is_some_and(|login| {
            now < login.until && self.proof(name, password, hash).ct_eq(&login.proof).into()
        })
    }

    pub(crate) fn remember(&mut self, name: &str, password: &Secret, hash: &str, now: Instant) {
        if self.logins.len() >= self.bound && !self.logins.contains_key(name) {
            self.logins.retain(|_, login| now < login.until);
        }
        if self.logins.len() >= self.bound && !self.logins.contains_key(name) {
            // Full of fresh ones: this one pays for its hash again next time.
            return;
        }
        let login = Login { proof: self.proof(name, password, hash), until: now + self.lifetime };
        self.logins.insert(name.to_owned(), login);
    }

    /// The keyed hash of a login. The stored hash is part of it, so a changed password or a user
    /// made anew is not remembered.
    pub(crate) fn proof(&self, name: &str, password: &Secret, hash: &str) -> [u8; 32] {
        let mut mac = <Blake2bMac<U32> as KeyInit>::new(&self.key.into());
        for part in [name, hash, password.expose()] {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text)
    }

    #[test]
    fn a_login_is_known_until_its_time_is_over_and_with_its_password_only() {
        let mut remembered = Remembered::new(10, Duration::from_secs(60)).unwrap();
        let now = Instant::now();
        remembered.remember("ada", &secret("right"), "hash", now);
        let later = |seconds| now + Duration::from_secs(seconds);
        assert!(remembered.knows("ada", &secret("right"), "hash", later(59)));
        assert!(!remembered.knows("ada", &secret("right"), "hash", later(60)));
        assert!(!remembered.knows("ada", &secret("wrong"), "hash", now));
        assert!(!remembered.knows("ada", &secret("right"), "another hash", now));
        assert!(!remembered.knows("bob", &secret("right"), "hash", now));
    }

    #[test]
    fn it_does_not_grow_beyond_its_bound_and_forgets_the_old_first() {
        let mut remembered = Remembered::new(2, Duration::from_secs(60)).unwrap();
        let now = Instant::now();
        for name in ["a", "b", "c"] {
            remembered.remember(name, &secret("x"), "hash", now);
        }
        assert_eq!(remembered.logins.len(), 2);
        let later = now + Duration::from_secs(61);
        remembered.remember("c", &secret("x"), "hash", later);
        assert!(remembered.knows("c", &secret("x"), "hash", later));
        assert_eq!(remembered.logins.len(), 1);
    }
}
