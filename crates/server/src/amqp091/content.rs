//! Header and body frames of a message, into the write buffer.

use amqp091::{ChannelId, FRAME_END, body_frame_prefix, body_pieces, encode_header};
use broker::Message;

use crate::write_buffer::WriteBuffer;

/// Header and body.
pub(super) fn put_content(
    out: &mut WriteBuffer,
    id: ChannelId,
    frame_max: u32,
    message: &Message,
    properties: &[u8],
) {
    encode_header(id, message.body_len() as u64, properties, out.tail());
    put_body(out, id, frame_max, message);
}

/// The body alone.
pub(super) fn put_body(out: &mut WriteBuffer, id: ChannelId, frame_max: u32, message: &Message) {
    for piece in body_pieces(&message.body, frame_max) {
        out.tail().extend_from_slice(&body_frame_prefix(id, piece.len() as u32));
        out.put_body(&piece);
        out.tail().extend_from_slice(&[FRAME_END]);
    }
}
