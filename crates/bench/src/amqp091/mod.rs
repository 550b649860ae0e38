//! AMQP 0-9-1: the way of a load generator, which knows before what it will see. Messages are
//! encoded once; deliveries are looked at where they lie.

mod connection;
mod frames;
mod null;
mod scan;

use ::amqp091::{
    BasicProperties, ChannelId, FieldTable, FieldValue, PropertyList, ShortStr, body_pieces,
    encode_body, encode_header, encode_method,
    method::{basic, confirm, exchange, queue},
};
use bytes::{Bytes, BytesMut};
use client::BusUrl;

pub(crate) use self::null::serve;
use self::{connection::Connection, scan::Scan};
use crate::{
    Error,
    protocol::{Confirm, Consuming, Delivery, Encoded, Link, Protocol, Publishing},
    traffic::{Names, Traffic},
    wire::{Address, Wire},
};

/// A broker that speaks AMQP 0-9-1.
#[derive(Debug)]
pub(crate) struct Amqp091 {
    url: BusUrl,
    address: Address,
}

/// The one channel of each connection.
const CHANNEL: ChannelId = ChannelId(1);

impl Amqp091 {
    /// # Errors
    /// The URL's certificates cannot be used.
    pub(crate) fn new(url: BusUrl) -> Result<Amqp091, Error> {
        let address = Address::of(&url)?;
        Ok(Amqp091 { url, address })
    }

    fn open(&self) -> Result<Connection, Error> {
        Connection::open(&self.address, &self.url)
    }

    fn open_channel(&self) -> Result<Connection, Error> {
        let mut connection = self.open()?;
        connection.open_channel(CHANNEL)?;
        Ok(connection)
    }
}

impl Protocol for Amqp091 {
    fn declare(&self, traffic: &Traffic, names: &Names) -> Result<(), Error> {
        let mut connection = self.open_channel()?;
        let mut calls = connection.calls(CHANNEL, "declaring queues");
        for name in &names.queues {
            let mut arguments = FieldTable::default();
            if traffic.stream {
                arguments.insert(
                    ShortStr::from_static("x-queue-type"),
                    FieldValue::LongStr(Bytes::from_static(b"stream")),
                );
            }
            calls.call(&queue::Declare {
                queue: short(name),
                durable: traffic.durable || traffic.stream,
                arguments,
                ..queue::Declare::default()
            })?;
        }
        if let Some(name) = &names.exchange {
            calls.call(&exchange::Declare {
                exchange: short(name),
                kind: ShortStr::from_static("topic"),
                durable: traffic.durable,
                ..exchange::Declare::default()
            })?;
            for pattern in traffic.patterns() {
                calls.call(&queue::Bind {
                    queue: short(names.queue(pattern.queue)),
                    exchange: short(name),
                    routing_key: short(&pattern.pattern),
                    ..queue::Bind::default()
                })?;
            }
        }
        calls.finish()?;
        connection.close()
    }

    fn delete(&self, _: &Traffic, names: &Names) -> Result<(), Error> {
        let mut connection = self.open_channel()?;
        let mut calls = connection.calls(CHANNEL, "deleting queues");
        for name in &names.queues {
            calls.call(&queue::Delete { queue: short(name), ..queue::Delete::default() })?;
        }
        if let Some(name) = &names.exchange {
            calls
                .call(&exchange::Delete { exchange: short(name), ..exchange::Delete::default() })?;
        }
        calls.finish()?;
        connection.close()
    }

    fn publisher(
        &self,
        traffic: &Traffic,
        names: &Names,
        _number: u16,
    ) -> Result<Link<dyn Publishing>, Error> {
        let mut connection = self.open_channel()?;
        if traffic.confirm_window.is_some() {
            connection.call(CHANNEL, &confirm::Select::default(), "asking for confirms")?;
        }
        let publishing = PublishingChannel {
            exchange: names.exchange.as_deref().map(short).unwrap_or_default(),
            frame_max: connection.frame_max,
        };
        let (wire, inbox) = connection.into_parts();
        Ok(Link { wire, inbox, side: Box::new(publishing), pulse: None })
    }

    fn consumer(
        &self,
        traffic: &Traffic,
        names: &Names,
        queues: &[u32],
    ) -> Result<Link<dyn Consuming>, Error> {
        let mut connection = self.open_channel()?;
        let qos = basic::Qos { prefetch_count: traffic.prefetch, ..basic::Qos::default() };
        if !traffic.auto_ack {
            connection.call(CHANNEL, &qos, "setting the prefetch")?;
        }
        let mut arguments = FieldTable::default();
        if traffic.stream {
            arguments.insert(
                ShortStr::from_static("x-stream-offset"),
                FieldValue::LongStr(Bytes::from_static(b"first")),
            );
        }
        // Not one by one: what is delivered to the first meanwhile would have to be kept.
        let mut out = BytesMut::new();
        for number in queues {
            let consume = basic::Consume {
                queue: short(names.queue(*number)),
                consumer_tag: short(&number.to_string()),
                no_ack: traffic.auto_ack,
                nowait: true,
                arguments: arguments.clone(),
                ..basic::Consume::default()
            };
            encode_method(CHANNEL, &consume, &mut out);
        }
        connection.send(&out, "consuming")?;
        let (wire, inbox) = connection.into_parts();
        let side = Box::new(ConsumingChannel { scan: Scan::default(), last: 0, acked: 0 });
        Ok(Link { wire, inbox, side, pulse: None })
    }

    fn idle(&self) -> Result<Wire, Error> {
        Ok(self.open_channel()?.into_parts().0)
    }
}

/// The names of a run are short.
fn short(name: &str) -> ShortStr {
    ShortStr::truncated(name)
}

/// A channel that publishes.
struct PublishingChannel {
    exchange: ShortStr,
    frame_max: u32,
}

impl Publishing for PublishingChannel {
    fn message(&self, key: &str, body_bytes: usize, durable: bool) -> Encoded {
        let publish = basic::Publish {
            exchange: self.exchange.clone(),
            routing_key: short(key),
            ..basic::Publish::default()
        };
        let properties =
            BasicProperties { delivery_mode: durable.then_some(2), ..BasicProperties::default() };
        let body = Bytes::from(vec![b'x'; body_bytes]);
        let mut out = BytesMut::new();
        encode_method(CHANNEL, &publish, &mut out);
        let properties = PropertyList::from(&properties);
        encode_header(CHANNEL, body_bytes as u64, properties.as_bytes(), &mut out);
        let stamp_at = out.len() + frames::PREFIX;
        for piece in body_pieces(&[body], self.frame_max) {
            encode_body(CHANNEL, &piece, &mut out);
        }
        Encoded { octets: out.to_vec(), stamp_at, number_at: None }
    }

    fn confirms(
        &mut self,
        input: &[u8],
        each: &mut dyn FnMut(Confirm),
        answer: &mut Vec<u8>,
    ) -> Result<usize, Error> {
        scan::confirms(input, each, answer)
    }
}

/// A channel that consumes.
struct ConsumingChannel {
    scan: Scan,
    /// The last delivery.
    last: u64,
    /// The last that was acknowledged.
    acked: u64,
}

impl Consuming for ConsumingChannel {
    fn deliveries(
        &mut self,
        input: &[u8],
        each: &mut dyn FnMut(Delivery),
        answer: &mut Vec<u8>,
    ) -> Result<usize, Error> {
        self.scan.deliveries(input, &mut self.last, each, answer)
    }

    fn acknowledge(&mut self, answer: &mut Vec<u8>) {
        if self.last > self.acked {
            let ack = basic::Ack { delivery_tag: self.last, multiple: true };
            let mut out = BytesMut::with_capacity(32);
            encode_method(CHANNEL, &ack, &mut out);
            answer.extend_from_slice(&out);
            self.acked = self.last;
        }
    }
}
