//! Messages that lie whole in the read buffer, taken without decoding: what they mean is known when
//! their like came before, by the link and all octets before the body.

use std::{sync::Arc, time::Duration};

use amqp10::{endpoint::WholeDelivery, section::plain_body};
use broker::{Body, Label, Message, Publish, Routes, Timestamp};
use bytes::{Buf as _, BytesMut};

use super::connection::Connection;
use crate::publish_cache::{PublishCache, Said, Unknown, Version};

/// What this connection's messages meant before, and what the one at hand is to be remembered by.
#[derive(Debug, Default)]
pub(super) struct KnownPublishes {
    cache: PublishCache,
    unknown: Option<Unknown>,
}

/// What a message means, and where in the read buffer its body begins.
type Known = (Arc<Label>, Routes, usize);

impl KnownPublishes {
    /// Another read begins.
    pub(super) fn next_read(&mut self) {
        self.cache.next_read();
    }

    /// The message at hand was decoded, and is this.
    pub(super) fn learn(&mut self, publish: &Publish) {
        if let Some(unknown) = self.unknown.take() {
            self.cache.learn(unknown, &publish.message.label, &publish.routes, false);
        }
    }

    /// The message at hand is not to be remembered: it depends on more than its octets.
    pub(super) fn pass_over(&mut self) {
        self.unknown = None;
    }

    fn find(
        &mut self,
        of: Version,
        whole: &WholeDelivery,
        inbox: &[u8],
    ) -> Result<Known, Option<Unknown>> {
        let payload = inbox.get(whole.payload.clone()).unwrap_or_default();
        let body_at = plain_body(payload).ok_or(None)?;
        // Where the link leads stands in no message: its own number stands for it.
        let target = &whole.link.serial().to_be_bytes();
        let properties = payload.get(..body_at).unwrap_or_default();
        let (label, routes, _) = self.cache.find(of, Said { target, properties })?;
        Ok((label, routes, whole.payload.start + body_at))
    }
}

impl Connection {
    /// Publishes what stands at the front of the buffer, if it is a whole message: at once when its
    /// like came before. `false`: what is there is to be decoded.
    pub(super) fn publish_whole(&mut self, inbox: &mut BytesMut, now: Duration) -> bool {
        let whole = self.protocol.receive_whole(inbox, now, self.out.tail());
        let Some(whole) = whole else { return false };
        self.note_publish(whole.payload.len());
        let of =
            Version { topology: self.publisher.version(), permissions: self.access.generation() };
        // Who settles last may have sent it before: then its name says so.
        let known = match self.remembers {
            true => Err(None),
            false => self.known.find(of, &whole, inbox),
        };
        let mut frame = inbox.split_to(whole.payload.end).freeze();
        let (label, routes, body_at) = match known {
            Ok(known) => known,
            Err(unknown) => {
                self.known.unknown = unknown;
                self.on_delivery(whole.into_delivery(&frame));
                self.known.unknown = None;
                return true;
            }
        };
        frame.advance(body_at);
        let body = Body::from_buf([frame]);
        let (published_at, publisher) = (Timestamp::default(), Some(self.id));
        let message = Message { label, published_at, publisher, body, rest: None };
        let WholeDelivery { link, id, settled, credit, .. } = whole;
        self.take(link, id, settled, Publish { message, routes });
        self.top_up(link, credit);
        true
    }
}
