//! AMQP 1.0: the way of a load generator, as for AMQP 0-9-1. Messages are encoded once, and only
//! their numbers are written anew; transfers are looked at where they lie. What has to be there
//! before is declared by AMQP 0-9-1, at the same address.

mod addresses;
mod connection;
mod consume;
mod frames;
mod null;
mod publish;
mod scan;

use ::amqp10::{
    definition::{Handle, Role, SenderSettleMode, SequenceNo},
    messaging::{Source, Target},
    performative::Attach,
    types::{Described, Map, Symbol, Value},
};
use client::BusUrl;

pub use self::addresses::Addresses;
pub(crate) use self::null::serve;
use self::{
    connection::Connection,
    consume::ConsumingSession,
    publish::{HANDLE, PublishingLink, State},
};
use crate::{
    Error,
    amqp091::Amqp091,
    protocol::{Consuming, Link, Protocol, Publishing},
    traffic::{Names, Traffic},
    wire::{Address, Wire},
};

/// A broker that speaks AMQP 1.0.
#[derive(Debug)]
pub(crate) struct Amqp10 {
    url: BusUrl,
    address: Address,
    addresses: Addresses,
    /// Who makes queues; none: nobody.
    declares: Option<Amqp091>,
}

impl Amqp10 {
    /// # Errors
    /// The URL's certificates cannot be used.
    pub(crate) fn new(url: BusUrl, addresses: Addresses) -> Result<Amqp10, Error> {
        let (address, declares) = (Address::of(&url)?, Some(Amqp091::new(url.clone())?));
        Ok(Amqp10 { url, address, addresses, declares })
    }

    /// One that has no queues to be made.
    pub(crate) fn null(url: BusUrl) -> Result<Amqp10, Error> {
        let amqp10 = Amqp10::new(url, Addresses::default())?;
        Ok(Amqp10 { declares: None, ..amqp10 })
    }

    fn open(&self) -> Result<Connection, Error> {
        Connection::open(&self.address, &self.url)
    }
}

impl Protocol for Amqp10 {
    fn declare(&self, traffic: &Traffic, names: &Names) -> Result<(), Error> {
        let Some(amqp091) = &self.declares else { return Ok(()) };
        amqp091.declare(traffic, names).map_err(|error| match error {
            Error::Lost { .. } | Error::Broken { .. } => Error::Wrong(format!(
                "queues are declared by AMQP 0-9-1, which this broker does not seem to speak \
                 ({error}); make them, and name them with --existing"
            )),
            other => other,
        })
    }

    fn delete(&self, traffic: &Traffic, names: &Names) -> Result<(), Error> {
        match &self.declares {
            Some(amqp091) => amqp091.delete(traffic, names),
            None => Ok(()),
        }
    }

    fn publisher(
        &self,
        traffic: &Traffic,
        names: &Names,
        number: u16,
    ) -> Result<Link<dyn Publishing>, Error> {
        let mut connection = self.open()?;
        let keys = traffic.keys(number, names);
        let exchange = names.exchange.clone();
        // With one key the link leads there; with several, each message says where to.
        let (to, address) = match &keys[..] {
            [(key, _)] => (None, Some(self.addresses.of_key(exchange.as_deref(), key))),
            _ => (Some((self.addresses, exchange)), None),
        };
        let settled = traffic.confirm_window.is_none();
        let attach = Attach {
            name: "publish".into(),
            handle: HANDLE,
            role: Role::Sender,
            snd_settle_mode: mode(settled),
            source: Some(Source { address: Some("bench".into()), ..Source::default() }),
            target: Some(Target { address: address.map(Into::into), ..Target::default() }.into()),
            initial_delivery_count: Some(SequenceNo(0)),
            ..Attach::default()
        };
        connection.attach(&[attach], "attaching a publisher")?;
        let mut state = State::new(connection.window, connection.first_incoming);
        connection.flows.iter().for_each(|flow| state.on_flow(flow));
        let mut link =
            PublishingLink { to, settled, frame_max: connection.frame_max, frames_each: 1, state };
        let by_length = || keys.iter().map(|(key, _)| key.as_str());
        let frames = |key: Option<&str>| {
            link.encode(key.unwrap_or_default(), traffic.body_bytes, traffic.durable).1
        };
        let longest = frames(by_length().max_by_key(|key| key.len()));
        if longest != frames(by_length().min_by_key(|key| key.len())) {
            // Windows are counted in frames, and the generator counts messages.
            let text = "some messages of this size are a frame more than others; change it a bit";
            return Err(Error::Wrong(text.to_owned()));
        }
        link.frames_each = longest;
        let (wire, inbox, pulse) = connection.into_parts();
        Ok(Link { wire, inbox, side: Box::new(link), pulse })
    }

    fn consumer(
        &self,
        traffic: &Traffic,
        names: &Names,
        queues: &[u32],
    ) -> Result<Link<dyn Consuming>, Error> {
        let mut connection = self.open()?;
        let links: Vec<Attach> = (0..)
            .zip(queues)
            .map(|(handle, queue)| Attach {
                name: format!("consume {queue}").into(),
                handle: Handle(handle),
                role: Role::Receiver,
                snd_settle_mode: mode(traffic.auto_ack),
                source: Some(Source {
                    address: Some(self.addresses.of_queue(names.queue(*queue)).into()),
                    filter: traffic.stream.then(from_the_first),
                    ..Source::default()
                }),
                target: Some(Target { address: Some("bench".into()), ..Target::default() }.into()),
                ..Attach::default()
            })
            .collect();
        let answers = connection.attach(&links, "attaching a consumer")?;
        let credit = match (traffic.auto_ack, traffic.prefetch) {
            (true, _) | (false, 0) => CREDIT,
            (false, prefetch) => prefetch.into(),
        };
        let mut session =
            ConsumingSession::new(credit, traffic.auto_ack, connection.first_incoming);
        for (queue, answer) in queues.iter().zip(&answers) {
            let delivery_count = answer.initial_delivery_count.unwrap_or_default().0;
            if !session.add(*queue, answer.handle, delivery_count) {
                return Err(Error::broken("attaching a consumer", "a handle beyond all others"));
            }
        }
        let mut credits = Vec::new();
        session.grant(&mut credits);
        connection.send(&credits, "consuming")?;
        let (wire, inbox, pulse) = connection.into_parts();
        Ok(Link { wire, inbox, side: Box::new(session), pulse })
    }

    fn idle(&self) -> Result<Wire, Error> {
        Ok(self.open()?.into_parts().0)
    }
}

fn mode(settled: bool) -> SenderSettleMode {
    match settled {
        true => SenderSettleMode::Settled,
        false => SenderSettleMode::Unsettled,
    }
}

/// RabbitMQ's filter of streams: all there is.
fn from_the_first() -> Map {
    let name = || Value::Symbol(Symbol::from_static("rabbitmq:stream-offset-spec"));
    let first = Described { descriptor: name(), value: Value::String("first".into()) };
    [(name(), Value::Described(Box::new(first)))].into_iter().collect()
}

/// What a link may have under way without a limit of the run's own.
const CREDIT: u32 = 65_535;
