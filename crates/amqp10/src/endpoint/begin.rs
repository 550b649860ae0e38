//! Sessions come and go: begin and end, of either side, and the pause of all of them
//! (AMQP 1.0 §2.5.1 to §2.5.3).

use bytes::BytesMut;

use super::{
    Connection, Event, Phase, SessionId, Settings, Side,
    connection::{find, forget_name, step},
    refusal::{Refusal, put_end},
    session::{Session, SessionState},
    windows::OUTGOING_WINDOW,
};
use crate::{
    ChannelId, ErrorCondition,
    definition::{AmqpError, Handle},
    encode_frame,
    performative::{Begin, End},
};

impl Connection {
    pub(super) fn on_begin(
        &mut self,
        channel: ChannelId,
        begin: Box<Begin>,
        out: &mut BytesMut,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        self.check_channel(channel)?;
        if self.by_remote.get(channel.0.into()).is_some() {
            let words = format!("channel {channel} has a session already");
            return Err(Refusal::connection(ErrorCondition::IllegalState, words));
        }
        let (local, by) = match begin.remote_channel {
            //= amqp-1.0 §2.7.2
            // If a session is locally initiated, the remote-channel MUST NOT be set. When an
            // endpoint responds to a remotely initiated session, the remote-channel MUST be set to
            // the channel on which the remote session sent the begin.
            Some(local) => {
                let session = self.sessions.get(local.into());
                if session.is_none_or(|it| it.remote.is_some()) {
                    let words = format!("remote-channel {local} answers no begin");
                    return Err(Refusal::connection(ErrorCondition::InvalidField, words));
                }
                (u32::from(local), Side::Local)
            }
            None => (self.new_session()?, Side::Peer),
        };
        self.by_remote.insert(channel.0.into(), local);
        let Some(session) = self.sessions.get_mut(local) else { return Ok(()) };
        session.remote = Some(channel.0);
        session.remote_handle_max = begin.handle_max.0;
        let (next, incoming) = (begin.next_outgoing_id, begin.incoming_window);
        session.windows.on_begin(next, incoming, begin.outgoing_window);
        if by == Side::Peer {
            put_begin(session, Some(channel.0), &self.settings, out);
        }
        let session_id = session.id;
        if session.state == SessionState::BeginSent {
            session.state = SessionState::Mapped;
            events.push(Event::Begun { session: session_id, by, begin });
        }
        Ok(())
    }

    fn new_session(&mut self) -> Result<u32, Refusal> {
        //= amqp-1.0 §2.7.1 channel-max-kept
        let max = self.channel_max.into();
        let Some(local) = self.sessions.lowest_free(max) else {
            let words = format!("channel-max {max} leaves no channel for another session");
            return Err(Refusal::connection(ErrorCondition::ResourceLimitExceeded, words));
        };
        let serial = self.next_serial();
        let id = SessionId { channel: local as u16, serial };
        self.sessions.insert(local, Session::new(id, &self.settings, self.is_paused));
        Ok(local)
    }

    /// Begins a session; [`Event::Begun`] tells of the peer's answer. Links may be attached before.
    /// None when there is no channel for it.
    pub fn begin(&mut self, out: &mut BytesMut) -> Option<SessionId> {
        let is_possible = matches!(self.phase, Phase::OpenSent | Phase::Open)
            && self.sessions.len() <= usize::from(self.settings.channel_max);
        let local = is_possible.then(|| self.new_session().ok()).flatten()?;
        let session = self.sessions.get_mut(local)?;
        put_begin(session, None, &self.settings, out);
        Some(session.id)
    }

    pub(super) fn on_end(
        &mut self,
        local: u32,
        end: End,
        out: &mut BytesMut,
        events: &mut Vec<Event>,
    ) -> Result<(), Refusal> {
        let Some(mut session) = self.sessions.remove(local) else { return Ok(()) };
        self.forget(&mut session);
        let id = session.id;
        match session.state {
            SessionState::EndSent { is_told: true } => {}
            SessionState::EndSent { is_told: false } => {
                events.push(Event::Ended { session: id, by: Side::Local, error: end.error });
            }
            //= amqp-1.0 §2.5.2
            // Sessions end when the peer's end frame arrives and this side's has been sent: the
            // end is answered with an end.
            SessionState::BeginSent | SessionState::Mapped => {
                put_end(id.channel, &None, self.max_frame_size, out);
                events.push(Event::Ended { session: id, by: Side::Peer, error: end.error });
            }
        }
        Ok(())
    }

    /// Lets go of what a session holds in the connection.
    fn forget(&mut self, session: &mut Session) {
        session.clear(&mut self.incomplete);
        for link in session.links.iter() {
            forget_name(&mut self.names, link);
        }
        if let Some(remote) = session.remote {
            self.by_remote.remove(remote.into());
        }
    }

    /// Ends a session; the peer's end, which [`Event::Ended`] tells of, is waited for.
    pub fn end(&mut self, session: SessionId, error: Option<AmqpError>, out: &mut BytesMut) {
        let mut events = Vec::new();
        let Some(session) = find(&mut self.sessions, session) else { return };
        session.end(error.map(Box::new), false, &mut step!(self, out, &mut events));
    }

    /// Takes no more transfers: every session's incoming window is 0 until
    /// [`resume`](Self::resume). Those on their way are taken yet.
    pub fn pause(&mut self, out: &mut BytesMut) {
        self.set_paused(true, out);
    }

    /// Takes transfers again.
    pub fn resume(&mut self, out: &mut BytesMut) {
        self.set_paused(false, out);
    }

    fn set_paused(&mut self, is_paused: bool, out: &mut BytesMut) {
        self.is_paused = is_paused;
        for session in self.sessions.iter_mut() {
            let is_changed = session.windows.pause(is_paused);
            if is_changed && session.state == SessionState::Mapped {
                session.put_flow(None, out);
            }
        }
    }
}

fn put_begin(session: &mut Session, remote: Option<u16>, settings: &Settings, out: &mut BytesMut) {
    let begin = Begin {
        //= amqp-1.0 §2.5.1 remote-channel
        //= amqp-1.0 §2.7.2 remote-channel-unset, remote-channel-set
        remote_channel: remote,
        next_outgoing_id: session.windows.next_outgoing(),
        incoming_window: session.windows.announce(),
        outgoing_window: OUTGOING_WINDOW,
        handle_max: Handle(settings.handle_max),
        ..Begin::default()
    };
    encode_frame(session.channel(), &begin, out);
}
