//! One connection that consumes: counts, checks and acknowledges what a read brought, in one go.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use crate::{
    Error,
    audit::Seen,
    latency::Latencies,
    measure::Stage,
    protocol::{Consuming, Delivery, Link},
    stamp::Clock,
    traffic::Traffic,
    wire::Interest,
};

/// What is known at its end.
#[derive(Debug)]
pub(crate) struct ConsumerEnd {
    pub(crate) seen: Vec<Seen>,
    pub(crate) deliveries: Latencies,
}

/// A consumer, connected.
pub(crate) struct Consumer {
    link: Link<dyn Consuming>,
    seen: Vec<Seen>,
    /// Which of `seen` a queue's is, for each queue.
    place: Vec<u32>,
    body_bytes: usize,
    auto_ack: bool,
    /// Every message's time is taken, not only the last of each read.
    every: bool,
    clock: Clock,
}

impl Consumer {
    pub(crate) fn new(
        link: Link<dyn Consuming>,
        traffic: &Traffic,
        queues: &[u32],
        clock: Clock,
    ) -> Consumer {
        let mut place = vec![u32::MAX; traffic.queues as usize];
        for (at, queue) in queues.iter().enumerate() {
            if let Some(place) = place.get_mut(*queue as usize) {
                *place = at as u32;
            }
        }
        let producers = traffic.producers.max(1);
        let new = |queue: &u32| Seen::new(*queue, producers, traffic.is_shared());
        Consumer {
            link,
            seen: queues.iter().map(new).collect(),
            place,
            body_bytes: traffic.body_bytes,
            auto_ack: traffic.auto_ack,
            every: traffic.rate.is_some(),
            clock,
        }
    }

    /// Consumes until the run is over.
    ///
    /// # Errors
    /// The connection is lost, or the broker refuses.
    pub(crate) fn run(
        mut self,
        delivered: &AtomicU64,
        stage: &Stage,
    ) -> Result<ConsumerEnd, Error> {
        let mut deliveries = Latencies::new();
        let mut answer = Vec::new();
        while !stage.is_over() {
            let Link { wire, inbox, side, pulse } = &mut self.link;
            let came = match inbox.fill(wire) {
                Err(_) if side.may_be_cut() => break,
                came => came.map_err(Error::lost(CONSUMING))?,
            };
            if let Some(pulse) = pulse {
                pulse.beat(&mut answer);
            }
            if came == 0 && answer.is_empty() {
                let interest = Interest { readable: true, writable: false };
                wire.wait(interest, LOOK).map_err(Error::lost(CONSUMING))?;
                continue;
            }
            let (seen, place) = (&mut self.seen, &self.place);
            let (now, is_measuring) = (self.clock.now(), stage.is_measuring());
            let (mut count, mut oldest) = (0, 0);
            let mut each = |delivery: Delivery| {
                count += 1;
                let at = place.get(delivery.queue as usize).copied().unwrap_or(u32::MAX);
                let Some(seen) = seen.get_mut(at as usize) else { return };
                match delivery.stamp {
                    Some(stamp) if delivery.body_bytes == self.body_bytes => {
                        seen.arrived(stamp, delivery.is_redelivered);
                        let took = now.saturating_sub(stamp.due);
                        if self.every && is_measuring {
                            deliveries.record(took, 1);
                        }
                        oldest = took.max(oldest);
                    }
                    _ => seen.altered(),
                }
            };
            let used = side.deliveries(inbox.unread(), &mut each, &mut answer)?;
            inbox.advance(used);
            if !self.every && is_measuring && count > 0 {
                deliveries.record(oldest, count);
            }
            if count > 0 && !self.auto_ack {
                side.acknowledge(&mut answer);
            }
            if !answer.is_empty() {
                let until = Instant::now() + ANSWER_TIMEOUT;
                wire.write_all(&answer, until).map_err(Error::lost(CONSUMING))?;
                answer.clear();
            }
            delivered.store(delivered.load(Relaxed) + count, Relaxed);
        }
        Ok(ConsumerEnd { seen: self.seen, deliveries })
    }
}

const CONSUMING: &str = "consuming";

/// How often it looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
