//! Requests to a broker of RabbitMQ's dialect, on its link pair `/management`: HTTP in AMQP.

use std::collections::VecDeque;

use ::amqp10::{
    Encode as _, Message,
    definition::{Role, SenderSettleMode},
    endpoint::{Connection, Delivery, Intake, LinkId, Outgoing, Sent, SessionId},
    messaging::{Properties, Source, Target},
    performative::Attach,
    section::encode_value,
    types::{Map, MessageId, Symbol, Value},
};
use bytes::BytesMut;

use super::dialect::{encoded, queue_address};
use crate::{EXCHANGE, conversation::Refusal};

/// A link pair, and what is asked on it, one after the other.
pub(super) struct Management {
    sender: LinkId,
    receiver: LinkId,
    attached: u8,
    requests: VecDeque<Request>,
    /// Asked and not answered.
    asked: Option<Request>,
    serial: u64,
}

/// What is asked.
pub(super) struct Request {
    /// For a refusal: `queue 'mail'`.
    what: String,
    method: &'static str,
    target: String,
    body: Value,
}

impl Request {
    /// Declares a queue.
    pub(super) fn declare(
        what: &str,
        queue: &str,
        is_temporary: bool,
        length_max: Option<u32>,
    ) -> Request {
        let fields = [
            ("durable", !is_temporary),
            ("exclusive", is_temporary),
            ("auto_delete", is_temporary),
        ];
        let mut body: Map = fields.into_iter().collect();
        if let Some(count) = length_max {
            let arguments: Map = [("x-max-length", u64::from(count))].into_iter().collect();
            body.push("arguments", Value::Map(arguments));
        }
        Request {
            what: what.to_owned(),
            method: "PUT",
            target: queue_address(queue),
            body: Value::Map(body),
        }
    }

    /// Binds a queue to the exchange of events.
    pub(super) fn bind(what: &str, queue: &str, pattern: &str) -> Request {
        let texts = [("source", EXCHANGE), ("destination_queue", queue), ("binding_key", pattern)];
        let mut body: Map = texts
            .into_iter()
            .map(|(name, text)| (Value::String(name.into()), Value::String(text.into())))
            .collect();
        body.push(Value::String("arguments".into()), Value::Map(Map::default()));
        Request {
            what: format!("the binding of {what} to {EXCHANGE} by '{pattern}'"),
            method: "POST",
            target: format!("/{}", encoded("bindings")),
            body: Value::Map(body),
        }
    }
}

impl Management {
    /// Attaches the pair on a session of its own.
    pub(super) fn open(engine: &mut Connection, out: &mut BytesMut) -> Option<Management> {
        let session = engine.begin(out)?;
        let mut attach = |role| pair(engine, session, role, out);
        let sender = attach(Role::Sender)?;
        let receiver = attach(Role::Receiver)?;
        let (requests, asked) = Default::default();
        Some(Management { sender, receiver, attached: 0, requests, asked, serial: 0 })
    }

    pub(super) fn is_of(&self, link: LinkId) -> bool {
        link == self.sender || link == self.receiver
    }

    pub(super) fn session(&self) -> SessionId {
        self.sender.session()
    }

    pub(super) fn ask(
        &mut self,
        requests: impl IntoIterator<Item = Request>,
        engine: &mut Connection,
        out: &mut BytesMut,
    ) {
        self.requests.extend(requests);
        self.go_on(engine, out);
    }

    /// What is asked now, for a refusal.
    pub(super) fn what(&self) -> Option<String> {
        self.asked.as_ref().or(self.requests.front()).map(|request| request.what.clone())
    }

    pub(super) fn on_attached(&mut self, engine: &mut Connection, out: &mut BytesMut) {
        self.attached += 1;
        if self.attached == 2 {
            engine.grant(self.receiver, ANSWERS_MAX, false, out);
        }
        self.go_on(engine, out);
    }

    /// Asks the next, if it can.
    pub(super) fn go_on(&mut self, engine: &mut Connection, out: &mut BytesMut) {
        if self.attached < 2 || self.asked.is_some() {
            return;
        }
        let Some(request) = self.requests.front() else { return };
        let properties = Properties {
            message_id: Some(MessageId::Ulong(self.serial)),
            to: Some(request.target.as_str().into()),
            subject: Some(request.method.into()),
            reply_to: Some("$me".into()),
            ..Properties::default()
        };
        let mut head = BytesMut::new();
        properties.encode(&mut head);
        encode_value(&request.body, &mut head);
        let message =
            Outgoing { tag: self.serial, settled: true, head: &head, ..Outgoing::default() };
        if let Sent::Whole(_) | Sent::Partly(_) = engine.send(self.sender, &message, out) {
            self.serial += 1;
            self.asked = self.requests.pop_front();
        }
    }

    /// An answer; whether it was the last that was awaited.
    pub(super) fn on_answer(
        &mut self,
        delivery: Delivery,
        engine: &mut Connection,
        out: &mut BytesMut,
    ) -> Result<bool, Refusal> {
        if !delivery.settled {
            let session = delivery.link.session();
            engine.settle(session, Role::Receiver, delivery.id, None, out);
        }
        engine.grant(self.receiver, ANSWERS_MAX, false, out);
        let what = self.asked.take().map(|request| request.what);
        let answer = Message::parse(delivery.payload).ok();
        let subject = answer.as_ref().and_then(|it| it.properties().ok().flatten()?.subject);
        let status = subject.as_deref().and_then(|status| status.parse::<u16>().ok());
        match status {
            Some(200..=299) => {
                self.go_on(engine, out);
                Ok(self.asked.is_none() && self.requests.is_empty())
            }
            status => {
                let said = answer.and_then(|it| it.value().ok().flatten());
                let said = said.as_ref().and_then(Value::as_text).unwrap_or("no reason");
                Err(Refusal {
                    what,
                    code: match status {
                        // AMQP 0-9-1 says "precondition failed" where HTTP says "conflict".
                        Some(409) => 406,
                        other => other.unwrap_or(541),
                    },
                    text: said.to_owned(),
                })
            }
        }
    }
}

/// One of the two links. RabbitMQ: both have the same name, and the property `paired`.
fn pair(
    engine: &mut Connection,
    session: SessionId,
    role: Role,
    out: &mut BytesMut,
) -> Option<LinkId> {
    let paired = (Value::Symbol(Symbol::from_static("paired")), Value::Boolean(true));
    let attach = Attach {
        name: "management-link-pair".into(),
        role,
        snd_settle_mode: SenderSettleMode::Settled,
        source: Some(Source { address: Some(NODE.into()), ..Source::default() }),
        target: Some(Target { address: Some(NODE.into()), ..Target::default() }.into()),
        properties: Some([paired].into_iter().collect()),
        ..Attach::default()
    };
    engine.attach(session, attach, Intake::default(), out)
}

const NODE: &str = "/management";
const ANSWERS_MAX: u32 = 8;
