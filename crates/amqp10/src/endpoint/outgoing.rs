//! Transfers that go out: checked against credit and window, cut to the peer's frames, their heads
//! encoded and their bodies handed on as slices.

use bytes::{Buf as _, Bytes, BytesMut};
use smallvec::SmallVec;

use super::{
    DeliveryRange,
    ledger::{Entry, Mark},
    link::{Half, Link, LinkState},
    session::{Session, fill},
};
use crate::{
    ChannelId, DeliveryTag, TRANSFER_STENCIL_SIZE, TransferStencil,
    definition::{DeliveryNumber, Handle, MessageFormat, SenderSettleMode},
    encode_frame, encode_transfer_head,
    messaging::DeliveryState,
    performative::Transfer,
    transfer_room,
};

/// Where what is sent goes: small things are encoded, bodies may be kept as slices for a vectored
/// write, all in order.
pub trait Outbox {
    /// Where small things are appended.
    fn tail(&mut self) -> &mut BytesMut;

    /// Appends a slice of a message, copied or not.
    fn put(&mut self, slice: &Bytes);
}

impl Outbox for BytesMut {
    #[inline]
    fn tail(&mut self) -> &mut BytesMut {
        self
    }

    #[inline]
    fn put(&mut self, slice: &Bytes) {
        self.extend_from_slice(slice);
    }
}

/// A message to be sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outgoing<'a> {
    /// The delivery's name on the link: in eight octets on the wire, unique among what is not
    /// settled there.
    pub tag: u64,
    /// Whether it is sent settled, where the link leaves that open (`mixed`).
    pub settled: bool,
    /// How it is encoded; 0 is AMQP.
    pub message_format: MessageFormat,
    /// What the message begins with: it is copied.
    pub head: &'a [u8],
    /// What follows, in slices.
    pub body: &'a [Bytes],
    /// How many octets follow that, which are handed over while it is sent
    /// ([`Connection::feed`](super::Connection::feed)).
    pub rest: u64,
    /// The delivery's state: when it is resumed, or belongs to a transaction.
    pub state: Option<&'a DeliveryState>,
    /// Whether a delivery of before is resumed.
    pub resume: bool,
}

impl Outgoing<'_> {
    #[inline]
    fn size(&self) -> u64 {
        self.body.iter().fold(self.head.len(), |size, it| size + it.len()) as u64 + self.rest
    }

    /// Whether it is settled when it is sent, on a link of this mode.
    #[inline]
    fn is_settled(&self, mode: SenderSettleMode) -> bool {
        //= amqp-1.0 §2.7.5 mode-settled, mode-unsettled
        match mode {
            SenderSettleMode::Unsettled => false,
            SenderSettleMode::Settled => true,
            SenderSettleMode::Mixed => self.settled,
        }
    }

    /// Whether a stencil says it all.
    #[inline]
    fn is_plain(&self) -> bool {
        self.message_format == MessageFormat(0) && self.state.is_none() && !self.resume
    }
}

/// What became of a message that was to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It went out, under this number.
    Whole(DeliveryNumber),
    /// Its beginning went out; the rest waits for the session's window
    /// ([`Event::Window`](super::Event::Window)), or to be handed over
    /// ([`Connection::is_hungry`](super::Connection::is_hungry)). The link sends nothing else
    /// before.
    Partly(DeliveryNumber),
    /// The link has no credit: [`Event::Flow`](super::Event::Flow) will tell.
    NoCredit,
    /// The session's window is used up, or the link sends another message yet:
    /// [`Event::Window`](super::Event::Window) will tell.
    NoWindow,
    /// More deliveries of the session are unsettled than this side keeps: a
    /// [`Disposition`](super::Disposition) will tell.
    TooManyUnsettled,
    /// The message is larger than the receiver takes: not for this link.
    TooLarge,
    /// The link is not attached, or not one that sends.
    NotAttached,
}

/// What a link has that sends.
#[derive(Debug)]
pub(super) struct Sender {
    /// The receiver's limit.
    pub(super) message_size_max: u64,
    unsettled: TransferStencil,
    settled: TransferStencil,
    pub(super) unfinished: Option<Box<Unfinished>>,
    /// The owner has nothing more to send: credit goes when the rest is out.
    is_draining: bool,
}

/// A delivery that is sent partly.
#[derive(Debug)]
pub(super) struct Unfinished {
    id: DeliveryNumber,
    head: Head,
    /// What is there of what is left.
    rest: SmallVec<[Bytes; 2]>,
    at_hand: usize,
    left: u64,
}

/// How far a delivery got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// All of it is out.
    Done,
    /// The window is used up.
    NoWindow,
    /// The next frame's octets are to be handed over.
    Hungry,
}

/// What each of its frames begins with.
#[derive(Debug)]
enum Head {
    Stencil { tag: u64, settled: bool },
    Free(Box<Transfer>),
}

impl Sender {
    pub(super) fn new(channel: ChannelId, handle: u32) -> Self {
        Self {
            message_size_max: u64::MAX,
            unsettled: TransferStencil::new(channel, Handle(handle), false),
            settled: TransferStencil::new(channel, Handle(handle), true),
            unfinished: None,
            is_draining: false,
        }
    }

    #[inline]
    fn stencil(&self, settled: bool) -> &TransferStencil {
        if settled { &self.settled } else { &self.unsettled }
    }
}

impl Session {
    #[inline]
    pub(super) fn send<O: Outbox>(
        &mut self,
        handle: u32,
        message: &Outgoing<'_>,
        max_frame_size: u32,
        unsettled_max: usize,
        out: &mut O,
    ) -> Sent {
        let Some(link) = self.links.get_mut(handle) else { return Sent::NotAttached };
        let Half::Sender(sender) = &mut link.half else { return Sent::NotAttached };
        if link.state != LinkState::Attached {
            return Sent::NotAttached;
        }
        let size = message.size();
        if size > sender.message_size_max {
            return Sent::TooLarge;
        }
        //= amqp-1.0 §2.6.7 no-credit-no-message
        // If the link-credit is less than or equal to zero, i.e., the delivery-count is the same as
        // or greater than the delivery-limit, a sender MUST NOT send more messages.
        if link.credit == 0 {
            return Sent::NoCredit;
        }
        //= amqp-1.0 §2.6.14 not-interleaved
        if self.windows.room() == 0 || sender.unfinished.is_some() {
            self.windows.await_room();
            return Sent::NoWindow;
        }
        let settled = message.is_settled(link.snd_settle_mode);
        let id = self.next_outgoing;
        //= amqp-1.0 §2.7.1 frame-size-kept
        let frame = size + TRANSFER_STENCIL_SIZE as u64;
        let fits = message.is_plain() && message.rest == 0 && frame <= max_frame_size.into();
        let mut parts = None;
        if !fits {
            let it = unfinished(id, handle, message, settled, size);
            if it.room(max_frame_size) == 0 {
                return Sent::TooLarge;
            }
            parts = Some(it);
        }
        if !settled {
            let entry = Entry { id, link: handle, mark: Mark::Unsettled, tag: message.tag };
            if self.outgoing.len() >= unsettled_max || !self.outgoing.push(entry) {
                return Sent::TooManyUnsettled;
            }
        }
        self.next_outgoing = id.next();
        //= amqp-1.0 §2.6.7 credit-goes-with-count
        // When the sender sends a message, the delivery-count is incremented and the link-credit
        // decremented.
        link.credit -= 1;
        link.delivery_count = link.delivery_count.next();
        if parts.is_none() {
            let stencil = sender.stencil(settled);
            stencil.encode(id, message.tag, false, size as u32, out.tail());
            out.tail().extend_from_slice(message.head);
            message.body.iter().for_each(|slice| out.put(slice));
            self.windows.give();
            return Sent::Whole(id);
        }
        sender.unfinished = parts;
        match self.go_on(handle, max_frame_size, out) {
            Progress::Done => Sent::Whole(id),
            Progress::NoWindow | Progress::Hungry => {
                self.unfinished.push_back(handle);
                Sent::Partly(id)
            }
        }
    }

    /// Sends of the link's unfinished delivery what is there and the window takes.
    fn go_on<O: Outbox>(&mut self, handle: u32, max_frame_size: u32, out: &mut O) -> Progress {
        let Some(link) = self.links.get_mut(handle) else { return Progress::Done };
        let Half::Sender(sender) = &mut link.half else { return Progress::Done };
        let Some(mut unfinished) = sender.unfinished.take() else { return Progress::Done };
        let channel = ChannelId(self.id.channel);
        let stopped = loop {
            if self.windows.room() == 0 {
                self.windows.await_room();
                break Progress::NoWindow;
            }
            let count = unfinished.next(max_frame_size);
            if unfinished.at_hand < count {
                break Progress::Hungry;
            }
            let more = (count as u64) < unfinished.left;
            match &mut unfinished.head {
                Head::Stencil { tag, settled } => {
                    let stencil = sender.stencil(*settled);
                    stencil.encode(unfinished.id, *tag, more, count as u32, out.tail());
                }
                Head::Free(transfer) => {
                    transfer.more = more;
                    encode_transfer_head(channel, transfer, count, out.tail());
                }
            }
            unfinished.take(count, out);
            self.windows.give();
            if !more {
                return Progress::Done;
            }
        };
        sender.unfinished = Some(unfinished);
        stopped
    }

    /// Goes on with what is sent partly, a link after the other.
    pub(super) fn go_on_all<O: Outbox>(&mut self, max_frame_size: u32, out: &mut O) -> bool {
        for _ in 0..self.unfinished.len() {
            let Some(handle) = self.unfinished.pop_front() else { break };
            match self.go_on(handle, max_frame_size, out) {
                Progress::Done => self.finished(handle, out),
                Progress::Hungry => self.unfinished.push_back(handle),
                Progress::NoWindow => {
                    self.unfinished.push_front(handle);
                    return false;
                }
            }
        }
        self.unfinished.is_empty()
    }

    /// A delivery that was sent partly is out.
    fn finished<O: Outbox>(&mut self, handle: u32, out: &mut O) {
        let link = self.links.get_mut(handle);
        if let Some(Link { half: Half::Sender(sender), .. }) = link
            && std::mem::take(&mut sender.is_draining)
        {
            self.let_credit_go(handle, out.tail());
        }
    }

    /// Whether the link's unfinished delivery could go on if more of it were there.
    pub(super) fn is_hungry(&self, handle: u32, max_frame_size: u32) -> bool {
        let Some(Link { half: Half::Sender(sender), .. }) = self.links.get(handle) else {
            return false;
        };
        let is_hungry = |it: &Unfinished| it.at_hand < it.next(max_frame_size);
        self.windows.room() > 0 && sender.unfinished.as_deref().is_some_and(is_hungry)
    }

    /// More octets of the link's unfinished delivery. `false` when it has none that lacks so many.
    pub(super) fn feed<O: Outbox>(
        &mut self,
        handle: u32,
        octets: Bytes,
        max_frame_size: u32,
        out: &mut O,
    ) -> bool {
        let Some(Link { half: Half::Sender(sender), .. }) = self.links.get_mut(handle) else {
            return false;
        };
        let lacks = |it: &Unfinished| it.left - it.at_hand as u64;
        let unfinished = sender.unfinished.as_deref_mut();
        let Some(unfinished) = unfinished.filter(|it| lacks(it) >= octets.len() as u64) else {
            return false;
        };
        unfinished.at_hand += octets.len();
        unfinished.rest.push(octets);
        if self.go_on(handle, max_frame_size, out) == Progress::Done {
            self.unfinished.retain(|it| *it != handle);
            self.finished(handle, out);
        }
        true
    }

    /// The owner has nothing more to send on a link that is to be drained.
    pub(super) fn drained(&mut self, handle: u32, out: &mut BytesMut) -> bool {
        let Some(link) = self.links.get_mut(handle) else { return false };
        let Half::Sender(sender) = &mut link.half else { return false };
        if link.state != LinkState::Attached || !link.drain {
            return false;
        }
        match sender.unfinished {
            // A flow must not say that it is sent.
            Some(_) => sender.is_draining = true,
            None => self.let_credit_go(handle, out),
        }
        true
    }

    fn let_credit_go(&mut self, handle: u32, out: &mut BytesMut) {
        let Some(link) = self.links.get_mut(handle) else { return };
        //= amqp-1.0 §2.6.7 drain-uses-up
        // drain: when flow state is sent from the receiver to the sender with drain set, the sender
        // will (after sending all available messages) advance the delivery-count as much as
        // possible, consuming all link-credit, and send the flow state to the receiver.
        if link.drain {
            link.delivery_count = link.delivery_count.plus(link.credit);
            link.credit = 0;
        }
        let mut flow = self.windows.flow();
        fill(&mut flow, link);
        flow.available = Some(0);
        link.drain = false;
        encode_frame(ChannelId(self.id.channel), &flow, out);
    }

    /// Gives up a delivery that is sent partly.
    pub(super) fn abort(&mut self, handle: u32, out: &mut BytesMut) -> bool {
        let Some(link) = self.links.get_mut(handle) else { return false };
        let Half::Sender(sender) = &mut link.half else { return false };
        // An abort is a transfer: without window there is none.
        if self.windows.room() == 0 {
            return false;
        }
        let Some(unfinished) = sender.unfinished.take() else { return false };
        let is_draining = std::mem::take(&mut sender.is_draining);
        self.unfinished.retain(|it| *it != handle);
        let id = unfinished.id;
        let transfer = Transfer {
            handle: Handle(handle),
            delivery_id: Some(id),
            aborted: true,
            ..Transfer::default()
        };
        encode_transfer_head(ChannelId(self.id.channel), &transfer, 0, out);
        self.windows.give();
        self.outgoing.retain_in(DeliveryRange::from(id), |_| false);
        if is_draining {
            self.let_credit_go(handle, out);
        }
        true
    }
}

/// A delivery of which nothing is sent yet.
#[cold]
fn unfinished(
    id: DeliveryNumber,
    handle: u32,
    message: &Outgoing<'_>,
    settled: bool,
    size: u64,
) -> Box<Unfinished> {
    let mut rest = SmallVec::new();
    if !message.head.is_empty() {
        rest.push(Bytes::copy_from_slice(message.head));
    }
    rest.extend(message.body.iter().filter(|it| !it.is_empty()).cloned());
    let tag = message.tag;
    let head = match message.is_plain() {
        true => Head::Stencil { tag, settled },
        false => {
            let octets = Bytes::copy_from_slice(&tag.to_be_bytes());
            Head::Free(Box::new(Transfer {
                handle: Handle(handle),
                delivery_id: Some(id),
                delivery_tag: DeliveryTag::try_from(octets).ok(),
                message_format: Some(message.message_format),
                settled: Some(settled),
                state: message.state.cloned(),
                //= amqp-1.0 §2.6.13 resume-flag
                //= amqp-1.0 §2.7.5 resume-first
                resume: message.resume,
                ..Transfer::default()
            }))
        }
    };
    let at_hand = (size - message.rest) as usize;
    Box::new(Unfinished { id, head, rest, at_hand, left: size })
}

impl Unfinished {
    /// How many octets the next frame takes.
    fn room(&self, max_frame_size: u32) -> usize {
        match &self.head {
            Head::Stencil { .. } => max_frame_size as usize - TRANSFER_STENCIL_SIZE,
            Head::Free(transfer) => transfer_room(transfer, max_frame_size),
        }
    }

    /// How many octets the next frame has: as many as it takes, or all that are left.
    fn next(&self, max_frame_size: u32) -> usize {
        let room = self.room(max_frame_size);
        usize::try_from(self.left).map_or(room, |left| left.min(room))
    }

    /// Takes octets from the front.
    fn take<O: Outbox>(&mut self, count: usize, out: &mut O) {
        let mut wanted = count;
        self.left -= count as u64;
        self.at_hand -= count;
        while wanted > 0 {
            let Some(first) = self.rest.first_mut() else { return };
            if first.len() > wanted {
                out.put(&first.slice(..wanted));
                return first.advance(wanted);
            }
            wanted -= first.len();
            out.put(&self.rest.remove(0));
        }
    }
}
