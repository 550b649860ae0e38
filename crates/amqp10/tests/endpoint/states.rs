//! Every performative in every state of a connection, a session and a link: what is said, and what
//! is told.

use amqp10::{
    DeliveryTag, Performative,
    definition::{AmqpError, DeliveryNumber, Handle, Role, SequenceNo},
    endpoint::{Event, Intake, LinkId, Sent, SessionId, Settings},
    messaging::Accepted,
    performative::{Attach, Begin, Close, Detach, Disposition, End, Flow, Open, Transfer},
};

use bytes::Bytes;

use crate::pair::{Peer, named};

const STATES: [&str; 20] = [
    "start",
    "open-sent",
    "close-sent",
    "closed",
    "failed", // of the connection
    "no-session",
    "begin-sent",
    "mapped",
    "end-sent",
    "discarding",
    "ended", // of a session
    "attach-sent",
    "attach-received",
    "receiver",
    "receiving",
    "sender",
    "sending",
    "detach-sent",
    "refused",
    "detached", // of a link
];

const PERFORMATIVES: usize = 9;

/// An endpoint in this state, all that led there forgotten. The peer uses channel 0 and handle 0.
fn endpoint_in(state: &str) -> Peer {
    let mut peer = Peer::new(Settings::new("endpoint"));
    let lead = |peer: &mut Peer| {
        let open = Open { container_id: "peer".into(), ..Open::default() };
        // Small, so that a message can be sent partly.
        peer.hear(0, Open { max_frame_size: 512, ..open });
    };
    let begin = |peer: &mut Peer| peer.hear(0, Begin { incoming_window: 100, ..Begin::default() });
    match state {
        "start" => {}
        "open-sent" => peer.endpoint.open(&mut peer.out),
        "close-sent" => {
            lead(&mut peer);
            peer.endpoint.close(None, &mut peer.out);
        }
        "closed" => {
            lead(&mut peer);
            peer.hear(0, Close::default());
        }
        "failed" => {
            lead(&mut peer);
            peer.hear(0, End::default());
        }
        "no-session" => lead(&mut peer),
        "begin-sent" => {
            lead(&mut peer);
            peer.endpoint.begin(&mut peer.out).unwrap();
        }
        _ => {
            lead(&mut peer);
            begin(&mut peer);
        }
    }
    let session = peer.events.iter().find_map(|event| match event {
        Event::Begun { session, .. } => Some(*session),
        _ => None,
    });
    match (state, session) {
        ("end-sent", Some(session)) => peer.endpoint.end(session, None, &mut peer.out),
        ("discarding", Some(_)) => peer.hear(0, Flow { handle: Some(Handle(7)), ..flow() }),
        ("ended", Some(_)) => peer.hear(0, End::default()),
        ("attach-sent", Some(session)) => {
            let attach = named("link", Role::Receiver);
            peer.endpoint.attach(session, attach, Intake::default(), &mut peer.out).unwrap();
        }
        (
            "attach-received" | "receiver" | "receiving" | "sender" | "sending" | "detach-sent"
            | "refused" | "detached",
            Some(_),
        ) => {
            let is_sender = matches!(state, "sender" | "sending");
            peer.hear(0, attach(if is_sender { Role::Receiver } else { Role::Sender }));
            let Some(Event::Attached { link, .. }) = peer.events.last() else { panic!() };
            let link = *link;
            link_in(&mut peer, link, state);
        }
        _ => {}
    }
    peer.said();
    peer.told();
    peer
}

/// Brings a link that the peer attached into this state.
fn link_in(peer: &mut Peer, link: LinkId, state: &str) {
    if state == "attach-received" {
        return;
    }
    let answer = named("link", Role::Sender);
    peer.endpoint.accept(link, answer, Intake::default(), &mut peer.out);
    if matches!(state, "receiver" | "receiving" | "refused") {
        peer.endpoint.grant(link, 10, false, &mut peer.out);
    }
    match state {
        "receiving" => peer.hear(0, Transfer { more: true, ..transfer() }),
        "sending" => {
            // Two frames' worth of a message, and window for one.
            peer.hear(0, Flow { incoming_window: 1, ..flow() });
            let body = Bytes::from(vec![0; 600]);
            assert!(matches!(peer.send(link, 1, &body), Sent::Partly(_)));
        }
        "detach-sent" => peer.endpoint.detach(link, true, None, &mut peer.out),
        "refused" => peer.hear(0, Transfer { delivery_tag: None, ..transfer() }),
        "detached" => peer.hear(0, detach()),
        _ => {}
    }
}

fn attach(role: Role) -> Attach {
    let initial_delivery_count = (role == Role::Sender).then_some(SequenceNo(0));
    Attach { initial_delivery_count, ..named("link", role) }
}

fn transfer() -> Transfer {
    Transfer {
        delivery_id: Some(DeliveryNumber(0)),
        delivery_tag: Some(DeliveryTag::default()),
        ..Transfer::default()
    }
}

fn flow() -> Flow {
    Flow { handle: Some(Handle(0)), link_credit: Some(1), incoming_window: 100, ..Flow::default() }
}

fn detach() -> Detach {
    Detach { handle: Handle(0), closed: true, ..Detach::default() }
}

fn performative(index: usize) -> Performative {
    match index {
        0 => Open { container_id: "peer".into(), ..Open::default() }.into(),
        1 => Begin { incoming_window: 100, ..Begin::default() }.into(),
        2 => attach(Role::Sender).into(),
        3 => flow().into(),
        4 => transfer().into(),
        5 => Disposition { role: Role::Receiver, settled: true, ..Disposition::default() }.into(),
        6 => detach().into(),
        7 => End::default().into(),
        _ => Close::default().into(),
    }
}

fn reason(error: &Option<Box<AmqpError>>) -> String {
    let name = |error: &AmqpError| error.condition.as_str().rsplit(':').next().unwrap().to_owned();
    error.as_ref().map_or(String::new(), |error| format!("({})", name(error)))
}

fn said(performative: &Performative) -> String {
    match performative {
        Performative::Open(_) => "open".into(),
        Performative::Begin(_) => "begin".into(),
        Performative::Attach(_) => "attach".into(),
        Performative::Flow(_) => "flow".into(),
        Performative::Transfer(_) => "transfer".into(),
        Performative::Disposition(_) => "disposition".into(),
        Performative::Detach(it) => format!("detach{}", reason(&it.error)),
        Performative::End(it) => format!("end{}", reason(&it.error)),
        Performative::Close(it) => format!("close{}", reason(&it.error)),
    }
}

fn told(event: &Event) -> &'static str {
    match event {
        Event::Opened(_) => "Opened",
        Event::Begun { .. } => "Begun",
        Event::Attached { .. } => "Attached",
        Event::Delivery(_) => "Delivery",
        Event::Part { .. } => "Part",
        Event::Aborted { .. } => "Aborted",
        Event::Disposition(_) => "Disposition",
        Event::Flow(_) => "Flow",
        Event::Window { .. } => "Window",
        Event::Drained { .. } => "Drained",
        Event::Detached { .. } => "Detached",
        Event::Ended { .. } => "Ended",
        Event::Closed { .. } => "Closed",
    }
}

/// What comes of each performative in a state, in words.
fn row(state: &str) -> Vec<String> {
    (0..PERFORMATIVES)
        .map(|index| {
            let mut peer = endpoint_in(state);
            peer.hear(0, performative(index));
            let mut words: Vec<String> = peer.said().iter().map(said).collect();
            words.extend(peer.told().iter().map(|it| told(it).to_owned()));
            if words.is_empty() { "-".into() } else { words.join(" ") }
        })
        .collect()
}

/// State; open, begin, attach, flow, transfer, disposition, detach, end, close.
const TABLE: &[(&str, [&str; PERFORMATIVES])] = &[
    (
        "start",
        [
            "open Opened",
            "open close(illegal-state) Closed",
            "open close(illegal-state) Closed",
            "open close(illegal-state) Closed",
            "open close(illegal-state) Closed",
            "open close(illegal-state) Closed",
            "open close(illegal-state) Closed",
            "open close(illegal-state) Closed",
            "open close Closed",
        ],
    ),
    (
        "open-sent",
        [
            "Opened",
            "close(illegal-state) Closed",
            "close(illegal-state) Closed",
            "close(illegal-state) Closed",
            "close(illegal-state) Closed",
            "close(illegal-state) Closed",
            "close(illegal-state) Closed",
            "close(illegal-state) Closed",
            "close Closed",
        ],
    ),
    ("close-sent", ["-", "-", "-", "-", "-", "-", "-", "-", "Closed"]),
    ("closed", ["-", "-", "-", "-", "-", "-", "-", "-", "-"]),
    ("failed", ["-", "-", "-", "-", "-", "-", "-", "-", "-"]),
    (
        "no-session",
        [
            "close(illegal-state) Closed",
            "begin Begun",
            "close(not-allowed) Closed",
            "close(not-allowed) Closed",
            "close(not-allowed) Closed",
            "close(not-allowed) Closed",
            "close(not-allowed) Closed",
            "close(not-allowed) Closed",
            "close Closed",
        ],
    ),
    (
        "begin-sent",
        [
            "close(illegal-state) Closed",
            "begin Begun",
            "close(not-allowed) Closed",
            "close(not-allowed) Closed",
            "close(not-allowed) Closed",
            "close(not-allowed) Closed",
            "close(not-allowed) Closed",
            "close(not-allowed) Closed",
            "close Closed",
        ],
    ),
    (
        "mapped",
        [
            "close(illegal-state) Closed",
            "close(illegal-state) Closed",
            "Attached",
            "end(unattached-handle) Ended",
            "end(unattached-handle) Ended",
            "-",
            "end(unattached-handle) Ended",
            "end Ended",
            "close Closed",
        ],
    ),
    (
        "end-sent",
        [
            "close(illegal-state) Closed",
            "close(illegal-state) Closed",
            "-",
            "-",
            "-",
            "-",
            "-",
            "Ended",
            "close Closed",
        ],
    ),
    (
        "discarding",
        [
            "close(illegal-state) Closed",
            "close(illegal-state) Closed",
            "-",
            "-",
            "-",
            "-",
            "-",
            "-",
            "close Closed",
        ],
    ),
    (
        "ended",
        [
            "close(illegal-state) Closed",
            "begin Begun",
            "close(not-allowed) Closed",
            "close(not-allowed) Closed",
            "close(not-allowed) Closed",
            "close(not-allowed) Closed",
            "close(not-allowed) Closed",
            "close(not-allowed) Closed",
            "close Closed",
        ],
    ),
    (
        "attach-sent",
        [
            "close(illegal-state) Closed",
            "close(illegal-state) Closed",
            "Attached",
            "end(unattached-handle) Ended",
            "end(unattached-handle) Ended",
            "-",
            "end(unattached-handle) Ended",
            "end Ended",
            "close Closed",
        ],
    ),
    (
        "attach-received",
        [
            "close(illegal-state) Closed",
            "close(illegal-state) Closed",
            "end(handle-in-use) Ended",
            "Flow",
            "attach detach(transfer-limit-exceeded) Detached",
            "-",
            "attach detach Detached",
            "end Ended",
            "close Closed",
        ],
    ),
    (
        "receiver",
        [
            "close(illegal-state) Closed",
            "close(illegal-state) Closed",
            "end(handle-in-use) Ended",
            "Flow",
            "Delivery",
            "-",
            "detach Detached",
            "end Ended",
            "close Closed",
        ],
    ),
    (
        "receiving",
        [
            "close(illegal-state) Closed",
            "close(illegal-state) Closed",
            "end(handle-in-use) Ended",
            "Flow",
            "Delivery",
            "-",
            "detach Detached",
            "end Ended",
            "close Closed",
        ],
    ),
    (
        "sender",
        [
            "close(illegal-state) Closed",
            "close(illegal-state) Closed",
            "end(handle-in-use) Ended",
            "Flow",
            "detach(not-allowed) Detached",
            "-",
            "detach Detached",
            "end Ended",
            "close Closed",
        ],
    ),
    (
        "sending",
        [
            "close(illegal-state) Closed",
            "close(illegal-state) Closed",
            "end(handle-in-use) Ended",
            "Window Flow",
            "detach(not-allowed) Detached",
            "Disposition",
            "detach Detached",
            "end Ended",
            "close Closed",
        ],
    ),
    (
        "detach-sent",
        [
            "close(illegal-state) Closed",
            "close(illegal-state) Closed",
            "end(handle-in-use) Ended",
            "-",
            "-",
            "-",
            "Detached",
            "end Ended",
            "close Closed",
        ],
    ),
    (
        "refused",
        [
            "close(illegal-state) Closed",
            "close(illegal-state) Closed",
            "end(handle-in-use) Ended",
            "-",
            "-",
            "-",
            "-",
            "end Ended",
            "close Closed",
        ],
    ),
    (
        "detached",
        [
            "close(illegal-state) Closed",
            "close(illegal-state) Closed",
            "Attached",
            "end(unattached-handle) Ended",
            "end(unattached-handle) Ended",
            "-",
            "end(unattached-handle) Ended",
            "end Ended",
            "close Closed",
        ],
    ),
];

#[test]
fn every_performative_in_every_state() {
    let mut cells = 0;
    for (state, expected) in TABLE {
        let found = row(state);
        assert_eq!(found, expected, "in {state}");
        cells += found.len();
    }
    let states: Vec<&str> = TABLE.iter().map(|it| it.0).collect();
    assert_eq!(states, STATES);
    assert_eq!(cells, 20 * 9, "none is forgotten");
}

/// Each performative in the forms that make a difference.
fn forms() -> Vec<Performative> {
    let mut forms: Vec<Performative> = (0..PERFORMATIVES).map(performative).collect();
    let disposition = |role, settled| Disposition {
        role,
        settled,
        last: Some(DeliveryNumber(9)),
        state: Some(Accepted {}.into()),
        ..Disposition::default()
    };
    forms.extend([
        Begin { remote_channel: Some(0), incoming_window: 100, ..Begin::default() }.into(),
        attach(Role::Receiver).into(),
        Attach { handle: Handle(1), ..attach(Role::Sender) }.into(),
        Attach { handle: Handle(1), ..named("other", Role::Receiver) }.into(),
        Attach { source: None, target: None, ..attach(Role::Sender) }.into(),
        Flow { handle: None, link_credit: None, echo: true, ..flow() }.into(),
        Flow { drain: true, echo: true, link_credit: Some(5), ..flow() }.into(),
        Flow { delivery_count: Some(SequenceNo(3)), link_credit: Some(0), ..flow() }.into(),
        Flow { incoming_window: 0, ..flow() }.into(),
        Transfer { more: true, ..transfer() }.into(),
        Transfer { delivery_id: Some(DeliveryNumber(1)), ..transfer() }.into(),
        Transfer { delivery_id: None, delivery_tag: None, more: false, ..transfer() }.into(),
        Transfer { aborted: true, ..transfer() }.into(),
        Transfer { settled: Some(true), resume: true, ..transfer() }.into(),
        disposition(Role::Receiver, true).into(),
        disposition(Role::Receiver, false).into(),
        disposition(Role::Sender, true).into(),
        disposition(Role::Sender, false).into(),
        Detach { closed: false, ..detach() }.into(),
        Detach { handle: Handle(1), ..detach() }.into(),
    ]);
    let error = || {
        let condition = amqp10::ErrorCondition::InternalError;
        Some(Box::new(AmqpError { condition, description: None, info: None }))
    };
    forms.extend([
        Detach { error: error(), ..detach() }.into(),
        End { error: error() }.into(),
        Close { error: error() }.into(),
    ]);
    forms
}

/// What came last of links, sessions and the connection is told once, and nothing after it.
#[derive(Default)]
struct Told {
    gone: Vec<LinkId>,
    ended: Vec<SessionId>,
    is_closed: bool,
}

impl Told {
    fn see(&mut self, event: &Event, story: &str) {
        assert!(!self.is_closed, "{story}: {event:?} after the end");
        let (link, session) = match event {
            Event::Closed { .. } => {
                self.is_closed = true;
                return;
            }
            Event::Opened(_) => return,
            Event::Begun { session, .. }
            | Event::Ended { session, .. }
            | Event::Window { session } => (None, *session),
            Event::Disposition(it) => (None, it.session),
            Event::Delivery(it) => (Some(it.link), it.link.session()),
            Event::Flow(it) => (Some(it.link), it.link.session()),
            Event::Attached { link, .. }
            | Event::Part { link, .. }
            | Event::Aborted { link, .. }
            | Event::Drained { link, .. }
            | Event::Detached { link, .. } => (Some(*link), link.session()),
        };
        assert!(!self.ended.contains(&session), "{story}: {event:?} of a session that ended");
        let is_gone = link.is_some_and(|link| self.gone.contains(&link));
        assert!(!is_gone, "{story}: {event:?} of a link that is gone");
        match event {
            Event::Ended { .. } => self.ended.push(session),
            Event::Detached { link, .. } => self.gone.push(*link),
            _ => {}
        }
    }
}

/// Every state, and whatever is heard in it twice in a row: what is said keeps to the protocol
/// ([`Watch`](crate::watch::Watch) looks), and what is over is told once.
#[test]
fn any_two_performatives_in_every_state() {
    let forms = forms();
    let mut cases = 0;
    for state in STATES {
        for first in &forms {
            for second in &forms {
                let mut peer = endpoint_in(state);
                let mut told = Told::default();
                for heard in [first, second] {
                    peer.hear(0, heard.clone());
                    for event in peer.told() {
                        told.see(&event, &format!("{state}, {first:?}, {second:?}"));
                    }
                }
                peer.said();
                cases += 1;
            }
        }
    }
    assert_eq!((forms.len(), cases), (32, 20 * 32 * 32));
}
