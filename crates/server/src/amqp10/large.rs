//! Large messages: what comes is written to disk part by part, what goes out is read from there,
//! and neither is ever in memory as a whole.

use amqp10::{
    ErrorCondition,
    definition::{AmqpError, DeliveryNumber},
    endpoint::{Delivery, LinkId, Streaming},
    section::{Pieces, body_offset},
};
use broker::{Attachment, AttachmentReader, AttachmentWriter, Body, Message};
use bytes::Bytes;

use super::{
    connection::{Connection, Link},
    consume::set_aside,
    node::To,
    refusal,
};
use crate::blocking;

/// A large message that is on its way in.
pub(super) struct Arriving {
    id: DeliveryNumber,
    /// What stands before its body.
    head: Pieces,
    /// Where its body goes; or why it is not taken.
    body: Result<AttachmentWriter, AmqpError>,
}

/// A large message that is on its way out.
pub(super) struct Feeding {
    link: LinkId,
    id: DeliveryNumber,
    rest: AttachmentReader,
}

impl Feeding {
    /// Of a message whose beginning went out under that number.
    pub(super) fn new(link: LinkId, id: DeliveryNumber, rest: AttachmentReader) -> Feeding {
        Feeding { link, id, rest }
    }
}

impl Connection {
    /// Which messages are taken part by part on a link that publishes there.
    pub(super) fn streaming(&self, to: &To) -> Streaming {
        match to {
            To::Queue(_) | To::Exchange { .. } | To::Anonymous if self.broker.has_disk() => {
                Streaming::Above(LARGE_BYTES)
            }
            _ => Streaming::Never,
        }
    }

    /// The beginning of a large message: all that stands before its body, and some of that.
    pub(super) fn begin_large(&mut self, delivery: Delivery) {
        let (link, id) = (delivery.link, delivery.id);
        let Some(Link::Inlet(inlet)) = self.links.get(&link) else { return };
        let to = inlet.to.clone();
        let (head, parts) = parted(delivery.payload);
        // Before anything is written: whether its publisher may, and whether it can be read. Where
        // an anonymous one leads is asked at its end, once, for it may be a request.
        let is_coming = |it: &&Link| matches!(it, Link::Inlet(it) if it.arriving.is_some());
        let refused = match to {
            _ if self.links.values().filter(is_coming).count() >= FILES_MAX => {
                let text = format!("more than {FILES_MAX} large messages at one time");
                Some(refusal::error(ErrorCondition::ResourceLimitExceeded, text))
            }
            To::Anonymous => None,
            _ => self.published(&to, whole(&head)).err(),
        };
        let body = match refused {
            Some(refused) => Err(refused),
            None => self.broker.attach().map_err(|error| refusal::of(&error)),
        };
        let mut arriving = Box::new(Arriving { id, head, body });
        parts.into_iter().for_each(|part| arriving.add(&part));
        if let Some(Link::Inlet(inlet)) = self.links.get_mut(&link) {
            inlet.arriving = Some(arriving);
        }
    }

    /// More of a large message.
    pub(super) fn on_part(&mut self, link: LinkId, part: &Bytes, more: bool, settled: bool) {
        let Some(Link::Inlet(inlet)) = self.links.get_mut(&link) else { return };
        let Some(arriving) = &mut inlet.arriving else { return };
        arriving.add(part);
        if more {
            return;
        }
        let Some(arriving) = inlet.arriving.take() else { return };
        let to = inlet.to.clone();
        let Arriving { id, head, body } = *arriving;
        let finish = |body: AttachmentWriter| {
            blocking(|| body.finish()).map_err(|error| refusal::of(&error.into()))
        };
        match body.and_then(finish).and_then(|rest| Ok((rest, self.published(&to, whole(&head))?)))
        {
            Ok((rest, mut publish)) => {
                publish.message.body = Body::new();
                publish.message.rest = Some(rest.into());
                self.take(link, id, settled, publish);
            }
            Err(refused) => self.refuse_message(link, id, settled, refused),
        }
        if matches!(self.links.get(&link), Some(Link::Inlet(_))) {
            self.top_up(link, self.protocol.credit(link));
        }
    }

    /// Its sender has given it up.
    pub(super) fn on_aborted(&mut self, link: LinkId) {
        if let Some(Link::Inlet(inlet)) = self.links.get_mut(&link) {
            inlet.arriving = None;
        }
    }

    /// Whether as many large messages go out as may at one time.
    pub(super) fn feeds_enough(&self) -> bool {
        self.feeding.len() >= FILES_MAX
    }

    /// Goes on with large messages, each by at most so many pieces, and as far as window and write
    /// buffer go.
    pub(super) fn feed(&mut self, pieces: usize) {
        if self.feeding.is_empty() {
            return;
        }
        let mut feeding = std::mem::take(&mut self.feeding);
        feeding.retain_mut(|it| self.feed_one(it, pieces));
        self.feeding.append(&mut feeding);
    }

    /// Whether there is more of it.
    fn feed_one(&mut self, feeding: &mut Feeding, pieces: usize) -> bool {
        let Feeding { link, id, rest } = feeding;
        for _ in 0..pieces {
            if self.out.is_full() || !self.protocol.is_hungry(*link) {
                break;
            }
            match rest.next(FEED_BYTES) {
                Ok(octets) => {
                    if !self.protocol.feed(*link, octets, &mut self.out) {
                        return false;
                    }
                }
                Err(error) => {
                    self.give_up_sending(*link, *id, &error.into());
                    return false;
                }
            }
        }
        rest.left() > 0 && self.links.contains_key(link)
    }

    /// What is left of it cannot be read: nobody is to take its beginning for all of it.
    fn give_up_sending(&mut self, link: LinkId, id: DeliveryNumber, error: &broker::Error) {
        if !self.protocol.abort(link, self.out.tail()) {
            let text = format!("a message cannot be read to its end: {error}");
            return self.refuse_link(link, refusal::error(ErrorCondition::InternalError, text));
        }
        let Some(session) = self.sessions.get_mut(&link.session()) else { return };
        let at = session.unacked.iter().position(|it| it.tag == u64::from(id.0));
        if let Some(unacked) = at.and_then(|at| session.unacked.remove(at)) {
            let holder = &unacked.holder;
            set_aside(holder.queue(), unacked.entry, holder.consumer(), error);
        }
    }
}

impl Arriving {
    fn add(&mut self, part: &[u8]) {
        let Ok(writer) = &mut self.body else { return };
        let written = writer.write(part).and_then(|()| match writer.unsynced() {
            ..SYNC_BYTES => Ok(()),
            // Bit by bit, or the end would have to wait for all of it.
            _ => blocking(|| writer.sync()),
        });
        if let Err(error) = written {
            self.body = Err(refusal::of(&error.into()));
        }
    }
}

/// What of a message is to be read from disk while it goes out.
///
/// # Errors
/// It is not there, or damaged.
pub(super) fn rest_of(message: &Message) -> Result<Option<AttachmentReader>, broker::Error> {
    let rest = message.rest.as_deref().map(Attachment::read);
    Ok(rest.transpose()?)
}

/// How many octets that is.
pub(super) fn left(rest: Option<&AttachmentReader>) -> u64 {
    rest.map_or(0, AttachmentReader::left)
}

/// A message's sections before its body as a message of their own.
fn whole(head: &Pieces) -> Pieces {
    head.iter().cloned().chain([EMPTY_BODY]).collect()
}

/// What stands before the body, and what is there of that.
fn parted(payload: Pieces) -> (Pieces, Pieces) {
    let mut left = body_offset(&payload).unwrap_or_default();
    let (mut head, mut body) = (Pieces::new(), Pieces::new());
    for mut piece in payload {
        let of_head = piece.split_to(left.min(piece.len()));
        left -= of_head.len();
        // In memory of its own: a slice would keep a read buffer.
        head.extend((!of_head.is_empty()).then(|| Bytes::copy_from_slice(&of_head)));
        body.extend((!piece.is_empty()).then_some(piece));
    }
    (head, body)
}

/// One data section with nothing in it, for whoever reads only what stands before the body.
pub(super) const EMPTY_BODY: Bytes = Bytes::from_static(&[0x00, 0x53, 0x75, 0xa0, 0x00]);

/// A message of more octets goes to disk as it comes. What is smaller is written with others in one
/// go; of this on, the file of its own that it gets costs little beside the octets.
const LARGE_BYTES: u64 = 4 << 20;

/// Octets that are written before the disk has to have them.
const SYNC_BYTES: u64 = 8 << 20;

/// Large messages of a connection that come, and that go, at one time: each has an open file.
const FILES_MAX: usize = 64;

/// Octets that are read at once.
const FEED_BYTES: usize = 256 << 10;
