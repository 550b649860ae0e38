//! Typed values from and to octets, without a [`Value`](crate::types::Value) between them.

use bytes::BytesMut;

use crate::{Error, Reader};

/// What can be read as a value with its constructor.
pub trait Decode: Sized {
    /// Reads what follows the format code that was just read.
    ///
    /// # Errors
    /// Another type, an illegal value, or an end too early.
    fn decode_data(code: u8, reader: &mut Reader<'_>) -> Result<Self, Error>;

    /// Reads a value: format code and data.
    ///
    /// # Errors
    /// As [`decode_data`](Self::decode_data).
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let code = reader.octet()?;
        Self::decode_data(code, reader)
    }
}

/// What can be written as a value with its constructor, in its most compact encoding.
pub trait Encode {
    /// Appends the value: format code and data.
    fn encode(&self, out: &mut BytesMut);
}

impl<T: Decode> Decode for Box<T> {
    #[inline]
    fn decode_data(code: u8, reader: &mut Reader<'_>) -> Result<Self, Error> {
        T::decode_data(code, reader).map(Self::new)
    }
}

impl<T: Encode + ?Sized> Encode for Box<T> {
    #[inline]
    fn encode(&self, out: &mut BytesMut) {
        T::encode(self, out);
    }
}
