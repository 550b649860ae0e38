//! The links of a connection that consumes: what came on each, what may come, and what is accepted.

use ::amqp10::{
    definition::{DeliveryNumber, Handle, Role, SequenceNo, TransferNumber},
    encode_frame,
    messaging::Accepted,
    performative::{Disposition, Flow},
};
use bytes::BytesMut;

use super::{
    connection::{CHANNEL, WINDOW},
    scan::{self, Arriving, Came},
};
use crate::{
    Error,
    protocol::{Consuming, Delivery},
};

/// A session that consumes.
pub(super) struct ConsumingSession {
    links: Vec<Inlet>,
    /// From the broker's handles to places in `links`.
    by_remote: Vec<u32>,
    /// How many deliveries a link may have under way.
    credit_max: u32,
    /// Deliveries come settled.
    settled: bool,
    /// The number of the next transfer frame.
    next_incoming: u32,
    /// The last delivery that is complete, and the first that is not accepted.
    last: u32,
    unaccepted: Option<u32>,
    /// Deliveries of which more is to come.
    incomplete: usize,
    /// Where frames are encoded.
    out: BytesMut,
}

/// One link of it.
#[derive(Debug)]
struct Inlet {
    queue: u32,
    /// As the sender counts them.
    delivery_count: u32,
    credit: u32,
    partial: Option<Partial>,
}

/// A delivery of which more is to come.
#[derive(Debug)]
struct Partial {
    id: u32,
    delivery: Delivery,
    /// Octets of the body that came.
    came: usize,
}

impl ConsumingSession {
    pub(super) fn new(credit_max: u32, settled: bool, first_incoming: u32) -> ConsumingSession {
        ConsumingSession {
            links: Vec::new(),
            by_remote: Vec::new(),
            credit_max,
            settled,
            next_incoming: first_incoming,
            last: 0,
            unaccepted: None,
            incomplete: 0,
            out: BytesMut::new(),
        }
    }

    /// A link was attached: its handle here is its place. False when the broker's handle is beyond
    /// anything.
    pub(super) fn add(&mut self, queue: u32, remote: Handle, delivery_count: u32) -> bool {
        let at = remote.0 as usize;
        if at >= HANDLES_MAX {
            return false;
        }
        if self.by_remote.len() <= at {
            self.by_remote.resize(at + 1, u32::MAX);
        }
        if let Some(place) = self.by_remote.get_mut(at) {
            *place = self.links.len() as u32;
        }
        self.links.push(Inlet { queue, delivery_count, credit: 0, partial: None });
        true
    }

    /// Writes credit for every link that has used up half of it.
    pub(super) fn grant(&mut self, answer: &mut Vec<u8>) {
        for at in 0..self.links.len() {
            let Some(link) = self.links.get_mut(at) else { return };
            if link.credit > self.credit_max / 2 {
                continue;
            }
            link.credit = self.credit_max;
            self.flow(Some(at), answer);
        }
    }

    fn flow(&mut self, link: Option<usize>, answer: &mut Vec<u8>) {
        let mut flow = Flow {
            next_incoming_id: Some(TransferNumber(self.next_incoming)),
            incoming_window: WINDOW,
            outgoing_window: WINDOW,
            ..Flow::default()
        };
        if let Some((at, link)) = link.and_then(|at| Some((at, self.links.get(at)?))) {
            flow.handle = Some(Handle(at as u32));
            flow.delivery_count = Some(SequenceNo(link.delivery_count));
            flow.link_credit = Some(link.credit);
        }
        self.out.clear();
        encode_frame(CHANNEL, &flow, &mut self.out);
        answer.extend_from_slice(&self.out);
    }

    #[inline]
    fn arrived(&mut self, arriving: &Arriving<'_>, each: &mut dyn FnMut(Delivery)) -> Option<()> {
        self.next_incoming = self.next_incoming.wrapping_add(1);
        let at = *self.by_remote.get(arriving.handle as usize)?;
        let link = self.links.get_mut(at as usize)?;
        if let Some(mut partial) = link.partial.take() {
            partial.came += arriving.payload.len();
            if arriving.more {
                link.partial = Some(partial);
                return Some(());
            }
            self.incomplete -= 1;
            // What did not come, or more than was to come, is another body.
            if partial.came != partial.delivery.body_bytes {
                partial.delivery.stamp = None;
            }
            self.complete(partial.id, partial.delivery, each);
            return Some(());
        }
        let id = arriving.id?;
        link.delivery_count = link.delivery_count.wrapping_add(1);
        link.credit = link.credit.saturating_sub(1);
        let mut delivery =
            Delivery { queue: link.queue, is_redelivered: false, body_bytes: 0, stamp: None };
        let mut came = 0;
        if let Some(front) = scan::front(arriving.payload) {
            delivery.is_redelivered = front.is_redelivered;
            delivery.body_bytes = front.body_bytes;
            delivery.stamp = front.stamp;
            came = front.here;
        }
        if arriving.more {
            link.partial = Some(Partial { id, delivery, came });
            self.incomplete += 1;
            return Some(());
        }
        if came != delivery.body_bytes {
            delivery.stamp = None;
        }
        self.complete(id, delivery, each);
        Some(())
    }

    #[inline]
    fn complete(&mut self, id: u32, delivery: Delivery, each: &mut dyn FnMut(Delivery)) {
        // Links take turns: one may be complete before another that began before it.
        if self.unaccepted.is_none() || leads_to(self.last, id) {
            self.last = id;
        }
        if self.unaccepted.is_none_or(|first| !leads_to(first, id)) {
            self.unaccepted = Some(id);
        }
        each(delivery);
    }

    /// Up to which delivery all are complete.
    fn complete_to(&self) -> u32 {
        let mut last = self.last;
        if self.incomplete > 0 {
            for partial in self.links.iter().filter_map(|link| link.partial.as_ref()) {
                if leads_to(partial.id, last) {
                    last = partial.id.wrapping_sub(1);
                }
            }
        }
        last
    }
}

impl Consuming for ConsumingSession {
    fn deliveries(
        &mut self,
        input: &[u8],
        each: &mut dyn FnMut(Delivery),
        answer: &mut Vec<u8>,
    ) -> Result<usize, Error> {
        let mut at = 0;
        while let Some((came, size)) = scan::next(input.get(at..).unwrap_or_default())? {
            at += size;
            match came {
                Came::Transfer(arriving) => self
                    .arrived(&arriving, each)
                    .ok_or_else(|| Error::broken("consuming", "a transfer of no link"))?,
                Came::Question => self.flow(None, answer),
                Came::Nothing => {}
            }
        }
        if self.settled {
            self.grant(answer);
        }
        Ok(at)
    }

    fn acknowledge(&mut self, answer: &mut Vec<u8>) {
        let last = self.complete_to();
        let first = self.unaccepted.filter(|first| leads_to(*first, last));
        if let Some(first) = first {
            let disposition = Disposition {
                role: Role::Receiver,
                first: DeliveryNumber(first),
                last: (last != first).then_some(DeliveryNumber(last)),
                settled: true,
                state: Some(Accepted {}.into()),
                ..Disposition::default()
            };
            self.out.clear();
            encode_frame(CHANNEL, &disposition, &mut self.out);
            answer.extend_from_slice(&self.out);
            self.unaccepted = (last != self.last).then_some(last.wrapping_add(1));
        }
        self.grant(answer);
    }
}

/// Whether a number is the other or before it: they wrap around (RFC 1982).
#[inline]
fn leads_to(one: u32, other: u32) -> bool {
    other.wrapping_sub(one) <= i32::MAX as u32
}

/// As many links as a broker may number.
const HANDLES_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use ::amqp10::{DeliveryTag, encode_transfer_head, performative::Transfer};
    use bytes::Bytes;

    use super::*;
    use crate::stamp::Stamp;

    fn transfer(handle: u32, id: Option<u32>, more: bool, payload: &[u8], out: &mut BytesMut) {
        let transfer = Transfer {
            handle: Handle(handle),
            delivery_id: id.map(DeliveryNumber),
            delivery_tag: id.and_then(|_| DeliveryTag::try_from(Bytes::from_static(b"t")).ok()),
            more,
            ..Transfer::default()
        };
        encode_transfer_head(CHANNEL, &transfer, payload.len(), out);
        out.extend_from_slice(payload);
    }

    type Pairs = Vec<(u32, u32)>;

    /// What it says: which deliveries it accepted, and how much credit it gave by which handle.
    fn said(mut answer: &[u8]) -> (Pairs, Pairs) {
        let (mut accepted, mut granted) = (Vec::new(), Vec::new());
        while let Some(frame) = super::super::frames::Frame::first(answer).unwrap() {
            let ::amqp10::Frame::Amqp { performative, .. } = frame.decode().unwrap() else {
                panic!("it only answers")
            };
            match performative {
                ::amqp10::Performative::Disposition(it) => {
                    accepted.push((it.first.0, it.last.unwrap_or(it.first).0));
                }
                ::amqp10::Performative::Flow(it) => {
                    granted.push((it.handle.unwrap().0, it.link_credit.unwrap()));
                }
                other => panic!("{other:?}"),
            }
            answer = answer.get(frame.len()..).unwrap();
        }
        (accepted, granted)
    }

    fn session(credit: u32) -> ConsumingSession {
        let mut session = ConsumingSession::new(credit, false, 0);
        assert!(session.add(7, Handle(3), 0) && session.add(9, Handle(0), 0));
        let mut answer = Vec::new();
        session.grant(&mut answer);
        assert_eq!(said(&answer).1, [(0, credit), (1, credit)]);
        session
    }

    #[test]
    fn deliveries_are_found_however_the_reads_cut_them() {
        let stamp = Stamp { producer: 3, sequence: 9, due: 7 };
        let body = [&b"\0\x53\x75\xa0\x14"[..], &stamp.encode(), b"more"].concat();
        let mut octets = BytesMut::new();
        let (front, rest) = body.split_at(22);
        transfer(3, Some(u32::MAX), false, &body, &mut octets);
        transfer(0, Some(0), true, front, &mut octets);
        transfer(3, Some(1), false, &body, &mut octets);
        transfer(0, None, false, rest, &mut octets);
        for cut in 0..octets.len() {
            let (mut session, mut found, mut answer) = (session(100), Vec::new(), Vec::new());
            let mut each = |it: Delivery| found.push((it.queue, it.body_bytes, it.stamp));
            let first = octets.get(..cut).unwrap();
            let used = session.deliveries(first, &mut each, &mut answer).unwrap();
            session.acknowledge(&mut answer);
            let rest = octets.get(used..).unwrap();
            let used_then = session.deliveries(rest, &mut each, &mut answer).unwrap();
            session.acknowledge(&mut answer);
            assert_eq!(used + used_then, octets.len());
            let one = |queue| (queue, 20, Some(stamp));
            assert_eq!(found, [one(7), one(7), one(9)], "cut at {cut}");
            // Each once, and none before it was complete.
            let accepted: Vec<u32> = said(&answer)
                .0
                .into_iter()
                .flat_map(|(first, last)| [first, first.wrapping_add(1), last])
                .collect();
            assert_eq!((accepted.first(), accepted.last()), (Some(&u32::MAX), Some(&1)));
        }
    }

    #[test]
    fn what_is_complete_is_accepted_and_nothing_twice() {
        let mut session = session(4);
        let mut octets = BytesMut::new();
        let mut answer = Vec::new();
        let body = b"\0\x53\x75\xa0\0";
        transfer(0, Some(10), true, b"\0\x53", &mut octets);
        transfer(3, Some(11), false, body, &mut octets);
        transfer(3, Some(12), false, body, &mut octets);
        session.deliveries(&octets, &mut |_| (), &mut answer).unwrap();
        session.acknowledge(&mut answer);
        assert_eq!(said(&answer), (vec![], vec![(0, 4)]), "the first is not complete");
        octets.clear();
        answer.clear();
        transfer(0, None, false, b"\x75\xa0\0", &mut octets);
        session.deliveries(&octets, &mut |_| (), &mut answer).unwrap();
        session.acknowledge(&mut answer);
        session.acknowledge(&mut answer);
        assert_eq!(said(&answer).0, [(10, 12)]);
    }
}
