//! A conversation by AMQP 0-9-1: one channel, that publishes with confirms or consumes.

use std::{ops::RangeInclusive, time::Duration};

use ::amqp091::{
    Assembler, ChannelId, Content, Frame, FrameDecoder, Method, ShortStr, body_pieces, encode_body,
    encode_header, encode_heartbeat, encode_method,
    method::{basic, channel, confirm, connection, queue},
};
use bytes::BytesMut;

use super::{
    consume::{Consuming, bounds},
    properties,
};
use crate::{
    EXCHANGE, Subscription, Undecodable,
    conversation::{Ending, Fate, Refusal, Said, Sent, Verdict},
    limits::{MESSAGE_BYTES_MAX, UNWRITTEN_BYTES_MAX},
    message::{Arrived, Head, Message, Place},
};

/// An open connection in which nothing or one thing was begun.
pub(crate) struct Amqp091 {
    decoder: FrameDecoder,
    frame_max: u32,
    assembler: Assembler,
    /// Half of it without a frame, and the peer is to hear one; twice, and it is gone.
    heartbeat: Option<Duration>,
    heard_at: Duration,
    wrote_at: Duration,
    is_blocked: bool,
    task: Task,
    /// How many publishes the channels before the one that is open took.
    numbers_before: u64,
    /// How many this one took: the last delivery tag.
    published: u64,
    /// The queue that a publisher declares.
    declaring: Option<String>,
}

/// What is done on the channel.
enum Task {
    Nothing,
    Publishing,
    Consuming(Consuming),
}

impl Amqp091 {
    pub(super) fn new(
        decoder: FrameDecoder,
        frame_max: u32,
        heartbeat: Option<Duration>,
    ) -> Amqp091 {
        Amqp091 {
            decoder,
            frame_max,
            assembler: Assembler::new(MESSAGE_BYTES_MAX),
            heartbeat,
            heard_at: Duration::ZERO,
            wrote_at: Duration::ZERO,
            is_blocked: false,
            task: Task::Nothing,
            numbers_before: 0,
            published: 0,
            declaring: None,
        }
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.is_blocked
    }

    pub(crate) fn queue(&self) -> &str {
        match &self.task {
            Task::Consuming(consuming) => consuming.queue(),
            _ => "",
        }
    }

    pub(crate) fn begin_publishing(&mut self, out: &mut BytesMut) {
        self.numbers_before += std::mem::take(&mut self.published);
        self.task = Task::Publishing;
        encode_method(CHANNEL, &channel::Open::default(), out);
        encode_method(CHANNEL, &confirm::Select { nowait: false }, out);
    }

    pub(crate) fn begin_consuming(
        &mut self,
        subscription: &Subscription,
        out: &mut BytesMut,
    ) -> Result<(), Refusal> {
        encode_method(CHANNEL, &channel::Open::default(), out);
        self.task = Task::Consuming(Consuming::begin(subscription, out)?);
        Ok(())
    }

    pub(crate) fn declare(&mut self, queue: &str, length_max: Option<u32>, out: &mut BytesMut) {
        self.declaring = Some(queue.to_owned());
        let declare = queue::Declare {
            queue: ShortStr::truncated(queue),
            durable: true,
            arguments: bounds(length_max),
            ..queue::Declare::default()
        };
        encode_method(CHANNEL, &declare, out);
    }

    pub(crate) fn publish(&mut self, message: &Message, out: &mut BytesMut) -> Sent {
        if out.len() >= UNWRITTEN_BYTES_MAX {
            return Sent::NotNow;
        }
        let Head::Amqp091(properties) = &message.head else { return Sent::TooLarge };
        let exchange = match &message.place {
            Place::Exchange => EXCHANGE,
            Place::Queue(_) => "",
        };
        let publish = basic::Publish {
            exchange: ShortStr::from_static(exchange),
            // Its length was looked at before.
            routing_key: ShortStr::truncated(message.routing_key()),
            mandatory: true,
            ..basic::Publish::default()
        };
        encode_method(CHANNEL, &publish, out);
        let start = out.len();
        encode_header(CHANNEL, message.body.len() as u64, properties.as_bytes(), out);
        // AMQP 0-9-1 §4.2.6.1: the properties are in one frame, and the broker would hang up.
        if out.len() - start > self.frame_max as usize {
            out.truncate(start);
            return Sent::TooLarge;
        }
        for piece in body_pieces(std::slice::from_ref(&message.body), self.frame_max) {
            encode_body(CHANNEL, &piece, out);
        }
        self.published += 1;
        Sent::As(self.numbers_before + self.published)
    }

    pub(crate) fn settle(&mut self, number: u64, verdict: Verdict, out: &mut BytesMut) {
        let delivery_tag = number;
        match verdict {
            Verdict::Ack => {
                encode_method(CHANNEL, &basic::Ack { delivery_tag, multiple: false }, out)
            }
            Verdict::Requeue => {
                encode_method(CHANNEL, &basic::Reject { delivery_tag, requeue: true }, out)
            }
            Verdict::Reject => {
                encode_method(CHANNEL, &basic::Reject { delivery_tag, requeue: false }, out)
            }
        };
    }

    pub(crate) fn close(&mut self, out: &mut BytesMut) {
        let close = connection::Close {
            reply_code: REPLY_SUCCESS,
            reply_text: ShortStr::from_static("OK"),
            ..connection::Close::default()
        };
        encode_method(ChannelId::CONNECTION, &close, out);
    }

    /// AMQP 0-9-1 §4.2.7: a peer that is silent for two intervals is dead.
    pub(crate) fn tick(&mut self, now: Duration, out: &mut BytesMut) -> Result<Duration, Ending> {
        let Some(interval) = self.heartbeat else { return Ok(Duration::MAX) };
        if !out.is_empty() {
            self.wrote_at = now;
        }
        if now >= self.heard_at + interval * 2 {
            let silent = now.saturating_sub(self.heard_at).as_secs();
            return Err(Ending::Lost(format!("nothing was heard of it for {silent} s")));
        }
        if now >= self.wrote_at + interval / 2 {
            encode_heartbeat(out);
            self.wrote_at = now;
        }
        Ok((self.wrote_at + interval / 2).min(self.heard_at + interval * 2))
    }

    pub(crate) fn receive(
        &mut self,
        inbox: &mut BytesMut,
        now: Duration,
        out: &mut BytesMut,
        said: &mut impl Extend<Said>,
    ) -> Result<(), Ending> {
        self.heard_at = now;
        let broken = |error: ::amqp091::Error| Ending::Lost(format!("it said {}", error.text()));
        while let Some(frame) = self.decoder.decode(inbox).map_err(broken)? {
            let content = match frame {
                Frame::Heartbeat => None,
                Frame::Method { channel: ChannelId::CONNECTION, payload } => {
                    self.on_connection(Method::decode(&payload).map_err(broken)?, out)?;
                    None
                }
                Frame::Method { payload, .. } => {
                    let method = Method::decode(&payload).map_err(broken)?;
                    if let Some(method) = self.assembler.begin(method).map_err(broken)? {
                        self.on_method(method, out, said);
                    }
                    None
                }
                Frame::Header { payload, .. } => self.assembler.header(&payload).map_err(broken)?,
                Frame::Body { payload, .. } => self.assembler.body(payload).map_err(broken)?,
            };
            said.extend(content.and_then(on_content));
        }
        Ok(())
    }

    fn on_connection(&mut self, method: Method, out: &mut BytesMut) -> Result<(), Ending> {
        match method {
            Method::ConnectionBlocked(_) => self.is_blocked = true,
            Method::ConnectionUnblocked(_) => self.is_blocked = false,
            Method::ConnectionCloseOk(_) => return Err(Ending::Lost("it is closed".to_owned())),
            Method::ConnectionClose(close) => {
                encode_method(ChannelId::CONNECTION, &connection::CloseOk {}, out);
                let (code, text) = (close.reply_code, close.reply_text.to_string());
                return Err(match code {
                    // An operator or a shutdown closes connections; what was said is not wrong.
                    CONNECTION_FORCED => Ending::Lost(format!("{code} {text}")),
                    _ => Ending::Refused(Refusal { what: None, code, text }),
                });
            }
            _ => {}
        }
        Ok(())
    }

    fn on_method(&mut self, method: Method, out: &mut BytesMut, said: &mut impl Extend<Said>) {
        let one = match method {
            Method::ConfirmSelectOk(_) => Said::Ready,
            Method::BasicAck(ack) => {
                Said::Settled(self.numbers(ack.delivery_tag, ack.multiple), Fate::Confirmed)
            }
            Method::BasicNack(nack) => {
                Said::Settled(self.numbers(nack.delivery_tag, nack.multiple), Fate::Nacked)
            }
            Method::BasicCancel(_) => Said::Cancelled,
            Method::ChannelClose(close) => {
                encode_method(CHANNEL, &channel::CloseOk {}, out);
                let what = match (&self.task, self.declaring.take()) {
                    (Task::Consuming(consuming), _) => Some(consuming.what()),
                    (_, Some(queue)) => Some(format!("queue '{queue}'")),
                    _ => None,
                };
                let (code, text) = (close.reply_code, close.reply_text.to_string());
                Said::Refused(Refusal { what, code, text })
            }
            Method::QueueDeclareOk(_) if self.declaring.take().is_some() => Said::Declared,
            method => match &mut self.task {
                Task::Consuming(consuming) => match consuming.on_answer(&method, out) {
                    true => Said::Ready,
                    false => return,
                },
                _ => return,
            },
        };
        said.extend([one]);
    }

    /// What a confirm is about.
    fn numbers(&self, delivery_tag: u64, is_multiple: bool) -> RangeInclusive<u64> {
        // 0 and multiple: all of them (AMQP 0-9-1, basic.ack, as RabbitMQ reads it).
        let last = match delivery_tag {
            0 => self.published,
            tag => tag.min(self.published),
        };
        let first = if is_multiple { 1 } else { last };
        self.numbers_before + first..=self.numbers_before + last
    }
}

/// A message that came, or came back.
fn on_content(content: Content) -> Option<Said> {
    let properties = content.header.properties.decode().unwrap_or_default();
    match content.method {
        Method::BasicReturn(returned) => Some(Said::Returned {
            id: properties.message_id.map(|id| id.to_string()).unwrap_or_default(),
            routing_key: returned.routing_key.to_string(),
        }),
        Method::BasicDeliver(deliver) => {
            let key = deliver.routing_key.as_str();
            let wire = properties::wire(properties, key, &content.body);
            Some(Said::Arrived(Arrived {
                number: deliver.delivery_tag,
                is_redelivered: deliver.redelivered,
                is_by_queue: deliver.exchange.is_empty(),
                wire: wire.map_err(|reason| Undecodable {
                    topic: key.to_owned(),
                    body: content.body.concat(),
                    reason,
                    refused: None,
                }),
            }))
        }
        _ => None,
    }
}

/// The one channel of each connection.
pub(super) const CHANNEL: ChannelId = ChannelId(1);

const REPLY_SUCCESS: u16 = 200;
const CONNECTION_FORCED: u16 = 320;
