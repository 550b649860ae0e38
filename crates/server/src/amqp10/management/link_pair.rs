//! RabbitMQ's `/management`: two links of one name, requests on the one, answers on the other
//! (Link Pair 1.0, HTTP over AMQP working draft 06).

use std::collections::VecDeque;

use amqp10::{
    ErrorCondition, Message,
    definition::{AmqpError, ReceiverSettleMode, Role, SenderSettleMode},
    endpoint::{Delivery, Intake, LinkFlow, LinkId, Outgoing, Sent, SessionId},
    messaging::{Accepted, DeliveryState, LinkTarget},
    performative::Attach,
    section::Pieces,
    types::Value,
};
use bytes::{Buf as _, Bytes};
use bytestring::ByteString;

use super::{
    REQUEST_BYTES_MAX,
    answer::{Answer, Refusal},
    call::Call,
    request,
};
use crate::{
    amqp10::{
        connection::{Connection, Link},
        refusal,
    },
    blocking,
};

/// One of the two links.
#[derive(Debug)]
pub(in crate::amqp10) struct PairedLink {
    name: ByteString,
    /// Which end of it the peer is: the sender's requests come on it.
    role: Role,
    /// The address of the peer's own end, the same for both.
    terminus: Option<ByteString>,
    /// The other link, while it is there.
    other: Option<LinkId>,
    /// Answers for which the session had no window yet: as many as requests are let in.
    waiting: VecDeque<Bytes>,
    /// Answers that went out.
    sent: u64,
    /// The peer waits to be told that there is no more.
    is_draining: bool,
}

/// Whether a link is to be one of a pair.
pub(in crate::amqp10) fn is_pair(attach: &Attach) -> bool {
    let address = match attach.role {
        Role::Sender => target_address(attach),
        Role::Receiver => source_address(attach),
    };
    address.is_some_and(|it| **it == *ADDRESS)
}

fn source_address(attach: &Attach) -> Option<&ByteString> {
    attach.source.as_ref()?.address.as_ref()
}

fn target_address(attach: &Attach) -> Option<&ByteString> {
    match attach.target.as_ref()? {
        LinkTarget::Target(target) => target.address.as_ref(),
        LinkTarget::Coordinator(_) => None,
    }
}

/// Why a request cannot be answered.
enum Unanswered {
    /// It cannot be read: the link goes.
    Unreadable(AmqpError),
    /// The user may not: the session goes (RabbitMQ).
    Unauthorized(AmqpError),
}

impl Connection {
    /// The peer wants one of the two links, whichever comes first.
    pub(in crate::amqp10) fn begin_paired(
        &mut self,
        link: LinkId,
        attach: &Attach,
    ) -> Result<(), AmqpError> {
        let paired = attach.properties.as_ref().and_then(|it| it.get("paired"));
        if paired != Some(&Value::Boolean(true)) {
            let text = "Link property 'paired' is not set to boolean value 'true'";
            return Err(refusal::error(ErrorCondition::InvalidField, text));
        }
        // Not slices of the read buffer: they stay.
        let terminus = match attach.role {
            Role::Sender => source_address(attach),
            Role::Receiver => target_address(attach),
        };
        let terminus = terminus.map(|it| ByteString::from(&**it));
        let other = self.half_of(link.session(), &attach.name, attach.role);
        if let Some((_, half)) = other
            && half.terminus != terminus
        {
            let text = format!(
                "the two links of the management link pair '{}' have different addresses at the \
                 client's end",
                attach.name
            );
            return Err(refusal::error(ErrorCondition::PreconditionFailed, text));
        }
        let other = other.map(|(id, _)| id);
        let request_max = (REQUEST_BYTES_MAX as u64).min(self.limits.message_bytes_max);
        let answer = Attach {
            snd_settle_mode: SenderSettleMode::Settled,
            rcv_settle_mode: match attach.role {
                Role::Sender => ReceiverSettleMode::First,
                Role::Receiver => attach.rcv_settle_mode,
            },
            source: attach.source.clone(),
            target: attach.target.clone(),
            max_message_size: match attach.role {
                Role::Sender => Some(request_max),
                Role::Receiver => attach.max_message_size,
            },
            properties: attach.properties.clone(),
            ..Attach::default()
        };
        if !self.protocol.accept(link, answer, Intake::default(), self.out.tail()) {
            return Ok(());
        }
        if attach.role == Role::Sender {
            self.protocol.grant(link, CREDIT, false, self.out.tail());
        }
        if let Some(Link::Paired(half)) = other.and_then(|it| self.links.get_mut(&it)) {
            half.other = Some(link);
        }
        let half = PairedLink {
            name: ByteString::from(&*attach.name),
            role: attach.role,
            terminus,
            other,
            waiting: VecDeque::new(),
            sent: 0,
            is_draining: false,
        };
        self.links.insert(link, Link::Paired(Box::new(half)));
        Ok(())
    }

    /// The link of that name that goes the other way.
    fn half_of(&self, session: SessionId, name: &str, role: Role) -> Option<(LinkId, &PairedLink)> {
        self.links.iter().find_map(|(id, link)| match link {
            Link::Paired(half)
                if id.session() == session && *half.name == *name && half.role != role =>
            {
                Some((*id, &**half))
            }
            _ => None,
        })
    }

    /// One of the two is gone.
    pub(in crate::amqp10) fn end_paired(&mut self, gone: &PairedLink) {
        if let Some(Link::Paired(half)) = gone.other.and_then(|it| self.links.get_mut(&it)) {
            half.other = None;
        }
    }

    /// A request, if it came on a link of a pair.
    pub(in crate::amqp10) fn on_paired_request(&mut self, delivery: Delivery) {
        let Delivery { link, id, settled, payload, .. } = delivery;
        let Some(Link::Paired(half)) = self.links.get(&link) else { return };
        let (other, session) = (half.other, link.session());
        // The order in which a client did things is the order in which they happen.
        self.flush_publishes();
        self.flush_settled();
        if !settled {
            self.settle_received(session, id.into(), DeliveryState::Accepted(Accepted {}));
        }
        let Some(other) = other else {
            let text = "received transfer on half open management link pair";
            return self.refuse_session(session, ErrorCondition::PreconditionFailed, text);
        };
        let waiting = match self.links.get(&other) {
            Some(Link::Paired(half)) => half.waiting.len(),
            _ => 0,
        };
        if self.protocol.credit(other) as usize <= waiting {
            let text = "insufficient credit (0) for management link from server to client; grant \
                        credit before the request";
            return self.refuse_session(session, ErrorCondition::PreconditionFailed, text);
        }
        match self.answered(payload) {
            Ok(answer) => {
                if let Some(Link::Paired(half)) = self.links.get_mut(&other) {
                    half.waiting.push_back(answer);
                }
                self.send_answers(other);
            }
            Err(Unanswered::Unreadable(error)) => self.refuse_link(link, error),
            Err(Unanswered::Unauthorized(error)) => {
                let text = error.description.as_deref().unwrap_or_default();
                self.refuse_session(session, error.condition, text);
            }
        }
    }

    fn refuse_session(&mut self, session: SessionId, condition: ErrorCondition, text: &str) {
        tracing::debug!(connection = self.id.0, "session ended: {text}");
        self.protocol.end(session, Some(refusal::error(condition, text)), self.out.tail());
        self.end_session(session);
    }

    /// The answer to a request, as a message.
    fn answered(&mut self, payload: Pieces) -> Result<Bytes, Unanswered> {
        let unreadable = |error: amqp10::Error| Unanswered::Unreadable(error.to_amqp());
        let message = Message::parse(in_order(payload)).map_err(unreadable)?;
        let properties = message.properties().map_err(unreadable)?.unwrap_or_default();
        let mut call = Call {
            access: &mut self.access,
            connection: self.id,
            limits: &self.limits,
            node: self.protocol.container_id(),
        };
        let answer = match blocking(|| request::handle(&mut call, &message, &properties)) {
            Ok(answer) => answer,
            Err(Refusal::Answered(status, text)) => {
                tracing::debug!(connection = self.id.0, "request refused: {text}");
                Answer::new(status, text.as_str())
            }
            Err(Refusal::Unauthorized(text)) => {
                let error = refusal::error(ErrorCondition::UnauthorizedAccess, text);
                return Err(Unanswered::Unauthorized(error));
            }
        };
        Ok(answer.encode(properties.message_id))
    }

    /// The peer says how many answers it takes.
    pub(in crate::amqp10) fn on_answer_flow(&mut self, flow: &LinkFlow) {
        if let Some(Link::Paired(half)) = self.links.get_mut(&flow.link)
            && half.role == Role::Receiver
        {
            half.is_draining = flow.drain;
            self.send_answers(flow.link);
        }
    }

    /// The peer takes transfer frames again on a session.
    pub(in crate::amqp10) fn send_waiting_answers(&mut self, session: SessionId) {
        let has_answers = |link: &Link| matches!(link, Link::Paired(it) if !it.waiting.is_empty());
        let waiting: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(id, link)| id.session() == session && has_answers(link))
            .map(|(id, _)| *id)
            .collect();
        waiting.into_iter().for_each(|link| self.send_answers(link));
    }

    /// Sends a link's answers, as far as the session's window goes, and lets requests in again.
    fn send_answers(&mut self, link: LinkId) {
        let Some(Link::Paired(half)) = self.links.get_mut(&link) else { return };
        while let Some(answer) = half.waiting.front() {
            let body = [answer.clone()];
            let outgoing =
                Outgoing { tag: half.sent, settled: true, body: &body, ..Outgoing::default() };
            match self.protocol.send(link, &outgoing, &mut self.out) {
                Sent::Whole(_) | Sent::Partly(_) => {
                    half.waiting.pop_front();
                    half.sent += 1;
                }
                Sent::NoWindow | Sent::NoCredit | Sent::TooManyUnsettled => return,
                Sent::TooLarge => {
                    let text = "the answer is larger than the link's max-message-size; attach it \
                                with a larger one";
                    let condition = ErrorCondition::LinkMessageSizeExceeded;
                    return self.refuse_link(link, refusal::error(condition, text));
                }
                Sent::NotAttached => return,
            }
        }
        if std::mem::take(&mut half.is_draining) {
            self.protocol.drained(link, self.out.tail());
        }
        // Only now: no more answers wait than requests are let in.
        if let Some(requests) = half.other
            && self.protocol.credit(requests) <= CREDIT / 2
        {
            self.protocol.grant(requests, CREDIT, false, self.out.tail());
        }
    }
}

/// A request whose body is null as RabbitMQ's client for Python has it: written over the header,
/// and so before all other sections.
fn in_order(mut payload: Pieces) -> Pieces {
    if let Some(first) = payload.first_mut()
        && first.len() > NULL_BODY.len()
        && first.starts_with(&NULL_BODY)
    {
        first.advance(NULL_BODY.len());
    }
    payload
}

/// An amqp-value section with nothing in it.
const NULL_BODY: [u8; 4] = *b"\0\x53\x77\x40";

/// The node's address.
const ADDRESS: &str = "/management";

/// How many requests a peer may send ahead. RabbitMQ: `MAX_MANAGEMENT_LINK_CREDIT`.
const CREDIT: u32 = 8;
