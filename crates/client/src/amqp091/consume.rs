//! What a subscriber asks before messages come: a queue, its bindings, a limit, a consumer.

use ::amqp091::{
    FieldTable, FieldValue, Method, ShortStr, encode_method,
    method::{basic, queue},
};
use bytes::BytesMut;

use super::conversation::CHANNEL;
use crate::{EXCHANGE, Queue, Subscription, consumption::name, conversation::Refusal};

/// How far it is.
pub(super) struct Consuming {
    /// For messages: `queue 'NAME'`.
    queue: String,
    patterns: Vec<ShortStr>,
    prefetch: u16,
    /// How many of the patterns are bound; none while the queue is not declared.
    bound: Option<usize>,
}

impl Consuming {
    /// Declares the queue.
    ///
    /// # Errors
    /// A name that AMQP cannot carry.
    pub(super) fn begin(
        subscription: &Subscription,
        out: &mut BytesMut,
    ) -> Result<Consuming, Refusal> {
        let what = name(&subscription.queue);
        let declare = match &subscription.queue {
            Queue::Durable(name) => queue::Declare {
                queue: short(&what, name)?,
                durable: true,
                ..queue::Declare::default()
            },
            Queue::Inbox(inbox) => queue::Declare {
                queue: short(&what, &inbox.name)?,
                durable: true,
                arguments: bounds(Some(inbox.length_max.max(1))),
                ..queue::Declare::default()
            },
            Queue::Temporary => {
                queue::Declare { exclusive: true, auto_delete: true, ..queue::Declare::default() }
            }
        };
        let mut patterns = Vec::with_capacity(subscription.patterns.len());
        for pattern in &subscription.patterns {
            patterns.push(short(&binding(&what, pattern.as_str()), pattern.as_str())?);
        }
        let is_bound = !matches!(subscription.queue, Queue::Inbox(_));
        if !is_bound {
            patterns.clear();
        } else if patterns.is_empty() {
            patterns.push(ShortStr::from_static("#"));
        }
        encode_method(CHANNEL, &declare, out);
        let prefetch = subscription.prefetch.max(1);
        Ok(Consuming { queue: what, patterns, prefetch, bound: None })
    }

    pub(super) fn queue(&self) -> &str {
        &self.queue
    }

    /// What is being asked, for a refusal.
    pub(super) fn what(&self) -> String {
        let pattern = self.bound.and_then(|bound| self.patterns.get(bound));
        match pattern {
            Some(pattern) => binding(&self.queue, pattern),
            None => self.queue.clone(),
        }
    }

    /// Takes an answer and goes on; whether all is asked and answered.
    pub(super) fn on_answer(&mut self, method: &Method, out: &mut BytesMut) -> bool {
        match method {
            Method::QueueDeclareOk(declared) => {
                self.queue = format!("queue '{}'", declared.queue);
                self.bound = Some(0);
                for pattern in &self.patterns {
                    let bind = queue::Bind {
                        queue: declared.queue.clone(),
                        exchange: ShortStr::from_static(EXCHANGE),
                        routing_key: pattern.clone(),
                        ..queue::Bind::default()
                    };
                    encode_method(CHANNEL, &bind, out);
                }
                let qos = basic::Qos { prefetch_count: self.prefetch, ..basic::Qos::default() };
                encode_method(CHANNEL, &qos, out);
                let consume =
                    basic::Consume { queue: declared.queue.clone(), ..basic::Consume::default() };
                encode_method(CHANNEL, &consume, out);
                false
            }
            Method::QueueBindOk(_) => {
                self.bound = self.bound.map(|bound| bound + 1);
                false
            }
            Method::BasicConsumeOk(_) => true,
            _ => false,
        }
    }
}

/// The arguments of a queue that keeps so many messages, the newest.
pub(super) fn bounds(length_max: Option<u32>) -> FieldTable {
    let bound = length_max
        .map(|count| (ShortStr::from_static("x-max-length"), FieldValue::I64(count.into())));
    bound.into_iter().collect()
}

fn binding(queue: &str, pattern: &str) -> String {
    format!("the binding of {queue} to {EXCHANGE} by '{pattern}'")
}

fn short(what: &str, text: &str) -> Result<ShortStr, Refusal> {
    ShortStr::try_from(text).map_err(|_| Refusal {
        what: Some(what.to_owned()),
        // AMQP 0-9-1 §4.2.5.3: names are short strings; the broker could only say the same.
        code: 502,
        text: format!("SYNTAX_ERROR - the name has {} bytes, more than 255", text.len()),
    })
}
