//! Frames where they lie, without taking them out, and the values in them that are looked at
//! (AMQP 1.0 §1.6, §2.3).

use ::amqp10::{Frame as Decoded, FrameDecoder, limits::FRAME_HEADER_SIZE};
use bytes::BytesMut;

use crate::Error;

/// The largest frame that is taken, as for AMQP 0-9-1.
pub(super) const FRAME_MAX: u32 = 131_072;

/// A complete frame at the front of what was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    octets: &'a [u8],
    /// What follows its header.
    pub(super) body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The first frame, when it is complete.
    ///
    /// # Errors
    /// Its size or its data offset is none.
    #[inline]
    pub(super) fn first(input: &'a [u8]) -> Result<Option<Frame<'a>>, Error> {
        let Some(&[a, b, c, d, offset, ..]) = input.first_chunk::<FRAME_HEADER_SIZE>() else {
            return Ok(None);
        };
        let size = u32::from_be_bytes([a, b, c, d]);
        if size > FRAME_MAX {
            return Err(Error::broken("reading", format!("a frame of {size} octets")));
        }
        let Some(octets) = input.get(..size as usize) else { return Ok(None) };
        match octets.get(usize::from(offset) * 4..) {
            Some(body) if offset >= 2 => Ok(Some(Frame { octets, body })),
            _ => Err(Error::broken("reading", format!("a frame with data offset {offset}"))),
        }
    }

    /// Octets of the whole frame.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.octets.len()
    }

    /// What it says, whatever it is.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn decode(&self) -> Result<Decoded, Error> {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_size(FRAME_MAX);
        let decoded = decoder.decode(&mut BytesMut::from(self.octets));
        decoded
            .map_err(|error| Error::broken("reading", error))?
            .ok_or_else(|| Error::broken("reading", "a frame cut short"))
    }
}

/// The fields of a list where they lie, one after the other. What is not there, or is null, or is
/// of another type than it should be, is none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Those of the list at the front, and what follows it.
    #[inline]
    pub(super) fn of_list(octets: &'a [u8]) -> Option<(Fields<'a>, &'a [u8])> {
        let (list, count, rest) = match octets.split_first()? {
            (&LIST0, rest) => (&[][..], 0, rest),
            (&LIST8, rest) => {
                let (size, rest) = rest.split_first()?;
                let (list, rest) = rest.split_at_checked(usize::from(*size))?;
                (list, 1, rest)
            }
            (&LIST32, rest) => {
                let (size, rest) = rest.split_first_chunk()?;
                let (list, rest) = rest.split_at_checked(u32::from_be_bytes(*size) as usize)?;
                (list, 4, rest)
            }
            _ => return None,
        };
        Some((Fields(list.get(count..)?), rest))
    }

    #[inline]
    pub(super) fn uint(&mut self) -> Option<u32> {
        let (code, rest) = self.0.split_first()?;
        let (value, rest) = match *code {
            UINT0 => (0, rest),
            SMALLUINT => {
                let (value, rest) = rest.split_first()?;
                (u32::from(*value), rest)
            }
            UINT => {
                let (value, rest) = rest.split_first_chunk()?;
                (u32::from_be_bytes(*value), rest)
            }
            _ => {
                self.skip();
                return None;
            }
        };
        self.0 = rest;
        Some(value)
    }

    #[inline]
    pub(super) fn flag(&mut self) -> Option<bool> {
        let (code, rest) = self.0.split_first()?;
        let (value, rest) = match *code {
            TRUE => (true, rest),
            FALSE => (false, rest),
            BOOLEAN => {
                let (value, rest) = rest.split_first()?;
                (*value != 0, rest)
            }
            _ => {
                self.skip();
                return None;
            }
        };
        self.0 = rest;
        Some(value)
    }

    /// The number of a composite value's descriptor; its fields are passed.
    #[inline]
    pub(super) fn descriptor(&mut self) -> Option<u8> {
        let before = self.0;
        self.skip();
        match *before.first_chunk()? {
            [DESCRIBED, SMALLULONG, number] => Some(number),
            _ => None,
        }
    }

    /// Passes one.
    #[inline]
    pub(super) fn skip(&mut self) {
        self.0 = after_value(self.0).unwrap_or_default();
    }
}

/// What a section of a message, or a performative, is: the number of its descriptor, and what
/// follows that.
#[inline]
pub(super) fn descriptor(octets: &[u8]) -> Option<(u8, &[u8])> {
    match octets.split_first_chunk()? {
        (&[DESCRIBED, SMALLULONG, number], rest) => Some((number, rest)),
        _ => None,
    }
}

/// What follows the value at the front.
#[inline]
pub(super) fn after_value(mut octets: &[u8]) -> Option<&[u8]> {
    // A described value is two, a descriptor and what it describes, either of them described again
    // for all that is known.
    let mut left = 1_usize;
    while left > 0 {
        let (code, rest) = octets.split_first()?;
        // AMQP 1.0 §1.2: a format code's upper half says how long its value is.
        let (length, rest) = match code >> 4 {
            0x0 => {
                left += 1;
                octets = rest;
                continue;
            }
            0x4 => (0, rest),
            0x5 => (1, rest),
            0x6 => (2, rest),
            0x7 => (4, rest),
            0x8 => (8, rest),
            0x9 => (16, rest),
            0xa | 0xc | 0xe => {
                let (length, rest) = rest.split_first()?;
                (usize::from(*length), rest)
            }
            _ => {
                let (length, rest) = rest.split_first_chunk()?;
                (u32::from_be_bytes(*length) as usize, rest)
            }
        };
        octets = rest.get(length..)?;
        left -= 1;
    }
    Some(octets)
}

/// How many octets the binary at the front has, and what is there of them.
#[inline]
pub(super) fn binary(octets: &[u8]) -> Option<(usize, &[u8])> {
    let (length, rest) = match octets.split_first()? {
        (&VBIN8, rest) => {
            let (length, rest) = rest.split_first()?;
            (usize::from(*length), rest)
        }
        (&VBIN32, rest) => {
            let (length, rest) = rest.split_first_chunk()?;
            (u32::from_be_bytes(*length) as usize, rest)
        }
        _ => return None,
    };
    Some((length, rest.get(..length).unwrap_or(rest)))
}

const DESCRIBED: u8 = 0x00;
const TRUE: u8 = 0x41;
const FALSE: u8 = 0x42;
const UINT0: u8 = 0x43;
const LIST0: u8 = 0x45;
const SMALLUINT: u8 = 0x52;
const SMALLULONG: u8 = 0x53;
const BOOLEAN: u8 = 0x56;
const UINT: u8 = 0x70;
const VBIN8: u8 = 0xa0;
const VBIN32: u8 = 0xb0;
const LIST8: u8 = 0xc0;
const LIST32: u8 = 0xd0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_every_width_and_others_passed() {
        let list = b"\xc0\x16\x09\x43\x52\x07\x70\0\0\x01\0\x40\x41\x56\x01\xa0\x02ab\
                     \0\x53\x24\x45\x42rest";
        let (mut fields, rest) = Fields::of_list(list).unwrap();
        assert_eq!(rest, b"rest");
        let numbers: [Option<u32>; 4] = std::array::from_fn(|_| fields.uint());
        assert_eq!(numbers, [Some(0), Some(7), Some(256), None]);
        assert_eq!((fields.flag(), fields.flag(), fields.flag()), (Some(true), Some(true), None));
        assert_eq!(
            (fields.descriptor(), fields.flag(), fields.flag()),
            (Some(0x24), Some(false), None)
        );
        assert_eq!(Fields::of_list(b"\x45x").unwrap().1, b"x");
        assert!(Fields::of_list(b"\xd0\0\0\0\x09\0\0\0\x01\x41").is_none(), "cut short");
    }

    #[test]
    fn a_frame_is_found_when_it_is_complete() {
        let frame = b"\0\0\0\x0c\x02\0\0\x05\0\x53\x18\x45more";
        assert!(Frame::first(frame.get(..11).unwrap()).unwrap().is_none());
        let found = Frame::first(frame).unwrap().unwrap();
        assert_eq!((found.len(), descriptor(found.body)), (12, Some((0x18, &b"\x45"[..]))));
        assert!(matches!(found.decode(), Ok(Decoded::Amqp { .. })));
        assert!(Frame::first(b"\0\0\0\x0c\x04\0\0\0\0\0\0\0").is_err());
        assert!(Frame::first(b"\0\0\0\x08\x01\0\0\0").is_err());
        assert!(Frame::first(b"\xff\0\0\x08\x02\0\0\0").is_err());
    }
}
