//! Declaring, binding, deleting, and what goes with what.

use std::collections::BTreeSet;

use broker::ExchangeKind;

use super::{Bound, Exchange, Naive, Queue, Refusal, Target};
use crate::command::{End, Pairs};

impl Naive {
    pub(super) fn declare_queue(
        &mut self,
        name: &str,
        durable: bool,
        exclusive: bool,
        auto_delete: bool,
        by: u32,
    ) -> Result<usize, Refusal> {
        match self.visible(name, by) {
            Ok(queue) => {
                if queue.exclusive != exclusive {
                    return Err(Refusal::ResourceLocked);
                }
                let there = (queue.durable, queue.exclusive, queue.auto_delete);
                let same = there == (durable, exclusive, auto_delete);
                if same { Ok(queue.ready.len()) } else { Err(Refusal::PreconditionFailed) }
            }
            Err(Refusal::NotFound) => {
                let (number, owner) = (self.number(), exclusive.then_some(by));
                let (ready, consumers, turn, name) = (vec![], vec![], 0, name.to_owned());
                let queue = Queue {
                    number,
                    name,
                    durable,
                    exclusive,
                    auto_delete,
                    owner,
                    ready,
                    consumers,
                    turn,
                };
                self.queues.push(queue);
                Ok(0)
            }
            Err(refusal) => Err(refusal),
        }
    }

    pub(super) fn delete_queue(
        &mut self,
        name: &str,
        if_unused: bool,
        if_empty: bool,
        by: u32,
    ) -> Result<usize, Refusal> {
        let queue = match self.visible(name, by) {
            Err(Refusal::NotFound) => return Ok(0),
            other => other?,
        };
        if if_unused && !queue.consumers.is_empty() || if_empty && !queue.ready.is_empty() {
            return Err(Refusal::PreconditionFailed);
        }
        let (number, count) = (queue.number, queue.ready.len());
        self.end_queue(number);
        Ok(count)
    }

    pub(super) fn end_queue(&mut self, number: u64) {
        if let Some(queue) = self.numbered(number) {
            let told: Vec<u32> = queue.consumers.iter().map(|it| it.number).collect();
            self.effects.cancelled.extend(told);
        }
        self.queues.retain(|queue| queue.number != number);
        self.remove_bindings(|bound| bound.to == Target::Queue(number));
    }

    /// Removes bindings; an auto-delete exchange goes with the last that leads from it.
    pub(super) fn remove_bindings(&mut self, gone: impl Fn(&Bound) -> bool) {
        let sources: BTreeSet<String> =
            self.bindings.iter().filter(|it| gone(it)).map(|it| it.source.clone()).collect();
        self.bindings.retain(|bound| !gone(bound));
        for source in sources {
            let used = self.bindings.iter().any(|bound| bound.source == source);
            if !used && self.exchange(&source).is_some_and(|it| it.auto_delete) {
                self.end_exchange(&source);
            }
        }
    }

    pub(super) fn end_exchange(&mut self, name: &str) {
        self.exchanges.retain(|exchange| exchange.name != name);
        self.bindings.retain(|bound| bound.source != name);
        self.remove_bindings(|bound| bound.to == Target::Exchange(name.to_owned()));
    }

    pub(super) fn declare_exchange(
        &mut self,
        name: &str,
        kind: ExchangeKind,
        durable: bool,
        auto_delete: bool,
    ) -> Result<usize, Refusal> {
        match self.exchange(name) {
            Some(it) if (it.kind, it.durable, it.auto_delete) == (kind, durable, auto_delete) => {}
            Some(_) => return Err(Refusal::PreconditionFailed),
            None => {
                let name = name.to_owned();
                self.exchanges.push(Exchange { name, kind, durable, auto_delete });
            }
        }
        Ok(0)
    }

    pub(super) fn delete_exchange(
        &mut self,
        name: &str,
        if_unused: bool,
    ) -> Result<usize, Refusal> {
        if name.starts_with("amq.") {
            return Err(Refusal::AccessRefused);
        }
        if self.exchange(name).is_none() {
            return Ok(0);
        }
        if if_unused && self.bindings.iter().any(|bound| bound.source == name) {
            return Err(Refusal::PreconditionFailed);
        }
        self.end_exchange(name);
        Ok(0)
    }

    pub(super) fn bind(
        &mut self,
        source: &str,
        to: End,
        key: &str,
        arguments: Pairs,
        by: u32,
    ) -> Result<usize, Refusal> {
        let to = self.ends(source, to, arguments, by)?;
        let bound = Bound { source: source.to_owned(), to, key: key.to_owned(), arguments };
        if !self.bindings.iter().any(|other| other.is_same(&bound)) {
            self.bindings.push(bound);
        }
        Ok(0)
    }

    pub(super) fn unbind(
        &mut self,
        source: &str,
        to: End,
        key: &str,
        arguments: Pairs,
        by: u32,
    ) -> Result<usize, Refusal> {
        let (target, owner) = match to {
            End::Exchange(name) => (Target::Exchange(name.to_owned()), None),
            End::Queue(name) => match self.queue(name) {
                Some(queue) => (Target::Queue(queue.number), queue.owner),
                None => return Ok(0),
            },
        };
        let bound = Bound { source: source.to_owned(), to: target, key: key.to_owned(), arguments };
        if !self.bindings.iter().any(|other| other.is_same(&bound)) {
            return Ok(0);
        }
        if owner.is_some_and(|owner| owner != by) {
            return Err(Refusal::ResourceLocked);
        }
        self.remove_bindings(|other| other.is_same(&bound));
        Ok(0)
    }
}

impl Bound {
    fn is_same(&self, other: &Bound) -> bool {
        let place = |it: &Bound| (it.source.clone(), it.to.clone(), it.key.clone());
        place(self) == place(other) && self.arguments.meaning() == other.arguments.meaning()
    }
}
