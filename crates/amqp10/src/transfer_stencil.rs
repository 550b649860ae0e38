//! Transfers of one link by stencil: all that is the same from one to the next is written once, and
//! a frame head is a copy of it with four places filled in.

use bytes::BytesMut;

use crate::{
    ChannelId, Composite as _,
    definition::{DeliveryNumber, Handle},
    frame::{DATA_OFFSET, TYPE_AMQP},
    generated::format_code as code,
    performative::Transfer,
};

/// Where the frame's parts stand. Numbers have their widest encoding, so that places are fixed.
const LIST: usize = 8 + 3;
const HANDLE: usize = LIST + 3;
const DELIVERY_ID: usize = HANDLE + 5;
const DELIVERY_TAG: usize = DELIVERY_ID + 5;
const MESSAGE_FORMAT: usize = DELIVERY_TAG + 2 + 8;
const SETTLED: usize = MESSAGE_FORMAT + 1;
const MORE: usize = SETTLED + 1;
/// A frame head's size in octets: frame header and performative.
pub const TRANSFER_STENCIL_SIZE: usize = MORE + 1;

/// The head of every first transfer frame of one link, as a sender that numbers its delivery tags
/// writes them. The message format is 0.
#[derive(Clone, Debug)]
pub struct TransferStencil([u8; TRANSFER_STENCIL_SIZE]);

impl TransferStencil {
    /// The stencil for a link.
    pub fn new(channel: ChannelId, handle: Handle, settled: bool) -> Self {
        let mut octets = [0; TRANSFER_STENCIL_SIZE];
        let mut put = |at: usize, what: &[u8]| {
            if let Some(slot) = octets.get_mut(at..at + what.len()) {
                slot.copy_from_slice(what);
            }
        };
        let [high, low] = channel.0.to_be_bytes();
        put(4, &[DATA_OFFSET, TYPE_AMQP, high, low]);
        put(8, &[code::DESCRIBED, code::SMALLULONG, Transfer::CODE as u8]);
        // The size counts the octet of the count.
        put(LIST, &[code::LIST8, (TRANSFER_STENCIL_SIZE - LIST - 2) as u8, 6]);
        put(HANDLE, &[code::UINT]);
        put(HANDLE + 1, &handle.0.to_be_bytes());
        //= amqp-1.0 §2.7.5 id-first, tag-first, format-first
        //= amqp-1.0 §2.6.12 tag-given
        put(DELIVERY_ID, &[code::UINT]);
        put(DELIVERY_TAG, &[code::VBIN8, 8]);
        put(MESSAGE_FORMAT, &[code::UINT0]);
        put(SETTLED, &[if settled { code::TRUE } else { code::FALSE }]);
        Self(octets)
    }

    /// Appends a frame head; the caller appends or writes `payload_size` octets next. The delivery
    /// tag is `tag` in eight octets.
    #[inline]
    pub fn encode(
        &self,
        delivery_id: DeliveryNumber,
        tag: u64,
        more: bool,
        payload_size: u32,
        out: &mut BytesMut,
    ) {
        let mut octets = self.0;
        let size = TRANSFER_STENCIL_SIZE as u32 + payload_size;
        octets[..4].copy_from_slice(&size.to_be_bytes());
        octets[DELIVERY_ID + 1..DELIVERY_TAG].copy_from_slice(&delivery_id.0.to_be_bytes());
        octets[DELIVERY_TAG + 2..MESSAGE_FORMAT].copy_from_slice(&tag.to_be_bytes());
        octets[MORE] = if more { code::TRUE } else { code::FALSE };
        out.extend_from_slice(&octets);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{DeliveryTag, Frame, FrameDecoder, Performative, definition::MessageFormat};

    #[test]
    fn a_transfer_by_stencil_is_read_as_one_written_field_by_field() {
        let stencil = TransferStencil::new(ChannelId(0x0102), Handle(0x0304_0506), true);
        let mut wire = BytesMut::new();
        stencil.encode(DeliveryNumber(0x0708_090a), 0x0b0c_0d0e_0f10_1112, true, 3, &mut wire);
        assert_eq!(wire.len(), TRANSFER_STENCIL_SIZE);
        wire.extend_from_slice(b"abc");
        let frame = FrameDecoder::new().decode(&mut wire).unwrap();
        let tag = Bytes::from_static(b"\x0b\x0c\x0d\x0e\x0f\x10\x11\x12");
        let transfer = Transfer {
            handle: Handle(0x0304_0506),
            delivery_id: Some(DeliveryNumber(0x0708_090a)),
            delivery_tag: DeliveryTag::try_from(tag).ok(),
            message_format: Some(MessageFormat(0)),
            settled: Some(true),
            more: true,
            ..Transfer::default()
        };
        let expected = Frame::Amqp {
            channel: ChannelId(0x0102),
            performative: Performative::Transfer(transfer),
            payload: Bytes::from_static(b"abc"),
        };
        assert_eq!(frame, Some(expected));
        assert!(wire.is_empty());
    }
}
