//! Frames, cut out of the read buffer without copying (AMQP 1.0 §2.3, §5.3.1).
//!
//! ```text
//! ┌──────────┬──────┬──────┬─────────┬─────────────────┬──────────────────────────┐
//! │ size     │ doff │ type │ channel │ extended header │ body                     │
//! │ u32      │ u8   │ u8   │ u16     │ doff * 4 - 8    │ size - doff * 4          │
//! └──────────┴──────┴──────┴─────────┴─────────────────┴──────────────────────────┘
//!   0 AMQP     a performative, and after a transfer the payload; nothing: a heartbeat
//!   1 SASL     a SASL frame body; the channel means nothing
//! ```
//!
//! Numbers are big-endian, the size counts the whole frame, and the data offset counts words of
//! four octets.

use std::fmt;

use bytes::{Buf as _, Bytes, BytesMut};

use crate::{
    Composite, Decode as _, Error, Fault, Performative, Reader, SaslFrame,
    composite::decode_list,
    generated::format_code as code,
    limits::{FRAME_HEADER_SIZE, INITIAL_FRAME_MAX, MIN_MAX_FRAME_SIZE},
    performative::{Disposition, Flow},
};

pub(crate) const TYPE_AMQP: u8 = 0;
pub(crate) const TYPE_SASL: u8 = 1;
/// The data offset of a frame without an extended header.
pub(crate) const DATA_OFFSET: u8 = 2;

/// A channel's number. Each side numbers its own sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub u16);

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A frame as received. What is in it are slices of the read buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A frame of the protocol itself.
    Amqp {
        /// The channel.
        channel: ChannelId,
        /// What it says.
        performative: Performative,
        /// What follows a transfer: octets of its message.
        payload: Bytes,
    },
    /// A frame of the login.
    Sasl(SaslFrame),
    /// A sign of life: a frame without a body, on whatever channel (AMQP 1.0 §2.4.5).
    Heartbeat,
}

/// Cuts frames out of a growing buffer. After an error the connection is over, and every further
/// call gives the same error.
#[derive(Clone, Debug)]
pub struct FrameDecoder {
    max: u32,
    broken: Option<Error>,
}

impl Default for FrameDecoder {
    fn default() -> Self {
        Self::new()
    }
}

/// A frame header.
struct Head {
    size: usize,
    body: usize,
    kind: u8,
    channel: ChannelId,
}

impl FrameDecoder {
    /// A decoder with the limit that holds before `open`, 8192 octets a frame.
    pub const fn new() -> Self {
        Self { max: INITIAL_FRAME_MAX, broken: None }
    }

    /// Sets the largest frame, its header included, as this side's `open` said. Below the
    /// protocol's minimum of 512 it stays at 512.
    pub fn set_max_size(&mut self, max_frame_size: u32) {
        //= amqp-1.0 §2.7.1 minimum-accepted
        // Both peers MUST accept frames of up to 512 (MIN-MAX-FRAME-SIZE) octets.
        self.max = max_frame_size.max(MIN_MAX_FRAME_SIZE);
    }

    /// Takes the next frame from the front of `buffer`; none while it is not complete yet. Never
    /// copies: the frame and the buffer share the memory.
    ///
    /// # Errors
    /// `amqp:connection:framing-error` for a size below 8 or above the limit, a data offset that
    /// points into the header or behind the end, an unknown type, or a SASL frame without a body;
    /// `amqp:decode-error` and `amqp:invalid-field` for a body that is not what it should be.
    #[inline]
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, Error> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        self.cut(buffer).inspect_err(|error| self.broken = Some(error.clone()))
    }

    /// How many octets are missing until the next frame is complete, as far as the buffer tells; 0
    /// when it is complete. At most the frame limit, so it may be reserved.
    pub fn missing(&self, buffer: &[u8]) -> usize {
        let Some(size) = buffer.first_chunk() else {
            return FRAME_HEADER_SIZE.saturating_sub(buffer.len());
        };
        let size = u32::from_be_bytes(*size).min(self.max) as usize;
        size.max(FRAME_HEADER_SIZE).saturating_sub(buffer.len())
    }

    fn cut(&self, buffer: &mut BytesMut) -> Result<Option<Frame>, Error> {
        let Some(head) = self.head(buffer)? else { return Ok(None) };
        if buffer.len() < head.size {
            return Ok(None);
        }
        if head.size == head.body {
            buffer.advance(head.size);
            return match head.kind {
                TYPE_AMQP => Ok(Some(Frame::Heartbeat)),
                //= amqp-1.0 §5.3.1
                // Receipt of an empty SASL frame is an irrecoverable error.
                _ => Err(Error::new(Fault::EmptySaslFrame, head.body)),
            };
        }
        let Head { size, body, kind, channel } = head;
        // Flows and dispositions are read where they lie: they come by the million, and hardly ever
        // have anything in them that would have to be kept.
        match buffer.get(..size).filter(|_| kind == TYPE_AMQP).and_then(|frame| frame.get(body..)) {
            Some(&[code::DESCRIBED, code::SMALLULONG, FLOW, ..]) => {
                let flow = in_place(buffer, size, body)?;
                return Ok(Some(without_payload(channel, Performative::Flow(flow))));
            }
            Some(&[code::DESCRIBED, code::SMALLULONG, DISPOSITION, ..]) => {
                let disposition = in_place(buffer, size, body)?;
                return Ok(Some(without_payload(channel, Performative::Disposition(disposition))));
            }
            _ => {}
        }
        let frame = buffer.split_to(size).freeze();
        match kind {
            TYPE_AMQP => amqp_frame(channel, frame, body),
            _ => sasl_frame(&frame, body),
        }
        .map(Some)
    }

    fn head(&self, buffer: &[u8]) -> Result<Option<Head>, Error> {
        let Some(&[a, b, c, d, doff, kind, high, low]) = buffer.first_chunk() else {
            return Ok(None);
        };
        let size = u32::from_be_bytes([a, b, c, d]);
        let body = usize::from(doff) * 4;
        //= amqp-1.0 §2.3.1
        // The frame is malformed if the size is less than the size of the frame header (8 bytes).
        if (size as usize) < FRAME_HEADER_SIZE {
            return Err(Error::new(Fault::FrameTooSmall { size }, 0));
        }
        //= amqp-1.0 §2.7.1 oversized-closes
        // A peer that receives an oversized frame MUST close the connection with the framing-error
        // error-code.
        if size > self.max {
            return Err(Error::new(Fault::FrameTooLarge { size, max: self.max }, 0));
        }
        //= amqp-1.0 §2.3.1
        // The value of the data offset is malformed if it is less than 2.
        if body < FRAME_HEADER_SIZE || body > size as usize {
            return Err(Error::new(Fault::DataOffset { doff, size }, 4));
        }
        if kind > TYPE_SASL {
            return Err(Error::new(Fault::FrameType { found: kind }, 5));
        }
        let channel = ChannelId(u16::from_be_bytes([high, low]));
        Ok(Some(Head { size: size as usize, body, kind, channel }))
    }
}

const FLOW: u8 = Flow::CODE as u8;
const DISPOSITION: u8 = Disposition::CODE as u8;

/// Reads the performative of the first frame in the buffer behind its descriptor, copies what there
/// is to keep, and takes the frame out of the buffer.
#[inline]
fn in_place<C: Composite>(buffer: &mut BytesMut, size: usize, body: usize) -> Result<C, Error> {
    let frame = buffer.get(..size).unwrap_or_default();
    let mut reader = Reader::copying(frame, body + 3);
    let performative = decode_list(&mut reader)?;
    reader.finish()?;
    buffer.advance(size);
    Ok(performative)
}

#[inline]
fn without_payload(channel: ChannelId, performative: Performative) -> Frame {
    Frame::Amqp { channel, performative, payload: Bytes::new() }
}

#[inline]
fn amqp_frame(channel: ChannelId, mut frame: Bytes, body: usize) -> Result<Frame, Error> {
    let mut reader = Reader::at(&frame, body);
    //= amqp-1.0 §2.3.2 performative-known
    // The performative MUST be one of those defined in section 2.7.
    let performative = Performative::decode(&mut reader)?;
    let end = reader.position();
    if !matches!(performative, Performative::Transfer(_)) {
        reader.finish()?;
    }
    let payload = if end == frame.len() {
        // It would keep the read buffer alive for nothing.
        Bytes::new()
    } else {
        frame.advance(end);
        frame
    };
    Ok(Frame::Amqp { channel, performative, payload })
}

fn sasl_frame(frame: &Bytes, body: usize) -> Result<Frame, Error> {
    let mut reader = Reader::at(frame, body);
    let body = SaslFrame::decode(&mut reader)?;
    reader.finish()?;
    Ok(Frame::Sasl(body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorCondition, Reach};

    fn refused(octets: &[u8]) -> Error {
        let mut decoder = FrameDecoder::new();
        let mut buffer = BytesMut::from(octets);
        let error = decoder.decode(&mut buffer).unwrap_err();
        let again = decoder.decode(&mut BytesMut::from(&b"\0\0\0\x08\x02\0\0\0"[..])).unwrap_err();
        assert_eq!(error, again, "what is over stays so");
        assert_eq!(error.reach(), Reach::Connection);
        error
    }

    #[test]
    fn each_kind_of_frame_is_cut_out_in_order() {
        let mut buffer = BytesMut::from(
            &b"\0\0\0\x0c\x02\0\0\x05\0\x53\x18\x45\
               \0\0\0\x16\x04\0\0\x01extended\0\x53\x17\xc0\x01\0\
               \0\0\0\x08\x02\0\xff\xff\
               \0\0\0\x10\x02\x01\0\0\0\x53\x44\xc0\x03\x01\x50\0\0\0"[..],
        );
        let mut decoder = FrameDecoder::new();
        let mut next = || decoder.decode(&mut buffer).unwrap();
        assert!(matches!(
            next(),
            Some(Frame::Amqp { channel: ChannelId(5), performative: Performative::Close(_), .. })
        ));
        assert!(matches!(
            next(),
            Some(Frame::Amqp { channel: ChannelId(1), performative: Performative::End(_), .. })
        ));
        assert_eq!(next(), Some(Frame::Heartbeat));
        assert!(matches!(next(), Some(Frame::Sasl(SaslFrame::SaslOutcome(_)))));
        assert_eq!(next(), None);
        assert_eq!(&buffer[..], b"\0\0");
    }

    #[test]
    fn what_follows_a_transfer_is_its_payload_and_a_slice_of_the_buffer() {
        let mut buffer =
            BytesMut::from(&b"\0\0\0\x14\x02\0\0\x01\0\x53\x14\xc0\x02\x01\x43hello"[..]);
        buffer[3] = u8::try_from(buffer.len()).unwrap();
        let at = buffer[15..].as_ptr();
        let frame = FrameDecoder::new().decode(&mut buffer).unwrap();
        let Some(Frame::Amqp { payload, .. }) = frame else { panic!("{frame:?}") };
        assert_eq!((payload.as_ptr(), &payload[..]), (at, &b"hello"[..]));
    }

    #[test]
    fn what_follows_anything_else_is_refused() {
        let error = refused(b"\0\0\0\x0d\x02\0\0\x05\0\x53\x18\x45!");
        assert_eq!((error.fault(), error.at()), (&Fault::Trailing { left: 1 }, 12));
        assert_eq!(error.condition(), ErrorCondition::DecodeError);
    }

    #[test]
    fn a_header_that_is_none_is_refused_as_soon_as_it_is_there() {
        for (octets, words) in [
            (&b"\0\0\0\x07\x02\0\0\0"[..], "frame of 7 octets, a frame has at least 8, at octet 0"),
            (b"\0\0\x20\x01\x02\0\0\0", "frame of 8193 octets, the limit is 8192, at octet 0"),
            (
                b"\0\0\0\x20\x01\0\0\0",
                "frame of 32 octets has data offset 1, expected 2 to 8, at octet 4",
            ),
            (
                b"\0\0\0\x20\x09\0\0\0",
                "frame of 32 octets has data offset 9, expected 2 to 8, at octet 4",
            ),
            (b"\0\0\0\x20\x02\x02\0\0", "frame type 2, expected 0 (AMQP) or 1 (SASL), at octet 5"),
            (b"\0\0\0\x08\x02\x01\0\0", "SASL frame without a body, at octet 8"),
        ] {
            let error = refused(octets);
            assert_eq!(error.to_string(), words);
            assert_eq!(error.condition().as_str(), "amqp:connection:framing-error");
        }
    }

    #[test]
    fn the_limit_is_never_below_the_protocols_minimum() {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_size(0);
        assert_eq!(decoder.decode(&mut BytesMut::from(&b"\0\0\x02\0\x02\0\0\0"[..])), Ok(None));
        assert!(decoder.decode(&mut BytesMut::from(&b"\0\0\x02\x01\x02\0\0\0"[..])).is_err());
    }

    #[test]
    fn what_is_missing_is_told_and_bounded() {
        let decoder = FrameDecoder::new();
        assert_eq!(decoder.missing(b""), 8);
        assert_eq!(decoder.missing(b"\0\0\x01"), 5);
        assert_eq!(decoder.missing(b"\0\0\x01\0\x02"), 251);
        assert_eq!(decoder.missing(b"\xff\xff\xff\xff\x02\0\0\0"), 8184);
        assert_eq!(decoder.missing(b"\0\0\0\x08\x02\0\0\0"), 0);
    }
}
