//! What deliveries begin with, encoded once for all messages of one label that have the same to be
//! told.

use std::sync::Arc;

use broker::{Body, Entry, Label, Message, Queue};
use bytes::{Bytes, BytesMut};

use super::{ENCODING, convert};
use crate::amqp091::Told;

/// A message for a consumer of AMQP 1.0, where it lies.
pub(super) struct Parts<'a> {
    /// What it begins with.
    pub(super) head: &'a [u8],
    /// The rest, as slices.
    pub(super) body: &'a [Bytes],
}

/// The last one that was made.
#[derive(Debug, Default)]
pub(super) struct Heads {
    of: Option<Same>,
    head: BytesMut,
    /// Of a message that came by the other protocol.
    body: Body,
}

/// What a head depends on.
#[derive(Debug)]
struct Same {
    label: Arc<Label>,
    is_redelivered: bool,
    returns: u16,
}

impl Same {
    fn is(&self, message: &Message, entry: &Entry) -> bool {
        Arc::ptr_eq(&self.label, &message.label)
            && self.is_redelivered == entry.is_redelivered()
            && self.returns == entry.returns()
    }
}

impl Heads {
    /// The message of a queue's entry.
    pub(super) fn parts<'a>(
        &'a mut self,
        message: &'a Message,
        queue: &Queue,
        entry: &Entry,
    ) -> Parts<'a> {
        let told = Told::of(queue, entry);
        if message.encoding != ENCODING {
            self.of = None;
            self.head.clear();
            self.body = convert::converted(message, told, entry, &mut self.head);
            return Parts { head: &self.head, body: &self.body };
        }
        // A stream tells each message's number.
        let is_plain = told == Told::Nothing;
        // A label that somebody else has, too, comes again: to other consumers, or by a publisher
        // who remembers it.
        let is_fresh = is_plain && !entry.is_redelivered() && entry.returns() == 0;
        if is_fresh && Arc::strong_count(&message.label) > 1 {
            let head = message.label.made.get_or_make(|| {
                self.of = None;
                self.head.clear();
                convert::head(message, told, entry, &mut self.head);
                Bytes::copy_from_slice(&self.head)
            });
            return Parts { head, body: &message.body };
        }
        if !(is_plain && self.of.as_ref().is_some_and(|it| it.is(message, entry))) {
            self.head.clear();
            convert::head(message, told, entry, &mut self.head);
            self.of = is_plain.then(|| Same {
                label: message.label.clone(),
                is_redelivered: entry.is_redelivered(),
                returns: entry.returns(),
            });
        }
        Parts { head: &self.head, body: &message.body }
    }

    /// Nothing of a message is kept that is gone.
    pub(super) fn let_go(&mut self) {
        self.of = None;
        self.body = Body::new();
    }
}
