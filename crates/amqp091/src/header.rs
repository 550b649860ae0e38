//! The content header: how long the body is, and the properties as they came (AMQP 0-9-1 §4.2.6.1).

use bytes::{Bytes, BytesMut};

use crate::{
    BasicProperties, ChannelId, Error, PropertyList, Reader, encode, fault::Fault,
    generated::basic::Publish, limits::FIELD_DEPTH_MAX,
};

/// A content header of class `basic`, checked when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentHeader {
    /// Octets of the body.
    pub body_size: u64,
    /// The properties, verbatim.
    pub properties: PropertyList,
}

impl ContentHeader {
    /// Reads a header frame's payload and checks all of it, so that the properties can be relayed
    /// verbatim.
    ///
    /// # Errors
    /// 501 when cut short or too long, 502 for an illegal property, 505 for another class or a
    /// weight (RabbitMQ; the protocol itself says 501).
    pub fn decode(payload: &Bytes) -> Result<Self, Error> {
        Self::decode_within(payload, FIELD_DEPTH_MAX)
    }

    /// As [`decode`](Self::decode), with a lower limit to how deep headers may be nested.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_within(payload: &Bytes, depth_max: usize) -> Result<Self, Error> {
        let mut reader = Reader::new(payload);
        let class = reader.short("class-id")?;
        if class != Publish::CLASS {
            return Err(Fault::HeaderClass { expected: Publish::CLASS, found: class }.into());
        }
        let weight = reader.short("weight")?;
        if weight != 0 {
            return Err(Fault::HeaderWeight { found: weight }.into());
        }
        let body_size = reader.long_long("body-size")?;
        let list = payload.slice(payload.len() - reader.remaining()..);
        Ok(Self { body_size, properties: PropertyList::parse_within(list, depth_max)? })
    }

    /// Appends the header's frame; gives its size in octets.
    pub fn encode(&self, channel: ChannelId, out: &mut BytesMut) -> usize {
        encode::encode_header(channel, self.body_size, self.properties.as_bytes(), out)
    }

    /// `delivery-mode` as sent.
    pub fn delivery_mode(&self) -> Option<u8> {
        self.properties.delivery_mode()
    }

    /// Every property, read.
    ///
    /// # Errors
    /// As [`PropertyList::decode`].
    pub fn properties(&self) -> Result<BasicProperties, Error> {
        self.properties.decode()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ReplyCode;

    #[test]
    fn properties_are_kept_as_they_came() {
        // content-type and delivery-mode.
        let payload = Bytes::from_static(b"\0\x3c\0\0\0\0\0\0\0\0\0\x05\x90\0\x0atext/plain\x02");
        let header = ContentHeader::decode(&payload).unwrap();
        assert_eq!((header.body_size, header.delivery_mode()), (5, Some(2)));
        assert_eq!(header.properties.as_bytes().as_ptr(), payload[12..].as_ptr());
        let mut out = BytesMut::new();
        let size = header.encode(ChannelId(1), &mut out);
        assert_eq!(&out[7..size - 1], &payload[..]);
        let properties = header.properties().unwrap();
        assert_eq!(properties.content_type.as_deref(), Some("text/plain"));
    }

    #[test]
    fn another_class_or_a_weight_is_out_of_turn() {
        for payload in [&b"\0\x32\0\0\0\0\0\0\0\0\0\0\0\0"[..], b"\0\x3c\0\x01\0\0\0\0\0\0\0\0\0\0"]
        {
            let error = ContentHeader::decode(&Bytes::from_static(payload)).unwrap_err();
            assert_eq!(error.reply_code(), ReplyCode::UnexpectedFrame);
        }
    }

    #[test]
    fn a_header_without_flags_is_cut_short() {
        let payload = Bytes::from_static(b"\0\x3c\0\0\0\0\0\0\0\0\0\0");
        let error = ContentHeader::decode(&payload).unwrap_err();
        assert_eq!(error.reply_code(), ReplyCode::FrameError);
    }
}
