//! How often a password is hashed for SCRAM.

use std::num::NonZeroU32;

use super::Hash;

/// How many rounds of PBKDF2 stand between a stolen users file and a guess. The client computes
/// them at each login, the server once for each password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Iterations(NonZeroU32);

impl Iterations {
    /// So many for SHA-256. SHA-512, whose rounds cost more, has 7 for every 20 of them, which is
    /// the proportion that OWASP gives. `None`: out of bounds ([`Iterations::MIN`],
    /// [`Iterations::MAX`]).
    pub fn new(count: u32) -> Option<Iterations> {
        match (Iterations::MIN..=Iterations::MAX).contains(&count) {
            true => NonZeroU32::new(count).map(Iterations),
            false => None,
        }
    }

    /// RFC 7677 §4 has 4,096 as the least, and SHA-512 is to have as many.
    pub const MIN: u32 = 12_000;

    /// A client would compute for many seconds, longer than a handshake may take.
    pub const MAX: u32 = 10_000_000;

    pub(super) fn of(self, hash: Hash) -> NonZeroU32 {
        match hash {
            Hash::Sha256 => self.0,
            Hash::Sha512 => NonZeroU32::new(self.0.get() / 20 * 7).unwrap_or(self.0),
        }
    }
}

impl Default for Iterations {
    /// OWASP's, of 2023: 600,000, and 210,000 of SHA-512.
    fn default() -> Iterations {
        Iterations(NonZeroU32::new(600_000).expect("it is not zero"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_hash_has_fewer_rounds_than_the_rfc_allows_and_the_default_is_owasps() {
        assert!(Iterations::new(Iterations::MIN).unwrap().of(Hash::Sha512).get() >= 4096);
        assert!(Iterations::new(Iterations::MIN - 1).is_none());
        assert!(Iterations::new(Iterations::MAX + 1).is_none());
        assert_eq!(Iterations::default().of(Hash::Sha256).get(), 600_000);
        assert_eq!(Iterations::default().of(Hash::Sha512).get(), 210_000);
    }
}
