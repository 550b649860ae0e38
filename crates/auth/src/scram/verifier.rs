//! What is kept of a password for SCRAM: salt, rounds and two keys. Who has it can ask for proofs
//! and judge them, and cannot give one; guessing the password from it costs the rounds.

use std::{fmt, num::NonZeroU32};

use base64::{Engine, prelude::BASE64_STANDARD};
use subtle::ConstantTimeEq;

use super::{Hash, Iterations, prepared};
use crate::Secret;

/// Of one password, for one hash.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Verifier {
    hash: Hash,
    iterations: NonZeroU32,
    salt: Vec<u8>,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

impl Verifier {
    pub(super) fn derive(
        hash: Hash,
        password: &Secret,
        salt: &[u8],
        iterations: NonZeroU32,
    ) -> Verifier {
        let prepared = prepared(password.expose());
        let salted = hash.salted(prepared.as_bytes(), salt, iterations);
        let client_key = hash.hmac(&salted, b"Client Key");
        Verifier {
            hash,
            iterations,
            salt: salt.to_vec(),
            stored_key: hash.digest(&client_key),
            server_key: hash.hmac(&salted, b"Server Key"),
        }
    }

    /// What a user who is not there is asked with. Always the same for a name, as a real one's, and
    /// of no password.
    pub(crate) fn decoy(hash: Hash, secret: &[u8], name: &str, iterations: Iterations) -> Verifier {
        let part = |purpose: &str| {
            let said = [hash.mechanism().as_bytes(), purpose.as_bytes(), name.as_bytes()];
            hash.hmac(secret, &said.join(&0))
        };
        let mut salt = part("salt");
        salt.truncate(SALT_BYTES);
        Verifier {
            hash,
            iterations: iterations.of(hash),
            salt,
            stored_key: part("stored key"),
            server_key: part("server key"),
        }
    }

    pub(crate) fn salt(&self) -> &[u8] {
        &self.salt
    }

    pub(crate) fn iterations(&self) -> NonZeroU32 {
        self.iterations
    }

    /// Whether who sent this proof knows the password (RFC 5802 §3).
    pub(crate) fn is_proved(&self, auth_message: &[u8], proof: &[u8]) -> bool {
        let signature = self.hash.hmac(&self.stored_key, auth_message);
        if proof.len() != signature.len() {
            return false;
        }
        let client_key: Vec<u8> =
            proof.iter().zip(&signature).map(|(one, other)| one ^ other).collect();
        self.hash.digest(&client_key).ct_eq(&self.stored_key).into()
    }

    /// The proof that the server has it.
    pub(crate) fn signature(&self, auth_message: &[u8]) -> Vec<u8> {
        self.hash.hmac(&self.server_key, auth_message)
    }

    /// As RFC 5803 writes it.
    fn text(&self) -> String {
        let code = |octets: &[u8]| BASE64_STANDARD.encode(octets);
        format!(
            "{}${}:{}${}:{}",
            self.hash.mechanism(),
            self.iterations,
            code(&self.salt),
            code(&self.stored_key),
            code(&self.server_key)
        )
    }

    fn parse(hash: Hash, text: &str) -> Option<Verifier> {
        let mut parts = text.strip_prefix(hash.mechanism())?.strip_prefix('$')?.split(['$', ':']);
        let iterations: u32 = parts.next()?.parse().ok()?;
        let mut octets = || BASE64_STANDARD.decode(parts.next()?).ok();
        let (salt, stored_key, server_key) = (octets()?, octets()?, octets()?);
        let fits = parts.next().is_none()
            && (ITERATIONS_MIN..=Iterations::MAX).contains(&iterations)
            && SALTS.contains(&salt.len())
            && stored_key.len() == hash.bytes()
            && server_key.len() == hash.bytes();
        let iterations = NonZeroU32::new(iterations)?;
        fits.then_some(Verifier { hash, iterations, salt, stored_key, server_key })
    }
}

// The keys are as good as the password to who would pass for the server.
impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}${}:…", self.hash.mechanism(), self.iterations)
    }
}

/// Of one password, for every hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verifiers {
    sha256: Verifier,
    sha512: Verifier,
}

impl Verifiers {
    /// Takes its time.
    pub(crate) fn derive(
        password: &Secret,
        iterations: Iterations,
    ) -> Result<Verifiers, getrandom::Error> {
        let derive = |hash: Hash| {
            let mut salt = [0; SALT_BYTES];
            getrandom::fill(&mut salt)?;
            Ok(Verifier::derive(hash, password, &salt, iterations.of(hash)))
        };
        Ok(Verifiers { sha256: derive(Hash::Sha256)?, sha512: derive(Hash::Sha512)? })
    }

    pub(crate) fn of(&self, hash: Hash) -> &Verifier {
        match hash {
            Hash::Sha256 => &self.sha256,
            Hash::Sha512 => &self.sha512,
        }
    }

    /// Whether they were derived with so many rounds.
    pub(crate) fn have(&self, iterations: Iterations) -> bool {
        [Hash::Sha256, Hash::Sha512]
            .iter()
            .all(|&hash| self.of(hash).iterations == iterations.of(hash))
    }

    pub(crate) fn texts(&self) -> [String; 2] {
        [self.sha256.text(), self.sha512.text()]
    }

    pub(crate) fn parse([sha256, sha512]: &[String; 2]) -> Option<Verifiers> {
        Some(Verifiers {
            sha256: Verifier::parse(Hash::Sha256, sha256)?,
            sha512: Verifier::parse(Hash::Sha512, sha512)?,
        })
    }
}

const SALT_BYTES: usize = 16;

/// Bytes of a salt that somebody else wrote into the file.
const SALTS: std::ops::RangeInclusive<usize> = 8..=64;

/// RFC 7677 §4.
const ITERATIONS_MIN: u32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn few() -> Iterations {
        Iterations::new(Iterations::MIN).unwrap()
    }

    #[test]
    fn what_was_written_is_read_and_what_is_not_one_is_refused() {
        let verifiers = Verifiers::derive(&Secret::new("pencil"), few()).unwrap();
        let texts = verifiers.texts();
        assert_eq!(Verifiers::parse(&texts), Some(verifiers.clone()));
        assert!(verifiers.have(few()) && !verifiers.have(Iterations::default()));
        let [one, other] = texts.clone();
        assert_eq!(Verifiers::parse(&[other.clone(), one.clone()]), None);
        for wrong in [
            String::new(),
            "SCRAM-SHA-256".to_owned(),
            "SCRAM-SHA-256$4096".to_owned(),
            format!("{one}:"),
            one.replace("$12000:", "$4095:"),
            one.replace("$12000:", "$99999999999:"),
            one.replace("$12000:", "$-1:"),
            one.replace('=', ""),
            one[..one.len() - 4].to_owned(),
        ] {
            assert_eq!(Verifiers::parse(&[wrong.clone(), other.clone()]), None, "{wrong}");
        }
    }

    #[test]
    fn neither_salt_nor_key_is_twice_the_same_or_shown() {
        let password = Secret::new("pencil");
        let (one, two) = (
            Verifiers::derive(&password, few()).unwrap(),
            Verifiers::derive(&password, few()).unwrap(),
        );
        assert_ne!(one.sha256.salt, two.sha256.salt);
        assert_ne!(one.sha256.salt, one.sha512.salt);
        assert_eq!(format!("{:?}", one.sha256), "SCRAM-SHA-256$12000:…");
    }

    #[test]
    fn a_decoy_is_always_the_same_for_a_name_and_looks_like_a_real_one() {
        let decoy = |hash, secret: &[u8], name| Verifier::decoy(hash, secret, name, few());
        let ada = decoy(Hash::Sha256, b"secret", "ada");
        assert_eq!(ada, decoy(Hash::Sha256, b"secret", "ada"));
        assert_ne!(ada.salt, decoy(Hash::Sha256, b"secret", "bob").salt);
        assert_ne!(ada.salt, decoy(Hash::Sha256, b"other", "ada").salt);
        assert_ne!(ada.salt, decoy(Hash::Sha512, b"secret", "ada").salt);
        let real = Verifiers::derive(&Secret::new("pencil"), few()).unwrap();
        for hash in [Hash::Sha256, Hash::Sha512] {
            let (decoy, real) = (decoy(hash, b"secret", "ada"), real.of(hash));
            assert_eq!(decoy.salt.len(), real.salt.len());
            assert_eq!(decoy.iterations, real.iterations);
            assert!(Verifier::parse(hash, &decoy.text()).is_some());
        }
    }

    #[test]
    fn spellings_of_one_password_are_one_and_what_saslprep_refuses_is_taken_as_it_is() {
        let derived = |text: &str| {
            Verifier::derive(Hash::Sha256, &Secret::new(text), &[7; 16], few().of(Hash::Sha256))
        };
        // RFC 4013 §3.
        assert_eq!(derived("I\u{ad}X"), derived("IX"));
        assert_eq!(derived("\u{2168}"), derived("IX"));
        assert_ne!(derived("user"), derived("USER"));
        assert_ne!(derived("a\u{7}"), derived("a"));
        assert_ne!(derived("\u{ad}"), derived(""));
    }
}
