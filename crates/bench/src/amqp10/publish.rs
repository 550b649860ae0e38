//! The link of a connection that publishes: its messages, made once, and what it may send.

use ::amqp10::{
    DeliveryTag, Encode as _,
    definition::{DeliveryNumber, Handle, MessageFormat, SequenceNo, TransferNumber},
    encode_frame, encode_transfer_head,
    messaging::{Header, Properties},
    performative::{Flow, Transfer},
    section::encode_data,
    transfer_room,
};
use bytes::{Bytes, BytesMut};

use super::{
    Addresses,
    connection::{CHANNEL, WINDOW},
    scan,
};
use crate::{
    Error,
    protocol::{Confirm, Encoded, Publishing},
};

/// The one link's handle.
pub(super) const HANDLE: Handle = Handle(0);

/// A link that publishes.
pub(super) struct PublishingLink {
    /// How each message says where it goes; none: the link's address does.
    pub(super) to: Option<(Addresses, Option<String>)>,
    /// It wants no answers.
    pub(super) settled: bool,
    pub(super) frame_max: u32,
    /// Transfer frames of each message.
    pub(super) frames_each: u32,
    pub(super) state: State,
}

/// What may be sent, and what was.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Messages.
    pub(super) sent: u64,
    /// Transfer frames, as they are counted on the wire.
    pub(super) frames: u32,
    pub(super) credit: u32,
    pub(super) window: u32,
    /// The number of the broker's first transfer frame, of which none comes.
    pub(super) first_incoming: u32,
}

impl State {
    pub(super) fn new(window: u32, first_incoming: u32) -> State {
        State { window, first_incoming, ..State::default() }
    }

    /// The broker's state (AMQP 1.0 §2.5.6, §2.6.7).
    pub(super) fn on_flow(&mut self, flow: &Flow) {
        let seen = flow.next_incoming_id.unwrap_or_default().0;
        self.window = flow.incoming_window.saturating_sub(self.frames.wrapping_sub(seen));
        if flow.handle.is_some()
            && let Some(credit) = flow.link_credit
        {
            let seen = flow.delivery_count.unwrap_or_default().0;
            self.credit = credit.saturating_sub((self.sent as u32).wrapping_sub(seen));
        }
    }

    fn told(&self) -> Flow {
        Flow {
            next_incoming_id: Some(TransferNumber(self.first_incoming)),
            incoming_window: WINDOW,
            next_outgoing_id: TransferNumber(self.frames),
            outgoing_window: WINDOW,
            handle: Some(HANDLE),
            delivery_count: Some(SequenceNo(self.sent as u32)),
            link_credit: Some(self.credit),
            ..Flow::default()
        }
    }

    /// How many messages were sent up to the one with this number on the wire, or none, if it was
    /// not sent.
    fn count_to(&self, id: u32) -> Option<u64> {
        let behind = (self.sent as u32).wrapping_sub(1).wrapping_sub(id);
        self.sent.checked_sub(u64::from(behind)).filter(|count| *count > 0)
    }
}

impl PublishingLink {
    /// What goes before a message's body.
    fn head(&self, key: &str, durable: bool) -> BytesMut {
        let mut head = BytesMut::new();
        if durable {
            Header { durable: Some(true), ..Header::default() }.encode(&mut head);
        }
        if let Some((addresses, exchange)) = &self.to {
            let to = addresses.of_key(exchange.as_deref(), key);
            Properties { to: Some(to.into()), ..Properties::default() }.encode(&mut head);
        }
        head
    }

    /// A message, and how many frames it is.
    pub(super) fn encode(&self, key: &str, body_bytes: usize, durable: bool) -> (Encoded, u32) {
        let mut message = self.head(key, durable);
        encode_data(&Bytes::from(vec![b'x'; body_bytes]), &mut message);
        let mut stamp_at = message.len() - body_bytes;
        let (mut out, mut frames) = (BytesMut::new(), 0);
        while frames == 0 || !message.is_empty() {
            let mut transfer = self.transfer(frames == 0);
            let count = message.len().min(transfer_room(&transfer, self.frame_max));
            transfer.more = count < message.len();
            encode_transfer_head(CHANNEL, &transfer, count, &mut out);
            if frames == 0 {
                stamp_at += out.len();
            }
            out.extend_from_slice(&message.split_to(count));
            frames += 1;
        }
        let number_at = Some([ID_AT, TAG_AT]);
        (Encoded { octets: out.to_vec(), stamp_at, number_at }, frames)
    }

    /// The first transfer of a message, or one that follows.
    fn transfer(&self, is_first: bool) -> Transfer {
        let transfer =
            Transfer { handle: HANDLE, settled: Some(self.settled), ..Transfer::default() };
        if !is_first {
            return transfer;
        }
        // Written over each time, so their places have to be as wide as any number is.
        let widest = Bytes::from_static(&[0xff; NUMBER_BYTES]);
        Transfer {
            delivery_id: Some(DeliveryNumber(u32::MAX)),
            delivery_tag: DeliveryTag::try_from(widest).ok(),
            message_format: Some(MessageFormat(0)),
            ..transfer
        }
    }
}

impl Publishing for PublishingLink {
    fn message(&self, key: &str, body_bytes: usize, durable: bool) -> Encoded {
        self.encode(key, body_bytes, durable).0
    }

    fn room(&self) -> u64 {
        self.state.credit.min(self.state.window / self.frames_each.max(1)).into()
    }

    fn sent(&mut self, count: u64) {
        let State { sent, frames, credit, window, .. } = &mut self.state;
        let these = (count as u32).wrapping_mul(self.frames_each);
        *sent += count;
        *frames = frames.wrapping_add(these);
        *credit = credit.saturating_sub(count as u32);
        *window = window.saturating_sub(these);
    }

    fn confirms(
        &mut self,
        input: &[u8],
        each: &mut dyn FnMut(Confirm),
        answer: &mut Vec<u8>,
    ) -> Result<usize, Error> {
        let mut is_asked = false;
        let state = &mut self.state;
        let used = scan::confirms(input, &mut |said| match said {
            scan::Said::Flow(flow) => {
                state.on_flow(&flow);
                is_asked |= flow.echo;
            }
            scan::Said::Became { first, last, is_refused } => {
                if let Some(last) = state.count_to(last) {
                    let first = state.count_to(first).unwrap_or(1);
                    each(Confirm { first, last, is_refused });
                }
            }
        })?;
        if is_asked {
            let mut out = BytesMut::new();
            encode_frame(CHANNEL, &state.told(), &mut out);
            answer.extend_from_slice(&out);
        }
        Ok(used)
    }
}

/// Where a message's number stands in its first frame: header, descriptor, list and handle are
/// before it, and a code before each.
const ID_AT: usize = 8 + 3 + 3 + 1 + 1;
const TAG_AT: usize = ID_AT + NUMBER_BYTES + 2;
const NUMBER_BYTES: usize = 4;

#[cfg(test)]
mod tests {
    use ::amqp10::{Frame, FrameDecoder, Message, Performative, section::Pieces};

    use super::*;

    fn link(frame_max: u32, credit: u32) -> PublishingLink {
        let state = State { credit, window: 100, ..State::default() };
        PublishingLink { to: None, settled: false, frame_max, frames_each: 1, state }
    }

    #[test]
    fn a_message_is_read_back_with_its_number_and_its_stamp() {
        let to = Some((Addresses::Paths, Some("x".to_owned())));
        let link = PublishingLink { to, ..link(512, 1) };
        let (mut encoded, frames) = link.encode("k.1", 2000, true);
        for at in encoded.number_at.unwrap() {
            encoded.octets.get_mut(at..at + 4).unwrap().copy_from_slice(&7_u32.to_be_bytes());
        }
        let stamp = encoded.octets.get_mut(encoded.stamp_at..encoded.stamp_at + 2).unwrap();
        stamp.copy_from_slice(b"st");
        let (mut decoder, mut octets) = (FrameDecoder::new(), BytesMut::from(&encoded.octets[..]));
        decoder.set_max_size(512);
        let (mut pieces, mut found) = (Pieces::new(), Vec::new());
        while let Some(frame) = decoder.decode(&mut octets).unwrap() {
            let Frame::Amqp { performative: Performative::Transfer(transfer), payload, .. } = frame
            else {
                panic!("all are transfers")
            };
            pieces.push(payload);
            found.push(transfer);
        }
        assert_eq!((found.len(), frames), (5, 5));
        let first = found.first().unwrap();
        assert_eq!(first.delivery_id, Some(DeliveryNumber(7)));
        let tag = first.delivery_tag.as_ref().unwrap();
        assert_eq!(&tag.as_bytes()[..], 7_u32.to_be_bytes());
        assert_eq!(found.iter().filter(|it| it.more).count(), 4);
        let message = Message::parse(pieces).unwrap();
        assert_eq!(message.header().unwrap().durable, Some(true));
        let to = message.properties().unwrap().unwrap().to.unwrap();
        assert_eq!(&*to, "/exchanges/x/k.1");
        let body: Vec<u8> = message.data().flatten().flatten().collect();
        assert_eq!((body.len(), body.get(..3).unwrap()), (2000, &b"stx"[..]));
    }

    #[test]
    fn what_may_be_sent_is_what_credit_and_window_leave() {
        let mut link = PublishingLink { frames_each: 3, ..link(512, 50) };
        assert_eq!(link.room(), 33, "100 frames, 3 for each");
        link.sent(30);
        assert_eq!((link.room(), link.state.credit), (3, 20));
        // Of 90 frames it has seen 60, of 30 messages 20.
        let mut flow = Flow {
            next_incoming_id: Some(TransferNumber(60)),
            incoming_window: 90,
            handle: Some(HANDLE),
            delivery_count: Some(SequenceNo(20)),
            link_credit: Some(15),
            ..Flow::default()
        };
        link.state.on_flow(&flow);
        assert_eq!((link.state.window, link.room()), (60, 5));
        flow.handle = None;
        flow.incoming_window = 33;
        link.state.on_flow(&flow);
        assert_eq!((link.state.credit, link.room()), (5, 1), "the session's alone");
    }

    #[test]
    fn numbers_on_the_wire_are_counted_from_one_across_the_wrap() {
        let sent = (1 << 32) + 5;
        let state = State { sent, ..State::default() };
        assert_eq!((state.count_to(4), state.count_to(0)), (Some(sent), Some((1 << 32) + 1)));
        assert_eq!(state.count_to(u32::MAX), Some(1 << 32));
        let state = State { sent: 3, ..State::default() };
        assert_eq!(
            (state.count_to(0), state.count_to(2), state.count_to(3)),
            (Some(1), Some(3), None)
        );
    }
}
