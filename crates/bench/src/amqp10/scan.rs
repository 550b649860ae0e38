//! Deliveries, answers to what was published, and flows, found in what was read without decoding
//! more than is looked at.

use ::amqp10::{Composite as _, Frame as Decoded, Performative, messaging, performative};

use super::{
    connection::said,
    frames::{Fields, Frame, after_value, binary, descriptor},
};
use crate::{Error, stamp::Stamp};

/// What a broker says to who publishes.
pub(super) enum Said {
    Flow(performative::Flow),
    /// What became of messages, by their numbers on the wire.
    Became {
        first: u32,
        last: u32,
        is_refused: bool,
    },
}

/// Looks at complete frames of a connection that publishes; how many octets they are.
pub(super) fn confirms(input: &[u8], each: &mut dyn FnMut(Said)) -> Result<usize, Error> {
    let mut at = 0;
    while let Some(frame) = Frame::first(input.get(at..).unwrap_or_default())? {
        at += frame.len();
        match descriptor(frame.body) {
            Some((DISPOSITION, fields)) => {
                let disposition = disposition(fields)
                    .ok_or_else(|| Error::broken(PUBLISHING, "a disposition cut short"))?;
                disposition.into_iter().for_each(&mut *each);
            }
            // A heartbeat.
            None if frame.body.is_empty() => {}
            _ => {
                if let Decoded::Amqp { performative, .. } = frame.decode()?
                    && let Performative::Flow(flow) = said(performative, PUBLISHING)?
                {
                    each(Said::Flow(flow));
                }
            }
        }
    }
    Ok(at)
}

/// `disposition`: role, first, last, settled, state. Of who receives, and when it is the last word.
fn disposition(list: &[u8]) -> Option<Option<Said>> {
    let (mut fields, _) = Fields::of_list(list)?;
    let is_receiver = fields.flag()?;
    let first = fields.uint()?;
    let last = fields.uint().unwrap_or(first);
    let settled = fields.flag().unwrap_or(false);
    let is_refused = match fields.descriptor() {
        Some(ACCEPTED) => false,
        Some(RECEIVED) => return Some(None),
        Some(_) => true,
        None if settled => true,
        None => return Some(None),
    };
    Some(is_receiver.then_some(Said::Became { first, last, is_refused }))
}

/// A transfer frame that came.
pub(super) struct Arriving<'a> {
    /// The broker's.
    pub(super) handle: u32,
    /// Only in the first of a message.
    pub(super) id: Option<u32>,
    pub(super) more: bool,
    pub(super) payload: &'a [u8],
}

/// What a message begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Front {
    pub(super) is_redelivered: bool,
    pub(super) body_bytes: usize,
    /// None: no body that a run has sent.
    pub(super) stamp: Option<Stamp>,
    /// Octets of the body that are in this frame.
    pub(super) here: usize,
}

/// The next frame of a connection that consumes, and how many octets it is.
#[inline]
pub(super) fn next(input: &[u8]) -> Result<Option<(Came<'_>, usize)>, Error> {
    let Some(frame) = Frame::first(input)? else { return Ok(None) };
    let came = match descriptor(frame.body) {
        Some((TRANSFER, fields)) => Came::Transfer(
            arriving(fields).ok_or_else(|| Error::broken(CONSUMING, "a transfer cut short"))?,
        ),
        None if frame.body.is_empty() => Came::Nothing,
        _ => match frame.decode()? {
            Decoded::Amqp { performative, .. } => match said(performative, CONSUMING)? {
                Performative::Flow(flow) if flow.echo => Came::Question,
                _ => Came::Nothing,
            },
            _ => Came::Nothing,
        },
    };
    Ok(Some((came, frame.len())))
}

/// What came on a connection that consumes.
pub(super) enum Came<'a> {
    Transfer(Arriving<'a>),
    /// The broker asks for this side's state.
    Question,
    Nothing,
}

/// `transfer`: handle, delivery-id, delivery-tag, message-format, settled, more, and what does not
/// matter here; behind it the payload.
#[inline]
pub(super) fn arriving(list: &[u8]) -> Option<Arriving<'_>> {
    let (mut fields, payload) = Fields::of_list(list)?;
    let (handle, id) = (fields.uint()?, fields.uint());
    fields.skip();
    fields.skip();
    fields.skip();
    let more = fields.flag().unwrap_or(false);
    Some(Arriving { handle, id, more, payload })
}

/// Looks at a message's sections up to its body's octets.
#[inline]
pub(super) fn front(mut sections: &[u8]) -> Option<Front> {
    let mut is_redelivered = false;
    loop {
        let (kind, content) = descriptor(sections)?;
        match kind {
            DATA => {
                let (body_bytes, body) = binary(content)?;
                let (stamp, here) = (Stamp::decode(body), body.len());
                return Some(Front { is_redelivered, body_bytes, stamp, here });
            }
            HEADER => {
                let (mut fields, rest) = Fields::of_list(content)?;
                for _ in 0..3 {
                    fields.skip();
                }
                let is_first = fields.flag().unwrap_or(true);
                is_redelivered = !is_first || fields.uint().is_some_and(|count| count > 0);
                sections = rest;
            }
            _ => sections = after_value(content)?,
        }
    }
}

const TRANSFER: u8 = performative::Transfer::CODE as u8;
const DISPOSITION: u8 = performative::Disposition::CODE as u8;
const RECEIVED: u8 = messaging::Received::CODE as u8;
const ACCEPTED: u8 = messaging::Accepted::CODE as u8;
const HEADER: u8 = messaging::Header::CODE as u8;
/// AMQP 1.0 §3.2.6: a section that is no composite type.
const DATA: u8 = 0x75;

const CONSUMING: &str = "consuming";
const PUBLISHING: &str = "publishing";

#[cfg(test)]
mod tests {
    use ::amqp10::{
        ChannelId, Encode as _,
        definition::{AmqpError, DeliveryNumber, Role},
        encode_frame,
        messaging::{Accepted, Header, Released},
        performative::{Close, Disposition, Flow},
        section::encode_data,
    };
    use bytes::{Bytes, BytesMut};

    use super::*;

    #[test]
    fn what_became_of_messages_is_found_and_a_refusal_is_said() {
        let mut octets = BytesMut::new();
        let mut say = |first: u32, last: Option<u32>, state: Option<messaging::DeliveryState>| {
            let disposition = Disposition {
                role: Role::Receiver,
                first: DeliveryNumber(first),
                last: last.map(DeliveryNumber),
                settled: true,
                state,
                ..Disposition::default()
            };
            encode_frame(ChannelId(0), &disposition, &mut octets);
        };
        say(0, Some(300), Some(Accepted {}.into()));
        say(301, None, Some(Released {}.into()));
        encode_frame(ChannelId(0), &Flow::default(), &mut octets);
        ::amqp10::encode_heartbeat(&mut octets);
        let mut found = Vec::new();
        let used = confirms(&octets, &mut |said| match said {
            Said::Flow(_) => found.push(None),
            Said::Became { first, last, is_refused } => found.push(Some((first, last, is_refused))),
        });
        assert_eq!(used.unwrap(), octets.len());
        assert_eq!(found, [Some((0, 300, false)), Some((301, 301, true)), None]);
        let error = AmqpError {
            condition: ::amqp10::ErrorCondition::NotFound,
            description: Some("no queue 'q'".into()),
            info: None,
        };
        let mut octets = BytesMut::new();
        let close = Close { error: Some(Box::new(error)) };
        encode_frame(ChannelId(0), &close, &mut octets);
        let error = confirms(&octets, &mut |_| ()).unwrap_err().to_string();
        assert!(error.contains("amqp:not-found: no queue 'q'"), "{error}");
    }

    #[test]
    fn a_stamp_is_found_behind_whatever_sections_there_are() {
        let stamp = Stamp { producer: 3, sequence: 9, due: 7 };
        let mut sections = BytesMut::new();
        let header = |first_acquirer, delivery_count| Header {
            durable: Some(true),
            first_acquirer: Some(first_acquirer),
            delivery_count: Some(delivery_count),
            ..Header::default()
        };
        for (first, count, is_redelivered) in [(true, 0, false), (false, 0, true), (true, 1, true)]
        {
            sections.clear();
            header(first, count).encode(&mut sections);
            sections.extend_from_slice(b"\0\x53\x72\xc1\x05\x02\xa3\x01x\x41");
            encode_data(
                &Bytes::copy_from_slice(&[&stamp.encode()[..], b"more"].concat()),
                &mut sections,
            );
            let front = front(&sections).unwrap();
            let expected = Front { is_redelivered, body_bytes: 20, stamp: Some(stamp), here: 20 };
            assert_eq!(front, expected);
        }
        assert_eq!(front(b"\0\x53\x77\x41"), None, "another kind of body");
    }
}
