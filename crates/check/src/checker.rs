//! Reads a history event by event and keeps what follows from it. A checker can be copied, so that
//! many ends of one run are judged without reading its beginning again.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::copies::{Copies, DEAD_LETTERED, Moved, Place, REQUEUED};
use crate::standing::Topology;
use crate::{Event, Hash, MessageId, Minimum, Record, Report, Thing, Verdict};

/// The state of a history so far.
#[derive(Debug, Clone, Default)]
pub struct Checker {
    messages: HashMap<MessageId, Sent>,
    queues: BTreeMap<String, Copies>,
    topology: Topology,
    /// The last sequence confirmed to each publisher.
    confirmed_to: HashMap<u32, u64>,
    /// Reports of damage that have excused nothing yet.
    excuses: u64,
    excused: HashSet<MessageId>,
    first_at_us: Option<u64>,
    last_at_us: u64,
    /// When the load ended, and what was confirmed by then.
    load: Option<(u64, u64)>,
    report: Report,
}

#[derive(Debug, Clone)]
struct Sent {
    hash: Hash,
    confirmed: bool,
    /// In the life of the broker that was told to take it, nothing was said yet.
    unanswered: bool,
}

/// Judges a whole history.
pub fn judge(history: impl IntoIterator<Item = Record>, minimum: &Minimum) -> Report {
    let mut checker = Checker::default();
    history.into_iter().for_each(|record| checker.observe_at(record.at_us, &record.event));
    checker.finish(minimum)
}

impl Checker {
    /// Takes one event of a run without a clock.
    pub fn observe(&mut self, event: &Event) {
        self.observe_at(0, event);
    }

    /// Takes one event at its time.
    pub fn observe_at(&mut self, at_us: u64, event: &Event) {
        self.last_at_us = at_us;
        match event {
            Event::Attempt { message, hash, queues, persistent } => {
                self.first_at_us.get_or_insert(at_us);
                self.attempt(*message, *hash, queues, *persistent);
            }
            Event::Confirm { message } => self.confirm(*message),
            Event::Nack { message } => {
                if let Some(sent) = self.messages.get_mut(message) {
                    sent.unanswered = false;
                }
            }
            Event::Return { message } => self.unroutable(*message),
            Event::Deliver { message, queue, consumer, hash, redelivered } => {
                self.deliver(*message, queue, consumer, *hash, *redelivered);
            }
            Event::Unreadable { queue, reason, .. } => {
                let because = reason.clone();
                self.broken(Verdict::Invented { message: None, queue: queue.clone(), because });
            }
            Event::Ack { message, queue } => self.move_to(*message, queue, Place::Settled),
            Event::AckDurable { message, queue } => self.ack_durable(*message, queue),
            Event::Requeue { message, queue } => {
                self.move_to(*message, queue, Place::Queued(REQUEUED));
            }
            Event::DeadLetter { message, queue, to } => self.dead_letter(*message, queue, to),
            Event::Purged { queue } => self.queue(queue).purged(),
            Event::ConsumerLost { queue } => self.queue(queue).consumer_lost(),
            Event::Drained { queue } => self.drained(queue),
            Event::Declaring { thing, durable } => self.topology.declaring(thing, *durable),
            Event::Declared { thing, durable } => self.topology.declared(thing, *durable),
            Event::Deleting { thing } => self.topology.deleting(thing),
            Event::Deleted { thing } => {
                self.topology.deleted(thing);
                if let Thing::Queue(name) = thing {
                    self.queue(name).deleted();
                }
            }
            Event::Refused { thing } => self.topology.refused(thing),
            Event::Crash => self.crash(at_us),
            Event::Found { things } => self.topology.found(things, &mut self.report.verdicts),
            Event::Damage { .. } => self.excuses += 1,
        }
    }

    /// Ends the history.
    pub fn finish(mut self, minimum: &Minimum) -> Report {
        let confirmed = self.report.confirmed;
        if confirmed < minimum.confirmed {
            let least = minimum.confirmed;
            self.invalid(format!("{confirmed} messages were confirmed, fewer than {least}"));
        }
        let (until, confirmed) = self.load.unwrap_or((self.last_at_us, confirmed));
        let microseconds = until.saturating_sub(self.first_at_us.unwrap_or(until)).max(1);
        let per_second = u128::from(confirmed) * 1_000_000 / u128::from(microseconds);
        let least = minimum.confirmed_per_second;
        if per_second < u128::from(least) {
            self.invalid(format!("{per_second} messages a second were confirmed, under {least}"));
        }
        let undrained: Vec<String> = self
            .queues
            .iter()
            .filter(|(_, it)| it.undrained)
            .map(|(name, _)| name.clone())
            .collect();
        for queue in undrained {
            let what =
                format!("queue {queue} was not drained at the end: what is in it, who knows?");
            self.invalid(what);
        }
        self.report
    }

    /// The verdicts so far.
    pub fn verdicts(&self) -> &[Verdict] {
        &self.report.verdicts
    }

    fn queue(&mut self, name: &str) -> &mut Copies {
        if !self.queues.contains_key(name) {
            self.queues.insert(name.to_owned(), Copies::default());
        }
        self.queues.get_mut(name).expect("it was there or was just added")
    }

    fn move_to(&mut self, message: MessageId, queue: &str, place: Place) {
        self.queue(queue).move_to(message, place);
    }

    fn broken(&mut self, verdict: Verdict) {
        self.report.verdicts.push(verdict);
    }

    fn invalid(&mut self, why: String) {
        self.report.invalid.push(why);
    }

    /// Whether damage that the broker reported explains what became of this message.
    fn is_excused(&mut self, message: MessageId) -> bool {
        if self.excused.contains(&message) {
            return true;
        }
        let excused = self.excuses > 0;
        if excused {
            self.excuses -= 1;
            self.report.excused += 1;
            self.excused.insert(message);
        }
        excused
    }

    fn attempt(&mut self, message: MessageId, hash: Hash, queues: &[String], persistent: bool) {
        let sent = Sent { hash, confirmed: false, unanswered: true };
        match self.messages.get_mut(&message) {
            Some(again) => again.unanswered = true,
            None => {
                self.messages.insert(message, sent);
                self.report.attempted += 1;
            }
        }
        for name in queues {
            self.queue(name).sent(message, persistent);
        }
    }

    fn confirm(&mut self, message: MessageId) {
        let before = self.confirmed_to.entry(message.publisher).or_default();
        let after = std::mem::replace(before, message.sequence.max(*before));
        let because = match self.messages.get_mut(&message) {
            None => Some("nobody published it".to_owned()),
            Some(sent) if !sent.unanswered => Some("it had been answered already".to_owned()),
            Some(sent) => {
                let was = std::mem::replace(&mut sent.confirmed, true);
                sent.unanswered = false;
                self.report.confirmed += u64::from(!was);
                (after > message.sequence && !was)
                    .then(|| format!("message {after} of the same publisher was before it"))
            }
        };
        self.queues.values_mut().for_each(|copies| copies.confirmed(message));
        if let Some(because) = because {
            self.broken(Verdict::FalseConfirm { message, because });
        }
    }

    fn unroutable(&mut self, message: MessageId) {
        let sent = self.queues.iter().filter(|(_, copies)| copies.copies.contains_key(&message));
        let queues: Vec<String> = sent.map(|(name, _)| name.clone()).collect();
        for queue in queues {
            self.broken(Verdict::FalseReturn { message, queue });
        }
    }

    fn deliver(
        &mut self,
        message: MessageId,
        queue: &str,
        consumer: &str,
        hash: Hash,
        redelivered: bool,
    ) {
        self.report.delivered += 1;
        let name = || queue.to_owned();
        let Some(sent) = self.messages.get(&message).cloned() else {
            let because = "nobody published it".to_owned();
            let message = Some(message);
            return self.broken(Verdict::Invented { message, queue: name(), because });
        };
        if sent.hash != hash {
            self.broken(Verdict::Altered { message, queue: name() });
        }
        let Some(copy) = self.queue(queue).copies.get(&message).copied() else {
            let because = "it was not published to there".to_owned();
            let message = Some(message);
            return self.broken(Verdict::Invented { message, queue: name(), because });
        };
        match copy.place {
            Place::SettledDurably if !self.is_excused(message) => {
                self.broken(Verdict::RedeliveredAfterSettle { message, queue: name() });
            }
            Place::Deleted => self.broken(Verdict::Resurrected { message, queue: name() }),
            Place::Settled | Place::InDoubt if copy.acked => self.report.duplicates += 1,
            Place::InDoubt if !copy.sent_in_this_life && copy.seen == 0 => {
                self.report.recovered += u64::from(!sent.confirmed);
            }
            _ => {}
        }
        if !redelivered && !copy.may_come_unmarked() {
            self.broken(Verdict::UnmarkedRedelivery { message, queue: name() });
        }
        // What was marked and not seen in this life was on its way to somebody else, unless it is
        // marked because the broker started anew.
        let first = !copy.seen_in_this_life && (!redelivered || !copy.sent_in_this_life);
        if first && !copy.order_unknown && copy.moved == Moved::No {
            let at = (message.publisher, consumer.to_owned());
            let last = self.queue(queue).order.entry(at).or_default();
            let after = std::mem::replace(last, message.sequence.max(*last));
            if after > message.sequence {
                let consumer = consumer.to_owned();
                self.broken(Verdict::OutOfOrder { message, queue: name(), consumer, after });
            }
        }
        if let Some(copy) = self.queue(queue).copies.get_mut(&message) {
            copy.seen += 1;
            copy.seen_unmarked += u32::from(!redelivered);
            copy.seen_in_this_life = true;
            copy.acked = false;
            copy.place = Place::Out;
        }
    }

    fn ack_durable(&mut self, message: MessageId, queue: &str) {
        // It may have been delivered once more since, or have gone with its queue.
        let copies = &mut self.queue(queue).copies;
        if let Some(copy) = copies.get_mut(&message)
            && copy.place == Place::Settled
        {
            copy.place = Place::SettledDurably;
        }
        // If it was dead-lettered, that has come at least as far.
        for copies in self.queues.values_mut() {
            if let Some(copy) = copies.copies.get_mut(&message)
                && copy.moved == Moved::Perhaps
            {
                copy.moved = Moved::Durably;
            }
        }
    }

    fn dead_letter(&mut self, message: MessageId, queue: &str, to: &[String]) {
        let from = self.queue(queue).copies.get(&message).copied();
        self.move_to(message, queue, Place::Settled);
        for name in to {
            let persistent = from.is_some_and(|copy| copy.persistent);
            self.queue(name).sent(message, persistent).moved = Moved::Perhaps;
            self.move_to(message, name, Place::Queued(DEAD_LETTERED));
        }
    }

    fn drained(&mut self, queue: &str) {
        for (message, because) in self.queue(queue).drained() {
            if !self.is_excused(message) {
                self.broken(Verdict::Lost { message, queue: queue.to_owned(), because });
            }
        }
    }

    fn crash(&mut self, at_us: u64) {
        self.report.crashes += 1;
        self.load.get_or_insert((at_us, self.report.confirmed));
        for (name, copies) in &mut self.queues {
            let thing = Thing::Queue(name.clone());
            let kept = self.topology.is_durable(&thing) && !self.topology.is_deleting(&thing);
            copies.crash(kept, |message| {
                self.messages.get(message).is_some_and(|sent| sent.confirmed)
            });
        }
        self.messages.values_mut().for_each(|sent| sent.unanswered = false);
        self.topology.crash();
    }
}
