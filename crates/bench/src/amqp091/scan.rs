//! Deliveries and confirms, found in what was read without decoding more than is looked at.

use ::amqp091::{
    ChannelId, FRAME_BODY, FRAME_HEADER, FRAME_METHOD, Method, encode_method, method::basic,
};
use bytes::BytesMut;

use super::{connection::answered, frames::Frame};
use crate::{
    Error,
    protocol::{Confirm, Delivery},
    stamp::Stamp,
};

const DELIVER: [u8; 4] = [0, 60, 0, 60];
const ACK: [u8; 4] = [0, 60, 0, 80];
const NACK: [u8; 4] = [0, 60, 0, 120];

/// Where in a message the last read ended.
#[derive(Debug, Default)]
pub(super) struct Scan {
    delivery: Option<Delivery>,
    /// Octets of body to come.
    remaining: u64,
}

impl Scan {
    /// Looks at complete frames; `last` gets the last delivery's tag.
    pub(super) fn deliveries(
        &mut self,
        input: &[u8],
        last: &mut u64,
        each: &mut dyn FnMut(Delivery),
        answer: &mut Vec<u8>,
    ) -> Result<usize, Error> {
        let mut at = 0;
        while let Some(frame) = Frame::first(input.get(at..).unwrap_or_default())? {
            at += frame.len();
            match frame.kind {
                FRAME_METHOD => match frame.payload.first_chunk() {
                    Some(&DELIVER) => {
                        let (tag, delivery) = deliver(frame.payload)
                            .ok_or_else(|| Error::broken(CONSUMING, "a basic.deliver cut short"))?;
                        *last = tag;
                        self.delivery = Some(delivery);
                    }
                    _ => other(&frame, CONSUMING, answer)?,
                },
                FRAME_HEADER => {
                    let size = frame.payload.get(4..).and_then(<[u8]>::first_chunk::<8>);
                    self.remaining = size.map_or(0, |octets| u64::from_be_bytes(*octets));
                    if let Some(delivery) = &mut self.delivery {
                        delivery.body_bytes = self.remaining as usize;
                    }
                    self.finish(each);
                }
                FRAME_BODY => {
                    if let Some(delivery) = &mut self.delivery
                        && delivery.body_bytes as u64 == self.remaining
                    {
                        delivery.stamp = Stamp::decode(frame.payload);
                    }
                    self.remaining = self.remaining.saturating_sub(frame.payload.len() as u64);
                    self.finish(each);
                }
                // A heartbeat.
                _ => {}
            }
        }
        Ok(at)
    }

    #[inline]
    fn finish(&mut self, each: &mut dyn FnMut(Delivery)) {
        if self.remaining == 0
            && let Some(delivery) = self.delivery.take()
        {
            each(delivery);
        }
    }
}

/// `basic.deliver`: consumer tag (the queue's number), delivery tag, redelivered, and what does not
/// matter here.
#[inline]
fn deliver(payload: &[u8]) -> Option<(u64, Delivery)> {
    let (length, rest) = payload.get(4..)?.split_first()?;
    let (consumer_tag, rest) = rest.split_at_checked(usize::from(*length))?;
    let (tag, rest) = rest.split_first_chunk::<8>()?;
    let is_redelivered = *rest.first()? & 1 == 1;
    let digit = |number: u32, octet: &u8| number * 10 + u32::from(octet.wrapping_sub(b'0') % 10);
    let queue = consumer_tag.iter().take(9).fold(0, digit);
    let delivery = Delivery { queue, is_redelivered, body_bytes: 0, stamp: None };
    Some((u64::from_be_bytes(*tag), delivery))
}

/// Looks at complete frames of a connection that publishes.
pub(super) fn confirms(
    input: &[u8],
    each: &mut dyn FnMut(Confirm),
    answer: &mut Vec<u8>,
) -> Result<usize, Error> {
    let mut at = 0;
    while let Some(frame) = Frame::first(input.get(at..).unwrap_or_default())? {
        at += frame.len();
        if frame.kind != FRAME_METHOD {
            continue;
        }
        match frame.payload.split_first_chunk::<4>() {
            Some((kind @ (&ACK | &NACK), arguments)) => {
                let (tag, flags) = arguments
                    .split_first_chunk::<8>()
                    .ok_or_else(|| Error::broken(PUBLISHING, "a confirm cut short"))?;
                let last = u64::from_be_bytes(*tag);
                let is_multiple = flags.first().is_some_and(|flags| flags & 1 == 1);
                let first = if is_multiple { 1 } else { last };
                each(Confirm { first, last, is_refused: kind == &NACK });
            }
            _ => other(&frame, PUBLISHING, answer)?,
        }
    }
    Ok(at)
}

/// What else a broker says while it works.
fn other(frame: &Frame<'_>, doing: &str, answer: &mut Vec<u8>) -> Result<(), Error> {
    match answered(frame.method()?, doing)? {
        Method::ChannelFlow(flow) => {
            let mut out = BytesMut::new();
            let ok = ::amqp091::method::channel::FlowOk { active: flow.active };
            encode_method(ChannelId(1), &ok, &mut out);
            answer.extend_from_slice(&out);
            Ok(())
        }
        Method::BasicCancel(basic::Cancel { consumer_tag, .. }) => Err(Error::Refused {
            doing: doing.to_owned(),
            text: format!("consumer {consumer_tag} was cancelled: its queue is gone"),
        }),
        _ => Ok(()),
    }
}

const CONSUMING: &str = "consuming";
const PUBLISHING: &str = "publishing";

#[cfg(test)]
mod tests {
    use ::amqp091::{ShortStr, encode_body, encode_header};

    use super::*;

    const CHANNEL: ChannelId = ChannelId(1);

    fn message(queue: &str, tag: u64, bodies: &[&[u8]], out: &mut BytesMut) {
        let deliver = basic::Deliver {
            consumer_tag: ShortStr::truncated(queue),
            delivery_tag: tag,
            redelivered: tag == 2,
            ..basic::Deliver::default()
        };
        encode_method(CHANNEL, &deliver, out);
        let size: usize = bodies.iter().map(|body| body.len()).sum();
        encode_header(CHANNEL, size as u64, &[0, 0], out);
        for body in bodies {
            encode_body(CHANNEL, body, out);
        }
    }

    #[test]
    fn deliveries_are_found_however_the_reads_cut_them() {
        let stamp = Stamp { producer: 3, sequence: 9, due: 7 };
        let mut octets = BytesMut::new();
        message("12", 1, &[&stamp.encode()], &mut octets);
        message("7", 2, &[&stamp.encode(), b"more"], &mut octets);
        message("7", 3, &[], &mut octets);
        for cut in 0..octets.len() {
            let (mut scan, mut last, mut found) = (Scan::default(), 0, Vec::new());
            let mut answer = Vec::new();
            let mut each = |delivery: Delivery| found.push(delivery);
            let first = octets.get(..cut).unwrap();
            let used = scan.deliveries(first, &mut last, &mut each, &mut answer).unwrap();
            let rest = octets.get(used..).unwrap();
            let used_then = scan.deliveries(rest, &mut last, &mut each, &mut answer).unwrap();
            assert_eq!((used + used_then, last), (octets.len(), 3));
            let facts: Vec<_> = found
                .iter()
                .map(|it| (it.queue, it.is_redelivered, it.body_bytes, it.stamp))
                .collect();
            let expected =
                [(12, false, 16, Some(stamp)), (7, true, 20, Some(stamp)), (7, false, 0, None)];
            assert_eq!(facts, expected, "cut at {cut}");
        }
    }

    #[test]
    fn confirms_are_found_and_a_refusal_is_said() {
        let mut octets = BytesMut::new();
        encode_method(CHANNEL, &basic::Ack { delivery_tag: 5, multiple: true }, &mut octets);
        let nack = basic::Nack { delivery_tag: 6, ..basic::Nack::default() };
        encode_method(CHANNEL, &nack, &mut octets);
        let mut found = Vec::new();
        let used = confirms(&octets, &mut |confirm| found.push(confirm), &mut Vec::new()).unwrap();
        assert_eq!(used, octets.len());
        let confirm = |first, last, is_refused| Confirm { first, last, is_refused };
        assert_eq!(found, [confirm(1, 5, false), confirm(6, 6, true)]);
        let close = ::amqp091::method::channel::Close {
            reply_code: 404,
            reply_text: ShortStr::from_static("NOT_FOUND - no queue 'q'"),
            ..Default::default()
        };
        let mut octets = BytesMut::new();
        encode_method(CHANNEL, &close, &mut octets);
        let error = confirms(&octets, &mut |_| (), &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("NOT_FOUND - no queue 'q'"), "{error}");
    }
}
