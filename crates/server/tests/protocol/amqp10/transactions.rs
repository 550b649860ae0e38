//! Transactions, where clients in other languages do not reach.

use amqp10::{
    ErrorCondition, Frame, FrameDecoder, Performative,
    definition::Role,
    encode_frame,
    endpoint::{Event, Intake, LinkId, Outgoing, Sent, SessionId},
    messaging::{Accepted, DeliveryState, LinkTarget, Outcome, Released, Source},
    performative::Attach,
    section::{encode_data, encode_value},
    transaction::{Coordinator, Declare, Declared, Discharge, TransactionId, TransactionalState},
    types::{Symbol, Value},
};
use bytes::{Bytes, BytesMut};

use super::{Client, addressed, declare, with_queue};
use crate::server::TestServer;

impl Client {
    fn coordinator(&mut self, session: SessionId) -> LinkId {
        let attach = Attach {
            name: "coordinator".into(),
            role: Role::Sender,
            source: Some(Source::default()),
            target: Some(LinkTarget::Coordinator(Coordinator::default())),
            ..Attach::default()
        };
        let intake = Intake::default();
        let link = self.protocol.attach(session, attach, intake, &mut self.out).unwrap();
        self.attached();
        link
    }

    fn send_request(&mut self, link: LinkId, tag: u64, request: &impl amqp10::Encode) {
        self.wait_for_credit(link);
        let mut head = BytesMut::new();
        encode_value(request, &mut head);
        let message = Outgoing { tag, head: &head, ..Outgoing::default() };
        let sent = self.protocol.send(link, &message, &mut self.out);
        assert!(matches!(sent, Sent::Whole(_)), "{sent:?}");
        self.write();
    }

    fn request(&mut self, link: LinkId, tag: u64, request: &impl amqp10::Encode) -> DeliveryState {
        self.send_request(link, tag, request);
        self.outcome()
    }

    /// Says of the flow that is about to be sent that a transaction acquires what comes of it.
    fn acquire(&mut self, by: &TransactionId) {
        let octets = self.out.split();
        let mut decoder = FrameDecoder::new();
        let mut inbox = octets;
        while let Some(frame) = decoder.decode(&mut inbox).unwrap() {
            let Frame::Amqp { channel, performative: Performative::Flow(mut flow), .. } = frame
            else {
                panic!("{frame:?}")
            };
            let name = Symbol::from_static("txn-id");
            let id = Value::Binary(by.0.clone());
            flow.properties = Some([(name, id)].into_iter().collect());
            encode_frame(channel, &flow, &mut self.out);
        }
        self.write();
    }
}

#[test]
fn what_the_peer_had_is_its_own_again_when_a_full_queue_refuses_the_commit() {
    let full = [
        ("x-max-length".to_owned(), broker::Value::Long(1)),
        ("x-overflow".to_owned(), broker::Value::Longstr("reject-publish".into())),
    ];
    let server = with_queue("q");
    declare(&server, "full", full.into_iter().collect());
    let (mut client, session) = Client::open(&server);
    let to = client.sender(session, None);
    client.attached();
    for (tag, to_queue) in [(0, "/queues/q"), (1, "/queues/q"), (2, "/queues/full")] {
        client.send_with(to, tag, addressed(to_queue, 0), "a");
        client.outcome();
    }
    let coordinator = client.coordinator(session);
    let from = client.receiver(session, "q", false);
    client.attached();
    client.protocol.grant(from, 2, false, &mut client.out);
    let deliveries = [client.delivery().0, client.delivery().0];
    let declared = client.request(coordinator, 10, &Declare::default());
    let DeliveryState::Declared(Declared { txn_id }) = declared else { panic!("{declared:?}") };
    let retired = TransactionalState {
        txn_id: txn_id.clone(),
        outcome: Some(Outcome::Accepted(Accepted {})),
    };
    let retired = DeliveryState::TransactionalState(Box::new(retired));
    let [kept, settled] = deliveries.map(|delivery| delivery.id);
    let out = &mut client.out;
    client.protocol.update(session, Role::Receiver, kept, Some(retired.clone()), out);
    client.protocol.settle(session, Role::Receiver, settled, Some(retired), out);
    client.wait_for_credit(to);
    let mut head = addressed("/queues/full", 0);
    encode_data(&Bytes::from_static(b"too much"), &mut head);
    let posted = TransactionalState { txn_id: txn_id.clone(), outcome: None };
    let posted = DeliveryState::TransactionalState(Box::new(posted));
    let message = Outgoing { tag: 3, head: &head, state: Some(&posted), ..Outgoing::default() };
    let sent = client.protocol.send(to, &message, &mut client.out);
    assert!(matches!(sent, Sent::Whole(_)), "{sent:?}");
    client.outcome();
    let refused = client.request(coordinator, 11, &Discharge { txn_id, fail: Some(false) });
    let DeliveryState::Rejected(refused) = refused else { panic!("{refused:?}") };
    let refused = refused.error.unwrap();
    assert_eq!(refused.condition, ErrorCondition::TransactionRollback, "{refused:?}");
    assert_eq!(counts(&server), (1, 1), "one is out, the other went back");
    let accepted = Some(DeliveryState::Accepted(Accepted {}));
    client.protocol.settle(session, Role::Receiver, kept, accepted, &mut client.out);
    client.protocol.detach(from, true, None, &mut client.out);
    client.wait(|event| matches!(event, Event::Detached { .. }));
    assert_eq!(counts(&server), (1, 0), "what is out can be settled as if nothing had been");
}

fn counts(server: &TestServer) -> (usize, usize) {
    let queue = server.broker.vhost("/").unwrap().queue("q", broker::ConnectionId(0)).unwrap();
    (queue.counts().ready, queue.counts().unacknowledged)
}

#[test]
fn what_a_transaction_acquired_is_released_when_it_is_rolled_back() {
    let server = with_queue("q");
    let (mut client, session) = Client::open(&server);
    let to = client.sender(session, Some("/queues/q"));
    client.attached();
    client.send(to, 0, "a");
    client.outcome();
    let coordinator = client.coordinator(session);
    let from = client.receiver(session, "q", false);
    client.attached();
    for (tag, fail) in [(10, true), (20, false)] {
        let declared = client.request(coordinator, tag, &Declare::default());
        let DeliveryState::Declared(declared) = declared else { panic!("{declared:?}") };
        client.protocol.grant(from, 1, false, &mut client.out);
        client.acquire(&declared.txn_id);
        let (delivery, body) = client.delivery();
        let Some(DeliveryState::TransactionalState(of)) = delivery.state.as_deref() else {
            panic!("{:?}", delivery.state)
        };
        assert_eq!((body.as_str(), &of.txn_id), ("a", &declared.txn_id));
        assert_eq!(counts(&server), (0, 1));
        let discharge = Discharge { txn_id: declared.txn_id, fail: Some(fail) };
        let released = Some(DeliveryState::Released(Released {}));
        if fail {
            client.send_request(coordinator, tag + 1, &discharge);
            let event = client.wait(|event| matches!(event, Event::Disposition(_)));
            let Event::Disposition(disposition) = event else { unreachable!() };
            assert_eq!((disposition.role, disposition.state), (Role::Sender, released));
            assert_eq!(client.outcome(), DeliveryState::Accepted(Accepted {}));
            assert_eq!(counts(&server), (1, 0), "it may be had by others");
        } else {
            let done = client.request(coordinator, tag + 1, &discharge);
            assert_eq!(done, DeliveryState::Accepted(Accepted {}));
            assert_eq!(counts(&server), (0, 1), "it stays acquired");
        }
    }
    let unknown = TransactionId(Bytes::from_static(b"none"));
    client.protocol.grant(from, 1, false, &mut client.out);
    client.acquire(&unknown);
    assert!(client.refusal().starts_with("amqp:transaction:unknown-id: "));
}
