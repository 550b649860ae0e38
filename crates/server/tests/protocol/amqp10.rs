//! AMQP 1.0 over real sockets: the protocol's own engine as a client, and octets that no client
//! says.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use amqp10::{
    ChannelId, Encode as _, Frame, FrameDecoder, SaslFrame,
    definition::{Role, SenderSettleMode},
    encode_frame,
    endpoint::{Connection, Delivery, Event, Intake, LinkId, Outgoing, Sent, SessionId, Settings},
    messaging::{
        Accepted, DeliveryState, Header, LinkTarget, Modified, Properties, Source, Target,
    },
    performative::Attach,
    sasl::{SaslCode, SaslInit, SaslOutcome},
    section::encode_data,
    types::{Described, Map, Secret, Symbol, Value},
};
use broker::{Arguments, QueueDeclaration};
use bytes::{Bytes, BytesMut};

use crate::server::TestServer;

mod choosing;
mod large;
mod management;
mod resume;
mod subscriptions;
mod transactions;

struct Client {
    socket: TcpStream,
    inbox: BytesMut,
    decoder: FrameDecoder,
    protocol: Connection,
    out: BytesMut,
    events: Vec<Event>,
}

impl Client {
    /// Logs in; the outcome of it.
    fn log_in(server: &TestServer, password: &str) -> (Client, SaslCode) {
        Client::log_in_as(Settings::new("client"), server, password)
    }

    fn log_in_as(settings: Settings, server: &TestServer, password: &str) -> (Client, SaslCode) {
        let socket = TcpStream::connect(server.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut client = Client {
            socket,
            inbox: BytesMut::new(),
            decoder: FrameDecoder::new(),
            protocol: Connection::new(settings, Duration::ZERO),
            out: BytesMut::new(),
            events: Vec::new(),
        };
        client.socket.write_all(b"AMQP\x03\x01\x00\x00").unwrap();
        let header = client.octets(8);
        assert_eq!(header[..], b"AMQP\x03\x01\x00\x00"[..]);
        let SaslFrame::SaslMechanisms(offered) = client.sasl() else { panic!("no mechanisms") };
        assert_eq!(offered.sasl_server_mechanisms.as_slice(), [Symbol::from_static("PLAIN")]);
        let response = Bytes::from(format!("\0guest\0{password}"));
        let init = SaslInit {
            mechanism: Symbol::from_static("PLAIN"),
            initial_response: Some(Secret::new(response)),
            hostname: None,
        };
        let mut out = BytesMut::new();
        encode_frame(ChannelId(0), &init, &mut out);
        client.socket.write_all(&out).unwrap();
        let SaslFrame::SaslOutcome(SaslOutcome { code, .. }) = client.sasl() else {
            panic!("no outcome")
        };
        (client, code)
    }

    /// An open connection with a session.
    fn open(server: &TestServer) -> (Client, SessionId) {
        let (mut client, session) = Client::begin(Settings::new("client"), server);
        client.wait(|event| matches!(event, Event::Begun { .. }));
        (client, session)
    }

    /// A connection with a session, neither of which was answered yet.
    fn begin(settings: Settings, server: &TestServer) -> (Client, SessionId) {
        let (mut client, code) = Client::log_in_as(settings, server, "guest");
        assert_eq!(code, SaslCode::Ok);
        client.socket.write_all(b"AMQP\x00\x01\x00\x00").unwrap();
        assert_eq!(client.octets(8)[..], b"AMQP\x00\x01\x00\x00"[..]);
        client.decoder = FrameDecoder::new();
        client.decoder.set_max_size(1 << 20);
        client.protocol.open(&mut client.out);
        let session = client.protocol.begin(&mut client.out).unwrap();
        (client, session)
    }

    fn octets(&mut self, count: usize) -> BytesMut {
        while self.inbox.len() < count {
            self.read();
        }
        self.inbox.split_to(count)
    }

    fn read(&mut self) {
        let mut block = [0; 4096];
        let count = self.socket.read(&mut block).unwrap();
        assert!(count > 0, "the server closed");
        self.inbox.extend_from_slice(&block[..count]);
    }

    fn sasl(&mut self) -> SaslFrame {
        loop {
            match self.decoder.decode(&mut self.inbox).unwrap() {
                Some(Frame::Sasl(frame)) => return frame,
                Some(other) => panic!("{other:?}"),
                None => self.read(),
            }
        }
    }

    fn write(&mut self) {
        let out = self.out.split();
        self.socket.write_all(&out).unwrap();
    }

    /// The first event like this; those before it are passed over.
    fn wait(&mut self, is_it: impl Fn(&Event) -> bool) -> Event {
        let until = Instant::now() + Duration::from_secs(5);
        self.write();
        loop {
            if let Some(at) = self.events.iter().position(&is_it) {
                return self.events.drain(..=at).next_back().unwrap();
            }
            assert!(Instant::now() < until, "nothing like it came: {:?}", self.events);
            match self.decoder.decode(&mut self.inbox).unwrap() {
                Some(frame) => {
                    let (out, events) = (&mut self.out, &mut self.events);
                    self.protocol.receive(frame, Duration::ZERO, out, events);
                }
                None => self.read(),
            }
            self.write();
        }
    }

    fn sender(&mut self, session: SessionId, address: Option<&str>) -> LinkId {
        self.sender_to(session, Target { address: address.map(Into::into), ..Target::default() })
    }

    fn sender_to(&mut self, session: SessionId, target: Target) -> LinkId {
        let attach = Attach {
            name: format!("to {:?}", target.address).into(),
            role: Role::Sender,
            source: Some(Source::default()),
            target: Some(LinkTarget::Target(target)),
            ..Attach::default()
        };
        let intake = Intake::default();
        self.protocol.attach(session, attach, intake, &mut self.out).unwrap()
    }

    fn receiver(&mut self, session: SessionId, address: &str, settled: bool) -> LinkId {
        let source = Source { address: Some(address.into()), ..Source::default() };
        let snd_settle_mode = match settled {
            true => SenderSettleMode::Settled,
            false => SenderSettleMode::Unsettled,
        };
        let name = format!("from {address}");
        let link = Attach { snd_settle_mode, ..receiving(&name, source) };
        self.protocol.attach(session, link, Intake::default(), &mut self.out).unwrap()
    }

    fn selecting(&mut self, session: SessionId, address: &str, selector: &str) -> LinkId {
        let filter = Some(selecting(selector));
        let source = Source { address: Some(address.into()), filter, ..Source::default() };
        let link = receiving(&format!("of {address} {selector}"), source);
        self.protocol.attach(session, link, Intake::default(), &mut self.out).unwrap()
    }

    fn attached(&mut self) {
        let event = self.wait(|event| matches!(event, Event::Attached { .. }));
        let Event::Attached { attach, .. } = event else { unreachable!() };
        assert!(attach.target.is_some() && attach.source.is_some(), "{attach:?}");
    }

    fn send(&mut self, link: LinkId, tag: u64, body: &'static str) {
        self.send_with(link, tag, BytesMut::new(), body);
    }

    /// A message that begins with these sections.
    fn send_with(&mut self, link: LinkId, tag: u64, mut head: BytesMut, body: &str) {
        self.wait_for_credit(link);
        encode_data(&Bytes::copy_from_slice(body.as_bytes()), &mut head);
        let message = Outgoing { tag, head: &head, ..Outgoing::default() };
        let sent = self.protocol.send(link, &message, &mut self.out);
        assert!(matches!(sent, Sent::Whole(_)), "{sent:?}");
        self.write();
    }

    fn wait_for_credit(&mut self, link: LinkId) {
        if self.protocol.credit(link) == 0 {
            self.wait(|event| matches!(event, Event::Flow(flow) if flow.credit > 0));
        }
    }

    fn outcome(&mut self) -> DeliveryState {
        let event = self.wait(|event| matches!(event, Event::Disposition(_)));
        let Event::Disposition(disposition) = event else { unreachable!() };
        disposition.state.unwrap()
    }

    fn delivery(&mut self) -> (Delivery, String) {
        let event = self.wait(|event| matches!(event, Event::Delivery(_)));
        let Event::Delivery(delivery) = event else { unreachable!() };
        let message = amqp10::Message::parse(delivery.payload.clone()).unwrap();
        let body: Vec<u8> = message.data().flatten().flat_map(|piece| piece.to_vec()).collect();
        (delivery, String::from_utf8(body).unwrap())
    }

    /// What became of a link that was refused.
    fn refusal(&mut self) -> String {
        let event = self.wait(|event| matches!(event, Event::Detached { .. }));
        let Event::Detached { error, .. } = event else { unreachable!() };
        let error = error.unwrap();
        format!("{}: {}", error.condition.as_str(), error.description.as_deref().unwrap())
    }
}

/// A link that receives.
fn receiving(name: &str, source: Source) -> Attach {
    Attach {
        name: name.into(),
        role: Role::Receiver,
        source: Some(source),
        target: Some(LinkTarget::Target(Target::default())),
        ..Attach::default()
    }
}

/// A source's filter: a selector.
fn selecting(selector: &str) -> Map {
    let filter = Described {
        descriptor: Symbol::from_static("apache.org:selector-filter:string").into(),
        value: selector.into(),
    };
    let filter = Value::Described(Box::new(filter));
    [(Symbol::from_static("chosen"), filter)].into_iter().collect()
}

fn with_queue(name: &str) -> TestServer {
    with_queue_of(name, Arguments::default())
}

fn with_queue_of(name: &str, arguments: Arguments) -> TestServer {
    let server = TestServer::start();
    declare(&server, name, arguments);
    server
}

/// A durable queue.
fn declare(server: &TestServer, name: &str, arguments: Arguments) {
    let declaration = QueueDeclaration {
        name: name.into(),
        durable: true,
        exclusive: false,
        auto_delete: false,
        arguments,
    };
    let vhost = server.broker.vhost("/").unwrap();
    vhost.declare_queue(declaration, server.broker.new_connection(), false).unwrap();
}

#[test]
fn a_wrong_password_gets_an_outcome_and_the_end() {
    let server = TestServer::start();
    let (mut client, code) = Client::log_in(&server, "wrong");
    assert_eq!(code, SaslCode::Auth);
    assert_eq!(client.socket.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn a_message_is_accepted_delivered_by_credit_and_settled() {
    let server = with_queue("q");
    let (mut client, session) = Client::open(&server);
    let to = client.sender(session, Some("/queues/q"));
    client.attached();
    for (tag, body) in ["one", "two", "three"].into_iter().enumerate() {
        client.send(to, tag as u64, body);
        assert_eq!(client.outcome(), DeliveryState::Accepted(Accepted {}));
    }
    let from = client.receiver(session, "q", false);
    client.attached();
    for body in ["one", "two"] {
        client.protocol.grant(from, 1, false, &mut client.out);
        let (delivery, got) = client.delivery();
        assert_eq!((got.as_str(), client.protocol.credit(from)), (body, 0));
        let accepted = Some(DeliveryState::Accepted(Accepted {}));
        client.protocol.settle(session, Role::Receiver, delivery.id, accepted, &mut client.out);
    }
    // All there is, and then the rest of the credit comes back.
    client.protocol.grant(from, 10, true, &mut client.out);
    assert_eq!(client.delivery().1, "three");
    let event = client.wait(|event| matches!(event, Event::Drained { .. }));
    assert_eq!(event, Event::Drained { link: from, unused: 9 });
    let queue = server.broker.vhost("/").unwrap().queue("q", broker::ConnectionId(0)).unwrap();
    assert_eq!((queue.counts().ready, queue.counts().unacknowledged), (0, 1));
    // What was not settled goes back with the connection.
    drop(client);
    server.wait_until_idle();
    assert_eq!((queue.counts().ready, queue.counts().unacknowledged), (1, 0));
}

#[test]
fn what_no_queue_takes_is_released_and_what_leads_nowhere_refused() {
    let server = with_queue("q");
    let (mut client, session) = Client::open(&server);
    let to = client.sender(session, Some("/exchanges/amq.direct/nobody"));
    client.attached();
    client.send(to, 0, "lost");
    assert!(matches!(client.outcome(), DeliveryState::Released(_)));
    for (address, refused) in [
        ("/queues/none", "amqp:not-found: no queue 'none' in vhost '/'"),
        ("/exchanges/none/k", "amqp:not-found: no exchange 'none' in vhost '/'"),
        ("nothing", "amqp:not-found: no queue or exchange 'nothing' in vhost '/'"),
        ("/queues/a/b", "amqp:invalid-field: the address '/queues/a/b' has more parts"),
    ] {
        client.sender(session, Some(address));
        let told = client.refusal();
        assert!(told.starts_with(refused), "{told}");
    }
    client.receiver(session, "/queues/none", true);
    assert_eq!(client.refusal(), "amqp:not-found: no queue 'none' in vhost '/'");
    // The session and the other link go on.
    client.send(to, 1, "lost");
    assert!(matches!(client.outcome(), DeliveryState::Released(_)));
}

#[test]
fn a_dynamic_target_goes_with_its_link() {
    let server = TestServer::start();
    let queues = || server.broker.vhost("/").unwrap().queues().len();
    let (mut client, session) = Client::open(&server);
    let to = client.sender_to(session, Target { dynamic: true, ..Target::default() });
    client.attached();
    assert_eq!(queues(), 1);
    client.send(to, 1, "nobody reads it");
    client.protocol.detach(to, true, None, &mut client.out);
    client.wait(|event| matches!(event, Event::Detached { .. }));
    assert_eq!(queues(), 0);
}

#[test]
fn a_container_that_wants_it_has_one_connection() {
    let server = TestServer::start();
    let settings = |policy: Option<u32>| {
        let mut settings = Settings::new("the only one");
        settings.desired_capabilities = [sole()].into_iter().collect();
        let name = Symbol::from_static("sole-connection-enforcement-policy");
        settings.properties =
            policy.map(|policy| [(name, Value::Uint(policy))].into_iter().collect());
        settings
    };
    let (mut first, _) = Client::begin(settings(None), &server);
    let event = first.wait(|event| matches!(event, Event::Opened(_)));
    let Event::Opened(open) = event else { unreachable!() };
    assert!(open.offered_capabilities.as_slice().contains(&sole()));
    let closed = |client: &mut Client| {
        let event = client.wait(|event| matches!(event, Event::Closed { .. }));
        let Event::Closed { error, .. } = event else { unreachable!() };
        let error = error.unwrap();
        (error.condition.as_str().to_owned(), error.description.unwrap().to_string())
    };
    let (mut second, _) = Client::begin(settings(None), &server);
    let (condition, words) = closed(&mut second);
    assert_eq!(condition, "amqp:invalid-field");
    assert!(words.starts_with("container 'the only one' has a connection already"), "{words}");
    // Others do not mind.
    let (_, _) = Client::open(&server);
    let (mut third, _) = Client::begin(settings(Some(1)), &server);
    third.wait(|event| matches!(event, Event::Begun { .. }));
    let (condition, words) = closed(&mut first);
    assert_eq!(condition, "amqp:connection:forced");
    assert!(words.contains("wants to be the only one"), "{words}");
}

fn sole() -> Symbol {
    Symbol::from_static("sole-connection-for-container")
}

#[test]
fn a_queue_that_goes_takes_its_links_with_it() {
    let server = with_queue("q");
    let (mut client, session) = Client::open(&server);
    client.receiver(session, "q", false);
    client.attached();
    let vhost = server.broker.vhost("/").unwrap();
    vhost.delete_queue("q", broker::ConnectionId(0), false, false).unwrap();
    assert_eq!(client.refusal(), "amqp:resource-deleted: queue 'q' was deleted");
}

/// Sections that say where a message goes, and how it is to be treated.
fn addressed(to: &str, priority: u8) -> BytesMut {
    let mut head = BytesMut::new();
    Header { priority: Some(priority), ..Header::default() }.encode(&mut head);
    Properties { to: Some(to.into()), ..Properties::default() }.encode(&mut head);
    head
}

#[test]
fn messages_that_are_alike_but_for_some_octets_are_told_apart() {
    let server = with_queue("one");
    declare(&server, "two", Arguments::default());
    let (mut client, session) = Client::open(&server);
    let anywhere = client.sender(session, None);
    client.attached();
    let to_one = client.sender(session, Some("/queues/one"));
    client.attached();
    // Often enough that all of it has been seen before.
    for round in 0..20 {
        for (at, (link, to, priority)) in [
            (anywhere, "/queues/one", 1),
            (anywhere, "/queues/two", 1),
            (anywhere, "/queues/two", 2),
            // Here the link says where it goes.
            (to_one, "/queues/two", 1),
        ]
        .into_iter()
        .enumerate()
        {
            let body = format!("{round} {at}");
            client.send_with(link, round * 4 + at as u64, addressed(to, priority), &body);
            assert_eq!(client.outcome(), DeliveryState::Accepted(Accepted {}), "{body}");
        }
    }
    for (queue, expected) in
        [("one", &[(0, 1, "one"), (3, 1, "two")][..]), ("two", &[(1, 1, "two"), (2, 2, "two")])]
    {
        let from = client.receiver(session, queue, true);
        client.attached();
        client.protocol.grant(from, 100, false, &mut client.out);
        for round in 0..20 {
            for (at, priority, to) in expected {
                let (delivery, body) = client.delivery();
                assert_eq!(body, format!("{round} {at}"));
                let message = amqp10::Message::parse(delivery.payload).unwrap();
                assert_eq!(message.header().unwrap().priority, Some(*priority));
                let properties = message.properties().unwrap().unwrap();
                assert_eq!(properties.to.as_deref(), Some(&*format!("/queues/{to}")));
                let annotations = message.message_annotations().unwrap();
                let key = annotations.get("x-routing-key").unwrap().unwrap();
                assert_eq!(key.as_text(), Some(queue));
            }
        }
    }
}

#[test]
fn what_a_message_meant_before_holds_until_the_topology_changes() {
    let server = with_queue("q");
    let vhost = server.broker.vhost("/").unwrap();
    let (mut client, session) = Client::open(&server);
    let to = client.sender(session, Some("/exchanges/amq.direct/k"));
    client.attached();
    let mut tag = 0;
    let mut all = |client: &mut Client, is_expected: fn(&DeliveryState) -> bool| {
        for _ in 0..10 {
            client.send(to, tag, "body");
            let outcome = client.outcome();
            assert!(is_expected(&outcome), "{tag}: {outcome:?}");
            tag += 1;
        }
    };
    all(&mut client, |it| matches!(it, DeliveryState::Released(_)));
    let (end, me) = (broker::BindingEnd::Queue("q"), server.broker.new_connection());
    vhost.bind(&"amq.direct".into(), end, "k".into(), Default::default(), me).unwrap();
    all(&mut client, |it| matches!(it, DeliveryState::Accepted(_)));
    vhost.delete_queue("q", me, false, false).unwrap();
    all(&mut client, |it| matches!(it, DeliveryState::Released(_)));
}

#[test]
fn a_message_that_came_back_says_so_and_the_next_one_does_not() {
    let server = with_queue("q");
    let (mut client, session) = Client::open(&server);
    let to = client.sender(session, Some("/queues/q"));
    client.attached();
    for (tag, body) in ["one", "two", "three"].into_iter().enumerate() {
        client.send(to, tag as u64, body);
        client.outcome();
    }
    let from = client.receiver(session, "q", false);
    client.attached();
    client.protocol.grant(from, 1, false, &mut client.out);
    let (delivery, _) = client.delivery();
    let failed = Modified { delivery_failed: Some(true), ..Modified::default() };
    let failed = Some(DeliveryState::Modified(failed));
    client.protocol.settle(session, Role::Receiver, delivery.id, failed, &mut client.out);
    client.protocol.grant(from, 3, false, &mut client.out);
    for (body, first_acquirer, count) in [("one", false, 1), ("two", true, 0), ("three", true, 0)] {
        let (delivery, got) = client.delivery();
        let header = amqp10::Message::parse(delivery.payload).unwrap().header().unwrap();
        assert_eq!(got, body);
        let is_first = header.first_acquirer;
        assert_eq!(
            (is_first, header.delivery_count),
            (Some(first_acquirer), Some(count)),
            "{body}"
        );
    }
}

#[test]
fn octets_that_are_no_frame_are_told_so_and_close_the_connection() {
    let server = TestServer::start();
    for octets in [&[0, 0, 0, 4, 2, 0, 0, 0][..], &[0xff; 64], &[0, 0, 0, 8, 1, 0, 0, 0]] {
        let (mut client, _) = Client::open(&server);
        client.socket.write_all(octets).unwrap();
        let event = client.wait(|event| matches!(event, Event::Closed { .. }));
        let Event::Closed { error, .. } = event else { unreachable!() };
        assert_eq!(error.unwrap().condition.as_str(), "amqp:connection:framing-error");
    }
    server.wait_until_idle();
}

#[test]
fn a_handshake_that_is_none_ends_and_holds_nothing() {
    let server = TestServer::start();
    for octets in [
        &b"AMQP\x03\x01\x00\x00garbage that is no frame"[..],
        b"AMQP\x03\x01\x00\x00\x00\x00\x00\x08\x02\x01\x00\x00",
        b"AMQP\x03\x01\x00\x00AMQP\x00\x01\x00\x00",
        b"AMQP\x03\x01\x00\x00\x00\x00\x00\x0c\x02\x00\x00\x00\x00\x53\x10\x45",
    ] {
        let mut socket = TcpStream::connect(server.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        socket.write_all(octets).unwrap();
        let mut heard = Vec::new();
        let _ended = socket.read_to_end(&mut heard);
        assert!(heard.starts_with(b"AMQP\x03\x01\x00\x00"), "{octets:?}");
    }
    server.wait_until_idle();
}
