//! Transactions (AMQP 1.0 part 4): a coordinator's link declares and discharges them; messages are
//! posted, and deliveries acquired and retired, on any link of the connection.
//!
//! As with `tx` of AMQP 0-9-1, a message finds its queues when it is posted. What is posted and
//! retired is on disk in one piece before a discharge is accepted.

use std::{collections::HashSet, mem};

use amqp10::{
    Decode as _, Encode as _, ErrorCondition, Message as Sections, Reader,
    definition::{AmqpError, DeliveryNumber, ReceiverSettleMode, Role},
    endpoint::{Delivery, DeliveryRange, Disposition, Intake, LinkFlow, LinkId, SessionId},
    messaging::{Accepted, DeliveryState, LinkTarget, Outcome, Rejected, Released},
    performative::Attach,
    transaction::{
        Coordinator, Declare, Declared, Discharge, TransactionId, TransactionalState, TxnCapability,
    },
    types::Value,
};
use broker::{Position, Publish, Return};
use bytes::{Bytes, BytesMut};

use super::{
    connection::{Connection, Link, insert_unacked},
    credit::CREDIT,
    refusal,
    settle::{take, verdict},
};
use crate::{
    transaction::Transaction,
    unacked::{Unacked, Verdict, give_back, requeue_sent},
};

/// A transaction that was declared and not discharged.
pub(super) struct OpenTransaction {
    /// The coordinator's link that declared it.
    controller: LinkId,
    held: Transaction,
    /// Deliveries retired by it that the peer has not settled, and the outcome that each is to
    /// have.
    unsettled: Vec<(SessionId, DeliveryRange, DeliveryState)>,
    /// What the peer has of it as long as it is not discharged.
    had: Had,
    /// Why it cannot be committed any more.
    failed: Option<AmqpError>,
}

/// Deliveries that are the peer's when a transaction is rolled back, or are not.
#[derive(Default)]
struct Had {
    /// Retired by it, and the peer has not settled them: by session and tag.
    retired: HashSet<(SessionId, u64)>,
    /// Acquired by it.
    acquired: Vec<(SessionId, DeliveryNumber)>,
}

/// A commit that waits for the disk.
pub(super) struct Discharging {
    session: SessionId,
    /// The message that asked for it; `None` when it came settled.
    id: Option<DeliveryNumber>,
    until: Position,
    unsettled: Vec<(SessionId, DeliveryRange, DeliveryState)>,
}

/// What a coordinator is asked.
enum Request {
    Declare(Declare),
    Discharge(Discharge),
}

impl Connection {
    /// The peer is to control transactions.
    pub(super) fn begin_coordinator(&mut self, link: LinkId, attach: &Attach) {
        let capabilities = [
            TxnCapability::LocalTransactions,
            TxnCapability::MultiTxnsPerSsn,
            TxnCapability::MultiSsnsPerTxn,
        ];
        let answer = Attach {
            source: attach.source.clone(),
            target: Some(LinkTarget::Coordinator(Coordinator {
                capabilities: capabilities.into_iter().collect(),
            })),
            snd_settle_mode: attach.snd_settle_mode,
            rcv_settle_mode: ReceiverSettleMode::First,
            max_message_size: Some(self.limits.message_bytes_max),
            ..Attach::default()
        };
        if self.protocol.accept(link, answer, Intake::default(), self.out.tail()) {
            self.protocol.grant(link, CREDIT, false, self.out.tail());
            self.links.insert(link, Link::Coordinator);
        }
    }

    /// A coordinator is asked for something.
    pub(super) fn on_request(&mut self, delivery: Delivery) {
        let Delivery { link, id, settled, payload, .. } = delivery;
        // In the order in which the peer did things.
        self.flush_publishes();
        self.flush_settled();
        let id = (!settled).then_some(id);
        let state = match request(payload) {
            Err(refused) => return self.refuse_link(link, refused),
            Ok(Request::Declare(declare)) => self.declare(link, &declare).map(Some),
            Ok(Request::Discharge(discharge)) => self.discharge(link, id, &discharge),
        };
        match (state, id) {
            (Ok(Some(state)), Some(id)) => self.settle_received(link.session(), id.into(), state),
            //= amqp-1.0 §4.2 declare-error-told, declare-rejected
            //= amqp-1.0 §4.3 discharge-error-told, discharge-rejected
            (Err(refused), Some(id)) => {
                let state = DeliveryState::Rejected(Rejected { error: Some(Box::new(refused)) });
                self.settle_received(link.session(), id.into(), state);
            }
            (Err(refused), None) => return self.refuse_link(link, refused),
            (Ok(_), _) => {}
        }
        if self.protocol.credit(link) <= CREDIT / 2 {
            self.protocol.grant(link, CREDIT, false, self.out.tail());
        }
    }

    fn declare(&mut self, link: LinkId, declare: &Declare) -> Result<DeliveryState, AmqpError> {
        if declare.global_id.is_some() {
            let text = "distributed transactions are not supported: declare without global-id";
            return Err(refusal::error(ErrorCondition::NotImplemented, text));
        }
        if self.transactions.len() >= TRANSACTIONS_MAX {
            let text = format!(
                "{TRANSACTIONS_MAX} transactions are open on this connection; discharge some first"
            );
            return Err(refusal::full(text));
        }
        self.last_transaction = self.last_transaction.wrapping_add(1);
        let number = self.last_transaction;
        let transaction = OpenTransaction {
            controller: link,
            held: Transaction::default(),
            unsettled: Vec::new(),
            had: Had::default(),
            failed: None,
        };
        self.transactions.insert(number, transaction);
        Ok(DeliveryState::Declared(Declared { txn_id: id_of(number) }))
    }

    /// `Ok(None)`: the answer follows when the disk has it.
    fn discharge(
        &mut self,
        link: LinkId,
        id: Option<DeliveryNumber>,
        discharge: &Discharge,
    ) -> Result<Option<DeliveryState>, AmqpError> {
        let number = self.number_of(&discharge.txn_id)?;
        let Some(mut transaction) = self.transactions.remove(&number) else { return Ok(None) };
        self.acquire_no_more(number);
        let accepted = DeliveryState::Accepted(Accepted {});
        //= amqp-1.0 §4.3 rollback-possible
        if discharge.fail == Some(true) {
            self.roll_back(transaction);
            return Ok(Some(accepted));
        }
        if let Some(failed) = transaction.failed.take() {
            self.roll_back(transaction);
            return Err(failed);
        }
        let OpenTransaction { held, unsettled, had, .. } = transaction;
        let session = link.session();
        //= amqp-1.0 §4.4.4.1 outcome-changed-fails
        let until = held.commit(&self.publisher, true).map_err(|refused| {
            self.undo(refused.unsettled, had);
            let text = format!("the transaction was rolled back: {}", refused.error.text);
            refusal::error(ErrorCondition::TransactionRollback, text)
        })?;
        match until {
            None => {
                self.settle_retired(unsettled);
                Ok(Some(accepted))
            }
            Some(until) => {
                self.discharging.push_back(Discharging { session, id, until, unsettled });
                Ok(None)
            }
        }
    }

    /// Answers those whose commits are on disk; asks to be woken for others.
    pub(super) fn release_discharged(&mut self) {
        if self.discharging.is_empty() {
            return;
        }
        // Ask first and look after: the mark may move in between.
        self.broker.wake_after_commit(&self.mailbox);
        while let Some(first) = self.discharging.front() {
            if !self.publisher.is_durable(first.until) {
                return;
            }
            let Some(Discharging { session, id, unsettled, .. }) = self.discharging.pop_front()
            else {
                return;
            };
            //= amqp-1.0 §4.4.4.1 state-after
            self.settle_retired(unsettled);
            if let Some(id) = id {
                let state = DeliveryState::Accepted(Accepted {});
                self.settle_received(session, id.into(), state);
            }
        }
    }

    /// What a committed transaction retired has its outcome now.
    fn settle_retired(&mut self, retired: Vec<(SessionId, DeliveryRange, DeliveryState)>) {
        for (session, range, state) in retired {
            self.protocol.settle(session, Role::Sender, range, Some(state), self.out.tail());
        }
    }

    /// Nothing of it comes to be.
    fn roll_back(&mut self, mut transaction: OpenTransaction) {
        let unsettled = transaction.held.roll_back();
        self.undo(unsettled, transaction.had);
    }

    /// What the peer has not settled is out as before (AMQP 1.0 §4.4.2); what it settled, or
    /// acquired by the transaction only, goes back.
    fn undo(&mut self, unsettled: Vec<Unacked>, had: Had) {
        let mut gone = Vec::new();
        for unacked in unsettled {
            let session = self.session_of(&unacked);
            let session = session.filter(|id| had.retired.contains(&(*id, unacked.tag)));
            match session.and_then(|id| self.sessions.get_mut(&id)) {
                Some(session) => insert_unacked(&mut session.unacked, unacked),
                None => gone.push(unacked),
            }
        }
        requeue_sent(gone);
        for (id, number) in had.acquired {
            let Some(session) = self.sessions.get_mut(&id) else { continue };
            let taken = take(&mut session.unacked, number.into());
            if taken.is_empty() {
                continue;
            }
            give_back(taken, Return::Released);
            let state = Some(DeliveryState::Released(Released {}));
            self.protocol.settle(id, Role::Sender, number, state, self.out.tail());
        }
    }

    fn session_of(&self, unacked: &Unacked) -> Option<SessionId> {
        let consumer = unacked.holder.consumer()?;
        self.outlets.get(&consumer.channel()).map(|link| link.session())
    }

    /// The coordinator's link is gone: what it declared and did not discharge is rolled back
    /// (AMQP 1.0 §4.3).
    pub(super) fn end_coordinator(&mut self, link: LinkId) {
        let left: Vec<u32> = self
            .transactions
            .iter()
            .filter(|(_, transaction)| transaction.controller == link)
            .map(|(number, _)| *number)
            .collect();
        for number in left {
            self.acquire_no_more(number);
            if let Some(transaction) = self.transactions.remove(&number) {
                self.roll_back(transaction);
            }
        }
    }

    fn acquire_no_more(&mut self, number: u32) {
        for link in self.links.values_mut() {
            if let Link::Outlet(outlet) = link
                && outlet.acquires_by == Some(number)
            {
                outlet.acquires_by = None;
            }
        }
    }

    /// A message that belongs to a transaction: it is held, and its publisher told what is to
    /// become of it.
    pub(super) fn post(
        &mut self,
        link: LinkId,
        id: Option<DeliveryNumber>,
        of: &TransactionalState,
        posted: Result<Publish, AmqpError>,
    ) {
        let number = match self.number_of(&of.txn_id) {
            Ok(number) => number,
            Err(unknown) => return self.refuse_link(link, unknown),
        };
        let bytes_max = self.limits.transaction_bytes_max;
        let Some(transaction) = self.transactions.get_mut(&number) else { return };
        let outcome = match posted {
            Ok(publish) if publish.routes.is_empty() => Outcome::Released(Released {}),
            Ok(publish) => match transaction.held.hold(publish, bytes_max) {
                Ok(()) => Outcome::Accepted(Accepted {}),
                Err(text) => {
                    let error = refusal::full(text);
                    transaction.failed.get_or_insert_with(|| AmqpError {
                        condition: ErrorCondition::TransactionRollback,
                        ..error.clone()
                    });
                    Outcome::Rejected(Rejected { error: Some(Box::new(error)) })
                }
            },
            Err(refused) => {
                //= amqp-1.0 §4.4.4.1 unprocessed-fails
                // A message that is not to be takes the others with it, or nobody would know.
                transaction.failed.get_or_insert_with(|| AmqpError {
                    condition: ErrorCondition::TransactionRollback,
                    ..refused.clone()
                });
                Outcome::Rejected(Rejected { error: Some(Box::new(refused)) })
            }
        };
        if let Some(id) = id {
            //= amqp-1.0 §4.4 right-transaction
            //= amqp-1.0 §4.4.4.1 outcome-before, outcome-in-transaction
            let state = TransactionalState { txn_id: of.txn_id.clone(), outcome: Some(outcome) };
            let state = DeliveryState::TransactionalState(Box::new(state));
            self.settle_received(link.session(), id.into(), state);
        }
    }

    /// The peer said what is to become of deliveries when a transaction is committed.
    pub(super) fn retire(&mut self, disposition: Disposition, of: TransactionalState) {
        let Disposition { session: id, ranges, settled, .. } = disposition;
        let number = match self.number_of(&of.txn_id) {
            Ok(number) => number,
            Err(unknown) => {
                self.protocol.end(id, Some(unknown), self.out.tail());
                return self.end_session(id);
            }
        };
        let state = match of.outcome {
            Some(outcome) => state_of(outcome),
            //= amqp-1.0 §4.4.4.2 default-outcome
            None => settled.then_some(DeliveryState::Released(Released {})),
        };
        // Without an outcome it is not the last word, unless it is settled.
        let Some(state) = state else { return };
        let Some(verdict) = verdict(Some(&state), settled) else { return };
        for range in ranges {
            let Some(session) = self.sessions.get_mut(&id) else { return };
            let taken = take(&mut session.unacked, range);
            session.seen.unacknowledged.set(session.unacked.len() as u64);
            if verdict == Verdict::Done {
                session.seen.counts.ack.add(taken.len() as u64);
            }
            let Some(transaction) = self.transactions.get_mut(&number) else { return };
            if !settled {
                transaction.had.retired.extend(taken.iter().map(|it| (id, it.tag)));
                transaction.unsettled.push((id, range, state.clone()));
            }
            transaction.held.settle(verdict, taken);
        }
    }

    /// By which transaction deliveries of a link are acquired from now on (AMQP 1.0 §4.4.3).
    ///
    /// # Errors
    /// There is no such transaction.
    pub(super) fn acquires_by(&self, flow: &LinkFlow) -> Result<Option<u32>, AmqpError> {
        let named = flow.properties.as_ref().and_then(|properties| {
            let is_id = |name: &Value| matches!(name, Value::Symbol(it) if it.as_str() == "txn-id");
            properties.iter().find(|(name, _)| is_id(name)).map(|(_, value)| value)
        });
        match named {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Binary(id)) => self.number_of(&TransactionId(id.clone())).map(Some),
            Some(_) => {
                let text = "'txn-id' of a flow has to be binary";
                Err(refusal::error(ErrorCondition::InvalidField, text))
            }
        }
    }

    /// A delivery went out that a transaction acquired.
    pub(super) fn note_acquired(&mut self, by: u32, session: SessionId, id: DeliveryNumber) {
        if let Some(transaction) = self.transactions.get_mut(&by) {
            //= amqp-1.0 §4.4.3 partly-acquired
            transaction.had.acquired.push((session, id));
        }
    }

    fn number_of(&self, id: &TransactionId) -> Result<u32, AmqpError> {
        let number = <[u8; 4]>::try_from(&*id.0).ok().map(u32::from_be_bytes);
        number.filter(|number| self.transactions.contains_key(number)).ok_or_else(|| {
            let text = "no such transaction on this connection: it was never declared, or it is \
                        discharged";
            refusal::error(ErrorCondition::TransactionUnknownId, text)
        })
    }

    /// The connection ends: nothing of what is open comes to be.
    pub(super) fn roll_back_all(&mut self) {
        for (_, transaction) in mem::take(&mut self.transactions) {
            self.roll_back(transaction);
        }
    }
}

/// The state of what a transaction acquired.
pub(super) fn acquired_by(number: u32) -> DeliveryState {
    //= amqp-1.0 §4.4 right-transaction
    let state = TransactionalState { txn_id: id_of(number), outcome: None };
    DeliveryState::TransactionalState(Box::new(state))
}

fn id_of(number: u32) -> TransactionId {
    TransactionId(Bytes::copy_from_slice(&number.to_be_bytes()))
}

fn state_of(outcome: Outcome) -> Option<DeliveryState> {
    match outcome {
        Outcome::Accepted(it) => Some(DeliveryState::Accepted(it)),
        Outcome::Rejected(it) => Some(DeliveryState::Rejected(it)),
        Outcome::Released(it) => Some(DeliveryState::Released(it)),
        Outcome::Modified(it) => Some(DeliveryState::Modified(it)),
        Outcome::Declared(_) => None,
    }
}

/// What a message to a coordinator says: one value, a `declare` or a `discharge`.
fn request(payload: amqp10::section::Pieces) -> Result<Request, AmqpError> {
    let sections = Sections::parse(payload).map_err(|error| error.to_amqp())?;
    let value = sections.value().map_err(|error| error.to_amqp())?;
    let mut octets = BytesMut::new();
    value.iter().for_each(|value| value.encode(&mut octets));
    let octets = octets.freeze();
    if let Ok(declare) = Declare::decode(&mut Reader::new(&octets)) {
        return Ok(Request::Declare(declare));
    }
    if let Ok(discharge) = Discharge::decode(&mut Reader::new(&octets)) {
        return Ok(Request::Discharge(discharge));
    }
    let text = "a coordinator takes messages whose value is a declare or a discharge";
    Err(refusal::error(ErrorCondition::DecodeError, text))
}

/// Transactions of one connection that are not discharged.
const TRANSACTIONS_MAX: usize = 1000;
