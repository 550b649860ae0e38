//! Management over AMQP 1.0: RabbitMQ's `/management`, each request with what may be said to it,
//! and Qpid's `$management`.

mod link_pair;
mod node;
mod requests;

use amqp10::{
    Encode as _, Message, SectionKind,
    messaging::Properties,
    section::{encode_map_section, encode_value},
    types::MessageId,
};

use super::*;

/// A management link pair, and the connection it is on.
struct Pair {
    client: Client,
    session: SessionId,
    requests: LinkId,
    answers: LinkId,
    asked: u64,
}

impl Pair {
    fn open(server: &TestServer) -> Pair {
        let (client, session) = Client::open(server);
        Pair::on(client, session)
    }

    fn on(mut client: Client, session: SessionId) -> Pair {
        let requests = attach(&mut client, session, Role::Sender, "pair", true);
        client.attached();
        let answers = attach(&mut client, session, Role::Receiver, "pair", true);
        client.attached();
        client.wait_for_credit(requests);
        Pair { client, session, requests, answers, asked: 0 }
    }

    /// Asks, and waits for the answer.
    fn ask(&mut self, method: &str, target: &str, body: impl Into<Value>) -> (u16, Value) {
        self.client.protocol.grant(self.answers, 1, false, &mut self.client.out);
        self.send(method, target, body);
        self.answer()
    }

    fn send(&mut self, method: &str, target: &str, body: impl Into<Value>) {
        let mut message = self.head(Some(method), Some(target), Some("$me"));
        encode_value(&body.into(), &mut message);
        self.send_message(&message);
    }

    /// A request's properties.
    fn head(&mut self, method: Option<&str>, to: Option<&str>, reply_to: Option<&str>) -> BytesMut {
        self.asked += 1;
        let properties = Properties {
            message_id: Some(MessageId::Ulong(self.asked)),
            subject: method.map(Into::into),
            to: to.map(Into::into),
            reply_to: reply_to.map(Into::into),
            ..Properties::default()
        };
        let mut message = BytesMut::new();
        properties.encode(&mut message);
        message
    }

    fn send_message(&mut self, message: &[u8]) {
        self.client.wait_for_credit(self.requests);
        let outgoing =
            Outgoing { tag: self.asked, settled: true, head: message, ..Outgoing::default() };
        let sent = self.client.protocol.send(self.requests, &outgoing, &mut self.client.out);
        assert!(matches!(sent, Sent::Whole(_)), "{sent:?}");
        self.client.write();
    }

    /// The next answer, which has to be to the last request.
    fn answer(&mut self) -> (u16, Value) {
        let (id, status, body) = self.any_answer();
        assert_eq!(id, Some(MessageId::Ulong(self.asked)));
        (status, body)
    }

    fn any_answer(&mut self) -> (Option<MessageId>, u16, Value) {
        let event = self.client.wait(|event| matches!(event, Event::Delivery(_)));
        let Event::Delivery(delivery) = event else { unreachable!() };
        assert!(delivery.settled && delivery.link == self.answers);
        let message = Message::parse(delivery.payload).unwrap();
        let properties = message.properties().unwrap().unwrap();
        let http = message.application_properties().unwrap().get("http:response").unwrap();
        assert_eq!(http, Some("1.1".into()));
        let status = properties.subject.unwrap().parse().unwrap();
        (properties.correlation_id, status, message.value().unwrap().unwrap())
    }

    /// Asks for something that has to be done, and says nothing.
    fn done(&mut self, method: &str, target: &str, body: impl Into<Value>) {
        assert_eq!(self.ask(method, target, body), (204, Value::Null), "{method} {target}");
    }

    /// Asks for something that has to be refused.
    fn refused(&mut self, method: &str, target: &str, body: impl Into<Value>) -> (u16, String) {
        let (status, body) = self.ask(method, target, body);
        let Value::String(text) = body else { panic!("{method} {target}: {status} {body:?}") };
        (status, text.to_string())
    }

    fn declare(&mut self, queue: &str) {
        let (status, _) = self.ask("PUT", &format!("/queues/{queue}"), Map::new());
        assert_eq!(status, 201, "{queue}");
    }

    /// Why the session was ended.
    fn session_end(&mut self) -> String {
        let event = self.client.wait(|event| matches!(event, Event::Ended { .. }));
        let Event::Ended { error, .. } = event else { unreachable!() };
        let error = error.unwrap();
        format!("{}: {}", error.condition.as_str(), error.description.unwrap())
    }
}

/// Attaches one of the two links; the address is that of both ends.
fn attach(
    client: &mut Client,
    session: SessionId,
    role: Role,
    name: &str,
    is_paired: bool,
) -> LinkId {
    attach_at(client, session, role, name, is_paired, "/management")
}

fn attach_at(
    client: &mut Client,
    session: SessionId,
    role: Role,
    name: &str,
    is_paired: bool,
    own: &str,
) -> LinkId {
    let (source, target) = match role {
        Role::Sender => (own, "/management"),
        Role::Receiver => ("/management", own),
    };
    let target = Target { address: Some(target.into()), ..Target::default() };
    let paired = [(Symbol::from_static("paired"), true)].into_iter().collect();
    let attach = Attach {
        name: name.into(),
        role,
        snd_settle_mode: SenderSettleMode::Settled,
        source: Some(Source { address: Some(source.into()), ..Source::default() }),
        target: Some(LinkTarget::Target(target)),
        properties: is_paired.then_some(paired),
        ..Attach::default()
    };
    client.protocol.attach(session, attach, Intake::default(), &mut client.out).unwrap()
}

/// A map of these.
fn map<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Map(pairs.into_iter().collect())
}

/// What a map has under a name.
fn field(of: &Value, name: &str) -> Value {
    let Value::Map(map) = of else { panic!("{of:?}") };
    map.get(name).cloned().unwrap_or_else(|| panic!("no {name} in {map:?}"))
}
