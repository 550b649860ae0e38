//! A connection endpoint: open and close, and every frame to its session (AMQP 1.0 §2.4).

use std::{collections::HashMap, time::Duration};

use bytes::{Bytes, BytesMut};

use super::{
    Event, LinkId, SessionId, Settings, Side,
    clock::Clock,
    link::{Link, LinkKey},
    refusal::{Refusal, Scope, error, put_close},
    session::{Session, SessionState},
    slots::Slots,
};
use crate::{
    ChannelId, Error, ErrorCondition, Frame, Performative,
    definition::AmqpError,
    encode_frame,
    limits::MIN_MAX_FRAME_SIZE,
    performative::{Close, Detach, Open},
};

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing was said.
    Start,
    /// This side's `open` is out, the peer's is not in.
    OpenSent,
    /// Both are.
    Open,
    /// This side's `close` is out: what comes is passed over until the peer's.
    CloseSent,
    /// Over: nothing more is read, nothing more is said. What is to be written is written first.
    Closed,
}

/// One side of a connection. Both sides are alike: who opens first, and who begins and attaches, is
/// the owners' to decide.
#[derive(Debug)]
pub struct Connection {
    pub(super) settings: Settings,
    pub(super) phase: Phase,
    /// The peer's max-frame-size.
    pub(super) max_frame_size: u32,
    pub(super) channel_max: u16,
    pub(super) clock: Clock,
    /// By this side's channels.
    pub(super) sessions: Slots<Session>,
    /// From the peer's channels to this side's.
    pub(super) by_remote: Slots<u32>,
    pub(super) names: HashMap<LinkKey, LinkId>,
    serial: u32,
    pub(super) incomplete: usize,
    pub(super) is_paused: bool,
}

/// What a session's steps need of the connection beside the session itself.
macro_rules! step {
    ($connection:ident, $out:expr, $events:expr) => {
        $crate::endpoint::session::Step {
            out: $out,
            events: $events,
            settings: &$connection.settings,
            max_frame_size: $connection.max_frame_size,
            incomplete: &mut $connection.incomplete,
        }
    };
}
pub(super) use step;

impl Connection {
    /// A connection on which the protocol header has been exchanged, and nothing else. A server
    /// answers the peer's `open` by itself.
    pub fn new(mut settings: Settings, now: Duration) -> Self {
        settings.max_frame_size = settings.max_frame_size.max(MIN_MAX_FRAME_SIZE);
        Self {
            clock: Clock::new(now, settings.idle_time_out),
            settings,
            phase: Phase::Start,
            //= amqp-1.0 §2.7.1
            // Prior to any explicit negotiation, the maximum frame size is 512
            // (MIN-MAX-FRAME-SIZE) and the maximum channel number is 0. (Who pipelines takes more
            // channels on trust.)
            max_frame_size: MIN_MAX_FRAME_SIZE,
            channel_max: u16::MAX,
            sessions: Slots::new(),
            by_remote: Slots::new(),
            names: HashMap::new(),
            serial: 0,
            incomplete: 0,
            is_paused: false,
        }
    }

    /// How far it is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Who this side is.
    pub fn container_id(&self) -> &str {
        &self.settings.container_id
    }

    /// The largest frame that the peer takes.
    pub fn peer_max_frame_size(&self) -> u32 {
        self.max_frame_size
    }

    /// Sends `open`, if it is not sent.
    pub fn open(&mut self, out: &mut BytesMut) {
        if self.phase != Phase::Start {
            return;
        }
        let settings = &self.settings;
        let open = Open {
            container_id: settings.container_id.clone(),
            hostname: settings.hostname.clone(),
            max_frame_size: settings.max_frame_size,
            channel_max: settings.channel_max,
            idle_time_out: self.clock.announced(),
            offered_capabilities: settings.offered_capabilities.clone(),
            desired_capabilities: settings.desired_capabilities.clone(),
            properties: settings.properties.clone(),
            ..Open::default()
        };
        encode_frame(ChannelId(0), &open, out);
        self.phase = Phase::OpenSent;
    }

    /// Sends `close`; the peer's, which [`Event::Closed`] tells of, is waited for.
    pub fn close(&mut self, error: Option<AmqpError>, out: &mut BytesMut) {
        if matches!(self.phase, Phase::CloseSent | Phase::Closed) {
            return;
        }
        //= amqp-1.0 §2.4.1 open-first
        // After establishing or accepting a TCP connection and sending the protocol header, each
        // peer MUST send an open frame before sending any other frames.
        self.open(out);
        //= amqp-1.0 §2.4.3 close-told, close-last
        //= amqp-1.0 §2.7.9 close-written, nothing-after-close
        // Prior to closing a connection, each peer MUST write a close frame with a code indicating
        // the reason for closing. This frame MUST be the last thing ever written onto a connection.
        put_close(&error.map(Box::new), self.max_frame_size, out);
        // Without sessions there is nothing that could be said.
        //= amqp-1.0 §2.4.6 silent-after-close
        self.phase = Phase::CloseSent;
        self.clear();
    }

    /// The peer does not answer this side's close, and is waited for no longer.
    pub fn give_up(&mut self, events: &mut Vec<Event>) {
        if self.phase == Phase::CloseSent {
            events.push(Event::Closed { by: Side::Local, error: None });
        }
        self.phase = Phase::Closed;
        self.clear();
    }

    /// What the peer sent is no frame: the [`FrameDecoder`](crate::FrameDecoder) said so. Nothing
    /// more can be read.
    pub fn fail(&mut self, error: &Error, out: &mut BytesMut, events: &mut Vec<Event>) {
        let is_told = matches!(self.phase, Phase::CloseSent | Phase::Closed);
        if !is_told {
            self.refuse_connection(Box::new(error.to_amqp()), out, events);
        } else if self.phase == Phase::CloseSent {
            events.push(Event::Closed { by: Side::Local, error: None });
        }
        self.phase = Phase::Closed;
    }

    /// Takes a frame. Whatever the peer did wrong is answered in `out`, and told in `events`.
    #[inline]
    pub fn receive(
        &mut self,
        frame: Frame,
        now: Duration,
        out: &mut BytesMut,
        events: &mut Vec<Event>,
    ) {
        self.clock.heard(now);
        let (channel, performative, payload) = match frame {
            Frame::Amqp { channel, performative, payload } => (channel, performative, payload),
            Frame::Heartbeat => return,
            Frame::Sasl(_) => {
                if matches!(self.phase, Phase::Start | Phase::OpenSent | Phase::Open) {
                    let words = "a SASL frame after the AMQP protocol header";
                    let condition = ErrorCondition::ConnectionFramingError;
                    self.refuse_connection(error(condition, words), out, events);
                }
                return;
            }
        };
        let result = match self.phase {
            Phase::Open => self.dispatch(channel, performative, payload, out, events),
            Phase::Start | Phase::OpenSent => self.on_early(performative, out, events),
            //= amqp-1.0 §2.4.6 discards-after-error
            // CLOSE SENT: in this state we have sent a close frame to our partner. It is illegal to
            // write anything more onto the connection, however there could potentially still be
            // incoming frames.
            Phase::CloseSent => match performative {
                Performative::Close(close) => {
                    self.phase = Phase::Closed;
                    events.push(Event::Closed { by: Side::Local, error: close.error });
                    Ok(())
                }
                _ => Ok(()),
            },
            //= amqp-1.0 §2.4.6 silent-at-the-end
            Phase::Closed => Ok(()),
        };
        if let Err(refusal) = result {
            self.apply(refusal, channel, out, events);
        }
    }

    /// Before the peer's `open`.
    fn on_early(
        &mut self,
        performative: Performative,
        out: &mut BytesMut,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        match performative {
            Performative::Open(open) => self.on_open(open, out, events),
            // Against the protocol, and with the reason that the peer had.
            Performative::Close(close) => {
                self.on_close(close, out, events);
                Ok(())
            }
            //= amqp-1.0 §2.4.1 open-first
            //= amqp-1.0 §2.7.1 first-is-open
            // Each peer MUST send an open frame before sending any other frames.
            _ => {
                let words = "the first frame is not open";
                Err(Refusal::connection(ErrorCondition::IllegalState, words))
            }
        }
    }

    fn on_close(&mut self, close: Close, out: &mut BytesMut, events: &mut Vec<Event>) {
        //= amqp-1.0 §2.4.3
        // When a peer receives a close frame, it MUST answer with its own, and then close the
        // connection.
        self.close(None, out);
        self.phase = Phase::Closed;
        events.push(Event::Closed { by: Side::Peer, error: close.error });
    }

    fn on_open(
        &mut self,
        open: Box<Open>,
        out: &mut BytesMut,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        //= amqp-1.0 §2.7.1 minimum-accepted
        // A peer that receives an oversized frame MUST close the connection; peers MUST accept
        // frames of up to 512 octets.
        if open.max_frame_size < MIN_MAX_FRAME_SIZE {
            let found = open.max_frame_size;
            let words = format!("max-frame-size {found}, {MIN_MAX_FRAME_SIZE} is the least");
            return Err(Refusal::connection(ErrorCondition::FrameSizeTooSmall, words));
        }
        self.max_frame_size = open.max_frame_size;
        self.channel_max = open.channel_max;
        let is_bearable =
            self.clock.learn(open.idle_time_out, self.settings.limits.idle_time_out_min);
        self.open(out);
        self.phase = Phase::Open;
        if !is_bearable {
            let least = self.settings.limits.idle_time_out_min;
            let words = format!("idle-time-out below {least:?}");
            return Err(Refusal::connection(ErrorCondition::NotAllowed, words));
        }
        events.push(Event::Opened(open));
        Ok(())
    }

    #[inline]
    fn dispatch(
        &mut self,
        channel: ChannelId,
        performative: Performative,
        payload: Bytes,
        out: &mut BytesMut,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        match performative {
            Performative::Open(_) => {
                let words = "open a second time";
                return Err(Refusal::connection(ErrorCondition::IllegalState, words));
            }
            Performative::Close(close) => {
                self.on_close(close, out, events);
                return Ok(());
            }
            Performative::Begin(begin) => return self.on_begin(channel, begin, out, events),
            _ => {}
        }
        let local = self.local_channel(channel)?;
        let Some(session) = self.sessions.get_mut(local) else { return Ok(()) };
        if session.state != SessionState::Mapped {
            return match performative {
                Performative::End(end) => self.on_end(local, end, out, events),
                //= amqp-1.0 §2.5.5 discarding
                //= amqp-1.0 §2.5.4 discards-until-end
                // DISCARDING: the session endpoint discards incoming frames until the peer's end.
                _ => Ok(()),
            };
        }
        let mut step = step!(self, out, events);
        match performative {
            Performative::Transfer(transfer) => session.on_transfer(transfer, payload, &mut step),
            Performative::Disposition(disposition) => {
                session.on_disposition(disposition, &mut step)
            }
            Performative::Flow(flow) => session.on_flow(flow, &mut step),
            Performative::Attach(attach) => self.on_attach(local, attach, out, events),
            Performative::Detach(detach) => self.on_detach(local, detach, out, events),
            Performative::End(end) => self.on_end(local, end, out, events),
            Performative::Open(_) | Performative::Begin(_) | Performative::Close(_) => Ok(()),
        }
    }

    /// This side's channel of the session that the peer means.
    #[inline]
    fn local_channel(&self, channel: ChannelId) -> Result<u32, Refusal> {
        match self.by_remote.get(channel.0.into()) {
            Some(&local) => Ok(local),
            None => {
                self.check_channel(channel)?;
                let words = format!("no session has begun on channel {channel}");
                Err(Refusal::connection(ErrorCondition::NotAllowed, words))
            }
        }
    }

    pub(super) fn check_channel(&self, channel: ChannelId) -> Result<(), Refusal> {
        //= amqp-1.0 §2.7.1 channel-outside-closes
        // If a session frame is received with a channel number outside the supported channel number
        // range, the connection MUST be closed with a framing-error error-code.
        let max = self.settings.channel_max;
        if channel.0 > max {
            let words = format!("channel {channel}, channel-max is {max}");
            return Err(Refusal::connection(ErrorCondition::ConnectionFramingError, words));
        }
        Ok(())
    }

    fn on_detach(
        &mut self,
        local: u32,
        detach: Detach,
        out: &mut BytesMut,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        let Some(session) = self.sessions.get_mut(local) else { return Ok(()) };
        let mut step = step!(self, out, events);
        if let Some(link) = session.on_detach(detach, &mut step)? {
            forget_name(&mut self.names, &link);
        }
        Ok(())
    }

    /// Detaches a link, refuses one that the owner has not answered; the peer's detach, which
    /// [`Event::Detached`] tells of, is waited for.
    pub fn detach(
        &mut self,
        link: LinkId,
        closed: bool,
        error: Option<AmqpError>,
        out: &mut BytesMut,
    ) {
        let mut events = Vec::new();
        let Some(session) = find(&mut self.sessions, link.session) else { return };
        if session.links.get(link.handle).is_some_and(|it| it.id == link) {
            let (error, step) = (error.map(Box::new), &mut step!(self, out, &mut events));
            session.detach(link.handle, closed, error, false, step);
        }
    }

    /// Answers what the peer did wrong, at its scope.
    #[cold]
    fn apply(
        &mut self,
        refusal: Refusal,
        channel: ChannelId,
        out: &mut BytesMut,
        events: &mut Vec<Event>,
    ) {
        let Refusal { scope, error } = refusal;
        let local = self.by_remote.get(channel.0.into()).copied();
        let session = local.and_then(|it| self.sessions.get_mut(it));
        match (scope, session) {
            (Scope::Session, Some(session)) => {
                session.end(Some(error), true, &mut step!(self, out, events));
            }
            (Scope::Link(handle), Some(session)) => {
                session.detach(handle, true, Some(error), true, &mut step!(self, out, events));
            }
            _ => self.refuse_connection(error, out, events),
        }
    }

    #[cold]
    pub(super) fn refuse_connection(
        &mut self,
        error: Box<AmqpError>,
        out: &mut BytesMut,
        events: &mut Vec<Event>,
    ) {
        self.close(Some((*error).clone()), out);
        events.push(Event::Closed { by: Side::Local, error: Some(error) });
        // The owner is told: the peer's close is waited for, and not told of.
        self.phase = Phase::Closed;
    }

    fn clear(&mut self) {
        self.sessions.clear();
        self.by_remote.clear();
        self.names.clear();
        self.incomplete = 0;
    }

    pub(super) fn next_serial(&mut self) -> u32 {
        self.serial = self.serial.wrapping_add(1);
        self.serial
    }
}

/// The session of this name, if frames may be sent on it.
#[inline]
pub(super) fn find(sessions: &mut Slots<Session>, id: SessionId) -> Option<&mut Session> {
    let session = sessions.get_mut(id.channel.into())?;
    let is_there = session.id == id && !matches!(session.state, SessionState::EndSent { .. });
    is_there.then_some(session)
}

pub(super) fn forget_name(names: &mut HashMap<LinkKey, LinkId>, link: &Link) {
    if names.get(&link.key) == Some(&link.id) {
        names.remove(&link.key);
    }
}
