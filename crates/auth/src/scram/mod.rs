//! SCRAM (RFC 5802, 7677): what a server keeps of a password for it, and the messages. Knows no
//! users; the exchange is in `sasl`.

use aws_lc_rs::{digest, hmac, pbkdf2};

mod iterations;
mod message;
mod verifier;

pub use iterations::Iterations;
pub use message::ServerError;
pub(crate) use message::{ClientFinal, ClientFirst, Fault};
pub(crate) use verifier::{Verifier, Verifiers};

/// The hash function of a mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha512,
}

impl Hash {
    /// The name of the mechanism, and of the scheme in RFC 5803's form.
    pub(crate) fn mechanism(self) -> &'static str {
        match self {
            Hash::Sha256 => "SCRAM-SHA-256",
            Hash::Sha512 => "SCRAM-SHA-512",
        }
    }

    fn bytes(self) -> usize {
        match self {
            Hash::Sha256 => digest::SHA256_OUTPUT_LEN,
            Hash::Sha512 => digest::SHA512_OUTPUT_LEN,
        }
    }

    fn digest(self, octets: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, octets).as_ref().to_vec()
    }

    fn hmac(self, key: &[u8], octets: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Hash::Sha256 => hmac::HMAC_SHA256,
            Hash::Sha512 => hmac::HMAC_SHA512,
        };
        hmac::sign(&hmac::Key::new(algorithm, key), octets).as_ref().to_vec()
    }

    /// RFC 5802's `Hi`.
    fn salted(self, password: &[u8], salt: &[u8], iterations: std::num::NonZeroU32) -> Vec<u8> {
        let algorithm = match self {
            Hash::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Hash::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        };
        let mut out = vec![0; self.bytes()];
        pbkdf2::derive(algorithm, iterations, salt, password, &mut out);
        out
    }
}

/// SASLprep (RFC 4013), as RFC 5802 has it for names and passwords. PostgreSQL does the same with
/// what may not be in one by those rules: it is taken as it is, for clients that do not look.
pub(crate) fn prepared(text: &str) -> std::borrow::Cow<'_, str> {
    match stringprep::saslprep(text) {
        // Of nothing but what is taken out: it would be as good as no password.
        Ok(prepared) if prepared.is_empty() => text.into(),
        Ok(prepared) => prepared,
        Err(_) => text.into(),
    }
}
