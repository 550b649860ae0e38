//! A broker of queues in memory and records on a medium, with a bug if asked for. As plain as can
//! be: it is right or wrong at a glance.

use std::collections::{BTreeMap, VecDeque};

use check::MessageId;

/// The bugs of the reliability plan's T0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    ConfirmBeforeSync,
    SkipLastRecord,
    DropOnRequeue,
    AckWrongTag,
    IgnoreFailedSync,
    RecoverPastHole,
    ResurrectQueue,
    SwapBodies,
    LoseDeadLetter,
    DoubleExpiry,
    ReorderConfirms,
    ForgetRedelivered,
}

#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) message: MessageId,
    pub(crate) body: Vec<u8>,
    pub(crate) redelivered: bool,
}

#[derive(Debug, Clone)]
enum Stored {
    Message { queue: u64, item: Item },
    Settled { queue: u64, message: MessageId },
    Damaged,
}

#[derive(Debug, Default)]
struct Queue {
    number: u64,
    ready: VecDeque<Item>,
    out: BTreeMap<u64, Item>,
}

pub(crate) struct Broker {
    bug: Option<Bug>,
    medium: Vec<Stored>,
    pending: Vec<Stored>,
    /// Names and numbers of queues, and whether each is there; written at once.
    ledger: Vec<(String, u64, bool)>,
    queues: BTreeMap<String, Queue>,
    unconfirmed: Vec<MessageId>,
    next: u64,
}

impl Broker {
    pub(crate) fn new(bug: Option<Bug>) -> Broker {
        Broker {
            bug,
            medium: Vec::new(),
            pending: Vec::new(),
            ledger: Vec::new(),
            queues: BTreeMap::new(),
            unconfirmed: Vec::new(),
            next: 1,
        }
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(crate) fn declare(&mut self, name: &str) {
        let number = self.number();
        self.ledger.push((name.to_owned(), number, true));
        self.queues.insert(name.to_owned(), Queue { number, ..Queue::default() });
    }

    pub(crate) fn delete(&mut self, name: &str) {
        let queue = self.queues.remove(name).unwrap();
        self.ledger.push((name.to_owned(), queue.number, false));
    }

    pub(crate) fn is_there(&self, name: &str) -> bool {
        self.queues.contains_key(name)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.queues.keys().cloned().collect()
    }

    /// Takes messages; returns what is confirmed at once.
    pub(crate) fn publish(&mut self, name: &str, mut items: Vec<Item>) -> Vec<MessageId> {
        if let (true, [first, second, ..]) = (self.has(Bug::SwapBodies), items.as_mut_slice()) {
            std::mem::swap(&mut first.body, &mut second.body);
        }
        for item in items {
            self.unconfirmed.push(item.message);
            self.put(name, item);
        }
        match self.has(Bug::ConfirmBeforeSync) {
            true => std::mem::take(&mut self.unconfirmed),
            false => Vec::new(),
        }
    }

    fn put(&mut self, name: &str, item: Item) {
        let queue = self.queues.get_mut(name).unwrap();
        self.pending.push(Stored::Message { queue: queue.number, item: item.clone() });
        queue.ready.push_back(item);
    }

    /// Writes and syncs; returns what is confirmed. An error ends the broker.
    pub(crate) fn sync(&mut self, fails: bool) -> Result<Vec<MessageId>, ()> {
        let pending = std::mem::take(&mut self.pending);
        match fails {
            false => self.medium.extend(pending),
            true if self.has(Bug::IgnoreFailedSync) => {}
            true => return Err(()),
        }
        let mut confirmed = std::mem::take(&mut self.unconfirmed);
        if self.has(Bug::ReorderConfirms) {
            confirmed.reverse();
        }
        Ok(confirmed)
    }

    pub(crate) fn deliver(&mut self, name: &str) -> Option<(u64, Item)> {
        let tag = self.number();
        let queue = self.queues.get_mut(name).unwrap();
        let item = queue.ready.pop_front()?;
        queue.out.insert(tag, item.clone());
        Some((tag, item))
    }

    pub(crate) fn ack(&mut self, name: &str, tag: u64) {
        let wrong = self.has(Bug::AckWrongTag);
        let queue = self.queues.get_mut(name).unwrap();
        let behind = queue.out.range(tag + 1..).next().map(|(tag, _)| *tag);
        let tag = behind.filter(|_| wrong).unwrap_or(tag);
        // With the bug, this one may have been acknowledged before.
        if let Some(item) = queue.out.remove(&tag) {
            let settled = Stored::Settled { queue: queue.number, message: item.message };
            self.pending.push(settled);
        }
    }

    pub(crate) fn requeue(&mut self, name: &str, tag: u64) {
        let (drops, forgets) = (self.has(Bug::DropOnRequeue), self.has(Bug::ForgetRedelivered));
        let queue = self.queues.get_mut(name).unwrap();
        if let Some(mut item) = queue.out.remove(&tag)
            && !drops
        {
            item.redelivered |= !forgets;
            let before = |it: &&Item| it.message < item.message;
            let at = queue.ready.iter().take_while(before).count();
            queue.ready.insert(at, item);
        }
    }

    pub(crate) fn reject(&mut self, name: &str, tag: u64, to: &str) {
        let item = self.queues[name].out.get(&tag).cloned();
        self.ack(name, tag);
        if let Some(item) = item
            && !self.has(Bug::LoseDeadLetter)
        {
            self.put(to, Item { redelivered: false, ..item });
        }
    }

    /// The first message that is ready has waited too long.
    pub(crate) fn expire(&mut self, name: &str, to: &str) -> Option<MessageId> {
        let (tag, item) = self.deliver(name)?;
        self.ack(name, tag);
        let times = if self.has(Bug::DoubleExpiry) { 2 } else { 1 };
        for _ in 0..times {
            self.put(to, Item { redelivered: false, ..item.clone() });
        }
        Some(item.message)
    }

    /// Destroys one record of the medium.
    pub(crate) fn damage(&mut self, which: u64) {
        let count = self.medium.len() as u64;
        if let Some(record) = self.medium.get_mut((which % count.max(1)) as usize) {
            *record = Stored::Damaged;
        }
    }

    /// Ends without warning and starts again; returns how many damaged records are reported. Of
    /// what was not synced, the first `kept` records are there all the same.
    pub(crate) fn crash(&mut self, kept: usize) -> usize {
        self.medium.extend(self.pending.drain(..).take(kept));
        self.unconfirmed.clear();
        if self.has(Bug::SkipLastRecord) {
            self.medium.pop();
        }
        self.queues.clear();
        for (name, number, there) in &self.ledger {
            if *there {
                let queue = Queue { number: *number, ..Queue::default() };
                self.queues.insert(name.clone(), queue);
            } else if self.bug != Some(Bug::ResurrectQueue) {
                self.queues.remove(name);
            }
        }
        let mut damaged = 0;
        for record in &self.medium {
            match record {
                Stored::Message { queue, item } => {
                    if let Some(queue) = self.queues.values_mut().find(|it| it.number == *queue) {
                        queue.ready.push_back(Item { redelivered: true, ..item.clone() });
                    }
                }
                Stored::Settled { queue, message } => {
                    if let Some(queue) = self.queues.values_mut().find(|it| it.number == *queue) {
                        queue.ready.retain(|item| item.message != *message);
                    }
                }
                Stored::Damaged => damaged += 1,
            }
        }
        // What is damaged is reported once and set aside, what is settled is forgotten.
        let queues = self.queues.values();
        let live = |queue: &Queue| {
            let stored = |item: &Item| Stored::Message { queue: queue.number, item: item.clone() };
            queue.ready.iter().map(stored).collect::<Vec<_>>()
        };
        self.medium = queues.flat_map(live).collect();
        if self.has(Bug::RecoverPastHole) { 0 } else { damaged }
    }
}
