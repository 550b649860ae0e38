//! Frames into the write buffer: every function appends to what is there, so that many frames
//! become one write.

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::{
    ChannelId, MethodId,
    generated::{basic::Publish, constants},
    limits::FRAME_OVERHEAD,
};

/// What can be sent as a method frame: each method's own struct, and [`Method`](crate::Method).
pub trait EncodeMethod {
    /// The class and method id.
    fn id(&self) -> MethodId;

    /// Writes what follows the ids.
    fn encode_arguments(&self, out: &mut BytesMut);

    /// Writes a method frame's whole payload.
    fn encode_payload(&self, out: &mut BytesMut) {
        let id = self.id();
        out.put_u16(id.class);
        out.put_u16(id.method);
        self.encode_arguments(out);
    }
}

/// Appends a method frame. Gives the frame's size in octets, for whoever must hold it against the
/// peer's frame_max: a method cannot be split.
pub fn encode_method(channel: ChannelId, method: &impl EncodeMethod, out: &mut BytesMut) -> usize {
    encode_frame(constants::FRAME_METHOD, channel, out, |out| method.encode_payload(out))
}

/// Appends a content header frame of class `basic`, with the property list as it is on the wire
/// (flags and values; [`PropertyList::as_bytes`](crate::PropertyList::as_bytes)). Gives the frame's
/// size in octets.
pub fn encode_header(
    channel: ChannelId,
    body_size: u64,
    property_list: &[u8],
    out: &mut BytesMut,
) -> usize {
    encode_frame(constants::FRAME_HEADER, channel, out, |out| {
        out.put_u16(Publish::CLASS);
        out.put_u16(0);
        out.put_u64(body_size);
        out.put_slice(property_list);
    })
}

/// Appends a body frame with a copy of `piece`, for bodies so small that a copy is cheaper than a
/// write of their own. The caller has cut it to the peer's frame_max ([`body_pieces`]).
pub fn encode_body(channel: ChannelId, piece: &[u8], out: &mut BytesMut) -> usize {
    encode_frame(constants::FRAME_BODY, channel, out, |out| out.put_slice(piece))
}

/// What goes before a body of `size` octets, to be written together with the body itself and
/// [`FRAME_END`](crate::FRAME_END) after it, so that the body is never copied.
pub const fn body_frame_prefix(channel: ChannelId, size: u32) -> [u8; 7] {
    let [high, low] = channel.0.to_be_bytes();
    let [a, b, c, d] = size.to_be_bytes();
    [constants::FRAME_BODY, high, low, a, b, c, d]
}

/// Appends a heartbeat frame.
pub fn encode_heartbeat(out: &mut BytesMut) {
    encode_frame(constants::FRAME_HEARTBEAT, ChannelId::CONNECTION, out, |_| ());
}

/// Cuts a body into pieces that each fit into one frame of at most `frame_max` octets (0 means no
/// limit). Pieces are slices; a body without octets has no piece, and so no body frame.
pub fn body_pieces(body: &[Bytes], frame_max: u32) -> impl Iterator<Item = Bytes> {
    let room = match frame_max {
        0 => u32::MAX,
        max => max.max(constants::FRAME_MIN_SIZE) - FRAME_OVERHEAD,
    } as usize;
    body.iter().flat_map(move |slice| {
        (0..slice.len()).step_by(room).map(move |start| {
            let stop = start.saturating_add(room).min(slice.len());
            slice.slice(start..stop)
        })
    })
}

/// Writes what `write` writes, with its length in four octets before it.
pub(crate) fn encode_counted(out: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
    let at = out.len();
    out.put_u32(0);
    write(out);
    patch_length(out, at);
}

/// Writes into the four octets at `at` how many octets follow them.
fn patch_length(out: &mut BytesMut, at: usize) {
    let after = at + 4;
    let length = u32::try_from(out.len() - after).expect("a frame is built in memory, below 4 GiB");
    let slot = out.get_mut(at..after).expect("the caller wrote four octets there");
    slot.copy_from_slice(&length.to_be_bytes());
}

fn encode_frame(
    kind: u8,
    channel: ChannelId,
    out: &mut BytesMut,
    write: impl FnOnce(&mut BytesMut),
) -> usize {
    let start = out.len();
    out.put_u8(kind);
    out.put_u16(channel.0);
    out.put_u32(0);
    write(out);
    patch_length(out, start + 3);
    out.put_u8(constants::FRAME_END);
    out.len() - start
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FRAME_END, method::basic};

    #[test]
    fn a_frame_is_appended_after_what_is_there() {
        let mut out = BytesMut::from(&b"before"[..]);
        let size = encode_method(ChannelId(7), &basic::RecoverOk {}, &mut out);
        assert_eq!(&out[..], b"before\x01\0\x07\0\0\0\x04\0\x3c\0\x6f\xce");
        assert_eq!(size, 12);
    }

    #[test]
    fn a_body_frame_in_parts_is_the_same_as_one_in_a_piece() {
        let (channel, body) = (ChannelId(0x0102), b"hello");
        let mut whole = BytesMut::new();
        encode_body(channel, body, &mut whole);
        let parts = [&body_frame_prefix(channel, 5)[..], body, &[FRAME_END]].concat();
        assert_eq!(parts, whole);
    }

    #[test]
    fn a_heartbeat_is_eight_octets() {
        let mut out = BytesMut::new();
        encode_heartbeat(&mut out);
        assert_eq!(&out[..], b"\x08\0\0\0\0\0\0\xce");
    }

    #[test]
    fn pieces_fit_the_peers_frames_and_join_to_the_body() {
        let body = [Bytes::from(vec![1; 4096]), Bytes::new(), Bytes::from(vec![2; 10_000])];
        let pieces: Vec<_> = body_pieces(&body, 4096).collect();
        let sizes: Vec<_> = pieces.iter().map(Bytes::len).collect();
        assert_eq!(sizes, [4088, 8, 4088, 4088, 1824]);
        assert_eq!(pieces.concat(), body.concat());
        assert_eq!(body_pieces(&body, 0).count(), 2);
        assert_eq!(body_pieces(&[], 4096).count(), 0);
    }
}
