//! Octets that must never reach a log.

use std::fmt;

use bytes::{Bytes, BytesMut};

use crate::{Decode, Encode, Error, Reader};

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
}

impl Decode for Secret {
    fn decode_data(code: u8, reader: &mut Reader<'_>) -> Result<Self, Error> {
        Bytes::decode_data(code, reader).map(Self)
    }
}

impl Encode for Secret {
    fn encode(&self, out: &mut BytesMut) {
        self.0.encode(out);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::new(Bytes::from_static(b"hunter2"));
        assert_eq!(format!("{secret:?}"), "[secret]");
    }
}
