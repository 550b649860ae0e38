//! Deliveries that lie whole at the front of the read buffer, in one frame and with nothing out of
//! the ordinary about them, taken where they lie: what need not be known is not decoded. Anything
//! else takes the long way, by [`FrameDecoder`](crate::FrameDecoder) and
//! [`receive`](Connection::receive). Both ways do and say the same.

use std::{ops::Range, time::Duration};

use bytes::{Bytes, BytesMut};

use super::{
    Connection, Delivery, LinkId, Phase,
    incoming::whole,
    ledger::Entry,
    link::{Half, LinkState},
    session::{Session, SessionState},
};
use crate::{
    Composite as _, DeliveryTag,
    definition::{DeliveryNumber, MessageFormat, ReceiverSettleMode, SenderSettleMode},
    frame::{DATA_OFFSET, TYPE_AMQP},
    generated::format_code as code,
    limits::DELIVERY_TAG_MAX,
    performative::Transfer,
    section::Pieces,
};

/// A delivery in the read buffer, counted as received. The frame is the buffer's first
/// `payload.end` octets; they are the caller's to take out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WholeDelivery {
    /// The link.
    pub link: LinkId,
    /// Its number in the session.
    pub id: DeliveryNumber,
    /// Whether the sender wants no answer.
    pub settled: bool,
    /// The link's credit after it.
    pub credit: u32,
    /// Where its message stands.
    pub payload: Range<usize>,
    tag: Range<usize>,
    rcv_settle_mode: ReceiverSettleMode,
}

impl WholeDelivery {
    /// The same as the event that it would have been. `frame` is what was taken out of the buffer.
    pub fn into_delivery(self, frame: &Bytes) -> Delivery {
        let part = |range: Range<usize>| match range.end <= frame.len() {
            true => frame.slice(range),
            false => Bytes::new(),
        };
        let payload = part(self.payload);
        Delivery {
            link: self.link,
            id: self.id,
            tag: DeliveryTag::try_from(part(self.tag)).unwrap_or_default(),
            message_format: MessageFormat(0),
            settled: self.settled,
            rcv_settle_mode: self.rcv_settle_mode,
            state: None,
            resume: false,
            more: false,
            payload: (!payload.is_empty()).then_some(payload).into_iter().collect::<Pieces>(),
        }
    }
}

impl Connection {
    /// Takes the delivery at the front of `buffer`, if it is whole there in one frame and as most
    /// are. None, and nothing has happened: the frame is to be decoded, or is not complete.
    #[inline]
    pub fn receive_whole(
        &mut self,
        buffer: &[u8],
        now: Duration,
        out: &mut BytesMut,
    ) -> Option<WholeDelivery> {
        let &[
            a,
            b,
            c,
            d,
            DATA_OFFSET,
            TYPE_AMQP,
            high,
            low,
            code::DESCRIBED,
            code::SMALLULONG,
            TRANSFER,
        ] = buffer.first_chunk()?
        else {
            return None;
        };
        let size = u32::from_be_bytes([a, b, c, d]);
        if self.phase != Phase::Open || size > self.settings.max_frame_size {
            return None;
        }
        let plain = Plain::of(buffer.get(..size as usize)?)?;
        let channel = u16::from_be_bytes([high, low]);
        let local = *self.by_remote.get(channel.into())?;
        let unsettled_max = self.settings.limits.unsettled_max;
        let session = self.sessions.get_mut(local)?;
        let taken = session.take_whole(plain, size as usize, unsettled_max)?;
        session.top_up(out);
        self.clock.heard(now);
        Some(taken)
    }
}

impl Session {
    /// What [`on_transfer`](Session::on_transfer) does, of what it would not refuse.
    #[inline]
    fn take_whole(
        &mut self,
        plain: Plain,
        size: usize,
        unsettled_max: usize,
    ) -> Option<WholeDelivery> {
        let Plain { handle, id, tag, settled, payload_at } = plain;
        if self.state != SessionState::Mapped || !self.windows.is_open() {
            return None;
        }
        let handle = *self.by_remote.get(handle)?;
        let link = self.links.get_mut(handle)?;
        let Half::Receiver(receiver) = &link.half else { return None };
        let is_ordinary = link.state == LinkState::Attached
            && !receiver.is_resumable
            && !receiver.is_partial()
            && link.promised > 0
            && (size - payload_at) as u64 <= receiver.message_size_max
            && self.last_incoming.is_none_or(|last| last.precedes(id))
            && match link.snd_settle_mode {
                SenderSettleMode::Unsettled => !settled,
                SenderSettleMode::Settled => settled,
                SenderSettleMode::Mixed => true,
            };
        if !is_ordinary {
            return None;
        }
        if !settled {
            let mark = whole(link.rcv_settle_mode);
            let entry = Entry { id, link: handle, mark, tag: None };
            if self.incoming.len() >= unsettled_max || !self.incoming.push(entry) {
                return None;
            }
        }
        self.windows.take();
        self.last_incoming = Some(id);
        link.promised -= 1;
        link.credit = link.credit.saturating_sub(1);
        link.delivery_count = link.delivery_count.next();
        Some(WholeDelivery {
            link: link.id,
            id,
            settled,
            credit: link.credit,
            payload: payload_at..size,
            tag,
            rcv_settle_mode: link.rcv_settle_mode,
        })
    }
}

/// A transfer that says which delivery it is, and nothing else that matters.
struct Plain {
    handle: u32,
    id: DeliveryNumber,
    tag: Range<usize>,
    settled: bool,
    payload_at: usize,
}

const TRANSFER: u8 = Transfer::CODE as u8;

/// Where the fields of a transfer begin in a frame without an extended header.
const LIST: usize = 8 + 3;

impl Plain {
    #[inline]
    fn of(frame: &[u8]) -> Option<Plain> {
        let (count, at, end) = match *frame.get(LIST..)? {
            [code::LIST8, size, count, ..] => {
                (u32::from(count), LIST + 3, LIST + 2 + usize::from(size))
            }
            [code::LIST32, a, b, c, d, e, f, g, h, ..] => {
                let size = u32::from_be_bytes([a, b, c, d]) as usize;
                (
                    u32::from_be_bytes([e, f, g, h]),
                    LIST + 9,
                    LIST.checked_add(size)?.checked_add(5)?,
                )
            }
            _ => return None,
        };
        let mut fields = Fields { list: frame.get(..end)?, at, left: count };
        let handle = fields.number()?;
        let id = DeliveryNumber(fields.number()?);
        let tag = fields.tag()?;
        // Another format, more to come, an end or a state of its own: the long way.
        let is_amqp = matches!(fields.code()?, code::NULL | code::UINT0);
        let settled = fields.flag()?;
        let (more, mode, state) = (fields.flag()?, fields.code()?, fields.code()?);
        let (resume, aborted, _batchable) = (fields.flag()?, fields.flag()?, fields.flag()?);
        let is_plain = is_amqp && !more && !resume && !aborted && [mode, state] == [code::NULL; 2];
        let is_whole = fields.left == 0 && fields.at == end;
        (is_plain && is_whole).then_some(Plain { handle, id, tag, settled, payload_at: end })
    }
}

/// The fields of a list where they lie. None: it is not as most are, or cut short.
struct Fields<'a> {
    list: &'a [u8],
    at: usize,
    left: u32,
}

impl Fields<'_> {
    /// The code of the next field; behind the last all are null.
    #[inline(always)]
    fn code(&mut self) -> Option<u8> {
        let Some(left) = self.left.checked_sub(1) else { return Some(code::NULL) };
        self.left = left;
        self.octet()
    }

    #[inline(always)]
    fn octet(&mut self) -> Option<u8> {
        let octet = *self.list.get(self.at)?;
        self.at += 1;
        Some(octet)
    }

    #[inline(always)]
    fn number(&mut self) -> Option<u32> {
        match self.code()? {
            code::UINT0 => Some(0),
            code::SMALLUINT => self.octet().map(u32::from),
            code::UINT => {
                let number = self.list.get(self.at..)?.first_chunk()?;
                self.at += number.len();
                Some(u32::from_be_bytes(*number))
            }
            _ => None,
        }
    }

    #[inline(always)]
    fn flag(&mut self) -> Option<bool> {
        match self.code()? {
            code::NULL | code::FALSE => Some(false),
            code::TRUE => Some(true),
            _ => None,
        }
    }

    #[inline(always)]
    fn tag(&mut self) -> Option<Range<usize>> {
        let (code, length) = (self.code()?, usize::from(self.octet()?));
        let tag = self.at..self.at + length;
        self.at = tag.end;
        (code == code::VBIN8 && length <= DELIVERY_TAG_MAX && tag.end <= self.list.len())
            .then_some(tag)
    }
}
