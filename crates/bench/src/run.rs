//! A run of traffic from its first connection to its verdict.

use std::{
    io,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::ScopedJoinHandle,
    time::{Duration, Instant},
};

use crate::{
    Error,
    audit::{Seen, Verdict, judge},
    consumer::{Consumer, ConsumerEnd},
    latency::Latencies,
    measure::{Phase, Stage},
    outcome::{Outcome, Point, Taken},
    producer::{Producer, ProducerEnd, Published},
    protocol::Protocol,
    server_use::{Pid, ServerUse},
    stamp::Clock,
    traffic::{Consuming, Extent, Names, Traffic},
};

/// How a run stands, for whoever watches it.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// How much of it is done, from 0 to 1.
    pub done: f64,
    /// Messages a second at this moment.
    pub published_per_s: f64,
    /// Messages a second at this moment.
    pub delivered_per_s: f64,
    /// It only waits for what is still under way.
    pub is_draining: bool,
}

/// What a run needs besides its parameters.
pub(crate) struct Around<'a> {
    pub(crate) protocol: &'a dyn Protocol,
    pub(crate) server: Option<Pid>,
    /// Somebody asks it to end.
    pub(crate) stop: &'a AtomicBool,
    pub(crate) progress: &'a (dyn Fn(Progress) + Sync),
}

/// Runs it, and removes what it made, however it ends.
///
/// # Errors
/// The broker cannot be reached, refuses, or is lost.
pub(crate) fn run(traffic: &Traffic, around: &Around<'_>) -> Result<Outcome, Error> {
    traffic.check()?;
    let names = Names::new(traffic);
    if traffic.existing.is_some() {
        return Run::new(traffic, &names, around).run();
    }
    let result = around
        .protocol
        .declare(traffic, &names)
        .and_then(|()| Run::new(traffic, &names, around).run());
    let deleted = around.protocol.delete(traffic, &names);
    let outcome = result?;
    deleted.map(|()| outcome)
}

struct Run<'a> {
    traffic: &'a Traffic,
    names: &'a Names,
    around: &'a Around<'a>,
    clock: Clock,
    stage: Stage,
    published: Vec<Published>,
    delivered: Vec<AtomicU64>,
    failed: Mutex<Option<Error>>,
}

type Producers<'scope> = Vec<ScopedJoinHandle<'scope, Option<ProducerEnd>>>;
type Consumers<'scope> = Vec<ScopedJoinHandle<'scope, Option<ConsumerEnd>>>;

impl<'a> Run<'a> {
    fn new(traffic: &'a Traffic, names: &'a Names, around: &'a Around<'a>) -> Run<'a> {
        Run {
            traffic,
            names,
            around,
            clock: Clock::start(),
            stage: Stage::new(),
            published: (0..traffic.producers).map(|_| Published::default()).collect(),
            delivered: (0..traffic.consumers).map(|_| AtomicU64::new(0)).collect(),
            failed: Mutex::default(),
        }
    }

    fn run(self) -> Result<Outcome, Error> {
        let server = self.around.server;
        let before = server.and_then(Pid::look);
        let mut watch = Watch::new(server);
        let outcome = std::thread::scope(|scope| {
            // Whatever happens, nobody is left running.
            let outcome = self.act(scope, &mut watch);
            self.stage.enter(Phase::Over);
            outcome
        });
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        match failed {
            Some(error) => Err(error),
            None => Ok(Outcome { server: watch.taken(before, &self), ..outcome? }),
        }
    }

    fn act<'scope, 'env: 'scope>(
        &'env self,
        scope: &'scope std::thread::Scope<'scope, 'env>,
        watch: &mut Watch,
    ) -> Result<Outcome, Error> {
        let traffic = self.traffic;
        let mut consumers = match traffic.consuming {
            Consuming::AtOnce => self.start_consumers(scope)?,
            Consuming::Afterwards | Consuming::AfterRestart(_) => Vec::new(),
        };
        let producers = self.start_producers(scope)?;
        let generator = generator_cpu();
        self.stage.enter(Phase::Publishing);
        let begun = Instant::now();
        let window = match traffic.extent {
            Extent::Time(time) => self.measure_time(time, watch)?,
            Extent::Messages(_) => {
                self.stage.measure(true);
                let from = self.counts();
                self.watch_until(watch, || producers.iter().all(ScopedJoinHandle::is_finished))?;
                Window { from, to: self.counts(), took: begun.elapsed() }
            }
        };
        self.stage.enter(Phase::Draining);
        let ends = join(producers);
        self.check()?;
        let sent = Sent::of(&ends);
        let mut first_message = None;
        let mut drained = None;
        if traffic.consuming != Consuming::AtOnce && traffic.consumers > 0 {
            let begun = Instant::now();
            if let Consuming::AfterRestart(command) = &traffic.consuming {
                restart(command)?;
                consumers = self.start_consumers_patiently(scope, begun)?;
            } else {
                consumers = self.start_consumers(scope)?;
            }
            self.watch_until(watch, || self.counts().delivered > 0)?;
            first_message = Some(begun.elapsed());
            // Not from the first message: a short backlog is here as soon as that. But how long a
            // restart takes is another figure.
            drained = Some(match traffic.consuming {
                Consuming::AfterRestart(_) => Instant::now(),
                Consuming::AtOnce | Consuming::Afterwards => begun,
            });
        }
        let expected = self.expected(&sent);
        self.drain(watch, expected)?;
        let drained =
            drained.map(|begun| self.counts().delivered as f64 / begun.elapsed().as_secs_f64());
        let took = begun.elapsed();
        self.stage.enter(Phase::Over);
        let used = generator_cpu() - generator;
        let consumed = join(consumers);
        self.check()?;
        let mut outcome = self.outcome(ends, consumed, &sent, &window, watch, took);
        outcome.drained_per_s = drained;
        if let Consuming::AfterRestart(_) = traffic.consuming {
            outcome.first_message_s = first_message.map(|it| it.as_secs_f64());
        }
        let messages = (outcome.published + outcome.delivered).max(1);
        outcome.generator_cpu_us = used * 1e6 / messages as f64;
        Ok(outcome)
    }

    fn start_producers<'scope, 'env: 'scope>(
        &'env self,
        scope: &'scope std::thread::Scope<'scope, 'env>,
    ) -> Result<Producers<'scope>, Error> {
        let mut threads = Vec::new();
        for (number, published) in (0_u16..).zip(&self.published) {
            let link = self.around.protocol.publisher(self.traffic, self.names, number)?;
            let producer = Producer::new(link, self.traffic, self.names, number, self.clock);
            let work = move || self.keep(producer.run(published, &self.stage));
            threads.push(spawn(scope, format!("producer {number}"), work)?);
        }
        Ok(threads)
    }

    fn start_consumers<'scope, 'env: 'scope>(
        &'env self,
        scope: &'scope std::thread::Scope<'scope, 'env>,
    ) -> Result<Consumers<'scope>, Error> {
        let mut threads = Vec::new();
        for (number, delivered) in (0_u32..).zip(&self.delivered) {
            let queues = self.traffic.queues_of(number);
            let link = self.around.protocol.consumer(self.traffic, self.names, &queues)?;
            let consumer = Consumer::new(link, self.traffic, &queues, self.clock);
            let work = move || self.keep(consumer.run(delivered, &self.stage));
            threads.push(spawn(scope, format!("consumer {number}"), work)?);
        }
        Ok(threads)
    }

    /// The same, of a broker that may not be there yet.
    fn start_consumers_patiently<'scope, 'env: 'scope>(
        &'env self,
        scope: &'scope std::thread::Scope<'scope, 'env>,
        begun: Instant,
    ) -> Result<Consumers<'scope>, Error> {
        loop {
            match self.start_consumers(scope) {
                Err(error) if begun.elapsed() > RESTART_PATIENCE => return Err(error),
                Err(_) if !self.around.stop.load(Relaxed) => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                other => return other,
            }
        }
    }

    /// Warms up, then measures for that time.
    fn measure_time(&self, time: Duration, watch: &mut Watch) -> Result<Window, Error> {
        let warm = Instant::now() + WARM_UP;
        self.watch_until(watch, || Instant::now() >= warm)?;
        self.stage.measure(true);
        let (from, begun) = (self.counts(), Instant::now());
        watch.done = Some((begun, time));
        self.watch_until(watch, || begun.elapsed() >= time)?;
        self.stage.measure(false);
        Ok(Window { from, to: self.counts(), took: begun.elapsed() })
    }

    /// Waits for the rest, as long as there is any progress.
    fn drain(&self, watch: &mut Watch, expected: u64) -> Result<(), Error> {
        watch.is_draining = true;
        let mut last = (self.counts().delivered, Instant::now());
        self.watch_until(watch, || {
            let delivered = self.counts().delivered;
            if delivered != last.0 {
                last = (delivered, Instant::now());
            }
            delivered >= expected || last.1.elapsed() > DRAIN_PATIENCE
        })
    }

    /// Looks again and again, until that is so.
    fn watch_until(
        &self,
        watch: &mut Watch,
        mut is_done: impl FnMut() -> bool,
    ) -> Result<(), Error> {
        while !is_done() {
            self.check()?;
            if self.around.stop.load(Relaxed) {
                return Err(Error::Stopped);
            }
            std::thread::sleep(Duration::from_millis(1));
            watch.look(self);
        }
        self.check()
    }

    /// A thread's failure is the run's.
    fn check(&self) -> Result<(), Error> {
        match self.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn keep<T>(&self, result: Result<T, Error>) -> Option<T> {
        match result {
            Ok(end) => Some(end),
            // Those that were told to end did not fail.
            Err(_) if self.stage.is_over() => None,
            Err(error) => {
                self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                None
            }
        }
    }

    fn counts(&self) -> Counts {
        let sum = |counter: fn(&Published) -> &AtomicU64| {
            self.published.iter().map(|it| counter(it).load(Relaxed)).sum()
        };
        Counts {
            published: sum(|it| &it.sent),
            confirmed: sum(|it| &it.confirmed),
            delivered: self.delivered.iter().map(|it| it.load(Relaxed)).sum(),
        }
    }

    /// What all consumers together are to get.
    fn expected(&self, sent: &Sent) -> u64 {
        let traffic = self.traffic;
        if traffic.consumers == 0 {
            return 0;
        }
        let readers = match traffic.stream {
            true => u64::from((traffic.consumers / traffic.queues).max(1)),
            false => 1,
        };
        let of_queue = |queue: u32| -> u64 {
            (0..traffic.producers)
                .map(|producer| sent.to(producer, traffic.group_of_queue(queue)))
                .sum()
        };
        (0..traffic.queues).map(of_queue).sum::<u64>() * readers
    }

    fn outcome(
        &self,
        producers: Vec<ProducerEnd>,
        consumers: Vec<ConsumerEnd>,
        sent: &Sent,
        window: &Window,
        watch: &mut Watch,
        took: Duration,
    ) -> Outcome {
        let traffic = self.traffic;
        let (mut confirms, mut deliveries) = (Latencies::new(), Latencies::new());
        producers.iter().for_each(|it| confirms.add(&it.confirms));
        consumers.iter().for_each(|it| deliveries.add(&it.deliveries));
        let refused = producers.iter().map(|it| it.refused).sum();
        let seen: Vec<Seen> = consumers.into_iter().flat_map(|it| it.seen).collect();
        let mut verdict = match traffic.consumers {
            0 => Verdict::default(),
            _ => judge(seen, |producer, queue| sent.to(producer, traffic.group_of_queue(queue))),
        };
        // What was refused was not to arrive.
        verdict.lost = verdict.lost.saturating_sub(refused * traffic.fan_out());
        verdict.refused = refused;
        let counts = self.counts();
        let rate = |from: u64, to: u64| (to - from) as f64 / window.took.as_secs_f64();
        let consumes_meanwhile = traffic.consumers > 0 && traffic.consuming == Consuming::AtOnce;
        // Of a number of messages the end is when all of them are there.
        let delivered_per_s = match traffic.extent {
            Extent::Time(_) => rate(window.from.delivered, window.to.delivered),
            Extent::Messages(_) => counts.delivered as f64 / took.as_secs_f64(),
        };
        Outcome {
            published_per_s: rate(window.from.published, window.to.published),
            confirmed_per_s: traffic
                .confirm_window
                .map(|_| rate(window.from.confirmed, window.to.confirmed)),
            delivered_per_s: consumes_meanwhile.then_some(delivered_per_s),
            delivery: consumes_meanwhile.then(|| deliveries.summary()).flatten(),
            confirm: confirms.summary(),
            drained_per_s: None,
            first_message_s: None,
            published: counts.published,
            delivered: counts.delivered,
            verdict,
            server: None,
            generator_cpu_us: 0.0,
            series: std::mem::take(&mut watch.series),
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    published: u64,
    confirmed: u64,
    delivered: u64,
}

/// Between two looks.
struct Window {
    from: Counts,
    to: Counts,
    took: Duration,
}

/// What was sent, by producer and group.
struct Sent(Vec<Vec<u64>>);

impl Sent {
    fn of(ends: &[ProducerEnd]) -> Sent {
        Sent(ends.iter().map(|it| it.sent.clone()).collect())
    }

    fn to(&self, producer: u16, group: u32) -> u64 {
        let of_producer = self.0.get(usize::from(producer));
        of_producer.and_then(|it| it.get(group as usize)).copied().unwrap_or(0)
    }
}

/// Looks at a run every 100 ms.
struct Watch {
    server: Option<Pid>,
    begun: Option<Instant>,
    last: (Instant, Counts),
    series: Vec<Point>,
    resident_peak: u64,
    last_use: Option<ServerUse>,
    /// Since when, for how long.
    done: Option<(Instant, Duration)>,
    is_draining: bool,
}

impl Watch {
    fn new(server: Option<Pid>) -> Watch {
        Watch {
            server,
            begun: None,
            last: (Instant::now(), Counts::default()),
            series: Vec::new(),
            resident_peak: 0,
            last_use: None,
            done: None,
            is_draining: false,
        }
    }

    fn look(&mut self, run: &Run<'_>) {
        let now = Instant::now();
        let took = now - self.last.0;
        if took < LOOK {
            return;
        }
        let counts = run.counts();
        let rate = |from: u64, to: u64| (to - from) as f64 / took.as_secs_f64();
        let last = std::mem::replace(&mut self.last, (now, counts)).1;
        let begun = *self.begun.get_or_insert(now - took);
        let point = Point {
            at_s: (now - begun).as_secs_f64(),
            published_per_s: rate(last.published, counts.published),
            delivered_per_s: rate(last.delivered, counts.delivered),
        };
        if self.series.len() < POINTS_MAX {
            self.series.push(point);
        }
        if let Some(used) = self.server.and_then(Pid::look) {
            self.resident_peak = self.resident_peak.max(used.resident_bytes);
            self.last_use = Some(used);
        }
        let done = match (run.traffic.extent, self.done) {
            (Extent::Messages(all), _) => {
                let goal =
                    all + if run.traffic.consumers > 0 { all * run.traffic.fan_out() } else { 0 };
                (counts.published + counts.delivered) as f64 / goal as f64
            }
            (Extent::Time(_), Some((since, time))) => {
                since.elapsed().as_secs_f64() / time.as_secs_f64()
            }
            (Extent::Time(_), None) => 0.0,
        };
        (run.around.progress)(Progress {
            done: done.min(1.0),
            published_per_s: point.published_per_s,
            delivered_per_s: point.delivered_per_s,
            is_draining: self.is_draining,
        });
    }

    fn taken(&self, before: Option<ServerUse>, run: &Run<'_>) -> Option<Taken> {
        // A process that was started again has nothing to do with the one before.
        let is_same = !matches!(run.traffic.consuming, Consuming::AfterRestart(_));
        let (before, last) = (before?, self.server.and_then(Pid::look).or(self.last_use)?);
        is_same.then(|| Taken {
            cpu_us: (last.cpu_s - before.cpu_s) * 1e6 / run.counts().published.max(1) as f64,
            resident_peak_bytes: self.resident_peak.max(last.resident_bytes),
            resident_before_bytes: before.resident_bytes,
        })
    }
}

fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope std::thread::Scope<'scope, '_>,
    name: String,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>, Error> {
    // A thousand of them are not to need a thousand times 8 MiB.
    let builder = std::thread::Builder::new().name(name).stack_size(STACK_BYTES);
    builder
        .spawn_scoped(scope, work)
        .map_err(|source| Error::System { doing: "starting a thread".to_owned(), source })
}

fn join<T>(threads: Vec<ScopedJoinHandle<'_, Option<T>>>) -> Vec<T> {
    threads.into_iter().filter_map(|thread| thread.join().ok().flatten()).collect()
}

fn restart(command: &str) -> Result<(), Error> {
    let doing = || format!("restarting the broker with '{command}'");
    let status = std::process::Command::new("sh").args(["-c", command]).status();
    match status.map_err(|source| Error::System { doing: doing(), source })? {
        status if status.success() => Ok(()),
        status => {
            Err(Error::System { doing: doing(), source: io::Error::other(status.to_string()) })
        }
    }
}

/// CPU time of this process, in seconds.
fn generator_cpu() -> f64 {
    Pid(std::process::id()).look().map_or(0.0, |used| used.cpu_s)
}

const LOOK: Duration = Duration::from_millis(100);
const WARM_UP: Duration = Duration::from_secs(1);

/// How long nothing may arrive before what is missing counts as lost.
const DRAIN_PATIENCE: Duration = Duration::from_secs(10);

const RESTART_PATIENCE: Duration = Duration::from_secs(300);
const STACK_BYTES: usize = 256 * 1024;
const POINTS_MAX: usize = 36_000;
