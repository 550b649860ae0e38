//! Two endpoints that talk by octets, and one alone that is told frames.

use std::time::Duration;

use amqp10::{
    ChannelId, Frame, FrameDecoder, Performative,
    definition::{ReceiverSettleMode, Role, SenderSettleMode},
    endpoint::{
        Connection, Delivery, Event, Intake, LinkId, Outgoing, Sent, SessionId, Settings, Side,
    },
    messaging::{Source, Target},
    performative::Attach,
};
use bytes::{Bytes, BytesMut};

use crate::watch::Watch;

pub(crate) const NOW: Duration = Duration::from_secs(1);

/// One side: what it is to send, and what it was told.
pub(crate) struct Peer {
    pub(crate) endpoint: Connection,
    pub(crate) out: BytesMut,
    pub(crate) events: Vec<Event>,
    decoder: FrameDecoder,
    watch: Watch,
}

impl Peer {
    pub(crate) fn new(settings: Settings) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_size(settings.max_frame_size);
        Self {
            endpoint: Connection::new(settings, NOW),
            out: BytesMut::new(),
            events: Vec::new(),
            decoder,
            watch: Watch::default(),
        }
    }

    /// Hears a performative.
    pub(crate) fn hear(&mut self, channel: u16, performative: impl Into<Performative>) {
        self.hear_with(channel, performative, b"");
    }

    pub(crate) fn hear_with(
        &mut self,
        channel: u16,
        performative: impl Into<Performative>,
        payload: &'static [u8],
    ) {
        let frame = Frame::Amqp {
            channel: ChannelId(channel),
            performative: performative.into(),
            payload: Bytes::from_static(payload),
        };
        self.endpoint.receive(frame, NOW, &mut self.out, &mut self.events);
    }

    /// What it has said since it was asked last.
    pub(crate) fn said(&mut self) -> Vec<Performative> {
        let frames = self.watch.read(&mut self.out);
        frames
            .into_iter()
            .filter_map(|frame| match frame {
                Frame::Amqp { performative, .. } => Some(performative),
                _ => None,
            })
            .collect()
    }

    /// What it was told since it was asked last.
    pub(crate) fn told(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    pub(crate) fn deliveries(&mut self) -> Vec<Delivery> {
        let told = self.told().into_iter();
        told.filter_map(|event| match event {
            Event::Delivery(delivery) => Some(delivery),
            _ => None,
        })
        .collect()
    }

    pub(crate) fn send(&mut self, link: LinkId, tag: u64, body: &Bytes) -> Sent {
        let body = std::slice::from_ref(body);
        let message = Outgoing { tag, head: b"h", body, ..Outgoing::default() };
        self.endpoint.send(link, &message, &mut self.out)
    }
}

/// A client and a server.
pub(crate) struct Pair {
    pub(crate) client: Peer,
    pub(crate) server: Peer,
}

impl Pair {
    /// Opened.
    pub(crate) fn new() -> Self {
        Self::with(Settings::new("client"), Settings::new("server"))
    }

    pub(crate) fn with(client: Settings, server: Settings) -> Self {
        let mut pair = Self { client: Peer::new(client), server: Peer::new(server) };
        pair.client.endpoint.open(&mut pair.client.out);
        pair.talk();
        assert!(matches!(pair.client.told()[..], [Event::Opened(_)]));
        assert!(matches!(pair.server.told()[..], [Event::Opened(_)]));
        pair
    }

    /// Carries what each said to the other until both have nothing more to say.
    pub(crate) fn talk(&mut self) {
        while !self.client.out.is_empty() || !self.server.out.is_empty() {
            carry(&mut self.client, &mut self.server);
            carry(&mut self.server, &mut self.client);
        }
    }

    /// A session, by the client's name for it.
    pub(crate) fn begin(&mut self) -> SessionId {
        let session = self.client.endpoint.begin(&mut self.client.out).unwrap();
        self.talk();
        assert!(matches!(self.client.told()[..], [Event::Begun { by: Side::Local, .. }]));
        assert!(matches!(self.server.told()[..], [Event::Begun { by: Side::Peer, .. }]));
        session
    }

    /// A link that the client attaches, by both sides' names; the client has this role.
    pub(crate) fn attach(&mut self, session: SessionId, attach: Attach) -> (LinkId, LinkId) {
        self.attach_for(session, attach, Intake::default())
    }

    /// The same, and how the server's owner wants it.
    fn attach_for(
        &mut self,
        session: SessionId,
        attach: Attach,
        intake: Intake,
    ) -> (LinkId, LinkId) {
        let client = &mut self.client;
        let ours =
            client.endpoint.attach(session, attach, Intake::default(), &mut client.out).unwrap();
        self.talk();
        let [Event::Attached { link, by: Side::Peer, attach }] = &self.server.told()[..] else {
            panic!("no attach");
        };
        let (link, answer) = (*link, answer_to(attach));
        let server = &mut self.server;
        assert!(server.endpoint.accept(link, answer, intake, &mut server.out));
        self.talk();
        assert!(matches!(self.client.told()[..], [Event::Attached { by: Side::Local, .. }]));
        (ours, link)
    }

    /// A session with a link in it on which the client sends; the receiver has granted credit.
    pub(crate) fn sending(&mut self, credit: u32) -> (LinkId, LinkId) {
        self.sending_for(credit, Intake::default())
    }

    /// The same, and how the receiver's owner wants it.
    pub(crate) fn sending_for(&mut self, credit: u32, intake: Intake) -> (LinkId, LinkId) {
        let session = self.begin();
        let (ours, its) = self.attach_for(session, named("link", Role::Sender), intake);
        self.server.endpoint.grant(its, credit, false, &mut self.server.out);
        self.talk();
        self.client.told();
        (ours, its)
    }
}

fn carry(from: &mut Peer, to: &mut Peer) {
    let mut octets = std::mem::take(&mut from.out);
    from.watch.read(&mut octets.clone());
    while let Some(frame) = to.decoder.decode(&mut octets).unwrap() {
        to.endpoint.receive(frame, NOW, &mut to.out, &mut to.events);
    }
    assert!(octets.is_empty());
}

/// An attach of this name, its sender with this role.
pub(crate) fn named(name: &'static str, role: Role) -> Attach {
    Attach {
        name: name.into(),
        role,
        source: Some(Source::default()),
        target: Some(Target::default().into()),
        ..Attach::default()
    }
}

pub(crate) fn moded(role: Role, snd: SenderSettleMode, rcv: ReceiverSettleMode) -> Attach {
    Attach { snd_settle_mode: snd, rcv_settle_mode: rcv, ..named("link", role) }
}

/// An answer that agrees to everything.
pub(crate) fn answer_to(attach: &Attach) -> Attach {
    Attach { unsettled: None, properties: None, ..attach.clone() }
}
