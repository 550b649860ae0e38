//! A message as the broker holds it: shared by every queue that took it, body and properties as
//! slices of the buffer they arrived in.

use std::{
    ops::Deref,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use bytestring::ByteString;
use smallvec::SmallVec;

use journal::Attachment;

use crate::{ConnectionId, Deaths, Error, Group, Timestamp, error::Kind};

/// The pieces of a body, in order: one slice for each frame it came in.
pub type Body = SmallVec<[Bytes; 1]>;

/// A published message: its label, and what is its own. Immutable, shared by reference count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it has in common with others of its publisher.
    pub label: Arc<Label>,
    /// When it was published. The broker sets it.
    pub published_at: Timestamp,
    /// The connection that published it, for who wants nothing of their own back. Not known of one
    /// that was read from disk.
    pub publisher: Option<ConnectionId>,
    /// The body, or its beginning.
    pub body: Body,
    /// What follows of a large one: it is on disk only.
    pub rest: Option<Arc<Attachment>>,
}

/// Everything of a message but its body. Most publishers send many messages that differ in nothing
/// else, and those of one batch share it: so what a message costs is its body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Label {
    /// The exchange it was published to; empty for the default exchange.
    pub exchange: ByteString,
    /// The key it was published with.
    pub routing_key: ByteString,
    /// The properties as the publisher's protocol encoded them, verbatim.
    pub properties: Bytes,
    /// Which protocol's encoding properties and body are in.
    pub encoding: Encoding,
    /// The publisher asked for it to survive a restart.
    pub persistent: bool,
    /// What the broker itself has to know of it.
    pub marks: Marks,
    /// What a protocol made of it.
    pub made: Made,
}

/// What a protocol made of a label to send it to consumers, once for all of them. No part of what
/// the label says: a copy, which may be changed before it is used, has nothing.
#[derive(Debug, Default)]
pub struct Made(OnceLock<Bytes>);

impl Made {
    /// What was made, by `make` if nothing was. Only one protocol makes something of a label: that
    /// of its encoding.
    ///
    /// ```
    /// let label = broker::Label::default();
    /// assert_eq!(label.made.get_or_make(|| "once".into()), "once");
    /// assert_eq!(label.made.get_or_make(|| "again".into()), "once");
    /// let changed = broker::Label { persistent: true, ..label.clone() };
    /// assert_eq!(changed.made.get_or_make(|| "anew".into()), "anew");
    /// ```
    pub fn get_or_make(&self, make: impl FnOnce() -> Bytes) -> &Bytes {
        self.0.get_or_init(make)
    }
}

impl Clone for Made {
    fn clone(&self) -> Made {
        Made::default()
    }
}

impl PartialEq for Made {
    fn eq(&self, _: &Made) -> bool {
        true
    }
}

impl Eq for Made {}

/// A protocol's encoding, by a number that those who read and write it agree upon; it is in the
/// journal. 0 is AMQP 0-9-1's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Encoding(pub u8);

/// What the broker has to know of a message, whatever the protocol calls it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Marks {
    /// Milliseconds until it expires, as its publisher asked for.
    pub ttl: Option<u64>,
    /// For queues with priorities: the higher the sooner.
    pub priority: u8,
    /// How often and why it was dead-lettered, if ever.
    pub deaths: Option<Arc<Deaths>>,
    /// Further routing keys that nobody who receives it is to see; its dead letters go by them as
    /// well (RabbitMQ: the header `BCC`). Few messages have any: for the others it is a pointer.
    pub bcc: Option<Arc<Vec<ByteString>>>,
    /// Which group it belongs to, if to any: queues give a group to one consumer.
    pub group: Option<Group>,
}

/// What its label says, a message says.
impl Deref for Message {
    type Target = Label;

    fn deref(&self) -> &Label {
        &self.label
    }
}

impl Message {
    /// A message with a label of its own, that is not published yet.
    pub fn new(label: Label, body: Body) -> Message {
        let (label, published_at) = (Arc::new(label), Timestamp::default());
        Message { label, published_at, publisher: None, body, rest: None }
    }

    /// Bytes of the body.
    pub fn body_len(&self) -> usize {
        let rest = self.rest.as_ref().map_or(0, |rest| rest.bytes());
        self.body_len_in_memory() + usize::try_from(rest).unwrap_or(usize::MAX)
    }

    fn body_len_in_memory(&self) -> usize {
        self.body.iter().map(Bytes::len).sum()
    }

    /// The same with all of its body in memory: for who has to see it in one piece.
    ///
    /// # Errors
    /// It has more than `max` bytes; what is on disk cannot be read.
    pub fn loaded(&self, max: usize) -> Result<Message, Error> {
        let mut message = self.clone();
        let Some(rest) = message.rest.take() else { return Ok(message) };
        let bytes = self.body_len();
        if bytes > max {
            let text =
                format!("a message of {bytes} bytes, more than the {max} that are held whole");
            return Err(Error::new(Kind::ResourceError, text));
        }
        let mut reader = rest.read()?;
        while reader.left() > 0 {
            message.body.push(reader.next(READ_BYTES)?);
        }
        Ok(message)
    }

    /// Bytes this message holds in memory, roughly: what the memory budget counts.
    pub(crate) fn footprint(&self) -> usize {
        let bcc = self.marks.bcc.iter().flat_map(|keys| keys.iter().map(|key| key.len()));
        let bytes = self.body_len_in_memory() + self.properties.len() + self.routing_key.len();
        bytes + bcc.sum::<usize>() + OVERHEAD_BYTES
    }
}

/// Bytes of a large body that are read at once.
const READ_BYTES: usize = 1 << 20;

/// The structs and reference counts around a message.
const OVERHEAD_BYTES: usize = 240;
