//! The name of a delivery on its link.

use bytes::{Bytes, BytesMut};

use crate::{Decode, Encode, Error, Fault, Reader, limits::DELIVERY_TAG_MAX};

/// A delivery's tag: up to 32 octets that the sender chose (AMQP 1.0 §2.8.7). One that came from a
/// peer is a slice of the read buffer and keeps it alive, so what is kept for long is
/// [`detached`](Self::detached) first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DeliveryTag(Bytes);

impl DeliveryTag {
    /// The octets.
    pub const fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The same tag in memory of its own, so that it no longer keeps a read buffer alive.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }
}

impl TryFrom<Bytes> for DeliveryTag {
    type Error = Error;

    #[inline]
    fn try_from(octets: Bytes) -> Result<Self, Error> {
        //= amqp-1.0 §2.8.7
        // A delivery-tag can be up to 32 octets of binary data.
        match octets.len() {
            0..=DELIVERY_TAG_MAX => Ok(Self(octets)),
            length => Err(Error::new(Fault::DeliveryTag { length }, 0)),
        }
    }
}

impl Decode for DeliveryTag {
    #[inline]
    fn decode_data(code: u8, reader: &mut Reader<'_>) -> Result<Self, Error> {
        let octets = Bytes::decode_data(code, reader)?;
        let length = octets.len();
        Self::try_from(octets).map_err(|error| error.moved(reader.position() - length))
    }
}

impl Encode for DeliveryTag {
    #[inline]
    fn encode(&self, out: &mut BytesMut) {
        self.0.encode(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_has_32_octets_at_most() {
        assert!(DeliveryTag::try_from(Bytes::from(vec![0; 32])).is_ok());
        let octets = Bytes::from([&[0xa0, 33][..], &[0; 33]].concat());
        let error = DeliveryTag::decode(&mut Reader::new(&octets)).unwrap_err();
        assert_eq!((error.fault(), error.at()), (&Fault::DeliveryTag { length: 33 }, 2));
    }
}
