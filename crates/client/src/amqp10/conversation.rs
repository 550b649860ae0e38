//! A conversation by AMQP 1.0: links that publish, or links that bring messages.

use std::time::Duration;

use ::amqp10::{
    ErrorCondition, FrameDecoder, Message as Incoming,
    definition::{AmqpError, DeliveryNumber, Role},
    endpoint::{
        Connection, Delivery, DeliveryRange, Event, LinkId, Outgoing, Sent as Went, SessionId,
    },
    messaging::DeliveryState,
};
use bytes::BytesMut;

use super::{
    Dialect,
    intake::Intake,
    management::{Management, Request},
    outlets::Outlets,
    refusal::{ending, refusal},
    sections::received,
};
use crate::{
    Queue, Subscription, Undecodable,
    conversation::{Ending, Fate, Refusal, Said, Sent, Verdict},
    limits::UNWRITTEN_BYTES_MAX,
    message::{Arrived, Head, Message},
};

/// An open connection in which nothing or one thing was begun.
pub(crate) struct Amqp10 {
    engine: Connection,
    decoder: FrameDecoder,
    dialect: Dialect,
    session: SessionId,
    management: Option<Management>,
    task: Task,
    events: Vec<Event>,
    /// The sections before a body, while they are made.
    head: BytesMut,
    /// How many publishes the sessions before the one that is open took.
    numbers_before: u64,
    /// How many this one took: its deliveries are numbered from 0.
    published: u64,
    /// How many of them have met their fate.
    settled: u64,
}

/// What is done.
enum Task {
    Nothing,
    Publishing(Outlets),
    Consuming(Box<Consuming>),
}

struct Consuming {
    queue: Queue,
    intake: Intake,
    is_ready: bool,
}

impl Amqp10 {
    pub(super) fn new(
        engine: Connection,
        decoder: FrameDecoder,
        dialect: Dialect,
        session: SessionId,
    ) -> Amqp10 {
        Amqp10 {
            engine,
            decoder,
            dialect,
            session,
            management: None,
            task: Task::Nothing,
            events: Vec::new(),
            head: BytesMut::new(),
            numbers_before: 0,
            published: 0,
            settled: 0,
        }
    }

    /// It gives no credit.
    pub(crate) fn is_blocked(&self) -> bool {
        match &self.task {
            Task::Publishing(outlets) => outlets.is_blocked(&self.engine),
            _ => false,
        }
    }

    pub(crate) fn queue(&self) -> &str {
        match &self.task {
            Task::Consuming(consuming) => &consuming.intake.queue,
            _ => "",
        }
    }

    pub(crate) fn begin_publishing(&mut self, out: &mut BytesMut, said: &mut impl Extend<Said>) {
        if matches!(self.task, Task::Publishing(_)) {
            // What was under way on the old session has its fate already, or gets none.
            self.engine.end(self.session, None, out);
            let Some(session) = self.engine.begin(out) else { return };
            self.session = session;
            self.numbers_before += std::mem::take(&mut self.published);
            self.settled = 0;
        }
        let begun = Outlets::begin(self.session, self.dialect, &mut self.engine, out);
        let Some(outlets) = begun else { return };
        if outlets.is_first(None) {
            said.extend([Said::Ready]);
        }
        self.task = Task::Publishing(outlets);
    }

    pub(crate) fn begin_consuming(
        &mut self,
        subscription: &Subscription,
        out: &mut BytesMut,
    ) -> Result<(), Refusal> {
        let mut intake = Intake::new(subscription, self.dialect);
        let queue = subscription.queue.clone();
        let requests = intake.managed.as_ref().map(|name| {
            let length_max = match &queue {
                Queue::Inbox(inbox) => Some(inbox.length_max.max(1)),
                Queue::Temporary | Queue::Durable(_) => None,
            };
            let what = &intake.queue;
            let declare = Request::declare(what, name, intake.is_temporary(), length_max);
            let mut requests = vec![declare];
            if length_max.is_some() {
                return requests;
            }
            let patterns = intake.patterns().into_iter();
            requests.extend(patterns.map(|pattern| Request::bind(&intake.queue, name, pattern)));
            requests
        });
        match requests {
            Some(requests) => self.ask(requests, out),
            None => {
                intake.attach(&queue, self.dialect, self.session, &mut self.engine, out)?;
            }
        }
        self.task = Task::Consuming(Box::new(Consuming { queue, intake, is_ready: false }));
        Ok(())
    }

    fn ask(&mut self, requests: Vec<Request>, out: &mut BytesMut) {
        if self.management.is_none() {
            self.management = Management::open(&mut self.engine, out);
        }
        if let Some(management) = &mut self.management {
            management.ask(requests, &mut self.engine, out);
        }
    }

    pub(crate) fn declare(
        &mut self,
        queue: &str,
        length_max: Option<u32>,
        out: &mut BytesMut,
        said: &mut impl Extend<Said>,
    ) {
        if self.dialect.is_managed() {
            let what = format!("queue '{queue}'");
            return self.ask(vec![Request::declare(&what, queue, false, length_max)], out);
        }
        // Its link is attached for the message itself, and says whether there is such a queue.
        said.extend([Said::Declared]);
    }

    pub(crate) fn publish(&mut self, message: &Message, out: &mut BytesMut) -> Sent {
        let (Task::Publishing(outlets), Head::Amqp10(sections)) = (&mut self.task, &message.head)
        else {
            return Sent::NotNow;
        };
        if out.len() >= UNWRITTEN_BYTES_MAX {
            return Sent::NotNow;
        }
        let is_idle = self.settled == self.published;
        let link = outlets.link(message, self.dialect, is_idle, &mut self.engine, out);
        let Some(link) = link else { return Sent::NotNow };
        self.head.clear();
        sections.encode(self.dialect.to(&message.place, &message.topic), &mut self.head);
        let outgoing = Outgoing {
            tag: self.published,
            head: &self.head,
            body: std::slice::from_ref(&message.body),
            ..Outgoing::default()
        };
        match self.engine.send(link, &outgoing, out) {
            Went::Whole(_) | Went::Partly(_) => {
                self.published += 1;
                Sent::As(self.numbers_before + self.published)
            }
            Went::TooLarge => Sent::TooLarge,
            Went::NoCredit | Went::NoWindow | Went::TooManyUnsettled | Went::NotAttached => {
                Sent::NotNow
            }
        }
    }

    pub(crate) fn settle(&mut self, number: u64, verdict: Verdict, out: &mut BytesMut) {
        if let Task::Consuming(consuming) = &mut self.task {
            consuming.intake.settle(number, verdict, &mut self.engine, out);
        }
    }

    pub(crate) fn close(&mut self, out: &mut BytesMut) {
        self.engine.close(None, out);
    }

    pub(crate) fn tick(&mut self, now: Duration, out: &mut BytesMut) -> Result<Duration, Ending> {
        if !out.is_empty() {
            self.engine.wrote(now);
        }
        let mut events = Vec::new();
        let due = self.engine.tick(now, out, &mut events);
        match events.iter().any(|event| matches!(event, Event::Closed { .. })) {
            true => Err(Ending::Lost("nothing was heard of it".to_owned())),
            false => Ok(due.unwrap_or(Duration::MAX)),
        }
    }

    pub(crate) fn receive(
        &mut self,
        inbox: &mut BytesMut,
        now: Duration,
        out: &mut BytesMut,
        said: &mut impl Extend<Said>,
    ) -> Result<(), Ending> {
        let mut events = std::mem::take(&mut self.events);
        loop {
            match self.decoder.decode(inbox) {
                Ok(Some(frame)) => self.engine.receive(frame, now, out, &mut events),
                Ok(None) => break,
                Err(error) => {
                    self.engine.fail(&error, out, &mut events);
                    return Err(Ending::Lost(format!("it said {error}")));
                }
            }
            for event in events.drain(..) {
                if let Some(one) = self.on_event(event, out)? {
                    said.extend([one]);
                }
            }
        }
        self.events = events;
        Ok(())
    }

    fn on_event(&mut self, event: Event, out: &mut BytesMut) -> Result<Option<Said>, Ending> {
        Ok(match event {
            Event::Attached { link, attach, .. } => {
                // Without its end it is refused, and a detach says why (AMQP 1.0 §2.6.3).
                let is_refused = match attach.role {
                    Role::Sender => attach.source.is_none(),
                    Role::Receiver => attach.target.is_none(),
                };
                if is_refused { None } else { self.on_attached(link, out) }
            }
            Event::Delivery(delivery) => return Ok(self.on_delivery(delivery, out)),
            Event::Disposition(told) if told.role == Role::Receiver => {
                return Ok(self.on_disposition(told, out));
            }
            Event::Flow(flow) => {
                if let Some(management) = self.management.as_mut().filter(|it| it.is_of(flow.link))
                {
                    management.go_on(&mut self.engine, out);
                }
                None
            }
            Event::Window { session } => {
                self.engine.continue_sending(session, out);
                None
            }
            Event::Detached { link, error, .. } => self.on_detached(link, error.as_deref()),
            Event::Ended { session, error, .. } => self.on_ended(session, error.as_deref()),
            Event::Closed { error, .. } => return Err(ending(error.as_deref())),
            _ => None,
        })
    }

    fn on_attached(&mut self, link: LinkId, out: &mut BytesMut) -> Option<Said> {
        if let Some(management) = self.management.as_mut().filter(|it| it.is_of(link)) {
            management.on_attached(&mut self.engine, out);
            return None;
        }
        match &mut self.task {
            Task::Publishing(outlets) => {
                outlets.on_attached(link);
                outlets.is_first(Some(link)).then_some(Said::Ready)
            }
            Task::Consuming(consuming) => {
                let is_last = consuming.intake.on_attached(link, &mut self.engine, out);
                let is_news = is_last && !std::mem::replace(&mut consuming.is_ready, is_last);
                is_news.then_some(Said::Ready)
            }
            Task::Nothing => None,
        }
    }

    fn on_delivery(&mut self, delivery: Delivery, out: &mut BytesMut) -> Option<Said> {
        if let Some(management) = self.management.as_mut().filter(|it| it.is_of(delivery.link)) {
            return match management.on_answer(delivery, &mut self.engine, out) {
                Ok(false) => None,
                Ok(true) => self.on_managed(out),
                Err(refusal) => Some(Said::Refused(refusal)),
            };
        }
        let Task::Consuming(consuming) = &mut self.task else { return None };
        let number = u64::from(delivery.id.0);
        let message = match Incoming::parse(delivery.payload) {
            Ok(message) => message,
            Err(error) => {
                consuming.intake.on_delivery(delivery.link, delivery.id, "");
                let (topic, body) = Default::default();
                let wire =
                    Err(Undecodable { topic, body, reason: error.to_string(), refused: None });
                let (is_by_queue, is_redelivered) = (false, false);
                return Some(Said::Arrived(Arrived { number, is_redelivered, is_by_queue, wire }));
            }
        };
        let received = received(&message, self.dialect.is_managed());
        if !consuming.intake.on_delivery(delivery.link, delivery.id, &received.topic) {
            self.settle(number, Verdict::Ack, out);
            return None;
        }
        let undecodable = |reason| Undecodable {
            topic: received.topic.clone(),
            body: received.body.clone(),
            reason,
            refused: None,
        };
        Some(Said::Arrived(Arrived {
            number,
            is_redelivered: received.is_redelivered,
            is_by_queue: received.is_by_queue,
            wire: received.wire.map_err(undecodable),
        }))
    }

    /// All that was asked of the management is done.
    fn on_managed(&mut self, out: &mut BytesMut) -> Option<Said> {
        let Task::Consuming(consuming) = &mut self.task else { return Some(Said::Declared) };
        let Consuming { queue, intake, .. } = &mut **consuming;
        match intake.attach(queue, self.dialect, self.session, &mut self.engine, out) {
            Ok(()) => None,
            Err(refusal) => Some(Said::Refused(refusal)),
        }
    }

    fn on_disposition(
        &mut self,
        told: ::amqp10::endpoint::Disposition,
        out: &mut BytesMut,
    ) -> Option<Said> {
        if told.session != self.session {
            return None;
        }
        let fate = match &told.state {
            Some(DeliveryState::Accepted(_)) => Fate::Confirmed,
            Some(DeliveryState::Released(_)) => Fate::Unrouted,
            Some(DeliveryState::Rejected(rejected)) => match &rejected.error {
                Some(error) if error.condition != ErrorCondition::ResourceLimitExceeded => {
                    Fate::Refused(refusal(None, Some(error)))
                }
                // RabbitMQ: a queue is full.
                _ => Fate::Nacked,
            },
            Some(DeliveryState::Modified(_)) => Fate::Nacked,
            None if told.settled => Fate::Confirmed,
            _ => return None,
        };
        let range: DeliveryRange =
            DeliveryRange::new(told.ranges.first()?.first, told.ranges.last()?.last);
        if !told.settled {
            self.engine.settle(self.session, Role::Sender, range, None, out);
        }
        self.settled += told.ranges.iter().map(|range| range.len()).sum::<u64>();
        Some(Said::Settled(self.number(range.first)..=self.number(range.last), fate))
    }

    /// Deliveries are numbered in 32 bits, publishes are not.
    fn number(&self, id: DeliveryNumber) -> u64 {
        let last = DeliveryNumber(self.published.wrapping_sub(1) as u32);
        self.numbers_before + self.published - u64::from(last.since(id))
    }

    fn on_detached(&mut self, link: LinkId, error: Option<&AmqpError>) -> Option<Said> {
        if let Some(management) = self.management.take_if(|it| it.is_of(link)) {
            return Some(Said::Refused(refusal(management.what(), error)));
        }
        match &mut self.task {
            Task::Nothing => None,
            Task::Publishing(outlets) => outlets.on_detached(link, error).map(Said::Refused),
            Task::Consuming(consuming) => match error {
                // RabbitMQ: the queue was deleted.
                None => Some(Said::Cancelled),
                Some(error) if error.condition == ErrorCondition::ResourceDeleted => {
                    Some(Said::Cancelled)
                }
                error => Some(Said::Refused(refusal(Some(consuming.intake.queue.clone()), error))),
            },
        }
    }

    fn on_ended(&mut self, session: SessionId, error: Option<&AmqpError>) -> Option<Said> {
        if let Some(management) = self.management.take_if(|it| it.session() == session) {
            return Some(Said::Refused(refusal(management.what(), error)));
        }
        if session != self.session {
            return None;
        }
        let what = match &self.task {
            Task::Nothing => return None,
            Task::Publishing(_) => None,
            Task::Consuming(consuming) => Some(consuming.intake.queue.clone()),
        };
        Some(Said::Refused(refusal(what, error)))
    }
}
