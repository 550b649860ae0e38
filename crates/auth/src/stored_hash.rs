//! The hash of a password as it is kept: ours, or one that RabbitMQ made and that waits for its
//! user's next login to become ours. Knows how they are written, not how long they take.

use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

use crate::{Error, Secret};

/// A password's hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredHash(pub(crate) Scheme);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// `$argon2id$v=19$m=…`.
    Argon2id(String),
    /// RabbitMQ: SHA-2 of salt and password, once.
    Salted { digest: SaltedDigest, salt: [u8; SALT_BYTES], sum: Vec<u8> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SaltedDigest {
    Sha256,
    Sha512,
}

impl StoredHash {
    /// Reads a hash as definitions write it: `password_hash` and `hashing_algorithm`. Without an
    /// algorithm its length tells.
    ///
    /// # Errors
    /// It is not one, or of an algorithm that is not trusted any more.
    pub fn parse(text: &str, algorithm: Option<&str>) -> Result<StoredHash, Error> {
        let fault = |reason: String| Error::PasswordHash { reason };
        if algorithm == Some(ARGON2ID) || (algorithm.is_none() && text.starts_with("$argon2id$")) {
            return match argon2::password_hash::phc::PasswordHash::new(text) {
                Ok(hash) if hash.algorithm.as_str() == ARGON2ID => {
                    Ok(StoredHash(Scheme::Argon2id(text.to_owned())))
                }
                Ok(hash) => Err(fault(format!("is of '{}', not argon2id", hash.algorithm))),
                Err(error) => Err(fault(format!("is not an argon2id hash: {error}"))),
            };
        }
        let bytes = BASE64_STANDARD
            .decode(text)
            .map_err(|error| fault(format!("is not base64 of salt and hash: {error}")))?;
        let digest = match (algorithm, bytes.len().checked_sub(SALT_BYTES)) {
            (Some(MD5), _) | (None, Some(16)) => {
                return Err(fault(
                    "is MD5, which anybody can turn back into the password; give the user a new \
                     one where it came from (rabbitmqctl change_password) and export again, or \
                     import without password_hash and then: tubepost user passwd NAME"
                        .to_owned(),
                ));
            }
            (Some(SHA256) | None, Some(32)) => SaltedDigest::Sha256,
            (Some(SHA512) | None, Some(64)) => SaltedDigest::Sha512,
            (Some(SHA256 | SHA512) | None, _) => {
                let found = bytes.len();
                return Err(fault(format!(
                    "has {found} bytes; 4 of salt and 32 (SHA-256) or 64 (SHA-512) were expected"
                )));
            }
            (Some(other), _) => {
                let other: String = other.chars().take(80).collect();
                return Err(fault(format!(
                    "is of hashing_algorithm '{other}'; known are {SHA256}, {SHA512} and {ARGON2ID}"
                )));
            }
        };
        let Some((salt, sum)) = bytes.split_first_chunk() else {
            return Err(fault("has no salt".to_owned()));
        };
        Ok(StoredHash(Scheme::Salted { digest, salt: *salt, sum: sum.to_vec() }))
    }

    /// As definitions write it.
    pub fn text(&self) -> String {
        match &self.0 {
            Scheme::Argon2id(text) => text.clone(),
            Scheme::Salted { salt, sum, .. } => {
                BASE64_STANDARD.encode([salt.as_slice(), sum].concat())
            }
        }
    }

    /// Its `hashing_algorithm` in definitions.
    pub fn algorithm(&self) -> &'static str {
        match &self.0 {
            Scheme::Argon2id(_) => ARGON2ID,
            Scheme::Salted { digest: SaltedDigest::Sha256, .. } => SHA256,
            Scheme::Salted { digest: SaltedDigest::Sha512, .. } => SHA512,
        }
    }
}

impl StoredHash {
    /// Whether it is RabbitMQ's hash of this password; of argon2id's nothing is said.
    pub(crate) fn is_salted_of(&self, password: &Secret) -> bool {
        match &self.0 {
            Scheme::Salted { digest, salt, sum } => digest.fits(salt, password, sum),
            Scheme::Argon2id(_) => false,
        }
    }
}

impl SaltedDigest {
    /// Whether it is the digest of this password. Fast, which is what is wrong with it.
    pub(crate) fn fits(self, salt: &[u8], password: &Secret, sum: &[u8]) -> bool {
        let parts = [salt, password.expose().as_bytes()];
        match self {
            SaltedDigest::Sha256 => parts
                .iter()
                .fold(Sha256::new(), |sha, part| sha.chain_update(part))
                .finalize()
                .ct_eq(sum)
                .into(),
            SaltedDigest::Sha512 => parts
                .iter()
                .fold(Sha512::new(), |sha, part| sha.chain_update(part))
                .finalize()
                .ct_eq(sum)
                .into(),
        }
    }
}

/// RabbitMQ: `rabbit_password:generate_salt`.
const SALT_BYTES: usize = 4;

const ARGON2ID: &str = "argon2id";
const SHA256: &str = "rabbit_password_hashing_sha256";
const SHA512: &str = "rabbit_password_hashing_sha512";
const MD5: &str = "rabbit_password_hashing_md5";

#[cfg(test)]
mod tests {
    use super::*;

    /// RabbitMQ's documentation computes this one of `test12` by hand ("passwords").
    const DOCUMENTED: &str = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR";

    fn fits(hash: &StoredHash, password: &str) -> bool {
        hash.is_salted_of(&Secret::new(password))
    }

    #[test]
    fn the_hash_that_rabbitmq_documents_fits_its_password() {
        for algorithm in [Some(SHA256), None] {
            let hash = StoredHash::parse(DOCUMENTED, algorithm).unwrap();
            assert!(fits(&hash, "test12"));
            assert!(!fits(&hash, "test13"));
            assert_eq!((hash.text().as_str(), hash.algorithm()), (DOCUMENTED, SHA256));
        }
    }

    #[test]
    fn sha_512_is_told_by_its_name_or_its_length() {
        let sum = Sha512::digest(b"\x01\x02\x03\x04secret");
        let text = BASE64_STANDARD.encode([b"\x01\x02\x03\x04".as_slice(), &sum].concat());
        for algorithm in [Some(SHA512), None] {
            let hash = StoredHash::parse(&text, algorithm).unwrap();
            assert!(fits(&hash, "secret") && !fits(&hash, "Secret"));
            assert_eq!((hash.text(), hash.algorithm()), (text.clone(), SHA512));
        }
    }

    #[test]
    fn what_is_no_hash_or_not_to_be_trusted_is_refused_with_the_mend() {
        let bytes = |count: usize| BASE64_STANDARD.encode(vec![7; count]);
        for (text, algorithm, expected) in [
            (bytes(20), Some(MD5), "rabbitmqctl change_password"),
            (bytes(20), None, "is MD5"),
            (bytes(36), Some(MD5), "is MD5"),
            (bytes(35), Some(SHA256), "has 35 bytes; 4 of salt"),
            (bytes(68), Some(SHA256), "has 68 bytes"),
            (bytes(3), None, "has 3 bytes"),
            (String::new(), None, "has 0 bytes"),
            ("not base64".to_owned(), None, "is not base64"),
            (bytes(36), Some("my_own_hashing"), "'my_own_hashing'; known are"),
            ("$argon2id$x".to_owned(), None, "is not an argon2id hash"),
            (bytes(36), Some(ARGON2ID), "is not an argon2id hash"),
        ] {
            let said = StoredHash::parse(&text, algorithm).unwrap_err().to_string();
            assert!(said.contains(expected), "{text} {algorithm:?}: {said}");
        }
    }
}
