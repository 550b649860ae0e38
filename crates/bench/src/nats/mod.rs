//! NATS, for comparison: core NATS for what need not survive, JetStream for what must.
//!
//! A queue is a subject, and with `durable` a stream of its own in files, which one push consumer
//! reads. Nothing is taken out of a stream when it is acknowledged (retention `limits`, JetStream's
//! fastest), so a NATS server does less here than a broker that keeps a queue. Core NATS keeps
//! nothing for who is too slow; what it drops is counted as lost.

mod connection;
mod jetstream;
mod line;
mod scan;
mod subject;
mod url;

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

pub use self::url::NatsUrl;
use self::{connection::Connection, scan::Scan};
use crate::{
    Error,
    protocol::{Confirm, Consuming, Delivery, Encoded, Link, Protocol, Publishing},
    traffic::{Consuming as Comes, Names, Routing, Traffic},
    wire::{Address, Wire},
};

/// A NATS server.
#[derive(Debug)]
pub(crate) struct Nats {
    url: NatsUrl,
    address: Address,
    /// Readers of streams so far, each of which has a consumer of its own.
    readers: AtomicU32,
}

impl Nats {
    pub(crate) fn new(url: NatsUrl) -> Nats {
        let address = Address {
            host: url.host().to_owned(),
            port: url.port(),
            tls: None,
            shown: url.to_string(),
        };
        Nats { url, address, readers: AtomicU32::new(0) }
    }

    fn open(&self) -> Result<Connection, Error> {
        Connection::open(&self.address, &self.url)
    }
}

impl Protocol for Nats {
    fn declare(&self, traffic: &Traffic, names: &Names) -> Result<(), Error> {
        check(traffic)?;
        let mut connection = self.open()?;
        let largest = connection.server.max_payload;
        if traffic.body_bytes > largest {
            let text = format!("this server takes {largest} bytes at most (max_payload)");
            return Err(Error::Wrong(text));
        }
        if !is_kept(traffic) {
            return Ok(());
        }
        if !connection.server.jetstream {
            let text = "durable queues are JetStream's, which this server was started without \
                        (nats-server --jetstream)";
            return Err(Error::Wrong(text.to_owned()));
        }
        for queue in 0..traffic.queues {
            jetstream::create_stream(&mut connection, traffic, names, queue)?;
        }
        Ok(())
    }

    fn delete(&self, traffic: &Traffic, names: &Names) -> Result<(), Error> {
        // Subjects are there as long as somebody is subscribed.
        if !is_kept(traffic) {
            return Ok(());
        }
        let mut connection = self.open()?;
        for queue in 0..traffic.queues {
            jetstream::delete_stream(&mut connection, names, queue)?;
        }
        Ok(())
    }

    fn publisher(
        &self,
        traffic: &Traffic,
        names: &Names,
        _number: u16,
    ) -> Result<Link<dyn Publishing>, Error> {
        let mut connection = self.open()?;
        let mut reply = None;
        if traffic.confirm_window.is_some() {
            let inbox = connection.inbox_subject();
            let subscribe = format!("SUB {inbox} {}\r\n", connection::ANSWERS);
            connection.send(subscribe.as_bytes(), "asking for confirms")?;
            reply = Some(inbox);
        }
        let publishing =
            PublishingConnection { exchange: names.exchange.clone(), reply, confirmed: 0 };
        let (wire, inbox) = connection.into_parts();
        Ok(Link { wire, inbox, side: Box::new(publishing), pulse: None })
    }

    fn consumer(
        &self,
        traffic: &Traffic,
        names: &Names,
        queues: &[u32],
    ) -> Result<Link<dyn Consuming>, Error> {
        let mut connection = self.open()?;
        let group = if traffic.is_shared() { "together " } else { "" };
        let mut out = String::new();
        let mut subscribe = |subject: &str, place: usize, number: usize| {
            _ = write!(out, "SUB {subject} {group}{place}p{number}\r\n");
        };
        if is_kept(traffic) {
            let reader = traffic.stream.then(|| self.readers.fetch_add(1, Relaxed));
            for (place, queue) in queues.iter().enumerate() {
                let subject =
                    jetstream::create_consumer(&mut connection, traffic, names, *queue, reader)?;
                subscribe(&subject, place, 0);
            }
            connection.send(out.as_bytes(), "consuming")?;
        } else {
            for (place, queue) in queues.iter().enumerate() {
                let subjects = subject::of_queue(traffic, names, *queue)?;
                for (number, subject) in subjects.iter().enumerate() {
                    subscribe(subject, place, number);
                }
            }
            connection.send(out.as_bytes(), "consuming")?;
            // What is published before a subscription is there is gone.
            connection.flush("consuming")?;
        }
        let (wire, inbox) = connection.into_parts();
        let side = ConsumingConnection {
            scan: Scan::default(),
            queues: queues.to_vec(),
            acks: jetstream::Acks::new(traffic, queues.len()),
        };
        Ok(Link { wire, inbox, side: Box::new(side), pulse: None })
    }

    fn idle(&self) -> Result<Wire, Error> {
        Ok(self.open()?.into_parts().0)
    }
}

/// Whether it is JetStream's.
fn is_kept(traffic: &Traffic) -> bool {
    traffic.durable || traffic.stream
}

/// What NATS cannot do.
fn check(traffic: &Traffic) -> Result<(), Error> {
    let wrong = |text: &str| Err(Error::Wrong(text.to_owned()));
    if is_kept(traffic) {
        return match traffic.routing {
            Routing::Topic if traffic.queues > 1 => wrong(
                "NATS: one message is taken by one stream only; leave --durable out, or --fan-out",
            ),
            _ => Ok(()),
        };
    }
    if traffic.confirm_window.is_some() {
        return wrong("core NATS confirms nothing; leave --confirm out, or give --durable");
    }
    if !traffic.auto_ack && traffic.consumers > 0 {
        return wrong("core NATS knows no acknowledgements; give --auto-ack, or --durable");
    }
    if traffic.consuming != Comes::AtOnce {
        return wrong("core NATS keeps nothing for who comes afterwards; give --durable");
    }
    Ok(())
}

/// A connection that publishes.
struct PublishingConnection {
    exchange: Option<String>,
    /// Where JetStream answers to.
    reply: Option<String>,
    confirmed: u64,
}

impl Publishing for PublishingConnection {
    fn message(&self, key: &str, body_bytes: usize, _: bool) -> Encoded {
        let subject = subject::of_key(self.exchange.as_deref(), key);
        let reply = self.reply.as_ref().map(|it| format!("{it} ")).unwrap_or_default();
        let mut octets = format!("PUB {subject} {reply}{body_bytes}\r\n").into_bytes();
        let stamp_at = octets.len();
        octets.resize(stamp_at + body_bytes, b'x');
        octets.extend_from_slice(b"\r\n");
        Encoded { octets, stamp_at, number_at: None }
    }

    fn confirms(
        &mut self,
        input: &[u8],
        each: &mut dyn FnMut(Confirm),
        answer: &mut Vec<u8>,
    ) -> Result<usize, Error> {
        scan::confirms(input, &mut self.confirmed, each, answer)
    }
}

/// A connection that consumes.
struct ConsumingConnection {
    scan: Scan,
    /// By the place that its subscriptions are called after.
    queues: Vec<u32>,
    acks: jetstream::Acks,
}

impl Consuming for ConsumingConnection {
    fn deliveries(
        &mut self,
        input: &[u8],
        each: &mut dyn FnMut(Delivery),
        answer: &mut Vec<u8>,
    ) -> Result<usize, Error> {
        let acks = &mut self.acks;
        let mut answers = |place: usize, reply: &[u8]| acks.owe(place, reply);
        self.scan.deliveries(input, &self.queues, &mut answers, each, answer)
    }

    fn acknowledge(&mut self, answer: &mut Vec<u8>) {
        self.acks.write(answer);
    }

    fn may_be_cut(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nats_cannot_do_is_refused_with_the_mend() {
        let plain = Traffic { auto_ack: true, ..Traffic::default() };
        check(&plain).unwrap();
        check(&Traffic { durable: true, confirm_window: Some(1), ..Traffic::default() }).unwrap();
        for (bad, text) in [
            (Traffic { auto_ack: false, ..plain.clone() }, "--auto-ack"),
            (Traffic { confirm_window: Some(1), ..plain.clone() }, "--durable"),
            (Traffic { consuming: Comes::Afterwards, ..plain.clone() }, "--durable"),
            (
                Traffic { routing: Routing::Topic, queues: 2, durable: true, ..plain.clone() },
                "one stream only",
            ),
        ] {
            let error = check(&bad).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }

    #[test]
    fn a_message_has_its_stamp_at_the_front_of_its_body() {
        let reply = Some("_INBOX.tubepost.3".to_owned());
        let side = PublishingConnection { exchange: Some("b1.x".to_owned()), reply, confirmed: 0 };
        let Encoded { octets, stamp_at, .. } = side.message("org.example", 20, true);
        let (line, body) = octets.split_at(stamp_at);
        assert_eq!(line, b"PUB b1.x.org.example _INBOX.tubepost.3 20\r\n");
        assert_eq!(body, b"xxxxxxxxxxxxxxxxxxxx\r\n");
    }
}
