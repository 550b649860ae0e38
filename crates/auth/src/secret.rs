//! A password that does not show itself.

use subtle::ConstantTimeEq;

/// A password. It has neither `Debug` nor `Display`, so it cannot reach a log by accident.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes the text in.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// A new password of 24 letters and digits: 120 random bits, easy to type and to read aloud.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn generate() -> Result<Secret, getrandom::Error> {
        // Crockford's base 32 without 'u': nothing that looks like something else.
        const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let mut random = [0; 24];
        getrandom::fill(&mut random)?;
        let letter = |byte: &u8| char::from(ALPHABET[usize::from(byte % 32)]);
        Ok(Secret(random.iter().map(letter).collect()))
    }

    /// The text, for those that must send or show it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Compares in a time that does not depend on where the two differ.
    pub(crate) fn is(&self, other: &str) -> bool {
        self.0.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Secret {
        Secret(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_password_is_long_and_never_the_same() {
        let (one, two) = (Secret::generate().unwrap(), Secret::generate().unwrap());
        assert_eq!(one.expose().len(), 24);
        assert!(one.expose().chars().all(|c| c.is_ascii_alphanumeric()));
        assert!(!one.is(two.expose()));
        assert!(one.is(one.expose()));
    }
}
