//! Links that are gone and were not closed, and whose termini live on, as their peers asked for:
//! what was not settled on them waits until they are attached again (AMQP 1.0 §2.6.13), on whatever
//! connection of the same container, or until their time is over.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use amqp10::{
    definition::Seconds,
    messaging::{DeliveryState, TerminusExpiryPolicy},
};
use bytes::Bytes;
use tokio::sync::Notify;

use crate::unacked::{Unacked, requeue_sent};

/// All of a server's.
#[derive(Default)]
pub(crate) struct SuspendedLinks {
    links: Mutex<Links>,
    /// Some end earlier than was known.
    changed: Arc<Notify>,
}

#[derive(Default)]
struct Links {
    of: HashMap<TerminusKey, Suspended>,
    /// When a task looks for what is over; `None`: there is nothing that ends.
    watched: Option<Instant>,
}

/// Whose link it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct TerminusKey {
    pub(super) vhost: String,
    pub(super) user: String,
    pub(super) container: String,
    pub(super) link: String,
    /// The broker sends on it.
    pub(super) is_outlet: bool,
}

struct Suspended {
    kept: Kept,
    /// `None`: not before it is said.
    until: Option<Instant>,
}

/// What waits.
pub(super) enum Kept {
    /// Deliveries that the peer had and had not settled, by the numbers in their tags; and the
    /// number for the next.
    Sent { deliveries: Vec<(u64, Unacked)>, next: u64 },
    /// Deliveries that came and that the peer had not settled: tags, and what became of them.
    Received(Vec<(Bytes, DeliveryState)>),
}

/// How long a terminus lives that its link has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Retention {
    pub(super) policy: TerminusExpiryPolicy,
    pub(super) timeout: Duration,
}

impl Retention {
    /// `None` where nothing was asked for: by default a terminus goes with its session at the
    /// latest, and what is unsettled goes back as soon as its link is gone.
    pub(super) fn of(policy: TerminusExpiryPolicy, timeout: Seconds) -> Option<Retention> {
        let timeout = Duration::from_secs(timeout.0.into());
        let is_asked =
            matches!(policy, TerminusExpiryPolicy::Never | TerminusExpiryPolicy::ConnectionClose);
        (is_asked || !timeout.is_zero()).then_some(Retention { policy, timeout })
    }
}

impl SuspendedLinks {
    /// Keeps what a link leaves, until then.
    pub(super) fn keep(self: &Arc<Self>, key: TerminusKey, kept: Kept, until: Option<Instant>) {
        let gone = {
            let links = &mut self.lock().of;
            match links.len() >= SUSPENDED_MAX && !links.contains_key(&key) {
                true => Some(Suspended { kept, until }),
                false => links.insert(key, Suspended { kept, until }),
            }
        };
        gone.into_iter().for_each(|it| it.kept.give_up());
        if let Some(until) = until {
            self.watch(until);
        }
    }

    /// From now on the time counts after which it is given up.
    pub(super) fn end_at(self: &Arc<Self>, key: &TerminusKey, until: Instant) {
        if let Some(suspended) = self.lock().of.get_mut(key) {
            suspended.until = Some(until);
        }
        self.watch(until);
    }

    /// Gives up what is over by then, when it is.
    fn watch(self: &Arc<Self>, until: Instant) {
        if until <= Instant::now() {
            return self.expire();
        }
        let mut links = self.lock();
        match links.watched {
            Some(next) if next <= until => return,
            Some(_) => self.changed.notify_one(),
            None => drop(tokio::spawn(watch(Arc::downgrade(self), self.changed.clone()))),
        }
        links.watched = Some(until);
    }

    /// The link is attached again.
    pub(super) fn take(&self, key: &TerminusKey) -> Option<Kept> {
        self.lock().of.remove(key).map(|it| it.kept)
    }

    fn expire(&self) {
        let now = Instant::now();
        let over: Vec<Suspended> = {
            let links = &mut self.lock().of;
            let is_over =
                |_: &TerminusKey, it: &mut Suspended| it.until.is_some_and(|until| until <= now);
            links.extract_if(is_over).map(|(_, it)| it).collect()
        };
        over.into_iter().for_each(|it| it.kept.give_up());
    }

    fn lock(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Links {
    fn first_end(&self) -> Option<Instant> {
        self.of.values().filter_map(|it| it.until).min()
    }
}

/// Gives up what is over when its time comes, as long as there is something that ends.
async fn watch(all: Weak<SuspendedLinks>, changed: Arc<Notify>) {
    loop {
        let next = {
            let Some(all) = all.upgrade() else { return };
            all.expire();
            let mut links = all.lock();
            let next = links.first_end();
            links.watched = next;
            next
        };
        let Some(next) = next else { return };
        let _ = tokio::time::timeout_at(next.into(), changed.notified()).await;
    }
}

impl Kept {
    /// Nobody comes back for it: what was sent goes back to its queues.
    pub(super) fn give_up(self) {
        match self {
            Kept::Sent { deliveries, .. } => {
                requeue_sent(deliveries.into_iter().map(|(_, unacked)| unacked).collect());
            }
            Kept::Received(_) => {}
        }
    }
}

/// Links that wait in one server; of more than these nothing is kept.
const SUSPENDED_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_task_waits_for_all_of_them_and_for_the_first_that_is_over() {
        let links = Arc::new(SuspendedLinks::default());
        let keep = |name: &str, seconds: f32| {
            let key = TerminusKey {
                vhost: "/".to_owned(),
                user: "u".to_owned(),
                container: "c".to_owned(),
                link: name.to_owned(),
                is_outlet: false,
            };
            let until = Instant::now() + Duration::from_secs_f32(seconds);
            links.keep(key.clone(), Kept::Received(Vec::new()), Some(until));
            key
        };
        let long: Vec<TerminusKey> = (0..100).map(|n| keep(&n.to_string(), 3600.0)).collect();
        tokio::task::yield_now().await;
        let short = keep("short", 0.05);
        assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 1);
        let until = Instant::now() + Duration::from_secs(5);
        while links.lock().of.contains_key(&short) {
            assert!(Instant::now() < until, "it is still there");
            tokio::task::yield_now().await;
        }
        assert!(long.iter().all(|key| links.take(key).is_some()));
    }
}
