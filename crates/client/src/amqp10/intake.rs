//! Links that bring messages: attached when their queue is there, given credit as messages are
//! settled.

use std::collections::HashMap;

use ::amqp10::{
    definition::{DeliveryNumber, Role},
    endpoint::{Connection, Intake as Kind, LinkId, SessionId},
    messaging::{Accepted, DeliveryState, Rejected, Released, Source, Target},
    performative::Attach,
};
use bytes::BytesMut;
use event::{Pattern, Topic};

use super::{Dialect, dialect::queue_address};
use crate::{
    Inbox, Queue, Subscription,
    consumption::name,
    conversation::{Refusal, Verdict},
};

/// What a subscriber has: one link to a queue, or one for each pattern.
pub(super) struct Intake {
    /// For messages: `queue 'NAME'`.
    pub(super) queue: String,
    /// The name of a queue that is declared and bound.
    pub(super) managed: Option<String>,
    patterns: Vec<Pattern>,
    is_temporary: bool,
    prefetch: u32,
    links: Vec<Link>,
    /// Which link each message that is not settled came by.
    unsettled: HashMap<u32, usize>,
}

struct Link {
    id: LinkId,
    is_attached: bool,
    unsettled: u32,
}

impl Intake {
    pub(super) fn new(subscription: &Subscription, dialect: Dialect) -> Intake {
        let (managed, is_temporary) = match &subscription.queue {
            Queue::Durable(name) | Queue::Inbox(Inbox { name, .. }) => (name.clone(), false),
            Queue::Temporary => (format!("tubepost-{}", uuid::Uuid::new_v4()), true),
        };
        let managed = dialect.is_managed().then_some(managed);
        let queue = match &managed {
            Some(name) => format!("queue '{name}'"),
            None => name(&subscription.queue),
        };
        let (links, unsettled) = Default::default();
        Intake {
            queue,
            managed,
            patterns: subscription.patterns.clone(),
            is_temporary,
            prefetch: subscription.prefetch.max(1).into(),
            links,
            unsettled,
        }
    }

    pub(super) fn is_temporary(&self) -> bool {
        self.is_temporary
    }

    /// None means all.
    pub(super) fn patterns(&self) -> Vec<&str> {
        match self.patterns.is_empty() {
            true => vec!["#"],
            false => self.patterns.iter().map(Pattern::as_str).collect(),
        }
    }

    /// Attaches what is to be attached.
    ///
    /// # Errors
    /// The broker has no such thing.
    pub(super) fn attach(
        &mut self,
        durable: &Queue,
        dialect: Dialect,
        session: SessionId,
        engine: &mut Connection,
        out: &mut BytesMut,
    ) -> Result<(), Refusal> {
        let mut sources: Vec<(String, Source)> = Vec::new();
        match (&self.managed, durable) {
            (Some(name), _) => {
                let address = Some(queue_address(name).into());
                sources.push((name.clone(), Source { address, ..Source::default() }));
            }
            (None, Queue::Inbox(_)) => {
                let text = "this bus declares no queues by AMQP 1.0; use amqp:// or amqps://";
                let what = Some(self.queue.clone());
                return Err(Refusal { what, code: 540, text: text.to_owned() });
            }
            (None, queue) => {
                for (n, pattern) in self.patterns().into_iter().enumerate() {
                    let (link, is_durable) = match queue {
                        Queue::Durable(name) => (format!("{name}.{n}"), true),
                        Queue::Temporary | Queue::Inbox(_) => {
                            (format!("tubepost-{}", uuid::Uuid::new_v4()), false)
                        }
                    };
                    let what = Some(self.queue.clone());
                    let source = dialect
                        .pattern_source(pattern, is_durable)
                        .map_err(|text| Refusal { what, code: 540, text })?;
                    sources.push((link, source));
                }
            }
        }
        for (name, source) in sources {
            let attach = Attach {
                name: name.into(),
                role: Role::Receiver,
                source: Some(source),
                target: Some(Target::default().into()),
                ..Attach::default()
            };
            let Some(id) = engine.attach(session, attach, Kind::default(), out) else {
                let text = "more links than the bus takes".to_owned();
                return Err(Refusal { what: Some(self.queue.clone()), code: 506, text });
            };
            self.links.push(Link { id, is_attached: false, unsettled: 0 });
        }
        Ok(())
    }

    /// A link is attached; whether all are.
    pub(super) fn on_attached(
        &mut self,
        link: LinkId,
        engine: &mut Connection,
        out: &mut BytesMut,
    ) -> bool {
        for it in self.links.iter_mut().filter(|it| it.id == link) {
            it.is_attached = true;
            engine.grant(link, self.prefetch, false, out);
        }
        self.links.iter().all(|it| it.is_attached)
    }

    /// A message came; whether it is for the subscriber: one that several patterns match comes by
    /// each of their links, and counts by the first.
    pub(super) fn on_delivery(&mut self, link: LinkId, id: DeliveryNumber, topic: &str) -> bool {
        let Some(place) = self.links.iter().position(|it| it.id == link) else { return false };
        if let Some(it) = self.links.get_mut(place) {
            it.unsettled += 1;
        }
        self.unsettled.insert(id.0, place);
        let before = self.patterns.get(..place).unwrap_or_default();
        let topic: Option<Topic> = if before.is_empty() { None } else { topic.parse().ok() };
        topic.is_none_or(|topic| !before.iter().any(|pattern| pattern.matches(&topic)))
    }

    pub(super) fn settle(
        &mut self,
        number: u64,
        verdict: Verdict,
        engine: &mut Connection,
        out: &mut BytesMut,
    ) {
        let Some(id) = u32::try_from(number).ok() else { return };
        let place = self.unsettled.remove(&id);
        let Some(link) = place.and_then(|place| self.links.get_mut(place)) else { return };
        let state: DeliveryState = match verdict {
            Verdict::Ack => Accepted {}.into(),
            Verdict::Requeue => Released {}.into(),
            Verdict::Reject => Rejected::default().into(),
        };
        let session = link.id.session();
        engine.settle(session, Role::Receiver, DeliveryNumber(id), Some(state), out);
        link.unsettled = link.unsettled.saturating_sub(1);
        // Not for every message a flow of its own.
        if engine.credit(link.id) + link.unsettled <= self.prefetch / 2 {
            engine.grant(link.id, self.prefetch - link.unsettled, false, out);
        }
    }
}
