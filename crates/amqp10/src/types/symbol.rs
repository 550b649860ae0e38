//! Symbols: names from a constrained domain, in ASCII (AMQP 1.0 §1.6.21).

use std::{borrow::Borrow, fmt, ops::Deref};

use bytes::Bytes;
use bytestring::ByteString;

use crate::{Error, Fault};

/// A symbol. Cheap to clone; one that came from a peer is a slice of the read buffer and keeps it
/// alive, so what is kept for long is [`detached`](Self::detached) first.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(ByteString);

impl Symbol {
    /// A symbol of the program itself.
    ///
    /// # Panics
    /// When it is not ASCII, at compile time in a constant.
    pub const fn from_static(text: &'static str) -> Self {
        assert!(text.is_ascii(), "a symbol is ASCII");
        Self(ByteString::from_static(text))
    }

    /// From octets of a peer; at which octet it is not ASCII, when it is not.
    pub(crate) fn from_bytes(bytes: Bytes) -> Result<Self, usize> {
        match bytes.iter().position(|octet| !octet.is_ascii()) {
            Some(at) => Err(at),
            None => Ok(Self(ByteString::try_from(bytes).expect("ASCII is UTF-8"))),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same text in memory of its own, so that it no longer keeps a read buffer alive.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(self.as_str().into())
    }

    /// The text without its bound.
    pub fn into_inner(self) -> ByteString {
        self.0
    }
}

impl Deref for Symbol {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Symbol {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Symbol {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl PartialEq<str> for Symbol {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Symbol {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl TryFrom<ByteString> for Symbol {
    type Error = Error;

    fn try_from(text: ByteString) -> Result<Self, Error> {
        match text.bytes().position(|octet| !octet.is_ascii()) {
            Some(at) => Err(Error::new(Fault::NotAscii, at)),
            None => Ok(Self(text)),
        }
    }
}

impl TryFrom<&str> for Symbol {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self, Error> {
        Self::try_from(ByteString::from(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_is_ascii() {
        assert_eq!(Symbol::try_from("amqp:open:list").unwrap(), "amqp:open:list");
        let error = Symbol::try_from("naïve").unwrap_err();
        assert_eq!((error.fault(), error.at()), (&Fault::NotAscii, 2));
    }
}
