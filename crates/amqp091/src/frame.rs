//! Frames, cut out of the read buffer without copying (AMQP 0-9-1 §2.3.5, §4.2.3).
//!
//! ```text
//! ┌──────┬─────────┬───────────────┬──────────────────┬───────────┐
//! │ type │ channel │ size          │ payload          │ frame end │
//! │ u8   │ u16     │ u32           │ `size` octets    │ u8 = 206  │
//! └──────┴─────────┴───────────────┴──────────────────┴───────────┘
//!   1 method      class-id u16, method-id u16, arguments
//!   2 header      class-id u16, weight u16 = 0, body-size u64, property-flags u16, property values
//!   3 body        octets
//!   8 heartbeat   nothing; channel 0
//! ```
//!
//! Numbers are big-endian. It knows where a frame ends and nothing of what is in it.

use std::fmt;

use bytes::{Buf as _, Bytes, BytesMut};

use crate::{
    Error,
    fault::Fault,
    generated::constants::{
        FRAME_BODY, FRAME_END, FRAME_HEADER, FRAME_HEARTBEAT, FRAME_METHOD, FRAME_MIN_SIZE,
    },
    limits::{FRAME_OVERHEAD, FRAME_SIZE_FUDGE, INITIAL_FRAME_MAX},
};

/// Octets before the payload: type, channel, size.
const PREFIX: usize = 7;

/// A channel's number; 0 is the connection itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub u16);

impl ChannelId {
    /// Channel 0, where methods about the connection go.
    pub const CONNECTION: Self = Self(0);
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The types of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// 1
    Method,
    /// 2
    Header,
    /// 3
    Body,
    /// 8
    Heartbeat,
}

impl FrameKind {
    const fn from_octet(octet: u8) -> Option<Self> {
        match octet {
            FRAME_METHOD => Some(Self::Method),
            FRAME_HEADER => Some(Self::Header),
            FRAME_BODY => Some(Self::Body),
            FRAME_HEARTBEAT => Some(Self::Heartbeat),
            _ => None,
        }
    }
}

impl fmt::Display for FrameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "method",
            Self::Header => "content header",
            Self::Body => "content body",
            Self::Heartbeat => "heartbeat",
        })
    }
}

/// A frame as received. Payloads are slices of the read buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A method, for [`Method::decode`](crate::Method::decode).
    Method {
        /// The channel.
        channel: ChannelId,
        /// Ids and arguments.
        payload: Bytes,
    },
    /// A content header, for [`Assembler::header`](crate::Assembler::header).
    Header {
        /// The channel.
        channel: ChannelId,
        /// Class, weight, body size, properties.
        payload: Bytes,
    },
    /// A piece of a body, for [`Assembler::body`](crate::Assembler::body).
    Body {
        /// The channel.
        channel: ChannelId,
        /// Octets of the body.
        payload: Bytes,
    },
    /// A sign of life.
    Heartbeat,
}

/// Cuts frames out of a growing buffer. After an error the stream is out of step for good, and
/// every further call gives the same error.
#[derive(Clone, Debug)]
pub struct FrameDecoder {
    payload_max: u32,
    broken: Option<Error>,
}

impl Default for FrameDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl FrameDecoder {
    /// A decoder with the limit that holds before `tune`, 8192 octets a frame.
    pub const fn new() -> Self {
        Self { payload_max: INITIAL_FRAME_MAX - FRAME_OVERHEAD, broken: None }
    }

    /// Sets the largest frame, its 8 octets of header and end included, as negotiated by `tune-ok`.
    /// Below the protocol's minimum of 4096 it stays at 4096. There is no "no limit": the owner has
    /// one.
    pub fn set_max_size(&mut self, frame_max: u32) {
        self.payload_max = frame_max.max(FRAME_MIN_SIZE) - FRAME_OVERHEAD;
    }

    /// Takes the next frame from the front of `buffer`; none while it is not complete yet. Never
    /// copies: the frame and the buffer share the memory.
    ///
    /// # Errors
    /// 501 for an unknown frame type, a size above the limit, a wrong frame end or a heartbeat with
    /// a payload; 505 for a heartbeat on a channel.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, Error> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        self.cut(buffer).map_err(|fault| {
            let error = Error::from(fault);
            self.broken = Some(error.clone());
            error
        })
    }

    /// The largest payload of a frame.
    pub(crate) const fn payload_max(&self) -> u32 {
        self.payload_max
    }

    /// Whether the stream is out of step.
    pub(crate) const fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// How many octets are missing until the next frame is complete, as far as the buffer tells; 0
    /// when it is complete. At most the frame limit, so it may be reserved.
    pub fn missing(&self, buffer: &[u8]) -> usize {
        let Some(&[_, _, _, a, b, c, d]) = buffer.first_chunk::<PREFIX>() else {
            return PREFIX.saturating_sub(buffer.len()) + 1;
        };
        let size = u32::from_be_bytes([a, b, c, d]).min(self.payload_max + FRAME_SIZE_FUDGE);
        (PREFIX + size as usize + 1).saturating_sub(buffer.len())
    }

    fn cut(&self, buffer: &mut BytesMut) -> Result<Option<Frame>, Fault> {
        let Some(&[kind, high, low, a, b, c, d]) = buffer.first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let channel = u16::from_be_bytes([high, low]);
        let size = u32::from_be_bytes([a, b, c, d]);
        let kind = FrameKind::from_octet(kind).ok_or(Fault::FrameType { found: kind, channel })?;
        if size > self.payload_max + FRAME_SIZE_FUDGE {
            return Err(Fault::FrameTooLarge { kind, channel, size, max: self.payload_max });
        }
        if kind == FrameKind::Heartbeat {
            check_heartbeat(channel, size)?;
        }
        match buffer.get(PREFIX + size as usize) {
            None => return Ok(None),
            Some(&FRAME_END) => {}
            Some(&found) => return Err(Fault::FrameEnd { kind, channel, size, found }),
        }
        buffer.advance(PREFIX);
        let payload = buffer.split_to(size as usize).freeze();
        buffer.advance(1);
        let channel = ChannelId(channel);
        Ok(Some(match kind {
            FrameKind::Method => Frame::Method { channel, payload },
            FrameKind::Header => Frame::Header { channel, payload },
            FrameKind::Body => Frame::Body { channel, payload },
            FrameKind::Heartbeat => Frame::Heartbeat,
        }))
    }
}

/// AMQP 0-9-1 §4.2.7: channel 0 and no payload. RabbitMQ answers 505 to the first and 501 to the
/// second.
fn check_heartbeat(channel: u16, size: u32) -> Result<(), Fault> {
    if channel != 0 {
        return Err(Fault::HeartbeatChannel { channel });
    }
    if size != 0 {
        return Err(Fault::HeartbeatPayload { size });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Reach, ReplyCode};

    fn refused(octets: &[u8]) -> Error {
        let mut decoder = FrameDecoder::new();
        let mut buffer = BytesMut::from(octets);
        let error = decoder.decode(&mut buffer).unwrap_err();
        let again = decoder.decode(&mut BytesMut::from(&b"\x08\0\0\0\0\0\0\xce"[..])).unwrap_err();
        assert_eq!(error, again, "a stream out of step stays so");
        assert_eq!(error.reach(), Reach::Connection);
        error
    }

    #[test]
    fn each_type_of_frame_is_cut_out_in_order() {
        let mut buffer = BytesMut::from(
            &b"\x01\0\x01\0\0\0\x02ab\xce\x02\0\x02\0\0\0\x01c\xce\
               \x03\xff\xff\0\0\0\0\xce\x08\0\0\0\0\0\0\xce\x01\0"[..],
        );
        let mut decoder = FrameDecoder::new();
        let mut next = || decoder.decode(&mut buffer).unwrap();
        let payload = Bytes::from_static;
        assert_eq!(next(), Some(Frame::Method { channel: ChannelId(1), payload: payload(b"ab") }));
        assert_eq!(next(), Some(Frame::Header { channel: ChannelId(2), payload: payload(b"c") }));
        assert_eq!(next(), Some(Frame::Body { channel: ChannelId(65535), payload: payload(b"") }));
        assert_eq!(next(), Some(Frame::Heartbeat));
        assert_eq!(next(), None);
        assert_eq!(&buffer[..], b"\x01\0");
    }

    #[test]
    fn a_payload_is_a_slice_of_the_buffer() {
        let mut buffer = BytesMut::from(&b"\x03\0\x01\0\0\0\x04body\xce"[..]);
        let at = buffer[7..].as_ptr();
        let frame = FrameDecoder::new().decode(&mut buffer).unwrap();
        assert!(matches!(frame, Some(Frame::Body { payload, .. }) if payload.as_ptr() == at));
    }

    #[test]
    fn an_unknown_type_is_refused_as_soon_as_the_header_is_there() {
        let error = refused(b"\x04\0\x01\0\0\0\x04");
        assert_eq!(error.reply_code(), ReplyCode::FrameError);
        assert_eq!(error.fault(), &Fault::FrameType { found: 4, channel: 1 });
    }

    #[test]
    fn a_wrong_frame_end_is_refused() {
        let error = refused(b"\x01\0\x01\0\0\0\x01a\xcd");
        assert_eq!(
            error.text(),
            "FRAME_ERROR - method frame of 1 octets on channel 1 ends with octet 205, expected 206"
        );
    }

    #[test]
    fn heartbeats_belong_on_channel_0_and_are_empty() {
        assert_eq!(refused(b"\x08\0\x01\0\0\0\0\xce").reply_code(), ReplyCode::UnexpectedFrame);
        assert_eq!(refused(b"\x08\0\0\0\0\0\x01a\xce").reply_code(), ReplyCode::FrameError);
    }

    #[test]
    fn a_frame_may_exceed_the_limit_by_eight_octets_and_no_more() {
        let sized = |size: u32| [b"\x03\0\x01".as_slice(), &size.to_be_bytes()].concat();
        let mut decoder = FrameDecoder::new();
        // The first limit is 8192 with 8 octets of overhead; 8 are forgiven.
        assert_eq!(decoder.decode(&mut BytesMut::from(&sized(8192)[..])), Ok(None));
        assert_eq!(refused(&sized(8193)).reply_code(), ReplyCode::FrameError);
        assert_eq!(refused(&sized(u32::MAX)).reply_code(), ReplyCode::FrameError);
        decoder.set_max_size(131_072);
        assert_eq!(decoder.decode(&mut BytesMut::from(&sized(131_072)[..])), Ok(None));
        assert!(decoder.decode(&mut BytesMut::from(&sized(131_073)[..])).is_err());
        let mut smallest = FrameDecoder::new();
        smallest.set_max_size(0);
        assert_eq!(smallest.decode(&mut BytesMut::from(&sized(4096)[..])), Ok(None));
        assert!(smallest.decode(&mut BytesMut::from(&sized(4097)[..])).is_err());
    }

    #[test]
    fn what_is_missing_is_known_and_never_beyond_the_limit() {
        let decoder = FrameDecoder::new();
        let frame = b"\x03\0\x01\0\0\0\x04body\xce";
        assert_eq!(decoder.missing(b""), 8);
        assert_eq!(decoder.missing(&frame[..6]), 2);
        assert_eq!(decoder.missing(&frame[..7]), 5);
        assert_eq!(decoder.missing(&frame[..11]), 1);
        assert_eq!(decoder.missing(frame), 0);
        assert_eq!(decoder.missing(b"\x03\0\x01\xff\xff\xff\xff"), 8193);
    }
}
