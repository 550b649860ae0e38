//! Frames into the write buffer: every function appends to what is there, so that many frames
//! become one write.

use bytes::{BufMut as _, BytesMut};

use crate::{
    ChannelId, Encode,
    frame::{DATA_OFFSET, TYPE_AMQP},
    limits::{FRAME_HEADER_SIZE, MIN_MAX_FRAME_SIZE},
    performative::Transfer,
};

/// What can be the body of a frame: a [`Performative`](crate::Performative) or a
/// [`SaslFrame`](crate::SaslFrame), whole or as its own struct.
pub trait FrameBody: Encode {
    /// The type octet of its frames.
    const FRAME_TYPE: u8;
}

/// Appends a frame without payload. Gives the frame's size in octets, for whoever must hold it
/// against the peer's max-frame-size: only transfers can be split. Of a SASL frame the channel
/// means nothing.
pub fn encode_frame(channel: ChannelId, body: &impl FrameBody, out: &mut BytesMut) -> usize {
    encode_sized(channel, body, 0, out)
}

/// Appends a transfer frame without its payload, whose `payload_size` octets the caller appends or
/// writes next: the frame's size counts them. The caller has cut them to the peer's max-frame-size
/// ([`transfer_room`]).
pub fn encode_transfer_head(
    channel: ChannelId,
    transfer: &Transfer,
    payload_size: usize,
    out: &mut BytesMut,
) -> usize {
    encode_sized(channel, transfer, payload_size, out)
}

/// How many octets of payload fit into a frame of at most `max_frame_size` after this transfer,
/// whether `more` follow or not.
pub fn transfer_room(transfer: &Transfer, max_frame_size: u32) -> usize {
    let more = Transfer { more: true, ..transfer.clone() };
    let mut head = BytesMut::new();
    more.encode(&mut head);
    let max = max_frame_size.max(MIN_MAX_FRAME_SIZE) as usize;
    max.saturating_sub(FRAME_HEADER_SIZE + head.len())
}

/// Appends a heartbeat.
pub fn encode_heartbeat(out: &mut BytesMut) {
    //= amqp-1.0 §2.4.5 heartbeat-on-zero
    out.put_slice(&[0, 0, 0, 8, DATA_OFFSET, TYPE_AMQP, 0, 0]);
}

fn encode_sized<B: FrameBody>(
    channel: ChannelId,
    body: &B,
    payload_size: usize,
    out: &mut BytesMut,
) -> usize {
    let start = out.len();
    let [high, low] = channel.0.to_be_bytes();
    out.put_slice(&[0, 0, 0, 0, DATA_OFFSET, B::FRAME_TYPE, high, low]);
    body.encode(out);
    //= amqp-1.0 §2.3.1 size-is-all
    let size = out.len() - start + payload_size;
    let word = u32::try_from(size).expect("a frame is built in memory, below 4 GiB");
    let slot = out.get_mut(start..start + 4).expect("the size was written there");
    slot.copy_from_slice(&word.to_be_bytes());
    size
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{
        DeliveryTag,
        definition::{DeliveryNumber, Handle},
        performative::Close,
    };

    #[test]
    fn a_frame_is_appended_after_what_is_there() {
        let mut out = BytesMut::from(&b"before"[..]);
        let size = encode_frame(ChannelId(7), &Close::default(), &mut out);
        assert_eq!(&out[..], b"before\0\0\0\x0c\x02\0\0\x07\0\x53\x18\x45");
        assert_eq!(size, 12);
    }

    #[test]
    fn a_heartbeat_is_eight_octets() {
        let mut out = BytesMut::new();
        encode_heartbeat(&mut out);
        assert_eq!(&out[..], b"\0\0\0\x08\x02\0\0\0");
    }

    #[test]
    fn a_payload_of_the_room_fills_the_frame_and_no_more() {
        let mut transfer = Transfer {
            handle: Handle(300),
            delivery_id: Some(DeliveryNumber(70_000)),
            delivery_tag: DeliveryTag::try_from(Bytes::from_static(b"tag")).ok(),
            ..Transfer::default()
        };
        let room = transfer_room(&transfer, 512);
        transfer.more = true;
        let mut out = BytesMut::new();
        assert_eq!(encode_transfer_head(ChannelId(1), &transfer, room, &mut out), 512);
        assert_eq!(out.len() + room, 512);
        transfer.more = false;
        assert!(encode_transfer_head(ChannelId(1), &transfer, room, &mut out) <= 512);
    }
}
