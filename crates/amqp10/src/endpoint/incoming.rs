//! Transfers that come in: the session's window, the link's credit, the numbers of deliveries, and
//! deliveries put together from their frames (AMQP 1.0 §2.6.7, §2.6.12, §2.6.14).

use bytes::{Bytes, BytesMut};

use super::{
    Delivery, Event, Streaming,
    ledger::{Entry, Mark},
    link::{Half, Link, LinkState},
    refusal::{Refusal, Scope},
    session::{Session, Step},
};
use crate::{
    Decode as _, DeliveryTag, Encode as _, ErrorCondition, Reader,
    definition::{DeliveryNumber, MessageFormat, ReceiverSettleMode, SenderSettleMode},
    messaging::DeliveryState,
    performative::Transfer,
    section::{Pieces, body_offset},
};

/// What a link has that receives.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) message_size_max: u64,
    /// Which parts are handed on as they come.
    pub(super) streaming: Streaming,
    /// Tags of unsettled deliveries are kept.
    pub(super) is_resumable: bool,
    partial: Option<Box<Partial>>,
}

impl Default for Receiver {
    fn default() -> Self {
        let (streaming, is_resumable, partial) = Default::default();
        Self { message_size_max: u64::MAX, streaming, is_resumable, partial }
    }
}

/// A delivery of which more is to come.
#[derive(Debug)]
struct Partial {
    id: DeliveryNumber,
    tag: DeliveryTag,
    message_format: MessageFormat,
    settled: bool,
    /// What is handed on at the end; of a link that streams, nothing.
    delivery: Option<Delivery>,
    size: u64,
    /// What it counts in `incomplete`.
    cost: usize,
    /// Nobody is told of it.
    is_ignored: bool,
    /// It is large, and handed on as a whole all the same.
    is_kept_whole: bool,
}

impl Receiver {
    /// A delivery has begun to arrive, and is not complete.
    #[inline]
    pub(super) fn is_partial(&self) -> bool {
        self.partial.is_some()
    }

    pub(super) fn drop_partial(&mut self, incomplete: &mut usize) {
        if let Some(partial) = self.partial.take() {
            *incomplete = incomplete.saturating_sub(partial.cost);
        }
    }
}

fn is_resumable(link: &Link) -> bool {
    matches!(&link.half, Half::Receiver(receiver) if receiver.is_resumable)
}

/// A link error.
#[cold]
fn refuse(link: &Link, condition: ErrorCondition, words: impl Into<String>) -> Refusal {
    let words = format!("{} (link '{}')", words.into(), link.key.name);
    Refusal::new(Scope::Link(link.id.handle), condition, words)
}

#[cold]
fn invalid(link: &Link, words: &str) -> Refusal {
    refuse(link, ErrorCondition::InvalidField, words)
}

impl Session {
    #[inline]
    pub(super) fn on_transfer(
        &mut self,
        transfer: Transfer,
        payload: Bytes,
        step: &mut Step<'_>,
    ) -> Result<(), Refusal> {
        //= amqp-1.0 §2.8.17
        // amqp:session:window-violation: the remote peer violated incoming window for the session.
        if !self.windows.take() {
            let words = "a transfer when the session's incoming window was used up";
            return Err(Refusal::session(ErrorCondition::SessionWindowViolation, words));
        }
        let handle = self.handle_of(transfer.handle)?;
        let result = self.on_delivery(handle, transfer, payload, step);
        self.top_up(step.out);
        result
    }

    #[inline]
    fn on_delivery(
        &mut self,
        handle: u32,
        transfer: Transfer,
        payload: Bytes,
        step: &mut Step<'_>,
    ) -> Result<(), Refusal> {
        let Some(link) = self.links.get_mut(handle) else { return Ok(()) };
        if matches!(link.state, LinkState::DetachSent { .. }) {
            // It was on its way. Its number has been used all the same.
            if let Some(id) = transfer.delivery_id
                && self.last_incoming.is_none_or(|last| last.precedes(id))
            {
                self.last_incoming = Some(id);
            }
            return Ok(());
        }
        let Half::Receiver(receiver) = &mut link.half else {
            let words = "a transfer by the receiver of the link";
            return Err(refuse(link, ErrorCondition::NotAllowed, words));
        };
        match receiver.partial.take() {
            None => self.on_first(handle, transfer, payload, step),
            Some(partial) => self.on_next(handle, partial, transfer, payload, step),
        }
    }

    /// The first transfer of a delivery: mostly the only one.
    #[inline]
    fn on_first(
        &mut self,
        handle: u32,
        mut transfer: Transfer,
        payload: Bytes,
        step: &mut Step<'_>,
    ) -> Result<(), Refusal> {
        let Some(link) = self.links.get_mut(handle) else { return Ok(()) };
        //= amqp-1.0 §2.7.5 id-first, tag-first
        // The delivery-id MUST be supplied on the first transfer of a multi-transfer delivery. The
        // delivery-tag MUST be specified for the first transfer of a multi-transfer message.
        let Some(id) = transfer.delivery_id else {
            return Err(invalid(link, "the first transfer of a delivery has no delivery-id"));
        };
        let Some(tag) = transfer.delivery_tag.take() else {
            return Err(invalid(link, "the first transfer of a delivery has no delivery-tag"));
        };
        //= amqp-1.0 §2.6.12
        // Each delivery is identified by a delivery-id that the session endpoint assigns from a
        // session scoped sequence number.
        if self.last_incoming.is_some_and(|last| !last.precedes(id)) {
            let words = format!("delivery-id {} is not behind the one before", id.0);
            return Err(Refusal::session(ErrorCondition::InvalidField, words));
        }
        self.last_incoming = Some(id);
        //= amqp-1.0 §2.8.18
        // amqp:link:transfer-limit-exceeded: the peer sent more message transfers than currently
        // allowed on the link.
        let Some(promised) = link.promised.checked_sub(1) else {
            let words = "a delivery without link-credit";
            return Err(refuse(link, ErrorCondition::LinkTransferLimitExceeded, words));
        };
        link.promised = promised;
        link.credit = link.credit.saturating_sub(1);
        link.delivery_count = link.delivery_count.next();
        let rcv_settle_mode = settle_mode(link, &transfer)?;
        //= amqp-1.0 §2.7.5 settled-unset
        let settled = transfer.settled == Some(true);
        let mut delivery = Delivery {
            link: link.id,
            id,
            tag,
            message_format: transfer.message_format.unwrap_or_default(),
            settled,
            rcv_settle_mode,
            state: transfer.state.map(Box::new),
            resume: transfer.resume,
            more: transfer.more,
            payload: Pieces::new(),
        };
        if transfer.aborted {
            step.events.push(Event::Aborted { link: link.id, id });
            return Ok(());
        }
        if transfer.resume && !is_resumable(link) {
            return self.pass_over(handle, delivery);
        }
        if !transfer.more {
            let size = payload.len() as u64;
            check_size(link, size)?;
            check_settled(link, settled)?;
            let mark = if settled { None } else { Some(whole(rcv_settle_mode)) };
            if !payload.is_empty() {
                delivery.payload.push(payload);
            }
            self.note(&delivery, mark, step)?;
            step.events.push(Event::Delivery(delivery));
            return Ok(());
        }
        self.begin_partial(handle, delivery, payload, step)
    }

    /// A delivery that is not known here, though its sender holds that it has been.
    #[cold]
    fn pass_over(&mut self, handle: u32, delivery: Delivery) -> Result<(), Refusal> {
        //= amqp-1.0 §2.6.13 unknown-resumed-ignored
        //= amqp-1.0 §2.7.5 unknown-resumed-ignored
        // The receiver MUST ignore resumed deliveries that are not in its local unsettled map: who
        // keeps no tags has none there.
        let Some(link) = self.links.get_mut(handle) else { return Ok(()) };
        if let Half::Receiver(receiver) = &mut link.half
            && delivery.more
        {
            receiver.partial =
                Some(Box::new(Partial { is_ignored: true, ..Partial::of(&delivery) }));
        }
        Ok(())
    }

    /// The first of several.
    fn begin_partial(
        &mut self,
        handle: u32,
        delivery: Delivery,
        payload: Bytes,
        step: &mut Step<'_>,
    ) -> Result<(), Refusal> {
        self.note(&delivery, Some(Mark::Arriving), step)?;
        let Some(link) = self.links.get_mut(handle) else { return Ok(()) };
        let mut partial = Box::new(Partial::of(&delivery));
        check_size(link, payload.len() as u64)?;
        let Half::Receiver(receiver) = &mut link.half else { return Ok(()) };
        if receiver.streaming == Streaming::Always {
            partial.size = payload.len() as u64;
            let payload = Pieces::from_iter((!payload.is_empty()).then_some(payload));
            step.events.push(Event::Delivery(Delivery { payload, ..delivery }));
        } else {
            let (tag, state) = (partial.tag.clone(), delivery.state.as_deref().and_then(detached));
            partial.delivery = Some(Delivery { tag, state, more: false, ..delivery });
            if !partial.add(payload, step) {
                return Err(too_much(link, step));
            }
        }
        receiver.partial = Some(partial);
        Ok(())
    }

    /// What follows the first.
    fn on_next(
        &mut self,
        handle: u32,
        mut partial: Box<Partial>,
        transfer: Transfer,
        payload: Bytes,
        step: &mut Step<'_>,
    ) -> Result<(), Refusal> {
        let Some(link) = self.links.get_mut(handle) else { return Ok(()) };
        // Given back at the end, or for good.
        *step.incomplete = step.incomplete.saturating_sub(partial.cost);
        //= amqp-1.0 §2.7.5
        // On continuation transfers the delivery-id MAY be omitted. It is an error if the
        // delivery-id on a continuation transfer differs from the delivery-id on the first
        // transfer; likewise for the delivery-tag and the message-format.
        let is_same = transfer.delivery_id.is_none_or(|id| id == partial.id)
            && transfer.delivery_tag.as_ref().is_none_or(|tag| *tag == partial.tag)
            && transfer.message_format.is_none_or(|format| format == partial.message_format);
        if !is_same {
            let words = "a continuation transfer names another delivery than the first";
            return Err(invalid(link, words));
        }
        let id = partial.id;
        //= amqp-1.0 §2.7.5 aborted-payload
        //= amqp-1.0 §2.6.14 aborted-discarded
        // Aborted messages SHOULD be discarded by the recipient (any payload within the frame
        // carrying the performative MUST be ignored). An aborted message is implicitly settled.
        if transfer.aborted {
            if !partial.is_ignored {
                step.events.push(Event::Aborted { link: link.id, id });
            }
            self.incoming.retain_in(id.into(), |_| false);
            return Ok(());
        }
        check_unsettled(link, &transfer)?;
        //= amqp-1.0 §2.7.5 settled-stays
        // If the settled flag is true on any transfer of a delivery, the delivery is settled.
        partial.settled |= transfer.settled == Some(true);
        let size = partial.size + payload.len() as u64;
        check_size(link, size)?;
        if !transfer.more {
            check_settled(link, partial.settled)?;
        }
        let (id_of_link, more, settled) = (link.id, transfer.more, partial.settled);
        let Half::Receiver(receiver) = &mut link.half else { return Ok(()) };
        if partial.is_ignored {
            partial.size = size;
        } else if partial.delivery.is_none() {
            partial.size = size;
            step.events.push(Event::Part { link: id_of_link, id, payload, more, settled });
        } else if !partial.add(payload, step) {
            return Err(too_much(link, step));
        } else if more && let Some(begun) = partial.begin_streaming(receiver.streaming) {
            step.events.push(Event::Delivery(begun));
        }
        if more {
            *step.incomplete += partial.cost;
            receiver.partial = Some(partial);
            return Ok(());
        }
        let second = partial.delivery.as_ref().map(|it| it.rcv_settle_mode);
        let mode = second.unwrap_or(link.rcv_settle_mode);
        self.incoming.retain_in(id.into(), |entry| {
            entry.mark = whole(mode);
            !settled
        });
        if let Some(delivery) = partial.delivery {
            step.events.push(Event::Delivery(Delivery { settled, ..delivery }));
        }
        Ok(())
    }

    /// Keeps a delivery as unsettled.
    #[inline]
    fn note(
        &mut self,
        delivery: &Delivery,
        mark: Option<Mark>,
        step: &Step<'_>,
    ) -> Result<(), Refusal> {
        let Some(mark) = mark else { return Ok(()) };
        if self.incoming.len() >= step.settings.limits.unsettled_max {
            let words = "more unsettled deliveries than this container keeps";
            return Err(Refusal::session(ErrorCondition::ResourceLimitExceeded, words));
        }
        let link = delivery.link.handle;
        let tag = self.links.get(link).and_then(|it| match &it.half {
            Half::Receiver(receiver) if receiver.is_resumable => Some(delivery.tag.detached()),
            _ => None,
        });
        if !self.incoming.push(Entry { id: delivery.id, link, mark, tag }) {
            // An unsettled delivery is so old that numbers have gone all the way round to it.
            let words = format!("delivery-id {} cannot be told from older ones", delivery.id.0);
            return Err(Refusal::session(ErrorCondition::InvalidField, words));
        }
        Ok(())
    }
}

impl Partial {
    /// Of a delivery of which nothing was taken yet.
    fn of(delivery: &Delivery) -> Self {
        Self {
            id: delivery.id,
            tag: delivery.tag.detached(),
            message_format: delivery.message_format,
            settled: delivery.settled,
            delivery: None,
            size: 0,
            cost: 0,
            is_ignored: false,
            is_kept_whole: false,
        }
    }

    /// What is there of a large delivery, whose parts are handed on from now on.
    fn begin_streaming(&mut self, streaming: Streaming) -> Option<Delivery> {
        let Streaming::Above(bytes) = streaming else { return None };
        if self.size <= bytes || self.is_kept_whole {
            return None;
        }
        self.is_kept_whole = true;
        let is_plain = |it: &Delivery| {
            let state = it.state.as_deref();
            !it.resume && !matches!(state, Some(DeliveryState::TransactionalState(_)))
        };
        let delivery = self.delivery.as_ref()?;
        if !is_plain(delivery) || body_offset(&delivery.payload).is_none() {
            return None;
        }
        self.cost = 0;
        self.delivery.take().map(|it| Delivery { more: true, settled: self.settled, ..it })
    }

    /// Adds octets, unless they are too many for this side.
    fn add(&mut self, payload: Bytes, step: &mut Step<'_>) -> bool {
        let cost = payload.len() + PIECE_COST;
        if *step.incomplete + self.cost + cost > step.settings.limits.incomplete_bytes_max {
            return false;
        }
        self.cost += cost;
        self.size += payload.len() as u64;
        let Some(delivery) = &mut self.delivery else { return true };
        match payload.len() {
            0 => {}
            // A small slice would hold a whole read buffer, for as long as the sender likes.
            1..COPY_BELOW => delivery.payload.push(Bytes::copy_from_slice(&payload)),
            _ => delivery.payload.push(payload),
        }
        true
    }
}

/// The same state in memory of its own: it would keep the read buffer alive.
fn detached(state: &DeliveryState) -> Option<Box<DeliveryState>> {
    let mut octets = BytesMut::new();
    state.encode(&mut octets);
    DeliveryState::decode(&mut Reader::new(&octets.freeze())).ok().map(Box::new)
}

/// A transfer is settled only where that was agreed.
#[inline]
fn check_unsettled(link: &Link, transfer: &Transfer) -> Result<(), Refusal> {
    //= amqp-1.0 §2.7.5 mode-unsettled
    // If the negotiated value for snd-settle-mode at attachment is unsettled, then settled MUST be
    // false (or unset) on every transfer frame for a delivery (unless the delivery is aborted).
    let is_settled = transfer.settled == Some(true) && !transfer.aborted;
    if is_settled && link.snd_settle_mode == SenderSettleMode::Unsettled {
        return Err(invalid(link, "a settled transfer where snd-settle-mode is unsettled"));
    }
    Ok(())
}

/// How the receiver settles a delivery, if what the transfer says is within what was agreed.
#[inline]
fn settle_mode(link: &Link, transfer: &Transfer) -> Result<ReceiverSettleMode, Refusal> {
    check_unsettled(link, transfer)?;
    let mode = transfer.rcv_settle_mode;
    //= amqp-1.0 §2.7.5 second-agreed
    // If the negotiated link value is first, then it is illegal to set rcv-settle-mode to second.
    if link.rcv_settle_mode == ReceiverSettleMode::First && mode == Some(ReceiverSettleMode::Second)
    {
        return Err(invalid(link, "rcv-settle-mode second where the link's is first"));
    }
    Ok(mode.unwrap_or(link.rcv_settle_mode))
}

#[inline]
fn check_size(link: &Link, size: u64) -> Result<(), Refusal> {
    let Half::Receiver(receiver) = &link.half else { return Ok(()) };
    //= amqp-1.0 §2.8.18
    // amqp:link:message-size-exceeded: the peer sent a larger message than is supported on the
    // link.
    if size > receiver.message_size_max {
        let words = format!("a message of {size} octets, {} at most", receiver.message_size_max);
        return Err(refuse(link, ErrorCondition::LinkMessageSizeExceeded, words));
    }
    Ok(())
}

/// A delivery is complete: its sender has said whether it is settled.
#[inline]
fn check_settled(link: &Link, settled: bool) -> Result<(), Refusal> {
    //= amqp-1.0 §2.7.5 mode-settled
    // If the negotiated value for snd-settle-mode at attachment is settled, then settled MUST be
    // true on at least one transfer frame for a delivery.
    if link.snd_settle_mode == SenderSettleMode::Settled && !settled {
        return Err(invalid(link, "an unsettled delivery where snd-settle-mode is settled"));
    }
    Ok(())
}

#[cold]
fn too_much(link: &Link, step: &Step<'_>) -> Refusal {
    let max = step.settings.limits.incomplete_bytes_max;
    let words = format!("incomplete deliveries of more than {max} octets on this connection");
    refuse(link, ErrorCondition::ResourceLimitExceeded, words)
}

pub(super) fn whole(mode: ReceiverSettleMode) -> Mark {
    match mode {
        ReceiverSettleMode::First => Mark::Unsettled,
        ReceiverSettleMode::Second => Mark::Second,
    }
}

/// Pieces below are copied: a slice may hold a read buffer of 256 KiB.
const COPY_BELOW: usize = 16 * 1024;
/// What a piece takes beside its octets.
const PIECE_COST: usize = 64;
