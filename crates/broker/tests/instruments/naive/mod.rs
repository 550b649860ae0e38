//! The broker as one would explain it: queues are rows of messages, exchanges and bindings are
//! lists, the disk is the list of what was committed. Slow, plain, and short enough to be believed.

mod routing;
mod topology;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use broker::ExchangeKind;
use check::MessageId;

use crate::command::{Command, EXCHANGES, Pairs};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotFound,
    AccessRefused,
    ResourceLocked,
    PreconditionFailed,
}

#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub(crate) name: String,
    pub(crate) kind: ExchangeKind,
    pub(crate) durable: bool,
    auto_delete: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    Queue(u64),
    Exchange(String),
}

#[derive(Debug, Clone)]
pub(crate) struct Bound {
    pub(crate) source: String,
    pub(crate) to: Target,
    pub(crate) key: String,
    pub(crate) arguments: Pairs,
}

#[derive(Debug, Clone)]
pub(crate) struct Queue {
    pub(crate) number: u64,
    pub(crate) name: String,
    pub(crate) durable: bool,
    exclusive: bool,
    auto_delete: bool,
    owner: Option<u32>,
    pub(crate) ready: Vec<Copy>,
    consumers: Vec<Consumer>,
    turn: usize,
}

/// A message in a queue. Copies of one queue compare by when they came to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Copy {
    order: u64,
    pub(crate) message: MessageId,
    redelivered: bool,
    stored: bool,
}

#[derive(Debug, Clone)]
struct Consumer {
    number: u32,
    by: u32,
    prefetch: u32,
    no_ack: bool,
    exclusive: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Held {
    by: u32,
    pub(crate) queue: String,
    pub(crate) consumer: Option<u32>,
    copy: Copy,
}

#[derive(Debug, Clone)]
enum Stored {
    Message { queues: Vec<u64>, message: MessageId },
    Settled { queue: u64, message: MessageId },
}

/// What a command brings about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    /// For each consumer, and 0 for `get`: what it is handed, and whether that is marked.
    pub(crate) delivered: BTreeMap<u32, Vec<(MessageId, bool)>>,
    /// Consumers told that their queue is gone.
    pub(crate) cancelled: BTreeSet<u32>,
    /// What the command returns.
    pub(crate) count: usize,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Naive {
    pub(crate) exchanges: Vec<Exchange>,
    pub(crate) queues: Vec<Queue>,
    pub(crate) bindings: Vec<Bound>,
    /// What connections hold, by queue and message. The queue's number: its name may be another's
    /// by now.
    pub(crate) held: BTreeMap<(u64, MessageId), Held>,
    limits: BTreeMap<u32, u32>,
    /// Shared by the copies of a model that one is made of before each command.
    stored: Rc<Vec<Stored>>,
    pending: Vec<Stored>,
    /// Numbers of queues, consumers and copies given out.
    numbers: u64,
    /// Auto-delete queues that do not go, because nothing can be written down: the disk is full.
    pub(crate) undeletable: BTreeSet<String>,
    effects: Effects,
}

impl Naive {
    pub(crate) fn new() -> Naive {
        let mut naive = Naive::default();
        let kinds = [
            ("amq.direct", ExchangeKind::Direct),
            ("amq.fanout", ExchangeKind::Fanout),
            ("amq.topic", ExchangeKind::Topic),
            ("amq.headers", ExchangeKind::Headers),
        ];
        for (name, kind) in kinds {
            let name = name.to_owned();
            naive.exchanges.push(Exchange { name, kind, durable: true, auto_delete: false });
        }
        naive
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(crate) fn queue(&self, name: &str) -> Option<&Queue> {
        self.queues.iter().find(|queue| queue.name == name)
    }

    pub(crate) fn numbered(&mut self, number: u64) -> Option<&mut Queue> {
        self.queues.iter_mut().find(|queue| queue.number == number)
    }

    pub(crate) fn exchange(&self, name: &str) -> Option<&Exchange> {
        self.exchanges.iter().find(|exchange| exchange.name == name)
    }

    /// The queue, if it is there and not another connection's own.
    pub(crate) fn visible(&self, name: &str, by: u32) -> Result<&Queue, Refusal> {
        let queue = self.queue(name).ok_or(Refusal::NotFound)?;
        match queue.owner {
            Some(owner) if owner != by => Err(Refusal::ResourceLocked),
            _ => Ok(queue),
        }
    }

    pub(crate) fn unacknowledged(&self, queue: &Queue) -> usize {
        self.held.keys().filter(|(number, _)| *number == queue.number).count()
    }

    pub(crate) fn consumers(&self, queue: &Queue) -> usize {
        queue.consumers.len()
    }

    /// Does what a command says. `messages` are those of a publish, `consumer` is the number of a
    /// new one.
    pub(crate) fn step(
        &mut self,
        command: &Command,
        messages: &[MessageId],
        consumer: u32,
    ) -> Result<Effects, Refusal> {
        self.effects = Effects::default();
        self.effects.count = match *command {
            Command::DeclareQueue { name, durable, exclusive, auto_delete, by } => {
                let durable = durable && !exclusive;
                self.declare_queue(name, durable, exclusive, auto_delete, by)?
            }
            Command::DeleteQueue { name, if_unused, if_empty, by } => {
                self.delete_queue(name, if_unused, if_empty, by)?
            }
            Command::DeclareExchange { name, kind, durable, auto_delete } => {
                self.declare_exchange(name, kind, durable, auto_delete)?
            }
            Command::DeleteExchange { name, if_unused } => self.delete_exchange(name, if_unused)?,
            Command::Bind { source, to, key, arguments, by } => {
                self.bind(source, to, key, arguments, by)?
            }
            Command::Unbind { source, to, key, arguments, by } => {
                self.unbind(source, to, key, arguments, by)?
            }
            Command::Publish { exchange, key, headers, persistent, .. } => {
                self.publish(exchange, key, headers, persistent, messages)?
            }
            Command::Get { queue, by } => self.get(queue, by)?,
            Command::Consume { queue, prefetch, no_ack, exclusive, by } => {
                let consumer = Consumer { number: consumer, by, prefetch, no_ack, exclusive };
                self.consume(queue, consumer)?
            }
            Command::Cancel { which } => self.cancel_nth(which),
            Command::Settle { which, count } => self.settle(which, count),
            Command::Requeue { which, count } => self.requeue_nth(which, count),
            Command::Purge { queue, by } => self.purge(queue, by)?,
            Command::ShareLimit { limit, by } => {
                self.limits.insert(by, limit);
                self.dispatch_of(by)
            }
            Command::Close { by } => self.close(by),
            Command::Commit => self.commit(),
            Command::Tidy { commit: true } => self.commit(),
            Command::Tidy { commit: false } => 0,
            Command::Crash { .. } => self.crash(),
        };
        Ok(std::mem::take(&mut self.effects))
    }

    fn publish(
        &mut self,
        exchange: &str,
        key: &str,
        headers: Pairs,
        persistent: bool,
        messages: &[MessageId],
    ) -> Result<usize, Refusal> {
        let queues = self.route(exchange, key, headers)?;
        let durable: Vec<u64> =
            self.queues.iter().filter(|it| it.durable).map(|it| it.number).collect();
        let stored_in: Vec<u64> =
            queues.iter().copied().filter(|it| persistent && durable.contains(it)).collect();
        for message in messages.iter().filter(|_| !stored_in.is_empty()) {
            let queues = stored_in.clone();
            self.pending.push(Stored::Message { queues, message: *message });
        }
        for number in &queues {
            for message in messages {
                let (order, stored) = (self.number(), stored_in.contains(number));
                let copy = Copy { order, message: *message, redelivered: false, stored };
                self.numbered(*number).expect("it was routed to").ready.push(copy);
            }
            self.dispatch(*number);
        }
        Ok(queues.len())
    }

    fn get(&mut self, name: &str, by: u32) -> Result<usize, Refusal> {
        let number = self.visible(name, by)?.number;
        let queue = self.numbered(number).expect("it is visible");
        if queue.ready.is_empty() {
            return Ok(0);
        }
        let copy = queue.ready.remove(0);
        let left = queue.ready.len();
        self.hand_over(number, copy, by, None);
        Ok(left + 1)
    }

    fn hand_over(&mut self, number: u64, copy: Copy, by: u32, consumer: Option<u32>) {
        let queue = self.numbered(number).expect("it hands over").name.clone();
        let to = self.effects.delivered.entry(consumer.unwrap_or(0)).or_default();
        to.push((copy.message, copy.redelivered));
        self.held.insert((number, copy.message), Held { by, queue, consumer, copy });
    }

    fn consume(&mut self, name: &str, consumer: Consumer) -> Result<usize, Refusal> {
        let queue = self.visible(name, consumer.by)?;
        let taken = queue.consumers.iter().any(|it| it.exclusive);
        if taken || consumer.exclusive && !queue.consumers.is_empty() {
            return Err(Refusal::AccessRefused);
        }
        let number = queue.number;
        self.numbered(number).expect("it is visible").consumers.push(consumer);
        self.dispatch(number);
        Ok(0)
    }

    /// Consumers in turn, each as far as it may have more.
    fn dispatch(&mut self, number: u64) {
        loop {
            let Some(queue) = self.queues.iter().find(|queue| queue.number == number) else {
                return;
            };
            let count = queue.consumers.len();
            let turns = (0..count).map(|step| (queue.turn + step) % count);
            let Some(at) = turns.into_iter().find(|at| self.has_room(&queue.consumers[*at])) else {
                return;
            };
            if queue.ready.is_empty() {
                return;
            }
            let Consumer { number: consumer, by, no_ack, .. } = queue.consumers[at].clone();
            let queue = self.numbered(number).expect("it was there");
            queue.turn = (at + 1) % count;
            let copy = queue.ready.remove(0);
            self.hand_over(number, copy, by, Some(consumer));
            if no_ack {
                let held = self.held.remove(&(number, copy.message));
                self.forget(number, held.into_iter().collect());
            }
        }
    }

    fn has_room(&self, consumer: &Consumer) -> bool {
        if consumer.no_ack {
            return true;
        }
        let of_this = self.held.values().filter(|it| it.consumer == Some(consumer.number)).count();
        let of_all =
            self.held.values().filter(|it| it.by == consumer.by && it.consumer.is_some()).count();
        let limit = self.limits.get(&consumer.by).copied().unwrap_or(0) as usize;
        let prefetch = consumer.prefetch as usize;
        (prefetch == 0 || of_this < prefetch) && (limit == 0 || of_all < limit)
    }

    /// Done with these: a queue that is there and durable writes that down.
    fn forget(&mut self, number: u64, gone: Vec<Held>) {
        if self.numbered(number).is_some() {
            for held in gone.into_iter().filter(|held| held.copy.stored) {
                self.pending.push(Stored::Settled { queue: number, message: held.copy.message });
            }
        }
    }

    /// Up to `count` of what is held, from one queue by one consumer.
    pub(crate) fn pick_held(&self, which: u32, count: u32) -> Vec<(u64, MessageId)> {
        let Some(at) = (which as usize).checked_rem(self.held.len()) else { return Vec::new() };
        let Some((first, held)) = self.held.iter().nth(at) else { return Vec::new() };
        self.held
            .range(first..)
            .filter(|(key, it)| {
                key.0 == first.0 && (it.by, it.consumer) == (held.by, held.consumer)
            })
            .map(|(key, _)| *key)
            .take(count as usize)
            .collect()
    }

    fn settle(&mut self, which: u32, count: u32) -> usize {
        let keys = self.pick_held(which, count);
        let gone: Vec<Held> = keys.iter().filter_map(|key| self.held.remove(key)).collect();
        let Some(&(number, _)) = keys.first() else { return 0 };
        let by = gone[0].by;
        self.dispatch(number);
        self.forget(number, gone);
        self.dispatch_if_shared(by);
        keys.len()
    }

    fn requeue_nth(&mut self, which: u32, count: u32) -> usize {
        let keys = self.pick_held(which, count);
        let Some(by) = keys.first().and_then(|key| self.held.get(key)).map(|it| it.by) else {
            return 0;
        };
        self.requeue(&keys);
        self.dispatch_if_shared(by);
        keys.len()
    }

    /// Puts back what was held of one queue, each where it stood.
    fn requeue(&mut self, keys: &[(u64, MessageId)]) {
        let Some(&(number, _)) = keys.first() else { return };
        for key in keys {
            let held = self.held.remove(key).expect("it was picked");
            if let Some(queue) = self.numbered(number) {
                queue.ready.push(Copy { redelivered: true, ..held.copy });
                queue.ready.sort();
            }
        }
        self.dispatch(number);
    }

    fn dispatch_if_shared(&mut self, by: u32) {
        if self.limits.get(&by).is_some_and(|limit| *limit != 0) {
            self.dispatch_of(by);
        }
    }

    /// The queues a connection consumes from, in the order it began to.
    fn dispatch_of(&mut self, by: u32) -> usize {
        for (_, queue) in self.consumers_of(by) {
            self.dispatch(queue);
        }
        0
    }

    /// Numbers of a connection's consumers and of their queues.
    fn consumers_of(&self, by: u32) -> Vec<(u32, u64)> {
        let of = |queue: &Queue| {
            let mine = queue.consumers.iter().filter(|it| it.by == by);
            mine.map(|it| (it.number, queue.number)).collect::<Vec<_>>()
        };
        let mut consumers: Vec<(u32, u64)> = self.queues.iter().flat_map(of).collect();
        consumers.sort();
        consumers
    }

    /// The number of the n-th consumer there is.
    pub(crate) fn nth_consumer(&self, which: u32) -> Option<u32> {
        let consumers = self.queues.iter().flat_map(|queue| &queue.consumers);
        let numbers: BTreeSet<u32> = consumers.map(|it| it.number).collect();
        let at = (which as usize).checked_rem(numbers.len())?;
        numbers.into_iter().nth(at)
    }

    fn cancel_nth(&mut self, which: u32) -> usize {
        if let Some(consumer) = self.nth_consumer(which) {
            self.cancel(consumer);
        }
        0
    }

    fn cancel(&mut self, consumer: u32) {
        let has = |queue: &&mut Queue| queue.consumers.iter().any(|it| it.number == consumer);
        if let Some(queue) = self.queues.iter_mut().find(has) {
            queue.consumers.retain(|it| it.number != consumer);
            queue.turn = 0;
            let goes = queue.auto_delete && !self.undeletable.contains(&queue.name);
            if queue.consumers.is_empty() && goes {
                let number = queue.number;
                self.end_queue(number);
            }
        }
    }

    fn purge(&mut self, name: &str, by: u32) -> Result<usize, Refusal> {
        let number = self.visible(name, by)?.number;
        let purged = std::mem::take(&mut self.numbered(number).expect("it is visible").ready);
        for copy in purged.iter().filter(|copy| copy.stored) {
            self.pending.push(Stored::Settled { queue: number, message: copy.message });
        }
        Ok(purged.len())
    }

    fn close(&mut self, by: u32) -> usize {
        for (consumer, _) in self.consumers_of(by) {
            self.cancel(consumer);
        }
        for keys in self.held_by(by) {
            self.requeue(&keys);
        }
        let owned: Vec<u64> =
            self.queues.iter().filter(|it| it.owner == Some(by)).map(|it| it.number).collect();
        owned.into_iter().for_each(|number| self.end_queue(number));
        self.limits.remove(&by);
        0
    }

    /// What a connection holds, by queue and consumer.
    pub(crate) fn held_by(&self, by: u32) -> Vec<Vec<(u64, MessageId)>> {
        let mut groups = BTreeMap::<_, Vec<(u64, MessageId)>>::new();
        for (key, held) in self.held.iter().filter(|(_, held)| held.by == by) {
            groups.entry((key.0, held.consumer)).or_default().push(*key);
        }
        groups.into_values().collect()
    }

    fn commit(&mut self) -> usize {
        Rc::make_mut(&mut self.stored).append(&mut self.pending);
        0
    }

    /// What is durable is declared again, and has what was committed and not settled.
    fn crash(&mut self) -> usize {
        let Naive { exchanges, mut queues, bindings, stored, numbers, .. } = std::mem::take(self);
        *self = Naive { stored, numbers, ..Naive::default() };
        self.exchanges = exchanges.into_iter().filter(|it| it.durable).collect();
        queues.retain(|queue| queue.durable);
        for queue in &mut queues {
            (queue.ready, queue.consumers, queue.turn) = (Vec::new(), Vec::new(), 0);
        }
        self.queues = queues;
        for bound in bindings {
            let there = match &bound.to {
                Target::Queue(number) => self.numbered(*number).is_some(),
                Target::Exchange(name) => self.exchange(name).is_some(),
            };
            if there && self.exchange(&bound.source).is_some() {
                self.bindings.push(bound);
            }
        }
        for record in self.stored.clone().iter() {
            match *record {
                Stored::Message { ref queues, message } => {
                    for &number in queues {
                        let order = self.number();
                        let copy = Copy { order, message, redelivered: true, stored: true };
                        self.numbered(number).into_iter().for_each(|it| it.ready.push(copy));
                    }
                }
                Stored::Settled { queue, message } => {
                    let queue = self.numbered(queue).into_iter();
                    queue.for_each(|it| it.ready.retain(|copy| copy.message != message));
                }
            }
        }
        0
    }
}

/// Whether the names of the commands are those the model knows.
#[test]
fn the_model_has_every_exchange_that_is_always_there() {
    let naive = Naive::new();
    assert!(
        EXCHANGES.iter().filter(|it| it.starts_with("amq.")).all(|it| naive.exchange(it).is_some())
    );
}
