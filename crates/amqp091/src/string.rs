//! Short strings, long strings and secrets: slices of the read buffer, checked once.

use std::{borrow::Borrow, fmt, ops::Deref};

use bytes::{BufMut as _, Bytes, BytesMut};
use bytestring::ByteString;

use crate::{Error, fault::Fault, limits::SHORT_STRING_MAX};

/// A short string: at most 255 octets of UTF-8 (AMQP 0-9-1 §4.2.5.3). Cheap to clone; one that came
/// from a peer is a slice of the read buffer and keeps it alive, so what is kept for long is
/// [`detached`](Self::detached) first.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortStr(ByteString);

impl ShortStr {
    /// The empty string.
    pub const fn new() -> Self {
        Self(ByteString::new())
    }

    /// A string of the program itself.
    ///
    /// # Panics
    /// When it is longer than 255 octets, at compile time in a constant.
    pub const fn from_static(text: &'static str) -> Self {
        assert!(text.len() <= SHORT_STRING_MAX, "a short string holds at most 255 octets");
        Self(ByteString::from_static(text))
    }

    /// As much of the text as fits, cut between characters; a cut is marked with `...`.
    pub fn truncated(text: &str) -> Self {
        const MARK: &str = "...";
        if text.len() <= SHORT_STRING_MAX {
            return Self(text.into());
        }
        let end = text.floor_char_boundary(SHORT_STRING_MAX - MARK.len());
        let head = text.get(..end).unwrap_or_default();
        Self(format!("{head}{MARK}").into())
    }

    /// From octets: `field` names them in the error.
    pub(crate) fn from_bytes(bytes: Bytes, field: &'static str) -> Result<Self, Error> {
        if bytes.len() > SHORT_STRING_MAX {
            return Err(Fault::ShortStringTooLong { length: bytes.len() }.into());
        }
        match ByteString::try_from(bytes) {
            Ok(text) => Ok(Self(text)),
            Err(error) => Err(Fault::NotUtf8 { field, at: error.valid_up_to() }.into()),
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

    /// Writes length and text.
    pub fn encode(&self, out: &mut BytesMut) {
        out.put_u8(self.wire_length());
        out.put_slice(self.0.as_bytes());
    }

    fn wire_length(&self) -> u8 {
        u8::try_from(self.0.len()).expect("every constructor keeps to 255 octets")
    }
}

impl Deref for ShortStr {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for ShortStr {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ShortStr {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ShortStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for ShortStr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl PartialEq<str> for ShortStr {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for ShortStr {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl TryFrom<ByteString> for ShortStr {
    type Error = Error;

    fn try_from(text: ByteString) -> Result<Self, Error> {
        if text.len() > SHORT_STRING_MAX {
            return Err(Fault::ShortStringTooLong { length: text.len() }.into());
        }
        Ok(Self(text))
    }
}

impl TryFrom<&str> for ShortStr {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self, Error> {
        Self::try_from(ByteString::from(text))
    }
}

impl TryFrom<String> for ShortStr {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Self::try_from(ByteString::from(text))
    }
}

/// A password, a token, or a login response that holds one. It prints as `[secret]`. Comparing is
/// not in constant time: it is for tests, not for checking a password.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Bytes);

impl Secret {
    /// Takes octets that must not be shown.
    pub const fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The octets, for whoever checks them.
    pub const fn expose(&self) -> &Bytes {
        &self.0
    }

    /// Writes length and octets.
    pub fn encode(&self, out: &mut BytesMut) {
        encode_long(&self.0, out);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Writes a long string: its length in four octets, and as much of it as four octets can count.
pub(crate) fn encode_long(bytes: &[u8], out: &mut BytesMut) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.put_u32(length);
    out.put_slice(bytes.get(..length as usize).unwrap_or(bytes));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_string_takes_255_octets_and_not_one_more() {
        let longest = "x".repeat(255);
        let text = ShortStr::try_from(longest.as_str()).unwrap();
        let mut out = BytesMut::new();
        text.encode(&mut out);
        assert_eq!((out.len(), out[0]), (256, 255));
        let error = ShortStr::try_from("x".repeat(256)).unwrap_err();
        assert_eq!(error.fault(), &Fault::ShortStringTooLong { length: 256 });
    }

    #[test]
    fn truncating_never_splits_a_character() {
        for shift in 0..4 {
            let text = format!("{}{}", "x".repeat(shift), "𝄞".repeat(100));
            let short = ShortStr::truncated(&text);
            assert!(short.len() <= 255 && short.len() >= 252, "{}", short.len());
            assert!(text.starts_with(short.strip_suffix("...").unwrap()));
        }
        assert_eq!(ShortStr::truncated(&"x".repeat(255)).as_str(), "x".repeat(255));
    }

    #[test]
    fn octets_that_are_not_utf8_are_refused_with_their_place() {
        let error = ShortStr::from_bytes(Bytes::from_static(b"ab\xff"), "queue").unwrap_err();
        assert_eq!(error.fault(), &Fault::NotUtf8 { field: "queue", at: 2 });
    }

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::new(Bytes::from_static(b"hunter2"));
        assert_eq!(format!("{secret:?}"), "[secret]");
    }
}
