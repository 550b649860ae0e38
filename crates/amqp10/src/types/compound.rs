//! Lists, maps and arrays as octets: format code, size, count, and what is in them
//! (AMQP 1.0 §1.2.3, §1.2.4).

use bytes::{BufMut as _, BytesMut};

/// Format code, size and count of the short encodings: an octet each.
const SHORT_HEAD: usize = 3;
/// What the long encodings take more: four octets each for size and count.
const LONGER_BY: usize = 6;

/// Appends a compound: `write` writes what is in it and gives the count. It gets the short encoding
/// and, only when that is too short, is moved to make place for the long one.
#[inline]
pub(crate) fn encode_compound(
    small: u8,
    large: u8,
    out: &mut BytesMut,
    write: impl FnOnce(&mut BytesMut) -> usize,
) {
    let start = out.len();
    out.put_slice(&[small, 0, 0]);
    let count = write(out);
    // The size counts the octet of the count.
    let size = out.len() - start - SHORT_HEAD + 1;
    match (u8::try_from(size), u8::try_from(count)) {
        (Ok(size), Ok(count)) => {
            if let Some(slot) = out.get_mut(start + 1..start + SHORT_HEAD) {
                slot.copy_from_slice(&[size, count]);
            }
        }
        _ => lengthen(large, start, count, out),
    }
}

/// Gives the compound that begins at `start` and has the short encoding the long one.
#[cold]
pub(super) fn lengthen(large: u8, start: usize, count: usize, out: &mut BytesMut) {
    let end = out.len();
    out.put_bytes(0, LONGER_BY);
    let inside = start + SHORT_HEAD;
    out.copy_within(inside..end, inside + LONGER_BY);
    let size = end - inside + 4;
    let word = |length| u32::try_from(length).expect("a value is built in memory, below 4 GiB");
    if let Some(slot) = out.get_mut(start..inside + LONGER_BY) {
        let mut head = [large, 0, 0, 0, 0, 0, 0, 0, 0];
        head[1..5].copy_from_slice(&word(size).to_be_bytes());
        head[5..9].copy_from_slice(&word(count).to_be_bytes());
        slot.copy_from_slice(&head);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_the_short_encoding_gets_the_long_one() {
        for (length, head) in [
            (254, &b"x\xc0\xff\x07"[..]),
            (255, b"x\xd0\0\0\x01\x03\0\0\0\x07"),
            (300, b"x\xd0\0\0\x01\x30\0\0\0\x07"),
        ] {
            let mut out = BytesMut::from(&b"x"[..]);
            encode_compound(0xc0, 0xd0, &mut out, |out| {
                out.put_bytes(b'e', length);
                7
            });
            assert_eq!(out, [head, &vec![b'e'; length]].concat());
        }
        let mut out = BytesMut::new();
        encode_compound(0xc0, 0xd0, &mut out, |_| 256);
        assert_eq!(&out[..], b"\xd0\0\0\0\x04\0\0\x01\0");
    }
}
