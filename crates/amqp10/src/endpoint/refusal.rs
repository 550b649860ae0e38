//! What the peer did wrong, what it ends, and what the peer is told.

use crate::{
    ChannelId, Encode as _, ErrorCondition, FrameBody,
    definition::{AmqpError, Handle},
    encode_frame,
    performative::{Attach, Close, Detach, End},
};
use bytes::BytesMut;

/// What an error ends: the most that it may concern, and no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Connection,
    Session,
    /// By this side's handle.
    Link(u32),
}

#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) scope: Scope,
    pub(super) error: Box<AmqpError>,
}

impl Refusal {
    #[cold]
    pub(super) fn new(scope: Scope, condition: ErrorCondition, words: impl Into<String>) -> Self {
        Self { scope, error: error(condition, words) }
    }

    #[cold]
    pub(super) fn session(condition: ErrorCondition, words: impl Into<String>) -> Self {
        Self::new(Scope::Session, condition, words)
    }

    #[cold]
    pub(super) fn connection(condition: ErrorCondition, words: impl Into<String>) -> Self {
        Self::new(Scope::Connection, condition, words)
    }
}

pub(super) fn error(condition: ErrorCondition, words: impl Into<String>) -> Box<AmqpError> {
    //= amqp-1.0 §2.7.1 english
    Box::new(AmqpError { condition, description: Some(words.into().into()), info: None })
}

/// Writes a frame if it is not larger than the peer takes.
pub(super) fn put(
    channel: u16,
    performative: &impl FrameBody,
    max_frame_size: u32,
    out: &mut BytesMut,
) -> bool {
    let start = out.len();
    let size = encode_frame(ChannelId(channel), performative, out);
    //= amqp-1.0 §2.7.1 frame-size-kept
    let fits = size <= max_frame_size as usize;
    if !fits {
        out.truncate(start);
    }
    fits
}

/// An error that is said in so many octets, its condition in any case.
fn shortened(error: &Option<Box<AmqpError>>, octets_max: u32) -> Option<Box<AmqpError>> {
    let error = error.as_ref()?;
    let mut octets = BytesMut::new();
    error.encode(&mut octets);
    if octets.len() + ERROR_FRAME_REST <= octets_max as usize {
        return Some(error.clone());
    }
    //= amqp-1.0 §2.8.15
    // amqp:frame-size-too-small: the peer cannot send a frame because the smallest encoding of the
    // performative with the currently valid values would be too large to fit.
    let condition = match error.condition.as_str().len() {
        0..=CONDITION_OCTETS_MAX => error.condition.clone(),
        _ => ErrorCondition::FrameSizeTooSmall,
    };
    Some(Box::new(AmqpError { condition, description: None, info: None }))
}

pub(super) fn put_detach(
    channel: u16,
    handle: u32,
    closed: bool,
    error: &Option<Box<AmqpError>>,
    max_frame_size: u32,
    out: &mut BytesMut,
) {
    let error = shortened(error, max_frame_size);
    let detach = Detach { handle: Handle(handle), closed, error };
    encode_frame(ChannelId(channel), &detach, out);
}

pub(super) fn put_end(
    channel: u16,
    error: &Option<Box<AmqpError>>,
    max_frame_size: u32,
    out: &mut BytesMut,
) {
    let end = End { error: shortened(error, max_frame_size) };
    encode_frame(ChannelId(channel), &end, out);
}

pub(super) fn put_close(error: &Option<Box<AmqpError>>, max_frame_size: u32, out: &mut BytesMut) {
    //= amqp-1.0 §2.4.3 close-on-zero
    let close = Close { error: shortened(error, max_frame_size) };
    encode_frame(ChannelId(0), &close, out);
}

/// Answers an attach that is refused: a detach follows. Source and target are both none: there are
/// clients that look for either, and some for both (go-amqp).
pub(super) fn put_refusing_attach(channel: u16, attach: Attach, out: &mut BytesMut) {
    //= amqp-1.0 §2.6.3 refusal-detaches
    // If the application chooses not to create a terminus, the session endpoint will still create
    // a link endpoint and issue an attach indicating that the link endpoint has no associated local
    // terminus. In this case, the session endpoint MUST immediately detach the newly created link
    // endpoint.
    encode_frame(ChannelId(channel), &Attach { source: None, target: None, ..attach }, out);
}

/// Frame header, performative and handle: what stands around an error.
const ERROR_FRAME_REST: usize = 40;
const CONDITION_OCTETS_MAX: usize = 255;
