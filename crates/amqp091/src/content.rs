//! A channel's frames become methods and whole messages: method with content → header → bodies (AMQP 0-9-1 §4.2.6). One state
//! machine for each channel; it holds at most one message.
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
    error::Fault,
    frame::FrameKind,
    limits::{BODY_SIZE_MAX, BODY_SLICE_MIN},
};

/// A body in the slices it was received in; most have one.
pub type Body = SmallVec<[Bytes; 1]>;

/// A method with its whole content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// `basic.publish` from a client; `basic.deliver`, `basic.get-ok` or `basic.return` from a server.
    pub method: Method,
    /// Size and properties.
    pub header: ContentHeader,
    /// As many octets as the header says.
    pub body: Body,
}

/// Puts a channel's frames together. After an error of connection reach it is back at the beginning, and of no further use.
#[derive(Debug)]
pub struct Assembler {
    state: State,
    size_max: u64,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a box would cost an allocation for each message")]
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
    /// For a channel that takes messages of up to `size_max` octets (and never more than [`BODY_SIZE_MAX`]).
    pub const fn new(size_max: u64) -> Self {
        Self { state: State::Idle, size_max }
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
    /// 505 out of turn; 501, 502 or 505 for a bad header ([`ContentHeader::decode`]); 501 for a body above 512 MiB. 406, which
    /// closes only the channel, for a body above the configured limit: its body frames may still come and are dropped.
    pub fn header(&mut self, payload: &Bytes) -> Result<Option<Content>, Error> {
        let State::Header { method } = &mut self.state else {
            return Err(self.unexpected(FrameKind::Header));
        };
        let id = method.ids();
        let header = ContentHeader::decode(payload).map_err(|error| self.fail(error, id))?;
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
                Error::from(Fault::ExpectedHeader { found }).in_method(method.ids())
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
