//! What the tests of the model stand on: a broker on a directory, and a client without a protocol.
#![allow(unreachable_pub, dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::{path::Path, sync::Arc};

use broker::policy::{Policy, PolicyKind};
use broker::{
    Arguments, BindingEnd, Broker, ConnectionId, Consumer, ConsumerRequest, Disks, Encoding, Entry,
    Error, ExchangeDeclaration, ExchangeKind, Group, Headers, Label, Letter, Mailbox, Marks,
    Message, Options, Properties, Publish, Publisher, QueueCounts, QueueDeclaration, ReadFrom,
    Reading, RecoveryReport, Routes, SharedLimit, Supply, Value, VirtualHost, Wake,
};
use bytes::Bytes;
use journal::FileDisk;

pub struct Client {
    pub vhost: Arc<VirtualHost>,
    pub id: ConnectionId,
    pub mailbox: Arc<Mailbox>,
    publisher: Publisher,
}

struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

pub fn open(directory: &Path, options: &Options) -> (Broker, RecoveryReport) {
    let disk = |name: &str| {
        let path = directory.join(name);
        std::fs::create_dir_all(&path).unwrap();
        Arc::new(FileDisk::open(path).unwrap())
    };
    let disks = Disks { messages: disk("messages"), ledger: disk("ledger"), index: disk("index") };
    Broker::open(&disks, options).unwrap()
}

impl Client {
    pub fn new(broker: &Broker) -> Client {
        Client::woken(broker, Nobody)
    }

    /// One that is told when its mailbox has something.
    pub fn woken(broker: &Broker, wake: impl Wake + 'static) -> Client {
        let vhost = broker.vhost("/").unwrap();
        Client {
            publisher: Publisher::new(vhost.clone()),
            id: broker.new_connection(),
            mailbox: Mailbox::new(wake),
            vhost,
        }
    }

    pub fn declare(&self, name: &str, durable: bool) {
        self.vhost.declare_queue(queue(name, durable), self.id, false).unwrap();
    }

    pub fn declare_stream(&self, name: &str, arguments: &[(&str, Value)]) {
        let kind = ("x-queue-type", Value::Longstr("stream".into()));
        let arguments = arguments.iter().cloned().chain([kind]);
        let arguments = arguments.map(|(name, value)| (name.to_owned(), value)).collect();
        let declaration = QueueDeclaration { arguments, ..queue(name, true) };
        self.vhost.declare_queue(declaration, self.id, false).unwrap();
    }

    /// Reads a stream from somewhere on until nothing comes any more: offsets and bodies.
    pub fn read_all(&self, stream: &str, reading: Reading) -> Vec<(u64, String)> {
        let consumer = self.read(stream, "all", 100, false, reading).unwrap();
        let all = read_on(&consumer, &self.mailbox);
        self.vhost.cancel(&consumer).unwrap();
        let text = |message: Arc<Message>| String::from_utf8(message.body.concat()).unwrap();
        all.into_iter().map(|(offset, message)| (offset, text(message))).collect()
    }

    pub fn exchange(&self, name: &str, kind: ExchangeKind, auto_delete: bool) {
        let declaration = ExchangeDeclaration {
            name: name.into(),
            kind,
            durable: true,
            auto_delete,
            internal: false,
            arguments: Arguments::default(),
        };
        self.vhost.declare_exchange(declaration).unwrap();
    }

    pub fn bind(&self, exchange: &str, queue: &str, key: &str) {
        let (exchange, to) = (exchange.into(), BindingEnd::Queue(queue));
        self.vhost.bind(&exchange, to, key.into(), Arguments::default(), self.id).unwrap();
    }

    pub fn route(
        &mut self,
        exchange: &str,
        key: &str,
        headers: &dyn Headers,
    ) -> Result<Routes, Error> {
        self.publisher.route(&exchange.into(), &key.into(), headers)
    }

    /// Publishes in one batch; returns how many queues the last one went to.
    pub fn publish(&mut self, exchange: &str, key: &str, bodies: &[&str]) -> usize {
        self.publish_with(exchange, key, &(), Bytes::new(), bodies)
    }

    pub fn publish_with(
        &mut self,
        exchange: &str,
        key: &str,
        headers: &dyn Headers,
        properties: Bytes,
        bodies: &[&str],
    ) -> usize {
        let routes = self.route(exchange, key, headers).unwrap();
        let group = Plain.group(&properties, Encoding::default());
        let mut batch: Vec<Publish> = bodies
            .iter()
            .map(|body| Publish {
                message: Message::new(
                    Label {
                        exchange: exchange.into(),
                        routing_key: key.into(),
                        properties: properties.clone(),
                        persistent: true,
                        marks: Marks { group, ..Marks::default() },
                        ..Label::default()
                    },
                    [body.to_string().into()].into_iter().collect(),
                ),
                routes: routes.clone(),
            })
            .collect();
        self.publisher.publish(&mut batch, &mut Vec::new()).unwrap();
        routes.len()
    }

    pub fn consume(&self, queue: &str, tag: &str, prefetch: u32, no_ack: bool) -> Arc<Consumer> {
        self.read(queue, tag, prefetch, no_ack, Reading::default()).unwrap()
    }

    pub fn read(
        &self,
        queue: &str,
        tag: &str,
        prefetch: u32,
        no_ack: bool,
        reading: Reading,
    ) -> Result<Arc<Consumer>, Error> {
        let request = ConsumerRequest {
            reading,
            channel: 1,
            tag: tag.into(),
            no_ack,
            exclusive: false,
            priority: 0,
            prefetch,
            supply: Supply::Prefetch,
            shared_limit: Arc::new(SharedLimit::default()),
            mailbox: self.mailbox.clone(),
        };
        let consumer = self.vhost.consume(queue, self.id, request)?;
        consumer.queue().dispatch();
        Ok(consumer)
    }

    /// What is in the mailbox: tag of the consumer, entry.
    pub fn receive(&self) -> Vec<(String, Entry)> {
        let mut letters = Vec::new();
        self.mailbox.drain(&mut letters);
        let mut received = Vec::new();
        for letter in letters {
            if let Letter::Deliveries { consumer, entries } = letter {
                let bytes = entries.iter().map(Entry::size_bytes).sum();
                consumer.taken(entries.len(), bytes);
                received.extend(entries.into_iter().map(|it| (consumer.tag().to_string(), it)));
            }
        }
        received
    }

    /// Takes everything that is ready, by get, and settles it. Bodies, with a star for what is
    /// marked as redelivered.
    pub fn drain(&self, queue: &str) -> Vec<String> {
        let queue = self.vhost.queue(queue, self.id).unwrap();
        let mut bodies = Vec::new();
        while let Some((entry, _)) = queue.get().unwrap() {
            let body = queue.message(&entry).unwrap().body.concat();
            let star = if entry.is_redelivered() { "*" } else { "" };
            bodies.push(format!("{}{star}", String::from_utf8(body).unwrap()));
            queue.settle([entry], None).unwrap();
        }
        bodies
    }

    pub fn counts(&self, queue: &str) -> QueueCounts {
        self.vhost.check_queue(queue, self.id).unwrap().counts
    }
}

/// All that is in a stream, with the offsets.
pub fn read_stream(vhost: &VirtualHost, stream: &str) -> Vec<(u64, Arc<Message>)> {
    let mailbox = Mailbox::new(Nobody);
    let request = ConsumerRequest {
        reading: Reading { from: ReadFrom::First, filter: None },
        channel: 1,
        tag: "r".into(),
        no_ack: false,
        exclusive: false,
        priority: 0,
        prefetch: 100,
        supply: Supply::Prefetch,
        shared_limit: Arc::default(),
        mailbox: mailbox.clone(),
    };
    let consumer = vhost.consume(stream, ConnectionId(0), request).unwrap();
    consumer.queue().dispatch();
    let all = read_on(&consumer, &mailbox);
    vhost.cancel(&consumer).unwrap();
    all
}

/// What a consumer of a stream gets until nothing comes any more; it settles all of it.
fn read_on(consumer: &Arc<Consumer>, mailbox: &Mailbox) -> Vec<(u64, Arc<Message>)> {
    let (mut all, mut letters) = (Vec::new(), Vec::new());
    loop {
        mailbox.drain(&mut letters);
        if letters.is_empty() {
            return all;
        }
        for letter in letters.drain(..) {
            let Letter::Deliveries { entries, .. } = letter else { continue };
            let message = |entry: &Entry| consumer.queue().message(entry).unwrap().into_owned();
            all.extend(entries.iter().map(|entry| (entry.offset(), message(entry))));
            consumer.taken(entries.len(), entries.iter().map(Entry::size_bytes).sum());
            consumer.queue().settle(entries, Some(consumer)).unwrap();
        }
    }
}

pub fn queue(name: &str, durable: bool) -> QueueDeclaration {
    QueueDeclaration {
        name: name.into(),
        durable,
        exclusive: false,
        auto_delete: false,
        arguments: Arguments::default(),
    }
}

/// A policy that gives exchanges whose name matches an alternate one.
pub fn alternate_policy(pattern: &str, alternate: &str) -> Policy {
    let body = serde_json::json!({
        "pattern": pattern,
        "apply-to": "exchanges",
        "definition": {"alternate-exchange": alternate},
    });
    Policy::parse(PolicyKind::User, "/", "alternate", &body).unwrap()
}

/// Properties of a protocol that has nothing but headers, written as the ledger writes them.
#[derive(Debug)]
pub struct Plain;

impl Properties for Plain {
    fn headers<'a>(&self, label: &'a Label) -> Box<dyn Headers + 'a> {
        Box::new(read(&label.properties))
    }

    fn group(&self, properties: &[u8], _: Encoding) -> Option<Group> {
        match read(&Bytes::copy_from_slice(properties)).get("group") {
            Some(Value::Longstr(name)) => Some(Group::of(name.as_bytes())),
            _ => None,
        }
    }

    fn with_header(&self, label: &Label, name: &str, value: Value) -> Bytes {
        let headers = read(&label.properties);
        let others = headers.iter().filter(|(it, _)| *it != name);
        let others = others.map(|(name, value)| (name.to_owned(), value.clone()));
        written(&others.chain([(name.to_owned(), value)]).collect())
    }

    fn without_header(&self, label: &Label, name: &str) -> Bytes {
        let headers = read(&label.properties);
        let others = headers.iter().filter(|(it, _)| *it != name);
        written(&others.map(|(name, value)| (name.to_owned(), value.clone())).collect())
    }
}

/// The headers of such properties.
pub fn read(properties: &Bytes) -> Arguments {
    serde_json::from_slice(properties).unwrap_or_default()
}

/// Such properties.
pub fn written(headers: &Arguments) -> Bytes {
    serde_json::to_vec(headers).unwrap().into()
}
