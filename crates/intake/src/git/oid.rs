//! The id of a git object.

use std::fmt;

/// 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits, not all zero.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Oid(String);

impl Oid {
    /// Reads an id. `Some(None)` is git's null id: "there is no object".
    pub(crate) fn parse(text: &str) -> Option<Option<Oid>> {
        let hexadecimal = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !hexadecimal || !matches!(text.len(), 40 | 64) {
            return None;
        }
        match text.bytes().all(|byte| byte == b'0') {
            true => Some(None),
            false => Some(Some(Oid(text.to_owned()))),
        }
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
