//! Header and body frames of a message, into the write buffer; and messages that came by another
//! protocol, as this one has them.

use std::{borrow::Cow, sync::Arc};

use amqp091::{ChannelId, FRAME_END, body_frame_prefix, body_pieces, encode_header};
use broker::Message;

use super::ENCODING;
use crate::{amqp10::as_amqp091, write_buffer::WriteBuffer};

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

/// The message as this protocol has it: nearly always as it came.
///
/// # Errors
/// It came by the other protocol and is on disk only: it is too large to be held whole, or cannot
/// be read.
pub(super) fn own(
    message: Cow<'_, Arc<Message>>,
    frame_max: u32,
) -> Result<Cow<'_, Arc<Message>>, broker::Error> {
    if message.encoding == ENCODING {
        return Ok(message);
    }
    let room = (frame_max as usize).saturating_sub(HEADER_FRAME_OVERHEAD);
    Ok(Cow::Owned(Arc::new(match message.rest {
        None => as_amqp091(&message, room),
        Some(_) => as_amqp091(&message.loaded(LOADED_BYTES_MAX)?, room),
    })))
}

/// Bytes of a message that a client of this protocol can be sent: it is held whole meanwhile. What
/// RabbitMQ took at the most before 4.0.
const LOADED_BYTES_MAX: usize = 128 << 20;

/// What stands around the properties in a header frame (AMQP 0-9-1 §4.2.3, §4.2.6.1): seven octets
/// and one, class, weight and body size.
const HEADER_FRAME_OVERHEAD: usize = 8 + 12;
