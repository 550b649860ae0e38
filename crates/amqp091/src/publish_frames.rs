//! A whole message in sight: the three frames of a `basic.publish`, side by side in the read
//! buffer.
//!
//! Most messages of most publishers come so, and differ from the one before in their bodies only.
//! Who remembers what the other octets meant need not decode them again. What does not come so (in
//! more frames, cut by the end of a read, or wrong) is not found here, and takes the way frame by
//! frame.

use std::ops::Range;

use crate::{
    ChannelId, FrameDecoder, MethodId,
    generated::{
        basic::Publish,
        constants::{FRAME_BODY, FRAME_END, FRAME_HEADER, FRAME_METHOD},
    },
    limits::FRAME_OVERHEAD,
};

/// Where the parts of one message are. Nothing in it was checked but what is said here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishFrames<'a> {
    /// The channel of all three frames.
    pub channel: ChannelId,
    /// The method frame's payload; its ids are those of `basic.publish`.
    pub method: &'a [u8],
    /// The property flags and values of the header frame; its class is `basic`, its weight 0.
    pub properties: &'a [u8],
    /// The body: as long as the header says.
    pub body: Range<usize>,
    /// Where the next frame begins.
    pub end: usize,
}

impl FrameDecoder {
    /// The message at the front of the buffer, if it is a whole one whose body is one frame or
    /// empty.
    #[inline]
    pub fn whole_publish<'a>(&self, buffer: &'a [u8]) -> Option<PublishFrames<'a>> {
        let (channel, method, at) = self.payload(buffer, 0, FRAME_METHOD)?;
        if !method.starts_with(&PUBLISH) {
            return None;
        }
        let (header_channel, header, at) = self.payload(buffer, at, FRAME_HEADER)?;
        let (fixed, properties) = header.split_first_chunk::<HEADER_FIXED>()?;
        let (class_and_weight, size) = fixed.split_first_chunk::<4>()?;
        let size = u64::from_be_bytes(*size.first_chunk()?);
        if *class_and_weight != BASIC_WEIGHT_0 || header_channel != channel {
            return None;
        }
        if size == 0 {
            return Some(PublishFrames { channel, method, properties, body: at..at, end: at });
        }
        let (body_channel, body, end) = self.payload(buffer, at, FRAME_BODY)?;
        if body_channel != channel || body.len() as u64 != size {
            return None;
        }
        let begin = at + PREFIX;
        let body = begin..begin + body.len();
        Some(PublishFrames { channel, method, properties, body, end })
    }

    /// The payload of a complete frame of that kind at an offset, and where the next frame begins.
    #[inline]
    fn payload<'a>(
        &self,
        buffer: &'a [u8],
        at: usize,
        kind: u8,
    ) -> Option<(ChannelId, &'a [u8], usize)> {
        let frame = buffer.get(at..)?;
        let &[found, high, low, a, b, c, d] = frame.first_chunk::<PREFIX>()?;
        let size = u32::from_be_bytes([a, b, c, d]);
        if found != kind || size > self.payload_max() || self.is_broken() {
            return None;
        }
        let (payload, rest) = frame.get(PREFIX..)?.split_at_checked(size as usize)?;
        let channel = ChannelId(u16::from_be_bytes([high, low]));
        (*rest.first()? == FRAME_END).then_some((channel, payload, at + size as usize + OVERHEAD))
    }
}

const PREFIX: usize = 7;
const OVERHEAD: usize = FRAME_OVERHEAD as usize;

/// Class, weight, body size (AMQP 0-9-1 §4.2.6.1).
const HEADER_FIXED: usize = 12;

const ID: MethodId = MethodId { class: Publish::CLASS, method: Publish::METHOD };
const PUBLISH: [u8; 4] = {
    let ([a, b], [c, d]) = (ID.class.to_be_bytes(), ID.method.to_be_bytes());
    [a, b, c, d]
};
const BASIC_WEIGHT_0: [u8; 4] = {
    let [a, b] = ID.class.to_be_bytes();
    [a, b, 0, 0]
};

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::{ShortStr, encode_body, encode_header, encode_heartbeat, encode_method};

    fn publish(channels: [u16; 3], size: u64, body: &[u8]) -> BytesMut {
        let method = Publish { routing_key: ShortStr::from_static("key"), ..Publish::default() };
        let mut wire = BytesMut::new();
        encode_method(ChannelId(channels[0]), &method, &mut wire);
        encode_header(ChannelId(channels[1]), size, &[0x10, 0, 2], &mut wire);
        if !body.is_empty() {
            encode_body(ChannelId(channels[2]), body, &mut wire);
        }
        wire
    }

    #[test]
    fn a_whole_message_is_found_and_nothing_less() {
        let decoder = FrameDecoder::new();
        let mut wire = publish([7; 3], 4, b"body");
        let end = wire.len();
        encode_heartbeat(&mut wire);
        let found = decoder.whole_publish(&wire).unwrap();
        assert_eq!((found.channel, found.end), (ChannelId(7), end));
        assert_eq!((&wire[found.body], found.properties), (&b"body"[..], &[0x10, 0, 2][..]));
        assert!(found.method.ends_with(b"\x03key\0"));
        for cut in 0..end {
            assert_eq!(decoder.whole_publish(&wire[..cut]), None, "cut at {cut}");
        }
        let empty = publish([7; 3], 0, b"");
        let found = decoder.whole_publish(&empty).unwrap();
        assert!(found.body.is_empty() && found.end == empty.len());
    }

    #[test]
    fn what_is_unusual_takes_the_other_way() {
        let decoder = FrameDecoder::new();
        for (what, wire) in [
            ("another channel", publish([7, 8, 7], 4, b"body")),
            ("another channel's body", publish([7, 7, 8], 4, b"body")),
            ("half a body", publish([7; 3], 8, b"body")),
            ("too much body", publish([7; 3], 3, b"body")),
        ] {
            assert_eq!(decoder.whole_publish(&wire), None, "{what}");
        }
        let mut wrong_end = publish([7; 3], 4, b"body");
        *wrong_end.last_mut().unwrap() = 0;
        assert_eq!(decoder.whole_publish(&wrong_end), None);
        let large = publish([7; 3], 9_000, &[0; 9_000]);
        assert_eq!(decoder.whole_publish(&large), None, "a frame beyond the limit");
    }
}
