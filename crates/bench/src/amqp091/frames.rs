//! Frames where they lie, without taking them out (AMQP 0-9-1 §2.3.5).

use ::amqp091::{FRAME_END, Method};
use bytes::Bytes;

use crate::Error;

/// Octets before a frame's payload.
pub(super) const PREFIX: usize = 7;

/// A complete frame at the front of what was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) kind: u8,
    pub(super) payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The first frame, when it is complete.
    ///
    /// # Errors
    /// It does not end as a frame does.
    #[inline]
    pub(super) fn first(input: &'a [u8]) -> Result<Option<Frame<'a>>, Error> {
        let Some(&[kind, _, _, a, b, c, d]) = input.first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let size = u32::from_be_bytes([a, b, c, d]) as usize;
        let Some((payload, [end, ..])) =
            input.get(PREFIX..).and_then(|rest| rest.split_at_checked(size))
        else {
            return Ok(None);
        };
        match *end {
            FRAME_END => Ok(Some(Frame { kind, payload })),
            other => Err(Error::broken("reading", format!("a frame ends with octet {other}"))),
        }
    }

    /// Octets of the whole frame.
    #[inline]
    pub(super) fn len(&self) -> usize {
        PREFIX + self.payload.len() + 1
    }

    /// The method in it.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn method(&self) -> Result<Method, Error> {
        Method::decode(&Bytes::copy_from_slice(self.payload))
            .map_err(|error| Error::broken("reading", error.text()))
    }
}
