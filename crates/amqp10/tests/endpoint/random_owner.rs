//! An endpoint under an owner that decides by what it is fed: accepts, refuses, grants, sends,
//! settles, detaches. Shared by the fuzz target `amqp10_connection` and the test that replays its
//! corpus.

use std::time::Duration;

use amqp10::{
    FrameDecoder,
    definition::{AmqpError, Role},
    endpoint::{
        Connection, DeliveryRange, Event, Intake, LinkId, Outgoing, SessionId, Settings, Streaming,
    },
    messaging::{Accepted, DeliveryState},
    performative::Attach,
};
use bytes::{Bytes, BytesMut};

pub(crate) struct RandomOwner {
    pub(crate) endpoint: Connection,
    pub(crate) out: BytesMut,
    decoder: FrameDecoder,
    inbox: BytesMut,
    events: Vec<Event>,
    links: Vec<LinkId>,
    sessions: Vec<SessionId>,
    /// Where its decisions come from.
    dice: u32,
    now: Duration,
    is_over: bool,
    /// Deliveries are taken where they lie, as far as they can be.
    pub(crate) takes_whole: bool,
}

impl RandomOwner {
    pub(crate) fn new(dice: u32) -> Self {
        let mut settings = Settings::new("owner");
        (settings.max_frame_size, settings.channel_max, settings.handle_max) = (512, 3, 7);
        settings.incoming_window = 4;
        settings.limits.links_max = 12;
        settings.limits.unsettled_max = 16;
        settings.limits.incomplete_bytes_max = 2048;
        Self {
            endpoint: Connection::new(settings, Duration::ZERO),
            out: BytesMut::new(),
            decoder: FrameDecoder::new(),
            inbox: BytesMut::new(),
            events: Vec::new(),
            links: Vec::new(),
            sessions: Vec::new(),
            dice: dice | 1,
            now: Duration::ZERO,
            is_over: false,
            takes_whole: false,
        }
    }

    /// Hears octets, and does as it likes.
    pub(crate) fn hear(&mut self, octets: &[u8]) {
        self.inbox.extend_from_slice(octets);
        loop {
            if self.take_whole() {
                if self.roll(4) == 0 {
                    self.act();
                }
                continue;
            }
            match self.decoder.decode(&mut self.inbox) {
                Ok(Some(frame)) => {
                    self.endpoint.receive(frame, self.now, &mut self.out, &mut self.events);
                }
                Ok(None) => break,
                Err(error) => {
                    self.endpoint.fail(&error, &mut self.out, &mut self.events);
                    self.act();
                    break;
                }
            }
            if self.roll(4) == 0 {
                self.act();
            }
        }
        self.act();
    }

    fn take_whole(&mut self) -> bool {
        if !self.takes_whole {
            return false;
        }
        let whole = self.endpoint.receive_whole(&self.inbox, self.now, &mut self.out);
        let Some(whole) = whole else { return false };
        let frame = self.inbox.split_to(whole.payload.end).freeze();
        self.events.push(Event::Delivery(whole.into_delivery(&frame)));
        true
    }

    fn roll(&mut self, sides: u32) -> u32 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 17;
        self.dice ^= self.dice << 5;
        self.dice % sides
    }

    fn act(&mut self) {
        for event in std::mem::take(&mut self.events) {
            assert!(!self.is_over, "{event:?} after the end");
            self.on(event);
        }
        for _ in 0..self.roll(3) {
            self.whim();
        }
        let now = self.now + Duration::from_millis(u64::from(self.roll(2000)));
        self.now = now;
        self.endpoint.tick(now, &mut self.out, &mut self.events);
    }

    fn on(&mut self, event: Event) {
        match event {
            Event::Begun { session, .. } => self.sessions.push(session),
            Event::Attached { link, attach, .. } => {
                self.links.push(link);
                let streaming = match self.roll(3) {
                    0 => Streaming::Never,
                    1 => Streaming::Above(100),
                    _ => Streaming::Always,
                };
                let intake = Intake { streaming, resumable: self.roll(2) == 0 };
                let answer = Attach { max_message_size: Some(1000), unsettled: None, ..*attach };
                match self.roll(4) {
                    0 => self.endpoint.detach(link, true, None, &mut self.out),
                    _ => drop(self.endpoint.accept(link, answer, intake, &mut self.out)),
                }
                let credit = self.roll(5);
                self.endpoint.grant(link, credit, self.dice & 64 == 0, &mut self.out);
            }
            Event::Delivery(delivery) if self.dice & 32 == 0 => {
                let session = delivery.link.session();
                let state = Some(Accepted {}.into());
                self.endpoint.settle(session, Role::Receiver, delivery.id, state, &mut self.out);
            }
            Event::Disposition(it) if !it.settled => {
                for range in it.ranges {
                    self.endpoint.settle(it.session, Role::Sender, range, None, &mut self.out);
                }
            }
            Event::Flow(flow) if flow.drain => {
                let _ = self.endpoint.drained(flow.link, &mut self.out);
            }
            Event::Window { session } => {
                self.endpoint.continue_sending(session, &mut self.out);
            }
            Event::Detached { link, .. } => {
                assert!(!self.endpoint.grant(link, 1, false, &mut self.out), "it is gone");
                self.links.retain(|it| *it != link);
            }
            Event::Ended { session, .. } => self.sessions.retain(|it| *it != session),
            Event::Closed { .. } => self.is_over = true,
            _ => {}
        }
    }

    /// Something that nobody asked for.
    pub(crate) fn whim(&mut self) {
        let link = self.links.get(self.dice as usize % self.links.len().max(1)).copied();
        let session = self.sessions.get(self.dice as usize % self.sessions.len().max(1)).copied();
        let kind = self.roll(36);
        let out = &mut self.out;
        match (kind, link, session) {
            (0..=5 | 22..=27, Some(link), _) => {
                let body = [Bytes::from(vec![kind as u8; 150 * (kind % 6) as usize])];
                let tag = u64::from(self.dice);
                let settled = self.dice & 16 == 0;
                let message = Outgoing { tag, settled, body: &body, ..Outgoing::default() };
                self.endpoint.send(link, &message, out);
            }
            (6..=9, Some(link), _) => drop(self.endpoint.grant(link, kind - 5, false, out)),
            (10, Some(link), _) => drop(self.endpoint.grant(link, 2, true, out)),
            (11, Some(link), _) if self.dice & 0x30 == 0 => {
                self.endpoint.detach(link, self.dice & 8 == 0, None, out)
            }
            (12, Some(link), _) => drop(self.endpoint.abort(link, out)),
            (13, Some(link), _) => drop(self.endpoint.ask(link, out)),
            (14, _, Some(session)) => drop(self.endpoint.continue_sending(session, out)),
            (15 | 28..=30, _, Some(session)) => {
                let all = DeliveryRange::new(0_u32.into_id(), 1000_u32.into_id());
                let state = DeliveryState::from(Accepted {});
                self.endpoint.settle(session, Role::Receiver, all, Some(state), out);
            }
            (16, _, Some(session)) if self.dice & 0x1f0 == 0 => {
                self.endpoint.end(session, None, out)
            }
            (17 | 31..=35, _, Some(session)) if self.links.len() < 6 => {
                let name = format!("ours {}", self.dice & 7);
                let role = if self.dice & 256 == 0 { Role::Sender } else { Role::Receiver };
                let attach = Attach { name: name.into(), role, ..Attach::default() };
                let link = self.endpoint.attach(session, attach, Intake::default(), out);
                self.links.extend(link);
            }
            (18 | 31..=35, ..) if self.sessions.len() < 2 => {
                self.sessions.extend(self.endpoint.begin(out))
            }
            (19, ..) => self.endpoint.pause(out),
            (20, ..) => self.endpoint.resume(out),
            (21, ..) if self.dice & 0xff0 == 0 => {
                let condition = amqp10::ErrorCondition::ConnectionForced;
                let error = AmqpError { condition, description: None, info: None };
                self.endpoint.close(Some(error), out);
            }
            _ => {}
        }
    }
}

trait IntoId {
    fn into_id(self) -> amqp10::definition::DeliveryNumber;
}

impl IntoId for u32 {
    fn into_id(self) -> amqp10::definition::DeliveryNumber {
        amqp10::definition::DeliveryNumber(self)
    }
}
