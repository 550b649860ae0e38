//! A message's name, of one of four types (AMQP 1.0 §3.2.11 to §3.2.14).

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;

use super::{Kind, Uuid};
use crate::{Decode, Encode, Error, Reader};

/// A message's name. Two names of different types are different, whatever they say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MessageId {
    /// A number.
    Ulong(u64),
    /// A UUID.
    Uuid(Uuid),
    /// Octets.
    Binary(Bytes),
    /// Text.
    String(ByteString),
}

impl Decode for MessageId {
    fn decode_data(code: u8, reader: &mut Reader<'_>) -> Result<Self, Error> {
        match Kind::of_code(code) {
            Some(Kind::Ulong) => u64::decode_data(code, reader).map(Self::Ulong),
            Some(Kind::Uuid) => Uuid::decode_data(code, reader).map(Self::Uuid),
            Some(Kind::Binary) => Bytes::decode_data(code, reader).map(Self::Binary),
            Some(Kind::String) => ByteString::decode_data(code, reader).map(Self::String),
            _ => Err(reader.unexpected(code, "ulong, uuid, binary or string")),
        }
    }
}

impl Encode for MessageId {
    fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Ulong(value) => value.encode(out),
            Self::Uuid(value) => value.encode(out),
            Self::Binary(value) => value.encode(out),
            Self::String(value) => value.encode(out),
        }
    }
}
