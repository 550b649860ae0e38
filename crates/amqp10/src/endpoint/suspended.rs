//! What is left of a link that was detached and not closed, and what becomes of its deliveries when
//! it is attached again (AMQP 1.0 §2.6.13).

use std::collections::HashMap;

use bytes::Bytes;
use bytestring::ByteString;

use super::link::LinkKey;
use crate::{
    DeliveryTag,
    definition::{DeliveryNumber, Role, SequenceNo},
    messaging::DeliveryState,
    types::{Map, Value},
};

/// A link that was detached and may be resumed. It is the owner's now, who keeps it as long as the
/// terminus lives, and within bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct SuspendedLink {
    /// Its name.
    pub name: ByteString,
    /// Which end this side is.
    pub role: Role,
    /// Where it had come to.
    pub delivery_count: SequenceNo,
    /// What was not settled, oldest first. Of a receiver only if it was attached `resumable`.
    pub unsettled: Vec<Unsettled>,
}

/// A delivery that was not settled when its link was detached.
#[derive(Clone, Debug, PartialEq)]
pub struct Unsettled {
    /// Its number in the session that was: the owner knows it by that.
    pub id: DeliveryNumber,
    /// Its name on the link.
    pub tag: DeliveryTag,
}

/// What is to be done with a delivery of before the link was attached again, at the sender.
#[derive(Clone, Debug, PartialEq)]
pub enum Resumption {
    /// The receiver never saw it, or forgot it: send it again as any other, or forget it.
    Resend,
    /// The receiver has it, without a final state: resume it, whole or from what was received.
    Resume {
        /// How far it had come.
        received: Option<DeliveryState>,
    },
    /// The receiver has come to a final state: take it over, and settle by resuming with it.
    Settle {
        /// The state.
        state: DeliveryState,
    },
}

impl SuspendedLink {
    pub(super) fn new(key: LinkKey, delivery_count: SequenceNo, unsettled: Vec<Unsettled>) -> Self {
        let LinkKey { name, role } = key;
        Self { name, role, delivery_count, unsettled }
    }

    /// The map of an attach that resumes: states by tags. `state` says what the owner knows of a
    /// delivery.
    pub fn unsettled_map(&self, state: impl Fn(&Unsettled) -> Option<Value>) -> Map {
        //= amqp-1.0 §2.6.3 unsettled-said
        //= amqp-1.0 §2.7.3 no-null-key
        let pairs = self.unsettled.iter();
        pairs
            .map(|it| {
                let tag = Value::Binary(it.tag.as_bytes().clone());
                (tag, state(it).unwrap_or(Value::Null))
            })
            .collect()
    }

    /// What a sender is to do with each of its unsettled deliveries, when the receiver's attach
    /// has this map of its own.
    pub fn compare(&self, receivers: Option<&Map>) -> Vec<(Unsettled, Resumption)> {
        let mut states: HashMap<&Bytes, &Value> = HashMap::new();
        for (tag, state) in receivers.into_iter().flatten() {
            if let Value::Binary(tag) = tag {
                states.insert(tag, state);
            }
        }
        //= amqp-1.0 §2.7.3 unsettled-compared
        // Only what is in this side's own map is resumed.
        //= amqp-1.0 §2.7.5 only-own-resumed
        let resumption = |it: &Unsettled| match states.get(it.tag.as_bytes()) {
            //= amqp-1.0 §2.6.13 common-resumed, targets-own-settled
            // A delivery-tag that is in the sender's map and not in the receiver's: the receiver
            // has never seen it, or has settled it.
            //= amqp-1.0 §3.4.6 forgotten-resent
            None => Resumption::Resend,
            Some(state) => match delivery_state(state) {
                //= amqp-1.0 §3.4.6 known-resumed, lost-data-resent
                None => Resumption::Resume { received: None },
                Some(state @ DeliveryState::Received(_)) => {
                    Resumption::Resume { received: Some(state) }
                }
                //= amqp-1.0 §3.4.6 outcome-restated
                Some(state) => Resumption::Settle { state },
            },
        };
        self.unsettled.iter().map(|it| (it.clone(), resumption(it))).collect()
    }

    /// What a receiver forgets, since the sender's attach has a map without it: the sender has
    /// settled. Of an incomplete map nothing follows.
    pub fn forgotten(&self, senders: Option<&Map>, is_incomplete: bool) -> Vec<Unsettled> {
        //= amqp-1.0 §2.6.13 targets-own-settled
        if is_incomplete {
            return Vec::new();
        }
        let tags: std::collections::HashSet<&Bytes> = senders
            .into_iter()
            .flatten()
            .filter_map(|(tag, _)| match tag {
                Value::Binary(tag) => Some(tag),
                _ => None,
            })
            .collect();
        self.unsettled.iter().filter(|it| !tags.contains(it.tag.as_bytes())).cloned().collect()
    }
}

/// A delivery state that came as a value of a map.
fn delivery_state(value: &Value) -> Option<DeliveryState> {
    use crate::{Decode as _, Encode as _, Reader};
    let mut octets = bytes::BytesMut::new();
    value.encode(&mut octets);
    let octets = octets.freeze();
    DeliveryState::decode(&mut Reader::new(&octets)).ok()
}
