//! Messages that go to disk as they come, and come from there.

use std::time::Duration;

use amqp10::{
    definition::Role,
    endpoint::{Event, LinkId, Outgoing, Sent, SessionId},
    messaging::{Accepted, DeliveryState, DistributionMode, Header, Rejected, Source},
    section::encode_data,
};
use amqp091::method::basic;
use broker::{Arguments, ConnectionId, Value};
use bytes::{Bytes, BytesMut};

use super::{Client, declare, receiving};
use crate::{client::text, server::TestServer};

/// Well above what is kept in memory.
const BYTES: usize = 9 << 20;

fn content(seed: u8) -> Vec<u8> {
    (0..BYTES).map(|at| seed.wrapping_add((at / 251) as u8)).collect()
}

/// The octets of a large durable message.
fn message(seed: u8) -> Bytes {
    let mut octets = BytesMut::new();
    amqp10::Encode::encode(&Header { durable: Some(true), ..Header::default() }, &mut octets);
    encode_data(&content(seed).into(), &mut octets);
    octets.freeze()
}

fn with_queues(names: &[(&str, Arguments)]) -> TestServer {
    let server = TestServer::on_disk();
    names.iter().for_each(|(name, arguments)| declare(&server, name, arguments.clone()));
    server
}

fn attachments(server: &TestServer) -> usize {
    server.message_files().iter().filter(|name| name.contains("attach")).count()
}

impl Client {
    fn begin_large(&mut self, link: LinkId, tag: u64, octets: &Bytes) {
        self.wait_for_credit(link);
        let message = Outgoing { tag, rest: octets.len() as u64, ..Outgoing::default() };
        let sent = self.protocol.send(link, &message, &mut self.out);
        assert!(matches!(sent, Sent::Partly(_)), "{sent:?}");
    }

    /// Hands over as much as the window takes, again and again.
    fn go_on(&mut self, link: LinkId, mut octets: Bytes) {
        while !octets.is_empty() {
            if !self.protocol.is_hungry(link) {
                let event = self.wait(|event| matches!(event, Event::Window { .. }));
                let Event::Window { session } = event else { unreachable!() };
                self.protocol.continue_sending(session, &mut self.out);
                continue;
            }
            let part = octets.split_to(octets.len().min(100_000));
            assert!(self.protocol.feed(link, part, &mut self.out));
            self.write();
        }
    }

    fn send_large(&mut self, link: LinkId, tag: u64, octets: Bytes) {
        self.begin_large(link, tag, &octets);
        self.go_on(link, octets);
    }

    /// One message's body.
    fn take_large(&mut self, session: SessionId, from: LinkId, state: DeliveryState) -> Vec<u8> {
        self.protocol.grant(from, 1, false, &mut self.out);
        let event = self.wait(|event| matches!(event, Event::Delivery(_)));
        let Event::Delivery(delivery) = event else { unreachable!() };
        let message = amqp10::Message::parse(delivery.payload).unwrap();
        let (id, state) = (delivery.id, Some(state));
        self.protocol.settle(session, Role::Receiver, id, state, &mut self.out);
        self.write();
        message.data().flatten().flatten().collect()
    }
}

fn accepted() -> DeliveryState {
    DeliveryState::Accepted(Accepted {})
}

#[test]
fn a_large_message_is_on_disk_as_it_comes_and_arrives_as_it_was() {
    let server = with_queues(&[("q", Arguments::default())]);
    let (mut client, session) = Client::open(&server);
    let to = client.sender(session, Some("/queues/q"));
    client.attached();
    let octets = message(1);
    client.begin_large(to, 1, &octets);
    let (first, rest) = (octets.slice(..6 << 20), octets.slice(6 << 20..));
    client.go_on(to, first);
    // All of it but the end is there, and it is nobody's message yet.
    while !server.message_files().iter().any(|name| name.ends_with(".attaching")) {
        std::thread::yield_now();
    }
    client.go_on(to, rest);
    assert_eq!(client.outcome(), accepted());
    let queue = server.broker.vhost("/").unwrap().queue("q", ConnectionId(0)).unwrap();
    assert_eq!(queue.counts().ready, 1);
    assert!(server.message_files().iter().any(|name| name.ends_with(".attached")));
    assert!(server.broker.memory_bytes() < 1 << 20, "{}", server.broker.memory_bytes());
    // A small one behind it.
    client.send(to, 2, "small");
    assert_eq!(client.outcome(), accepted());
    let browser = Source {
        address: Some("q".into()),
        distribution_mode: Some(DistributionMode::Copy),
        ..Source::default()
    };
    let link = receiving("browser", browser);
    let browser =
        client.protocol.attach(session, link, Default::default(), &mut client.out).unwrap();
    client.attached();
    assert!(client.take_large(session, browser, accepted()) == content(1), "browsed");
    let from = client.receiver(session, "q", false);
    client.attached();
    assert!(client.take_large(session, from, accepted()) == content(1), "consumed");
    client.protocol.grant(from, 1, false, &mut client.out);
    assert_eq!(client.delivery().1, "small");
}

#[test]
fn what_is_rejected_becomes_a_dead_letter_and_comes_again_to_the_other_protocol() {
    let dead_letters = [("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", "dead")];
    let dead_letters: Arguments = dead_letters
        .map(|(name, value)| (name.into(), Value::Longstr(value.into())))
        .into_iter()
        .collect();
    let server = with_queues(&[("q", dead_letters), ("dead", Arguments::default())]);
    let (mut client, session) = Client::open(&server);
    let to = client.sender(session, Some("/queues/q"));
    client.attached();
    client.send_large(to, 1, message(2));
    assert_eq!(client.outcome(), accepted());
    let from = client.receiver(session, "q", false);
    client.attached();
    let rejected = DeliveryState::Rejected(Rejected { error: None });
    assert!(client.take_large(session, from, rejected) == content(2));
    let queue = server.broker.vhost("/").unwrap().queue("dead", ConnectionId(0)).unwrap();
    while queue.counts().ready == 0 {
        std::thread::yield_now();
    }
    let mut other = crate::client::Client::open_channel(&server).wait_up_to(Duration::from_secs(5));
    other.send(1, &basic::Get { queue: text("dead"), ..basic::Get::default() });
    let body: Vec<u8> = other.content(1).body.concat();
    assert!(body == content(2));
}

#[test]
fn one_that_is_given_up_or_leads_nowhere_leaves_nothing() {
    let server = with_queues(&[("q", Arguments::default())]);
    let (mut client, session) = Client::open(&server);
    let to = client.sender(session, Some("/exchanges/amq.direct/nobody"));
    client.attached();
    client.send_large(to, 1, message(3));
    assert!(matches!(client.outcome(), DeliveryState::Released(_)));
    assert_eq!(attachments(&server), 0);
    let given_up = message(4);
    client.begin_large(to, 2, &given_up);
    client.go_on(to, given_up.slice(..6 << 20));
    while attachments(&server) == 0 {
        std::thread::yield_now();
    }
    assert!(client.protocol.abort(to, &mut client.out));
    client.send(to, 3, "small");
    assert!(matches!(client.outcome(), DeliveryState::Released(_)));
    assert_eq!(attachments(&server), 0);
    // And one whose sender is gone.
    client.begin_large(to, 4, &given_up);
    client.go_on(to, given_up.slice(..6 << 20));
    while attachments(&server) == 0 {
        std::thread::yield_now();
    }
    drop(client);
    server.wait_until_idle();
    assert_eq!(attachments(&server), 0);
}
