//! The real broker as its connections drive it, without a protocol: what a command does to it, and
//! what comes of that.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use broker::{
    Arguments, BacklogSizes, BindingEnd, Broker, ConnectionId, Consumer, ConsumerRequest,
    Destination, Disks, Entry, Error, ExchangeDeclaration, Label, Letter, Mailbox, Message,
    Options, Position, Publish, Publisher, Queue, QueueDeclaration, Receipt, RecoveryReport,
    Return, SharedLimit, SystemClock, VirtualHost, Wake, error::Kind,
};
use check::{Body, Event, Hash, MessageId, Thing};
use sim::SimDisk;

use crate::command::{CONNECTIONS, Command, End, Pairs};
use crate::naive::Effects;

/// Small segments and a small ledger, so that a short run rolls over, reclaims and rewrites.
pub(crate) fn options(segment_bytes: u32) -> Options {
    Options {
        paged_bytes_min: 1024,
        memory_bytes_max: 64 * 1024,
        disk_free_bytes_min: 0,
        backlog: BacklogSizes { head: 6, chunk: 4 },
        compaction_slack_segments: 1,
        clock: Arc::new(SystemClock::default()),
        journal: journal::Options { segment_bytes, first_sequence: Some(1), ..Default::default() },
        ledger_rewrite_bytes: 700,
        ..Options::default()
    }
}

struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

struct Connection {
    id: ConnectionId,
    mailbox: Arc<Mailbox>,
    shared: Arc<SharedLimit>,
    publisher: Publisher,
    /// In order: what is not confirmed yet, and where the journal has it.
    unconfirmed: VecDeque<(MessageId, Option<Position>)>,
}

struct Held {
    by: u32,
    queue: Arc<Queue>,
    consumer: Option<Arc<Consumer>>,
    entry: Entry,
}

/// What a consumer saw.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) event: Event,
    pub(crate) message: MessageId,
    pub(crate) queue: String,
    /// It counts as settled already.
    pub(crate) no_ack: bool,
}

pub(crate) struct Bus {
    broker: Broker,
    pub(crate) vhost: Arc<VirtualHost>,
    connections: Vec<Connection>,
    consumers: BTreeMap<u32, (u32, Arc<Consumer>)>,
    held: BTreeMap<(String, MessageId), Held>,
    /// What this command let consumers see.
    pub(crate) seen: Vec<Seen>,
    /// Where the journal has each message.
    pub(crate) positions: BTreeMap<MessageId, Position>,
}

/// The arguments of a command that the naive model decided, so that both do the same.
#[derive(Debug, Default)]
pub(crate) struct Chosen {
    pub(crate) messages: Vec<MessageId>,
    /// Sizes of their bodies.
    pub(crate) size_bytes: usize,
    /// The number of a new consumer, or of the one to cancel.
    pub(crate) consumer: u32,
    /// Of what is held: queue and message, in groups of one queue and consumer.
    pub(crate) held: Vec<Vec<(String, MessageId)>>,
}

pub(crate) fn body(message: MessageId, size_bytes: usize) -> Body {
    Body::new(message, size_bytes)
}

impl Bus {
    pub(crate) fn open(disk: &SimDisk, options: &Options) -> Result<(Bus, RecoveryReport), Error> {
        let [messages, ledger, index] =
            ["messages", "ledger", "index"].map(|name| disk.directory(name));
        let disks = Disks { messages, ledger, index };
        let (broker, report) = Broker::open(&disks, options)?;
        let vhost = broker.vhost("/")?;
        let mut bus = Bus {
            broker,
            vhost,
            connections: Vec::new(),
            consumers: BTreeMap::new(),
            held: BTreeMap::new(),
            seen: Vec::new(),
            positions: BTreeMap::new(),
        };
        bus.connections = (0..CONNECTIONS).map(|_| bus.connect()).collect();
        Ok((bus, report))
    }

    fn connect(&self) -> Connection {
        Connection {
            id: self.broker.new_connection(),
            mailbox: Mailbox::new(Nobody),
            shared: Arc::new(SharedLimit::default()),
            publisher: Publisher::new(self.vhost.clone()),
            unconfirmed: VecDeque::new(),
        }
    }

    fn id(&self, by: u32) -> ConnectionId {
        self.connections[by as usize].id
    }

    /// Bytes that compaction copied forward.
    pub(crate) fn copied_bytes(&self) -> u64 {
        self.broker.copied_bytes()
    }

    /// Does what a command says.
    pub(crate) fn step(&mut self, command: &Command, chosen: &Chosen) -> Result<Effects, Error> {
        let mut effects = Effects { count: self.act(command, chosen)?, ..Effects::default() };
        self.deliver(&mut effects)?;
        if let Some(unreadable) = self.broker.reports().pop() {
            return Err(unreadable);
        }
        for seen in &self.seen {
            if let Event::Deliver { message, consumer, redelivered, .. } = &seen.event {
                let number = consumer.parse().unwrap_or(0);
                effects.delivered.entry(number).or_default().push((*message, *redelivered));
            }
        }
        Ok(effects)
    }

    fn act(&mut self, command: &Command, chosen: &Chosen) -> Result<usize, Error> {
        self.seen.clear();
        match *command {
            Command::DeclareQueue { name, durable, exclusive, auto_delete, by } => {
                let arguments = Pairs::of_queue(name).arguments();
                let name = name.into();
                let declaration =
                    QueueDeclaration { name, durable, exclusive, auto_delete, arguments };
                let status = self.vhost.declare_queue(declaration, self.id(by), false)?;
                Ok(status.counts.ready)
            }
            Command::DeleteQueue { name, if_unused, if_empty, by } => {
                self.vhost.delete_queue(name, self.id(by), if_unused, if_empty)
            }
            Command::DeclareExchange { name, kind, durable, auto_delete } => {
                let (internal, arguments) = (false, Arguments::default());
                let name = name.into();
                let declaration =
                    ExchangeDeclaration { name, kind, durable, auto_delete, internal, arguments };
                self.vhost.declare_exchange(declaration).map(|()| 0)
            }
            Command::DeleteExchange { name, if_unused } => {
                self.vhost.delete_exchange(&name.into(), if_unused).map(|()| 0)
            }
            Command::Bind { source, to, key, arguments, by } => {
                let (arguments, by) = (arguments.arguments(), self.id(by));
                self.vhost.bind(&source.into(), end(to), key.into(), arguments, by).map(|()| 0)
            }
            Command::Unbind { source, to, key, arguments, by } => {
                let (arguments, by) = (arguments.arguments(), self.id(by));
                self.vhost.unbind(&source.into(), end(to), key.into(), arguments, by).map(|()| 0)
            }
            Command::Publish { exchange, key, headers, persistent, by, .. } => {
                self.publish(exchange, key, headers, persistent, by, chosen)
            }
            Command::Get { queue, by } => self.get(queue, by),
            Command::Consume { queue, prefetch, no_ack, exclusive, by } => {
                self.consume(queue, prefetch, no_ack, exclusive, by, chosen.consumer)
            }
            Command::Cancel { .. } => {
                if let Some((_, consumer)) = self.consumers.remove(&chosen.consumer) {
                    self.cancel(&consumer)?;
                }
                Ok(0)
            }
            Command::Settle { .. } => self.settle(chosen),
            Command::Requeue { .. } => {
                let count = chosen.held.iter().map(Vec::len).sum();
                let by = self.requeue(chosen);
                by.into_iter().for_each(|by| self.dispatch_if_shared(by));
                Ok(count)
            }
            Command::Purge { queue, by } => self.vhost.queue(queue, self.id(by))?.purge(),
            Command::ShareLimit { limit, by } => {
                let shared = self.connections[by as usize].shared.clone();
                shared.set(limit);
                self.dispatch_of(by);
                Ok(0)
            }
            Command::Close { by } => self.close(by, chosen),
            Command::Commit => self.broker.commit().map(|()| 0),
            Command::Tidy { commit } => {
                if commit {
                    self.broker.commit()?;
                }
                // As many as it takes for a sparse segment to be looked into, copied and deleted.
                (0..12).try_for_each(|_| self.broker.tidy()).map(|()| 0)
            }
            Command::Crash { .. } => unreachable!("whoever has the disk does that"),
        }
    }

    fn publish(
        &mut self,
        exchange: &str,
        key: &str,
        headers: Pairs,
        persistent: bool,
        by: u32,
        chosen: &Chosen,
    ) -> Result<usize, Error> {
        let connection = &mut self.connections[by as usize];
        let (exchange, routing_key) = (exchange.into(), key.into());
        let routes = connection.publisher.route(&exchange, &routing_key, &headers.arguments())?;
        let of = |message: &MessageId| Publish {
            message: Message::new(
                Label {
                    exchange: exchange.clone(),
                    routing_key: routing_key.clone(),
                    // The envelope says who it is; the body has to agree.
                    properties: format!("{} {}", message.publisher, message.sequence).into(),
                    persistent,
                    ..Label::default()
                },
                [body(*message, chosen.size_bytes).into_bytes().into()].into_iter().collect(),
            ),
            routes: routes.clone(),
        };
        let mut batch: Vec<Publish> = chosen.messages.iter().map(of).collect();
        let mut done = Vec::new();
        connection.publisher.publish(&mut batch, &mut done)?;
        for (message, receipt) in chosen.messages.iter().zip(done) {
            let position = match receipt {
                Receipt::At(position) => Some(position),
                Receipt::Done | Receipt::Refused => None,
            };
            connection.unconfirmed.push_back((*message, position));
            position.map(|position| self.positions.insert(*message, position));
        }
        Ok(routes.len())
    }

    /// What may be confirmed now, in order.
    pub(crate) fn confirms(&mut self) -> Vec<MessageId> {
        let mut confirmed = Vec::new();
        for connection in &mut self.connections {
            while let Some((message, position)) = connection.unconfirmed.front() {
                if position.is_some_and(|position| !connection.publisher.is_durable(position)) {
                    break;
                }
                confirmed.push(*message);
                connection.unconfirmed.pop_front();
            }
        }
        confirmed
    }

    fn get(&mut self, name: &str, by: u32) -> Result<usize, Error> {
        let queue = self.vhost.queue(name, self.id(by))?;
        let Some((entry, left)) = queue.get()? else { return Ok(0) };
        self.see(&queue, entry, None, by)?;
        Ok(left + 1)
    }

    /// Takes the first message of a queue out of it, seen by whoever looks at a broker that has
    /// just started; `None` when there is none.
    pub(crate) fn look(&mut self, queue: &Arc<Queue>) -> Option<Result<Seen, String>> {
        let (entry, _) = match queue.get() {
            Ok(got) => got?,
            Err(error) => return Some(Err(error.to_string())),
        };
        let looked = self.see(queue, entry, None, 0).map(|()| self.seen.pop());
        match looked {
            Ok(seen) => seen.map(Ok),
            Err(error) => Some(Err(error.to_string())),
        }
    }

    fn see(
        &mut self,
        queue: &Arc<Queue>,
        entry: Entry,
        consumer: Option<&Arc<Consumer>>,
        by: u32,
    ) -> Result<(), Error> {
        let message = queue.message(&entry)?;
        let bytes = message.body.concat();
        let (name, hash) = (queue.name().to_string(), Hash::of(&bytes));
        let says = |text: &str| {
            let (publisher, sequence) = text.split_once(' ')?;
            Some(MessageId { publisher: publisher.parse().ok()?, sequence: sequence.parse().ok()? })
        };
        let envelope = std::str::from_utf8(&message.properties).ok().and_then(says);
        let id = envelope.unwrap_or(MessageId { publisher: u32::MAX, sequence: 0 });
        let event = match (envelope, Body::read(&bytes)) {
            (Some(message), Ok(_)) => Event::Deliver {
                message,
                queue: name.clone(),
                consumer: consumer.map_or("get".to_owned(), |it| it.tag().to_string()),
                hash,
                redelivered: entry.is_redelivered(),
            },
            (envelope, body) => {
                let reason = format!("envelope {envelope:?}, body {body:?}");
                Event::Unreadable { queue: name.clone(), hash, reason }
            }
        };
        let no_ack = consumer.is_some_and(|consumer| consumer.is_no_ack());
        self.seen.push(Seen { event, message: id, queue: name.clone(), no_ack });
        match consumer.filter(|_| no_ack) {
            Some(consumer) => queue.settle([entry], Some(consumer)),
            None => {
                let (queue, consumer) = (queue.clone(), consumer.cloned());
                let held = Held { by, queue, consumer, entry };
                self.held.insert((name, id), held);
                Ok(())
            }
        }
    }

    /// Takes what is in the mailboxes.
    fn deliver(&mut self, effects: &mut Effects) -> Result<(), Error> {
        let mut letters = Vec::new();
        for (by, connection) in self.connections.iter().enumerate() {
            let mut mine = Vec::new();
            connection.mailbox.drain(&mut mine);
            letters.extend(mine.into_iter().map(|letter| (by as u32, letter)));
        }
        for (by, letter) in letters {
            match letter {
                Letter::Deliveries { consumer, entries } => {
                    let bytes = entries.iter().map(Entry::size_bytes).sum();
                    consumer.taken(entries.len(), bytes);
                    for entry in entries {
                        self.see(consumer.queue(), entry, Some(&consumer), by)?;
                    }
                }
                Letter::Cancelled { consumer } => {
                    let number = consumer.tag().parse().unwrap_or(0);
                    effects.cancelled.insert(number);
                    self.consumers.remove(&number);
                }
            }
        }
        Ok(())
    }

    fn consume(
        &mut self,
        queue: &str,
        prefetch: u32,
        no_ack: bool,
        exclusive: bool,
        by: u32,
        number: u32,
    ) -> Result<usize, Error> {
        let connection = &self.connections[by as usize];
        let request = ConsumerRequest {
            reading: Default::default(),
            priority: 0,
            channel: 1,
            tag: number.to_string().into(),
            no_ack,
            exclusive,
            prefetch,
            supply: broker::Supply::Prefetch,
            shared_limit: connection.shared.clone(),
            mailbox: connection.mailbox.clone(),
        };
        let consumer = self.vhost.consume(queue, connection.id, request)?;
        consumer.queue().dispatch();
        self.consumers.insert(number, (by, consumer));
        Ok(0)
    }

    fn take_held(&mut self, keys: &[(String, MessageId)]) -> Vec<Held> {
        keys.iter().map(|key| self.held.remove(key).expect("both hold the same")).collect()
    }

    fn settle(&mut self, chosen: &Chosen) -> Result<usize, Error> {
        let mut count = 0;
        for group in &chosen.held {
            let held = self.take_held(group);
            count += held.len();
            let Some(first) = held.first() else { continue };
            let (by, queue, consumer) = (first.by, first.queue.clone(), first.consumer.clone());
            queue.settle(held.into_iter().map(|it| it.entry), consumer.as_deref())?;
            self.dispatch_if_shared(by);
        }
        Ok(count)
    }

    /// Gives back what is held; returns who held each group.
    fn requeue(&mut self, chosen: &Chosen) -> Vec<u32> {
        let mut by = Vec::new();
        for group in &chosen.held {
            let held = self.take_held(group);
            let Some(first) = held.first() else { continue };
            let (queue, consumer) = (first.queue.clone(), first.consumer.clone());
            by.push(first.by);
            queue.requeue(held.into_iter().map(|it| it.entry), consumer.as_deref(), Return::Failed);
        }
        by
    }

    fn close(&mut self, by: u32, chosen: &Chosen) -> Result<usize, Error> {
        let mine = |(number, it): (&u32, &(u32, Arc<Consumer>))| (it.0 == by).then_some(*number);
        let numbers: Vec<u32> = self.consumers.iter().filter_map(mine).collect();
        for number in numbers {
            if let Some((_, consumer)) = self.consumers.remove(&number) {
                self.cancel(&consumer)?;
            }
        }
        self.requeue(chosen);
        self.vhost.connection_closed(self.id(by))?;
        // The same publisher goes on: its confirms are still owed.
        let mut anew = self.connect();
        anew.unconfirmed = std::mem::take(&mut self.connections[by as usize].unconfirmed);
        self.connections[by as usize] = anew;
        Ok(0)
    }

    /// Ends a consumer. An auto-delete queue that has to go with it stays if that cannot be written
    /// down; a server logs that and goes on.
    fn cancel(&self, consumer: &Arc<Consumer>) -> Result<(), Error> {
        match self.vhost.cancel(consumer) {
            Err(error) if error.kind == Kind::DiskFull => Ok(()),
            other => other,
        }
    }

    fn dispatch_if_shared(&self, by: u32) {
        if self.connections[by as usize].shared.is_set() {
            self.dispatch_of(by);
        }
    }

    fn dispatch_of(&self, by: u32) {
        let mine = self.consumers.values().filter(|(of, _)| *of == by);
        mine.for_each(|(_, consumer)| consumer.queue().dispatch());
    }

    /// Counts of each queue by name: ready, unacknowledged, consumers.
    pub(crate) fn counts(&self) -> BTreeMap<String, [usize; 3]> {
        let counts = |queue: Arc<Queue>| {
            let counts = queue.counts();
            let counts = [counts.ready, counts.unacknowledged, counts.consumers];
            (queue.name().to_string(), counts)
        };
        self.vhost.queues().into_iter().map(counts).collect()
    }

    /// All that is declared, but for what every broker has.
    pub(crate) fn things(&self) -> Vec<Thing> {
        let exchanges = self.vhost.exchanges().into_iter().map(|it| it.name.to_string());
        let exchanges = exchanges.filter(|name| !name.starts_with("amq.")).map(Thing::Exchange);
        let queues = self.vhost.queues();
        let queues = queues.iter().map(|queue| Thing::Queue(queue.name().to_string()));
        let bindings = self.vhost.bindings().into_iter().map(|(source, binding)| {
            let destination = match &binding.destination {
                Destination::Queue(queue) => Thing::Queue(queue.name().to_string()),
                Destination::Exchange(name) => Thing::Exchange(name.to_string()),
            };
            let meaning = Pairs::meaning_of(&binding.arguments);
            let (source, destination) = (source.to_string(), Box::new(destination));
            Thing::Binding { source, destination, key: format!("{} {meaning}", binding.key) }
        });
        let mut things: Vec<Thing> = exchanges.chain(queues).chain(bindings).collect();
        things.sort();
        things
    }
}

fn end(to: End) -> BindingEnd<'static> {
    match to {
        End::Queue(name) => BindingEnd::Queue(name),
        End::Exchange(name) => BindingEnd::Exchange(name),
    }
}
