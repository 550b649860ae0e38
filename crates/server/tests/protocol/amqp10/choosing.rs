//! Links that choose what they take of a queue, or take nothing.

use amqp10::{
    definition::Role,
    endpoint::{Event, Intake},
    messaging::{DistributionMode, Source},
};
use broker::Value;

use super::{Client, addressed, receiving, with_queue_of};

#[test]
fn a_browser_sees_each_message_once_whatever_its_priority_and_credit() {
    let priorities = [("x-max-priority".to_owned(), Value::Long(2))];
    let server = with_queue_of("q", priorities.into_iter().collect());
    let (mut client, session) = Client::open(&server);
    let to = client.sender(session, None);
    client.attached();
    for n in 0..9_u8 {
        client.send_with(to, n.into(), addressed("/queues/q", n % 3), &n.to_string());
        client.outcome();
    }
    let source = Source {
        address: Some("/queues/q".into()),
        distribution_mode: Some(DistributionMode::Copy),
        ..Source::default()
    };
    let link = receiving("browser", source);
    let link = client.protocol.attach(session, link, Intake::default(), &mut client.out).unwrap();
    client.attached();
    let mut seen = Vec::new();
    for _ in 0..9 {
        client.protocol.grant(link, 1, false, &mut client.out);
        let (delivery, body) = client.delivery();
        seen.push(body);
        let (role, id) = (Role::Receiver, delivery.id);
        client.protocol.settle(session, role, id, None, &mut client.out);
    }
    assert_eq!(seen, ["2", "5", "8", "1", "4", "7", "0", "3", "6"]);
    client.protocol.grant(link, 1, true, &mut client.out);
    let more = client.wait(|it| matches!(it, Event::Drained { .. } | Event::Delivery(_)));
    assert!(matches!(more, Event::Drained { unused: 1, .. }), "there is no more: {more:?}");
}
