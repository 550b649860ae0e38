//! A link that was detached and not closed: what is left of it, and what a resumed one does.

use amqp10::{
    definition::Role,
    endpoint::{Event, Intake, Resumption, SuspendedLink},
    messaging::{Accepted, Received},
    types::{Described, Map, Value},
};
use bytes::Bytes;

use crate::pair::{Pair, answer_to, named};

fn suspended(told: Vec<Event>) -> SuspendedLink {
    let event = told.into_iter().find_map(|event| match event {
        Event::Detached { suspended, closed: false, .. } => suspended,
        _ => None,
    });
    *event.unwrap()
}

#[test]
fn both_sides_keep_what_is_unsettled() {
    let mut pair = Pair::new();
    let session = pair.begin();
    let client = &mut pair.client;
    let attach = named("link", Role::Sender);
    let ours = client.endpoint.attach(session, attach, Intake::default(), &mut client.out).unwrap();
    pair.talk();
    let [Event::Attached { link, attach, .. }] = &pair.server.told()[..] else { panic!() };
    let intake = Intake { resumable: true, ..Intake::default() };
    let server = &mut pair.server;
    server.endpoint.accept(*link, answer_to(attach), intake, &mut server.out);
    server.endpoint.grant(*link, 9, false, &mut server.out);
    pair.talk();
    for tag in 0..4 {
        pair.client.send(ours, tag, &Bytes::new());
    }
    pair.talk();
    let ids: Vec<_> = pair.server.deliveries().iter().map(|it| it.id).collect();
    let server = &mut pair.server;
    server.endpoint.settle(link.session(), Role::Receiver, ids[1], None, &mut server.out);
    pair.talk();
    pair.client.endpoint.detach(ours, false, None, &mut pair.client.out);
    pair.talk();
    let (sender, receiver) = (suspended(pair.client.told()), suspended(pair.server.told()));
    let tags = |it: &SuspendedLink| -> Vec<u8> {
        it.unsettled.iter().map(|it| it.tag.as_bytes()[7]).collect()
    };
    assert_eq!((tags(&sender), tags(&receiver)), (vec![0, 2, 3], vec![0, 2, 3]));
    assert_eq!(sender.delivery_count, receiver.delivery_count);
    assert_eq!((sender.role, receiver.role), (Role::Sender, Role::Receiver));
    let map = receiver.unsettled_map(|_| None);
    let all = sender.compare(Some(&map));
    assert!(all.iter().all(|(_, it)| *it == Resumption::Resume { received: None }));
}

#[test]
fn a_resumed_sender_compares_and_a_receiver_forgets() {
    let mut pair = Pair::new();
    let (ours, _) = pair.sending(9);
    for tag in 0..3 {
        pair.client.send(ours, tag, &Bytes::new());
    }
    pair.client.endpoint.detach(ours, false, None, &mut pair.client.out);
    pair.talk();
    let sender = suspended(pair.client.told());
    let state = |code: u64, fields: Vec<Value>| {
        Value::Described(Box::new(Described {
            descriptor: Value::Ulong(code),
            value: Value::List(fields),
        }))
    };
    let tag = |tag: u64| Value::Binary(Bytes::copy_from_slice(&tag.to_be_bytes()));
    let mut map = Map::new();
    map.push(tag(1), state(0x24, Vec::new()));
    map.push(tag(2), state(0x23, vec![Value::Uint(1), Value::Ulong(5)]));
    let found: Vec<Resumption> = sender.compare(Some(&map)).into_iter().map(|it| it.1).collect();
    let received = Received { section_number: 1, section_offset: 5 };
    let expected = [
        Resumption::Resend,
        Resumption::Settle { state: Accepted {}.into() },
        Resumption::Resume { received: Some(received.into()) },
    ];
    assert_eq!(found, expected);
    assert_eq!(sender.forgotten(Some(&map), false).len(), 1);
    assert_eq!(sender.forgotten(Some(&map), true).len(), 0);
    assert_eq!(sender.forgotten(None, false).len(), 3);
}
