//! A channel's frames become methods and whole messages: method with content → header → bodies
//! (AMQP 0-9-1 §4.2.6). One state machine for each channel; it holds at most one message.
//!
//! ```text
//!            method with content           header, size > 0
//!   Idle ────────────────────────► Header ──────────────────► Body ──┐
//!    ▲ ▲ method without content       │ header, size 0         │ │   │ body, not the last
//!    │ └──────────┘                   ▼                        ▼ ▲───┘
//!    └──────────────────────────── content ◄───────────── last body
//! ```

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

use crate::{
    ContentHeader, Error, Method, MethodId,
    fault::Fault,
    frame::FrameKind,
    limits::{BODY_SIZE_MAX, BODY_SLICE_MIN, FIELD_DEPTH_MAX},
};

/// A body in the slices it was received in; most have one.
pub type Body = SmallVec<[Bytes; 1]>;

/// A method with its whole content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// `basic.publish` from a client; `basic.deliver`, `basic.get-ok` or `basic.return` from a
    /// server.
    pub method: Method,
    /// Size and properties.
    pub header: ContentHeader,
    /// As many octets as the header says.
    pub body: Body,
}

/// Puts a channel's frames together. After an error of connection reach it is back at the
/// beginning, and of no further use.
#[derive(Debug)]
pub struct Assembler {
    state: State,
    size_max: u64,
    depth_max: usize,
}

#[derive(Debug)]
enum State {
    Idle,
    Header {
        method: Method,
    },
    Body(Partial),
    /// The rest of a body whose message was refused.
    Discard {
        id: MethodId,
        remaining: u64,
    },
}

#[derive(Debug)]
struct Partial {
    content: Content,
    /// Small slices copied together, not in the body yet.
    small: BytesMut,
    /// Octets of body still to come; never 0.
    remaining: u64,
}

impl Assembler {
    /// For a channel that takes messages of up to `size_max` octets (and never more than
    /// [`BODY_SIZE_MAX`]).
    pub const fn new(size_max: u64) -> Self {
        Self { state: State::Idle, size_max, depth_max: FIELD_DEPTH_MAX }
    }

    /// The same, for a channel that takes headers nested `depth_max` deep at most, and never deeper
    /// than [`FIELD_DEPTH_MAX`].
    #[must_use]
    pub fn with_depth_max(self, depth_max: usize) -> Self {
        Self { depth_max, ..self }
    }

    /// Whether no message is under way.
    pub const fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// The largest body that it takes, in octets.
    pub const fn size_max(&self) -> u64 {
        self.size_max
    }

    /// Takes a method. Gives it back when it stands alone, none when its content is to follow.
    ///
    /// # Errors
    /// 505 when a content is not complete yet.
    pub fn begin(&mut self, method: Method) -> Result<Option<Method>, Error> {
        match &self.state {
            // The peer gave the refused message up, as it may once it has seen `channel.close`.
            State::Idle | State::Discard { .. } => {}
            State::Header { .. } | State::Body(_) => {
                return Err(self.unexpected(FrameKind::Method));
            }
        }
        if !method.has_content() {
            self.state = State::Idle;
            return Ok(Some(method));
        }
        self.state = State::Header { method };
        Ok(None)
    }

    /// Takes a header frame's payload. Gives the content when it has no body.
    ///
    /// # Errors
    /// 505 out of turn; 501, 502 or 505 for a bad header ([`ContentHeader::decode`]); 501 for a
    /// body above 512 MiB. 406, which closes only the channel, for a body above the configured
    /// limit: its body frames may still come and are dropped.
    pub fn header(&mut self, payload: &Bytes) -> Result<Option<Content>, Error> {
        let State::Header { method } = &mut self.state else {
            return Err(self.unexpected(FrameKind::Header));
        };
        let id = method.ids();
        let header = ContentHeader::decode_within(payload, self.depth_max)
            .map_err(|error| self.fail(error, id))?;
        let size = header.body_size;
        if size > BODY_SIZE_MAX {
            return Err(self.fail(Fault::BodyTooLarge { size }.into(), id));
        }
        if size > self.size_max {
            let refused = self.fail(Fault::MessageTooLarge { size, max: self.size_max }.into(), id);
            self.state = State::Discard { id, remaining: size };
            return Err(refused);
        }
        let State::Header { method } = std::mem::replace(&mut self.state, State::Idle) else {
            return Ok(None);
        };
        let content = Content { method, header, body: Body::new() };
        if size == 0 {
            return Ok(Some(content));
        }
        self.state = State::Body(Partial { content, small: BytesMut::new(), remaining: size });
        Ok(None)
    }

    /// Takes a body frame's payload. Gives the content when it is the last one.
    ///
    /// # Errors
    /// 505 out of turn, 501 when it is more than the header announced.
    pub fn body(&mut self, payload: Bytes) -> Result<Option<Content>, Error> {
        let size = payload.len();
        let (id, remaining) = match &mut self.state {
            State::Body(partial) => (partial.content.method.ids(), &mut partial.remaining),
            State::Discard { id, remaining } => (*id, remaining),
            State::Idle | State::Header { .. } => return Err(self.unexpected(FrameKind::Body)),
        };
        match remaining.checked_sub(size as u64) {
            Some(left) => *remaining = left,
            None => {
                let fault = Fault::BodyOverrun { size, remaining: *remaining };
                return Err(self.fail(fault.into(), id));
            }
        }
        let last = *remaining == 0;
        if let State::Body(partial) = &mut self.state {
            partial.push(payload, last);
        }
        if !last {
            return Ok(None);
        }
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Body(partial) => Ok(Some(partial.content)),
            _ => Ok(None),
        }
    }

    /// Back to the beginning, with the method's name on the error.
    fn fail(&mut self, error: Error, id: MethodId) -> Error {
        self.state = State::Idle;
        error.in_method(id)
    }

    /// The error for a frame that is not the one awaited.
    fn unexpected(&mut self, found: FrameKind) -> Error {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => Fault::ExpectedMethod { found }.into(),
            State::Header { method } => {
                let id = method.ids();
                Error::from(Fault::ExpectedHeader { class: id.class, found }).in_method(id)
            }
            State::Body(Partial { content, remaining, .. }) => {
                Error::from(Fault::ExpectedBody { remaining, found })
                    .in_method(content.method.ids())
            }
            State::Discard { id, remaining } => {
                Error::from(Fault::ExpectedBody { remaining, found }).in_method(id)
            }
        }
    }
}

impl Partial {
    /// Keeps a slice as it is, unless it is a small one among many.
    fn push(&mut self, slice: Bytes, last: bool) {
        let alone = last && self.small.is_empty();
        let copied = slice.len() < BODY_SLICE_MIN && !alone;
        if copied {
            self.small.extend_from_slice(&slice);
        }
        if !self.small.is_empty() && (last || !copied) {
            self.content.body.push(self.small.split().freeze());
        }
        if !copied && !slice.is_empty() {
            self.content.body.push(slice);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Reach, ReplyCode, ShortStr,
        method::{basic, channel},
    };

    const MAX: u64 = 1 << 20;

    fn publish() -> Method {
        basic::Publish { routing_key: ShortStr::from_static("k"), ..Default::default() }.into()
    }

    fn header(size: u64) -> Bytes {
        [b"\0\x3c\0\0".as_slice(), &size.to_be_bytes(), b"\0\0"].concat().into()
    }

    fn awaiting_body(size: u64) -> Assembler {
        let mut assembler = Assembler::new(MAX);
        assert_eq!(assembler.begin(publish()), Ok(None));
        assert_eq!(assembler.header(&header(size)), Ok(None));
        assembler
    }

    #[test]
    fn a_method_without_content_stands_alone() {
        let close = Method::from(channel::CloseOk {});
        assert_eq!(Assembler::new(MAX).begin(close.clone()), Ok(Some(close)));
    }

    #[test]
    fn a_body_of_no_octets_is_complete_with_its_header() {
        let mut assembler = Assembler::new(MAX);
        assembler.begin(publish()).unwrap();
        let content = assembler.header(&header(0)).unwrap().unwrap();
        assert_eq!((content.method, content.body.len()), (publish(), 0));
        assert_eq!(assembler.begin(publish()), Ok(None), "ready for the next");
    }

    #[test]
    fn one_body_frame_is_one_slice_however_small() {
        for size in [1, BODY_SLICE_MIN - 1, BODY_SLICE_MIN, 100_000] {
            let mut assembler = awaiting_body(size as u64);
            let body = Bytes::from(vec![7; size]);
            let content = assembler.body(body.clone()).unwrap().unwrap();
            assert_eq!(content.body.len(), 1);
            assert_eq!(content.body[0].as_ptr(), body.as_ptr(), "not copied");
        }
    }

    #[test]
    fn large_frames_stay_slices_and_tiny_ones_are_joined_in_order() {
        let octets: Vec<u8> =
            (0..50_000_u32).map(|number| number as u8 ^ (number >> 8) as u8).collect();
        let body = Bytes::from(octets);
        for sizes in
            [&[20_000, 20_000, 10_000][..], &[1], &[1, 3000], &[3000, 1, 1], &[0, 1023, 0, 1024]]
        {
            let mut assembler = awaiting_body(body.len() as u64);
            let (mut start, mut content) = (0, None);
            for size in sizes.iter().cycle() {
                let stop = (start + size).min(body.len());
                content = assembler.body(body.slice(start..stop)).unwrap();
                start = stop;
                if content.is_some() {
                    break;
                }
            }
            let content = content.unwrap();
            assert_eq!(start, body.len());
            assert_eq!(content.body.concat(), body);
            assert!(content.body.len() <= 2 * body.len() / BODY_SLICE_MIN + 1, "{sizes:?}");
            assert!(content.body.iter().all(|slice| !slice.is_empty()));
        }
    }

    #[test]
    fn a_frame_out_of_turn_is_refused_by_the_state_it_finds() {
        let method = |assembler: &mut Assembler| assembler.begin(publish()).unwrap_err();
        let head = |assembler: &mut Assembler| assembler.header(&header(1)).unwrap_err();
        let body =
            |assembler: &mut Assembler| assembler.body(Bytes::from_static(b"x")).unwrap_err();
        let idle = || Assembler::new(MAX);
        let begun = || {
            let mut assembler = idle();
            assembler.begin(publish()).unwrap();
            assembler
        };
        let cases = [
            (head(&mut idle()), Fault::ExpectedMethod { found: FrameKind::Header }, 0),
            (body(&mut idle()), Fault::ExpectedMethod { found: FrameKind::Body }, 0),
            (
                method(&mut begun()),
                Fault::ExpectedHeader { class: 60, found: FrameKind::Method },
                40,
            ),
            (body(&mut begun()), Fault::ExpectedHeader { class: 60, found: FrameKind::Body }, 40),
            (
                method(&mut awaiting_body(9)),
                Fault::ExpectedBody { remaining: 9, found: FrameKind::Method },
                40,
            ),
            (
                head(&mut awaiting_body(9)),
                Fault::ExpectedBody { remaining: 9, found: FrameKind::Header },
                40,
            ),
        ];
        for (error, fault, method) in cases {
            assert_eq!((error.fault(), error.method_id()), (&fault, method));
            assert_eq!(error.reply_code(), ReplyCode::UnexpectedFrame);
        }
    }

    #[test]
    fn more_body_than_announced_is_refused() {
        let mut assembler = awaiting_body(3);
        assembler.body(Bytes::from_static(b"ab")).unwrap();
        let error = assembler.body(Bytes::from_static(b"cd")).unwrap_err();
        assert_eq!(error.fault(), &Fault::BodyOverrun { size: 2, remaining: 1 });
        assert_eq!(error.reply_code(), ReplyCode::FrameError);
    }

    #[test]
    fn an_oversized_message_is_refused_at_its_header_and_its_body_dropped() {
        let mut assembler = Assembler::new(10);
        assembler.begin(publish()).unwrap();
        let error = assembler.header(&header(11)).unwrap_err();
        assert_eq!(
            (error.reply_code(), error.reach()),
            (ReplyCode::PreconditionFailed, Reach::Channel)
        );
        assert_eq!((error.class_id(), error.method_id()), (60, 40));
        assert_eq!(assembler.body(Bytes::from_static(b"12345")), Ok(None));
        assert_eq!(assembler.body(Bytes::from_static(b"678901")), Ok(None));
        assembler.begin(publish()).unwrap();
        assert_eq!(assembler.header(&header(10)), Ok(None), "what fits is taken again");
    }

    #[test]
    fn a_peer_may_give_a_refused_message_up() {
        let mut assembler = Assembler::new(10);
        assembler.begin(publish()).unwrap();
        assembler.header(&header(11)).unwrap_err();
        assembler.body(Bytes::from_static(b"12345")).unwrap();
        let close_ok = Method::from(channel::CloseOk {});
        assert_eq!(assembler.begin(close_ok.clone()), Ok(Some(close_ok)));
        assert!(assembler.body(Bytes::from_static(b"6")).is_err());
    }

    #[test]
    fn nobody_can_announce_more_than_the_hard_limit() {
        let mut assembler = Assembler::new(u64::MAX);
        assembler.begin(publish()).unwrap();
        assert_eq!(assembler.header(&header(BODY_SIZE_MAX)), Ok(None));
        let mut assembler = Assembler::new(u64::MAX);
        assembler.begin(publish()).unwrap();
        let error = assembler.header(&header(BODY_SIZE_MAX + 1)).unwrap_err();
        assert_eq!((error.reply_code(), error.reach()), (ReplyCode::FrameError, Reach::Connection));
    }

    #[test]
    fn a_bad_header_names_the_method_it_belongs_to() {
        let mut assembler = Assembler::new(MAX);
        assembler.begin(publish()).unwrap();
        let error = assembler.header(&Bytes::from_static(b"\0\x32\0\0")).unwrap_err();
        assert_eq!(error.fault(), &Fault::HeaderClass { expected: 60, found: 50 });
        assert_eq!(error.method_id(), 40);
    }
}
