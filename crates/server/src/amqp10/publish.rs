//! Publishing: messages that come in on links, and what their publishers are told.

use std::collections::VecDeque;

use amqp10::{
    ErrorCondition, Message as Sections, SectionKind,
    definition::{AmqpError, DeliveryNumber},
    endpoint::{Delivery, DeliveryRange, LinkId, SessionId},
    messaging::{Accepted, DeliveryState, Properties, Rejected, Released},
    section::Pieces,
};
use broker::{Body, Label, Made, Marks, Message, Position, Publish, Receipt};
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;

use super::{
    ENCODING,
    connection::{Connection, Link},
    node::{Prefers, To},
    properties::{Reader, group},
    refusal,
};

/// Whom to tell what became of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Awaited {
    session: SessionId,
    id: DeliveryNumber,
    is_unroutable: bool,
}

/// What the publishers of a session are not told yet, in the order of the messages.
#[derive(Debug, Default)]
pub(super) struct Waiting(VecDeque<(DeliveryNumber, Answer)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Accepted,
    /// When the journal has this place on disk.
    At(Position),
    /// No queue took it.
    Released,
    /// A queue was full.
    Rejected,
}

impl Answer {
    fn state(self) -> DeliveryState {
        match self {
            Answer::Accepted | Answer::At(_) => DeliveryState::Accepted(Accepted {}),
            Answer::Released => DeliveryState::Released(Released {}),
            Answer::Rejected => {
                let text = "a queue is full and refuses more (overflow: reject-publish)";
                let error = refusal::error(ErrorCondition::ResourceLimitExceeded, text);
                DeliveryState::Rejected(Rejected { error: Some(Box::new(error)) })
            }
        }
    }
}

impl Waiting {
    /// What is to become of a message whose publisher is not told yet.
    pub(super) fn state_of(&self, id: DeliveryNumber) -> Option<DeliveryState> {
        self.0.iter().find(|(it, _)| *it == id).map(|(_, answer)| answer.state())
    }

    /// What can be told next: as many as are alike, in order. To be called until there is nothing
    /// more.
    fn release(
        &mut self,
        is_durable: impl Fn(Position) -> bool,
    ) -> Option<(DeliveryRange, Answer)> {
        let mut told: Option<(DeliveryRange, Answer)> = None;
        while let Some(&(id, answer)) = self.0.front() {
            let answer = match answer {
                Answer::At(position) if is_durable(position) => Answer::Accepted,
                Answer::At(_) => break,
                known => known,
            };
            match &mut told {
                None => told = Some((id.into(), answer)),
                Some((range, of)) if *of == answer && range.last.next() == id => range.last = id,
                Some(_) => break,
            }
            self.0.pop_front();
        }
        told
    }
}

impl Connection {
    /// A complete message: finds its queues and joins the batch of this read.
    pub(super) fn on_delivery(&mut self, delivery: Delivery) {
        let link = delivery.link;
        let new = match self.remembers {
            true => self.remember(delivery),
            false => Some(delivery),
        };
        if let Some(delivery) = new {
            self.on_new_delivery(link, delivery);
        }
        if matches!(self.links.get(&link), Some(Link::Inlet(_))) {
            self.top_up(link, self.protocol.credit(link));
        }
    }

    fn on_new_delivery(&mut self, link: LinkId, delivery: Delivery) {
        let to = match self.links.get(&link) {
            Some(Link::Inlet(inlet)) => inlet.to.clone(),
            Some(Link::Coordinator) => return self.on_request(delivery),
            Some(Link::Paired(_)) => return self.on_paired_request(delivery),
            _ => return,
        };
        let (id, settled) = (delivery.id, delivery.settled);
        let published = self.published(&to, delivery.payload);
        match (published, delivery.state.as_deref()) {
            (published, Some(DeliveryState::TransactionalState(of))) => {
                if let Ok(publish) = &published {
                    self.count_publish(link.session(), publish.routes.is_empty());
                }
                self.post(link, (!settled).then_some(id), of, published);
            }
            (Ok(publish), _) => {
                self.known.learn(&publish);
                self.take(link, id, settled, publish);
            }
            (Err(refused), _) => self.refuse_message(link, id, settled, refused),
        }
    }

    /// A message that is to be published.
    pub(super) fn take(
        &mut self,
        link: LinkId,
        id: DeliveryNumber,
        settled: bool,
        publish: Publish,
    ) {
        let session = link.session();
        let is_unroutable = publish.routes.is_empty();
        self.count_publish(session, is_unroutable);
        self.awaited.push((!settled).then_some(Awaited { session, id, is_unroutable }));
        self.batch.push(publish);
    }

    /// Lets a publisher send more when it has used up half of what it may.
    pub(super) fn top_up(&mut self, link: LinkId, left: u32) {
        if self.credit.is_low(left) {
            self.protocol.grant(link, self.credit.next(), false, self.out.tail());
        }
    }

    fn count_publish(&self, session: SessionId, is_unroutable: bool) {
        if let Some(session) = self.sessions.get(&session) {
            session.seen.counts.publish.add(1);
            if is_unroutable {
                session.seen.counts.return_unroutable.add(1);
            }
        }
    }

    /// RabbitMQ: who may not publish loses the session, whose message cannot be read the link; of
    /// an anonymous link a message that leads nowhere is rejected, if there is somebody to tell.
    pub(super) fn refuse_message(
        &mut self,
        link: LinkId,
        id: DeliveryNumber,
        settled: bool,
        refused: AmqpError,
    ) {
        match refused.condition {
            ErrorCondition::UnauthorizedAccess => {
                let session = link.session();
                self.flush_publishes();
                self.protocol.end(session, Some(refused), self.out.tail());
                self.end_session(session);
            }
            ErrorCondition::NotFound | ErrorCondition::InvalidField if !settled => {
                // In order: behind what was published before it.
                self.flush_publishes();
                let state = DeliveryState::Rejected(Rejected { error: Some(Box::new(refused)) });
                self.settle_received(link.session(), id.into(), state);
            }
            _ => {
                self.flush_publishes();
                self.refuse_link(link, refused);
            }
        }
    }

    /// The message, and where it goes.
    pub(super) fn published(&mut self, to: &To, pieces: Pieces) -> Result<Publish, AmqpError> {
        let sections = Sections::parse(pieces).map_err(|error| error.to_amqp())?;
        let header = sections.header().map_err(|error| error.to_amqp())?;
        let properties = sections.properties().map_err(|error| error.to_amqp())?;
        let (exchange, routing_key) = match to {
            To::Queue(queue) => (ByteString::new(), queue.clone()),
            To::Exchange { exchange, key: Some(key) } => (exchange.clone(), key.clone()),
            To::Exchange { exchange, key: None } => {
                let subject = properties.as_ref().and_then(|it| it.subject.as_deref());
                (exchange.clone(), ByteString::from(subject.unwrap_or_default()))
            }
            To::Management => return self.managed(&sections, &properties.unwrap_or_default()),
            To::Anonymous => {
                let Some(to) = properties.as_ref().and_then(|it| it.to.as_deref()) else {
                    let text = "a message on an anonymous link has to say where it goes, in 'to'";
                    return Err(refusal::error(ErrorCondition::InvalidField, text));
                };
                match self.target(Some(to), Prefers::Nothing)? {
                    To::Queue(queue) => (ByteString::new(), queue),
                    To::Exchange { exchange, key } => {
                        let subject = properties.as_ref().and_then(|it| it.subject.as_deref());
                        let by_subject = || ByteString::from(subject.unwrap_or_default());
                        (exchange, key.unwrap_or_else(by_subject))
                    }
                    To::Anonymous => return Err(refusal::error(ErrorCondition::NotFound, to)),
                    To::Management => {
                        return self.managed(&sections, &properties.unwrap_or_default());
                    }
                }
            }
        };
        let refused = |error: broker::Error| refusal::of(&error);
        self.access.publish_to(&exchange).map_err(refused)?;
        if routing_key.len() > KEY_BYTES_MAX {
            let text = format!(
                "the subject, or the key in the address, has {} bytes; a routing key may have \
                 {KEY_BYTES_MAX}",
                routing_key.len()
            );
            return Err(refusal::error(ErrorCondition::InvalidField, text));
        }
        let reader = Reader::new(&sections);
        let routes = self.publisher.route(&exchange, &routing_key, &reader).map_err(refused)?;
        self.access.publish_with(&exchange, &routing_key).map_err(refused)?;
        if let Some(claimed) = properties.as_ref().and_then(|it| it.user_id.as_ref()) {
            self.access.publish_as(&String::from_utf8_lossy(claimed)).map_err(refused)?;
        }
        let ttl = header.ttl.map(|it| u64::from(it.0));
        let expires_at = properties.as_ref().and_then(|it| it.absolute_expiry_time);
        if expires_at.is_some() {
            // What it means next time depends on when that is.
            self.known.pass_over();
        }
        let until_then = expires_at.map(|at| {
            let now = i64::try_from(self.broker.now().0).unwrap_or(i64::MAX);
            u64::try_from(at.0.saturating_sub(now)).unwrap_or(0)
        });
        let (head, body) = parted(&sections);
        let label = Label {
            exchange,
            routing_key,
            properties: head,
            encoding: ENCODING,
            //= amqp-1.0 §3.2.1 durable-kept
            persistent: header.durable.unwrap_or(false),
            marks: Marks {
                ttl: ttl.into_iter().chain(until_then).min(),
                priority: header.priority.unwrap_or(PRIORITY),
                group: properties.as_ref().and_then(group),
                ..Marks::default()
            },
            made: Made::default(),
        };
        let message = Message { publisher: Some(self.id), ..Message::new(label, body) };
        Ok(Publish { message, routes })
    }

    /// A request to the broker itself, done, and its answer. The next one like it is done as well.
    fn managed(
        &mut self,
        request: &Sections,
        properties: &Properties,
    ) -> Result<Publish, AmqpError> {
        self.known.pass_over();
        self.answer_to(request, properties)
    }

    /// Hands the batch to the broker.
    pub(super) fn flush_publishes(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let mut receipts = Vec::with_capacity(self.batch.len());
        if let Err(error) = self.publisher.publish(&mut self.batch, &mut receipts) {
            self.awaited.clear();
            return self.close(refusal::of(&error));
        }
        let awaited = std::mem::take(&mut self.awaited);
        for (awaited, receipt) in awaited.iter().zip(receipts) {
            let Some(Awaited { session: id, id: number, is_unroutable }) = *awaited else {
                continue;
            };
            let Some(session) = self.sessions.get_mut(&id) else { continue };
            let answer = match receipt {
                _ if is_unroutable => Answer::Released,
                Receipt::Done => Answer::Accepted,
                Receipt::At(position) => Answer::At(position),
                Receipt::Refused => Answer::Rejected,
            };
            session.waiting.0.push_back((number, answer));
            if self.unconfirmed.last() != Some(&id) && !self.unconfirmed.contains(&id) {
                self.unconfirmed.push(id);
            }
        }
        // Its room is for the next batch.
        self.awaited = awaited;
        self.awaited.clear();
    }

    /// Tells publishers what is on disk, and what did not get so far; asks to be woken for what is
    /// not yet.
    pub(super) fn release_confirms(&mut self) {
        if self.unconfirmed.is_empty() {
            return;
        }
        // Ask first and look after: the mark may move in between.
        self.broker.wake_after_commit(&self.mailbox);
        let mut unconfirmed = std::mem::take(&mut self.unconfirmed);
        unconfirmed.retain(|id| {
            loop {
                let Some(session) = self.sessions.get_mut(id) else { break false };
                let publisher = &self.publisher;
                let released = session.waiting.release(|position| publisher.is_durable(position));
                let Some((range, answer)) = released else {
                    session.seen.unconfirmed.set(session.waiting.0.len() as u64);
                    break !session.waiting.0.is_empty();
                };
                if answer == Answer::Accepted {
                    session.seen.counts.confirm.add(range.len());
                }
                self.settle_received(*id, range, answer.state());
            }
        });
        self.unconfirmed = unconfirmed;
    }
}

/// What is kept of a message as its properties, and what as its body: all sections but the delivery
/// annotations, which are for the next hop only (AMQP 1.0 §3.2.2).
fn parted(sections: &Sections) -> (Bytes, Body) {
    let mut head = BytesMut::new();
    for kind in KEPT {
        if let Some(octets) = sections.octets(kind) {
            head.extend_from_slice(&octets);
        }
    }
    let mut body: Body = sections.body().collect();
    body.extend(sections.octets(SectionKind::Footer));
    (head.freeze(), body)
}

/// The sections before the body that are kept, in order.
const KEPT: [SectionKind; 4] = [
    SectionKind::Header,
    SectionKind::MessageAnnotations,
    SectionKind::Properties,
    SectionKind::ApplicationProperties,
];

/// A routing key is a short string in AMQP 0-9-1, and in the journal.
const KEY_BYTES_MAX: usize = 255;

/// AMQP 1.0 §3.2.1: the default; but RabbitMQ counts what says nothing as 0, and so do queues here.
const PRIORITY: u8 = 0;
