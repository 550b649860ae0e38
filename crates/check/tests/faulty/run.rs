//! Publishers, consumers and mishaps, decided by a seed, and the history they see.

use check::{
    Body, Choice, Event, Hash, MessageId, Record, Thing, Unreadable, Workload, WorkloadOptions,
};

use crate::broker::{Broker, Bug, Item};

const QUEUES: [&str; 3] = ["work", "passing", "dead"];
const PUBLISHERS: u32 = 3;

struct Run {
    broker: Broker,
    workload: Workload,
    random: u64,
    history: Vec<Record>,
    /// Queue, tag and message of what consumers hold.
    held: Vec<(&'static str, u64, MessageId)>,
    /// Acknowledged, and perhaps not yet durably.
    acked: Vec<(&'static str, MessageId)>,
}

/// A run with at least four lives and a last look at everything.
pub(crate) fn history(bug: Option<Bug>, seed: u64) -> Vec<Record> {
    let options = WorkloadOptions {
        seed,
        publishers: PUBLISHERS,
        targets: 2,
        body_bytes: 24..=80,
        ..Default::default()
    };
    let mut run = Run {
        broker: Broker::new(bug),
        workload: Workload::new(options),
        random: seed,
        history: Vec::new(),
        held: Vec::new(),
        acked: Vec::new(),
    };
    QUEUES.into_iter().for_each(|queue| run.declare(queue));
    for _ in 0..4 {
        (0..250).for_each(|_| run.step());
        run.crash();
    }
    run.drain();
    run.history
}

impl Run {
    fn below(&mut self, limit: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.random >> 33) % limit
    }

    fn note(&mut self, event: Event) {
        self.history.push(event.into());
    }

    fn step(&mut self) {
        let queue = QUEUES[self.below(3) as usize];
        match self.below(60) {
            0..=20 => self.publish(),
            21..=32 => self.sync(),
            33..=52 => self.consume(queue),
            53..=55 => {
                if let Some(message) = self.broker.expire("work", "dead") {
                    self.dead_lettered(message);
                }
            }
            56 => self.crash_or_damage(),
            _ if self.broker.is_there("passing") => self.delete("passing"),
            _ => self.declare("passing"),
        }
    }

    fn delete(&mut self, name: &'static str) {
        let thing = Thing::Queue(name.into());
        self.note(Event::Deleting { thing: thing.clone() });
        self.broker.delete(name);
        self.held.retain(|(queue, ..)| *queue != name);
        self.note(Event::Deleted { thing });
    }

    fn declare(&mut self, queue: &'static str) {
        let thing = Thing::Queue(queue.into());
        self.note(Event::Declaring { thing: thing.clone(), durable: true });
        self.broker.declare(queue);
        self.note(Event::Declared { thing, durable: true });
    }

    fn publish(&mut self) {
        let publisher = self.below(PUBLISHERS.into()) as u32 + 1;
        let mut items = Vec::new();
        let first = self.workload.next_of(publisher);
        let queue = QUEUES[first.target as usize];
        let queue = if self.broker.is_there(queue) { queue } else { "work" };
        let count = 1 + self.below(4);
        let more: Vec<_> = (0..count).map(|_| self.workload.next_of(publisher)).collect();
        for planned in std::iter::once(first).chain(more) {
            let hash = Hash::of(planned.body.bytes());
            let (message, queues) = (planned.message, vec![queue.to_owned()]);
            self.note(Event::Attempt { message, hash, queues, persistent: true });
            let body = planned.body.into_bytes();
            items.push(Item { message, body, redelivered: false });
        }
        for message in self.broker.publish(queue, items) {
            self.note(Event::Confirm { message });
        }
    }

    fn sync(&mut self) {
        let fails = self.below(15) == 0;
        match self.broker.sync(fails) {
            Ok(confirmed) => {
                confirmed.into_iter().for_each(|message| self.note(Event::Confirm { message }));
                for (queue, message) in std::mem::take(&mut self.acked) {
                    self.note(Event::AckDurable { message, queue: queue.into() });
                }
            }
            Err(()) => self.crash(),
        }
    }

    fn consume(&mut self, queue: &'static str) {
        for _ in 0..1 + self.below(5) {
            if self.broker.is_there(queue) && !self.deliver(queue) {
                self.note(Event::Drained { queue: queue.into() });
            }
        }
        for (queue, tag, message) in std::mem::take(&mut self.held) {
            let choice = self.workload.choose();
            let name = || queue.to_owned();
            match choice {
                Choice::Keep => self.held.push((queue, tag, message)),
                Choice::Requeue => {
                    self.broker.requeue(queue, tag);
                    self.note(Event::Requeue { message, queue: name() });
                }
                Choice::Ack if queue == "work" && self.below(5) == 0 => {
                    self.broker.reject(queue, tag, "dead");
                    self.dead_lettered(message);
                }
                Choice::Ack => {
                    self.broker.ack(queue, tag);
                    self.note(Event::Ack { message, queue: name() });
                    self.acked.push((queue, message));
                }
            }
        }
    }

    fn dead_lettered(&mut self, message: MessageId) {
        let to = vec!["dead".to_owned()];
        self.acked.push(("work", message));
        self.note(Event::DeadLetter { message, queue: "work".into(), to });
    }

    fn deliver(&mut self, queue: &'static str) -> bool {
        let Some((tag, item)) = self.broker.deliver(queue) else { return false };
        let (hash, name) = (Hash::of(&item.body), queue.to_owned());
        match Body::read(&item.body) {
            // Who it is says the envelope; what it says is in the hash.
            Ok(_) => {
                let message = item.message;
                self.held.push((queue, tag, message));
                let (consumer, redelivered) = ("one".into(), item.redelivered);
                self.note(Event::Deliver { message, queue: name, consumer, hash, redelivered });
            }
            Err(why @ (Unreadable::NoMessage | Unreadable::Altered(_))) => {
                self.note(Event::Unreadable { queue: name, hash, reason: why.to_string() });
            }
        }
        true
    }

    fn crash_or_damage(&mut self) {
        if self.below(3) == 0 {
            let which = self.below(1 << 30);
            self.broker.damage(which);
        }
        self.crash();
    }

    fn crash(&mut self) {
        let kept = self.below(6) as usize;
        let damaged = self.broker.crash(kept);
        self.held.clear();
        self.acked.clear();
        self.note(Event::Crash);
        for _ in 0..damaged {
            self.note(Event::Damage { what: "a record".into() });
        }
        let things = self.broker.names().into_iter().map(Thing::Queue).collect();
        self.note(Event::Found { things });
    }

    fn drain(&mut self) {
        for queue in QUEUES {
            if !self.broker.is_there(queue) {
                continue;
            }
            while self.deliver(queue) {}
            self.note(Event::Drained { queue: queue.into() });
        }
    }
}
