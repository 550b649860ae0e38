//! `$management`: requests that are messages, and answers to where they say.

use broker::authorize::Permission;

use super::*;

/// A link to `$management`, and one that answers come on.
struct Node {
    client: Client,
    requests: LinkId,
    answers: LinkId,
    reply_to: String,
    asked: u64,
}

struct Answer {
    status: i32,
    description: String,
    count: Option<i32>,
    body: Value,
}

impl Node {
    fn open(server: &TestServer, target: Option<&str>) -> Node {
        let (mut client, session) = Client::open(server);
        let answers = Attach {
            name: "answers".into(),
            role: Role::Receiver,
            snd_settle_mode: SenderSettleMode::Settled,
            source: Some(Source { dynamic: true, ..Source::default() }),
            target: Some(LinkTarget::Target(Target::default())),
            ..Attach::default()
        };
        let intake = Intake::default();
        let answers = client.protocol.attach(session, answers, intake, &mut client.out).unwrap();
        let event = client.wait(|event| matches!(event, Event::Attached { .. }));
        let Event::Attached { attach, .. } = event else { unreachable!() };
        let reply_to = attach.source.unwrap().address.unwrap().to_string();
        client.protocol.grant(answers, 100, false, &mut client.out);
        let requests = client.sender(session, target);
        client.attached();
        Node { client, requests, answers, reply_to, asked: 0 }
    }

    fn send(&mut self, asked: &[(&str, Value)], body: &Value) {
        let reply_to = self.reply_to.clone();
        self.send_to(Some(&reply_to), asked, body);
    }

    fn send_to(&mut self, reply_to: Option<&str>, asked: &[(&str, Value)], body: &Value) {
        self.asked += 1;
        let mut message = BytesMut::new();
        Properties {
            message_id: Some(MessageId::Ulong(self.asked)),
            to: Some("$management".into()),
            reply_to: reply_to.map(Into::into),
            ..Properties::default()
        }
        .encode(&mut message);
        encode_map_section(SectionKind::ApplicationProperties, &mut message, |map| {
            asked.iter().for_each(|(name, value)| map.entry(*name, value));
        });
        encode_value(body, &mut message);
        self.client.wait_for_credit(self.requests);
        let outgoing = Outgoing { tag: self.asked, head: &message, ..Outgoing::default() };
        let sent = self.client.protocol.send(self.requests, &outgoing, &mut self.client.out);
        assert!(matches!(sent, Sent::Whole(_)), "{sent:?}");
        self.client.write();
    }

    fn ask(&mut self, asked: &[(&str, Value)], body: &Value) -> Answer {
        self.send(asked, body);
        let event = self.client.wait(|event| matches!(event, Event::Delivery(_)));
        let Event::Delivery(delivery) = event else { unreachable!() };
        assert_eq!(delivery.link, self.answers);
        let message = Message::parse(delivery.payload).unwrap();
        let properties = message.properties().unwrap().unwrap();
        assert_eq!(properties.correlation_id, Some(MessageId::Ulong(self.asked)));
        let said = message.application_properties().unwrap().to_map().unwrap();
        let Some(Value::Int(status)) = said.get("statusCode") else { panic!("{said:?}") };
        Answer {
            status: *status,
            description: said.get("statusDescription").unwrap().as_text().unwrap().to_owned(),
            count: said.get("count").map(|it| match it {
                Value::Int(count) => *count,
                other => panic!("{other:?}"),
            }),
            body: message.value().unwrap().unwrap(),
        }
    }

    fn query(&mut self, of: &str, names: &[&str], more: &[(&str, Value)]) -> Vec<Vec<Value>> {
        let names: Vec<Value> = names.iter().map(|it| Value::from(*it)).collect();
        let mut asked = vec![("operation", "QUERY".into()), ("type", "org.amqp.management".into())];
        asked.push(("entityType", of.into()));
        asked.extend(more.iter().map(|(name, value)| (*name, value.clone())));
        let answer = self.ask(&asked, &map([("attributeNames", names.clone().into())]));
        assert_eq!((answer.status, &*answer.description), (200, "OK"));
        assert_eq!(field(&answer.body, "attributeNames"), names.into());
        let Value::List(rows) = field(&answer.body, "results") else { panic!("no list") };
        assert_eq!(answer.count, i32::try_from(rows.len()).ok());
        let row = |row: Value| match row {
            Value::List(values) => values,
            other => panic!("{other:?}"),
        };
        rows.into_iter().map(row).collect()
    }
}

#[test]
fn queues_are_asked_for_by_either_name_and_page_by_page() {
    let server = with_queue("q-1");
    let mut node = Node::open(&server, Some("$management"));
    let queues = |node: &mut Node, of: &str, more: &[(&str, Value)]| -> Vec<String> {
        let rows = node.query(of, &["name"], more);
        rows.iter().map(|row| row[0].as_text().unwrap().to_owned()).collect()
    };
    let vhost = server.broker.vhost("/").unwrap();
    let mut expected: Vec<String> =
        vhost.queues().iter().map(|queue| queue.name().to_string()).collect();
    expected.sort();
    assert_eq!(expected.len(), 2, "one is the client's own");
    assert_eq!(queues(&mut node, "org.apache.qpid.Queue", &[]), expected);
    assert_eq!(queues(&mut node, "queue", &[]), expected);
    let page = [("offset", 1_i32.into()), ("count", 5_u64.into())];
    assert_eq!(queues(&mut node, "queue", &page), expected[1..]);
    let attributes = ["type", "identity", "qpid-type", "queueDepthMessages", "durable", "other"];
    let rows = node.query("queue", &attributes, &[]);
    let expected = vec![
        "org.apache.qpid.Queue".into(),
        "queue/q-1".into(),
        "classic".into(),
        0_u64.into(),
        true.into(),
        Value::Null,
    ];
    assert!(rows.contains(&expected), "{rows:?}");
    // Without names of attributes and types: all there is.
    let answer = node.ask(&[("operation", "QUERY".into())], &Value::Null);
    assert_eq!(answer.status, 200);
    let Value::List(names) = field(&answer.body, "attributeNames") else { panic!() };
    assert_eq!(names[..3], ["name", "identity", "type"].map(Value::from));
    // Two queues, the exchanges, this connection, and the broker.
    assert_eq!(answer.count, i32::try_from(vhost.exchanges().len() + 4).ok());
}

#[test]
fn exchanges_connections_and_the_broker_are_read_by_name_and_identity() {
    let server = TestServer::start();
    let mut node = Node::open(&server, None);
    let read = |node: &mut Node, asked: &[(&str, Value)]| {
        let mut all = vec![("operation", Value::from("READ"))];
        all.extend_from_slice(asked);
        node.ask(&all, &Value::Null)
    };
    let answer = read(&mut node, &[("type", "exchange".into()), ("name", "amq.topic".into())]);
    assert_eq!(answer.status, 200);
    assert_eq!(field(&answer.body, "type"), "org.apache.qpid.Exchange".into());
    assert_eq!(field(&answer.body, "qpid-type"), "topic".into());
    assert_eq!(field(&answer.body, "messagesIn"), 0_u64.into());
    let by_identity = read(&mut node, &[("identity", "exchange/amq.topic".into())]);
    assert_eq!(by_identity.body, answer.body);
    let rows = node.query("connection", &["name", "principal", "protocol", "sessionCount"], &[]);
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(row[1..], ["guest".into(), "AMQP 1-0".into(), 1_u64.into()]);
    let answer = read(&mut node, &[("name", row[0].clone())]);
    assert_eq!(field(&answer.body, "type"), "org.apache.qpid.Connection".into());
    let answer = read(&mut node, &[("type", "broker".into()), ("name", "test".into())]);
    assert_eq!(field(&answer.body, "product"), "Tubepost".into());
    for (asked, status) in [
        (vec![("type", "queue".into()), ("name", "none".into())], 404),
        (vec![("identity", "queue/none".into())], 404),
        (vec![("identity", "none".into())], 404),
        (vec![("type", "queue".into()), ("identity", "exchange/amq.topic".into())], 404),
        (vec![("type", "queue".into())], 400),
        (vec![("type", "widget".into()), ("name", "none".into())], 400),
    ] {
        let answer = read(&mut node, &asked);
        assert_eq!(answer.status, status, "{asked:?}: {}", answer.description);
    }
}

#[test]
fn types_attributes_and_operations_are_told() {
    let server = TestServer::start();
    let mut node = Node::open(&server, Some("$management"));
    let mut ask = |operation: &str, of: Option<&str>| {
        let mut asked = vec![("operation", Value::from(operation))];
        asked.extend(of.map(|of| ("entityType", of.into())));
        let answer = node.ask(&asked, &Value::Null);
        assert_eq!(answer.status, 200, "{}", answer.description);
        answer.body
    };
    let types = ask("GET-TYPES", None);
    assert_eq!(field(&types, "org.apache.qpid.Queue"), vec![Value::from("queue")].into());
    assert_eq!(field(&types, "org.apache.qpid.Broker"), vec![Value::from("broker")].into());
    let operations = ask("GET-OPERATIONS", Some("exchange"));
    let read = map([("org.apache.qpid.Exchange", vec![Value::from("READ")].into())]);
    assert_eq!(operations, read);
    let Value::List(attributes) =
        field(&ask("GET-ATTRIBUTES", Some("queue")), "org.apache.qpid.Queue")
    else {
        panic!("no list")
    };
    assert!(attributes.contains(&"queueDepthMessages".into()));
    assert_eq!(ask("GET-MGMT-NODES", None), Vec::new().into());
    assert_eq!(
        field(&ask("GET-ANNOTATIONS", Some("queue")), "org.apache.qpid.Queue"),
        Vec::new().into()
    );
}

#[test]
fn what_would_change_something_is_not_done_and_what_is_wrong_is_said() {
    let server = TestServer::start();
    let mut node = Node::open(&server, Some("$management"));
    for operation in ["CREATE", "UPDATE", "DELETE", "REGISTER", "purge"] {
        let answer = node.ask(&[("operation", operation.into())], &map([]));
        assert_eq!(answer.status, 501);
        assert!(answer.description.starts_with(&format!("{operation} is not done here")));
    }
    let query = |more: &[(&'static str, Value)]| {
        let mut asked = vec![("operation", Value::from("QUERY"))];
        asked.extend_from_slice(more);
        asked
    };
    for (asked, body) in [
        (vec![], Value::Null),
        (vec![("operation", 5_u8.into())], Value::Null),
        (query(&[("entityType", "widget".into())]), Value::Null),
        (query(&[("count", "5".into())]), Value::Null),
        (query(&[("offset", (-1_i32).into())]), Value::Null),
        (query(&[]), "name".into()),
        (query(&[]), map([("attributeNames", "name".into())])),
        (query(&[]), map([("attributeNames", vec![Value::from(5_u8)].into())])),
        (query(&[]), map([("attributeNames", vec![Value::from("name"); 101].into())])),
    ] {
        let answer = node.ask(&asked, &body);
        assert_eq!(answer.status, 400, "{asked:?} {body:?}");
        assert!(!answer.description.is_empty());
    }
    let large = "x".repeat(200_000);
    let answer = node.ask(&query(&[]), &large.as_str().into());
    assert_eq!(answer.status, 413);
}

#[test]
fn an_answer_that_leads_nowhere_is_told_to_who_asked() {
    let server = TestServer::start();
    let mut node = Node::open(&server, Some("$management"));
    let query = [("operation", Value::from("GET-TYPES"))];
    for (reply_to, condition) in [
        (None, "amqp:invalid-field"),
        (Some("$management"), "amqp:invalid-field"),
        (Some("/queues/none"), "amqp:not-found"),
        (Some("/nowhere"), "amqp:invalid-field"),
    ] {
        node.send_to(reply_to, &query, &Value::Null);
        let DeliveryState::Rejected(rejected) = node.client.outcome() else { panic!("taken") };
        assert_eq!(rejected.error.unwrap().condition.as_str(), condition, "{reply_to:?}");
    }
    let (mut client, session) = Client::open(&server);
    client.receiver(session, "$management", true);
    let told = client.refusal();
    assert!(
        told.starts_with("amqp:not-implemented: nothing is consumed from $management"),
        "{told}"
    );
}

#[test]
fn nobody_sees_what_they_have_no_right_to() {
    let server = with_queue("secret");
    let mut node = Node::open(&server, Some("$management"));
    let own = Permission::new("^$", "^amq\\.(default|gen-.*)$", "^amq\\.gen-.*$").unwrap();
    server.broker.set_permission("guest", "/", own).unwrap();
    let rows = node.query("queue", &["name"], &[]);
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert!(row[0].as_text().unwrap().starts_with("amq.gen-"));
    assert!(node.query("exchange", &["name"], &[]).is_empty());
    for name in ["secret", "none"] {
        let asked = [("operation", "READ".into()), ("type", "queue".into()), ("name", name.into())];
        let answer = node.ask(&asked, &Value::Null);
        assert_eq!(answer.status, 403);
        let words = format!("configure access to queue '{name}' in vhost '/' refused for user");
        assert!(answer.description.starts_with(&words), "{}", answer.description);
    }
}

#[test]
fn the_same_request_in_the_same_octets_is_answered_each_time() {
    let server = TestServer::start();
    for target in [Some("$management"), None] {
        let mut node = Node::open(&server, target);
        let mut head = BytesMut::new();
        Properties {
            to: Some("$management".into()),
            reply_to: Some(node.reply_to.as_str().into()),
            ..Properties::default()
        }
        .encode(&mut head);
        encode_value("a body of text", &mut head);
        for tag in 0..8 {
            node.client.wait_for_credit(node.requests);
            let outgoing = Outgoing { tag, head: &head, ..Outgoing::default() };
            let sent = node.client.protocol.send(node.requests, &outgoing, &mut node.client.out);
            assert!(matches!(sent, Sent::Whole(_)), "{sent:?}");
            let event = node.client.wait(|event| matches!(event, Event::Delivery(_)));
            let Event::Delivery(delivery) = event else { unreachable!() };
            let answer = Message::parse(delivery.payload).unwrap();
            let said = answer.application_properties().unwrap().to_map().unwrap();
            assert!(said.get("statusCode").is_some(), "{target:?} {tag}: {said:?}");
        }
    }
}
