//! What deliveries begin with. It is encoded once for a label that several have, unless a message
//! has something else to be told: that it came before, or its number in a stream.

use std::sync::Arc;

use broker::{Body, Entry, Message, Queue};
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

/// Where those are made that nobody keeps.
#[derive(Debug, Default)]
pub(super) struct Heads {
    head: BytesMut,
    /// Of a message that came by the other protocol.
    body: Body,
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
        self.head.clear();
        if message.encoding != ENCODING {
            self.body = convert::converted(message, told, entry, &mut self.head);
            return Parts { head: &self.head, body: &self.body };
        }
        // A stream tells each message's number.
        let is_plain = told == Told::Nothing && !entry.is_redelivered() && entry.returns() == 0;
        // A label that somebody else has, too, comes again: with the next message, to another
        // consumer, or by a publisher who remembers it.
        if is_plain && Arc::strong_count(&message.label) > 1 {
            let head = message.label.made.get_or_make(|| {
                convert::head(message, told, entry, &mut self.head);
                Bytes::copy_from_slice(&self.head)
            });
            return Parts { head, body: &message.body };
        }
        convert::head(message, told, entry, &mut self.head);
        Parts { head: &self.head, body: &message.body }
    }

    /// Nothing of a message is kept that is gone.
    pub(super) fn let_go(&mut self) {
        self.body = Body::new();
    }
}
