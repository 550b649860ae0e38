//! A load for a server that is going to be ended: publishers that wait for confirms, a consumer
//! that acknowledges, a client that declares and deletes. What the server promised each of them is
//! written down on this side of the sockets, so that after a restart everything can be compared.

mod client;
mod drain;
mod message;
mod publisher;
mod record;
mod script;
mod topology;
mod worker;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use tokio::{runtime::Runtime, sync::Notify, task::JoinSet, time::timeout};

use self::{record::Record, topology::Topology};

/// A queue that is read only when it is checked.
pub(crate) const KEPT: &str = "load.kept";
/// A queue whose messages are acknowledged as they come.
pub(crate) const WORKED: &str = "load.worked";
/// A queue that must not outlive the server.
pub(crate) const TRANSIENT: &str = "load.transient";
/// Takes the message whose confirm says that everything before it is on disk.
pub(crate) const BARRIER: &str = "load.barrier";
/// Fans out to the first three.
pub(crate) const ALL: &str = "load.all";

/// How long anything may take that is not limited by the test itself.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How long after the end of the server, or of another client, the next has to end. Once in some
/// ten kills the client library of one never notices; what it was told is written down as it comes.
const GRACE: Duration = Duration::from_millis(500);

/// In what way the server broke its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// A confirmed message is nowhere.
    Lost,
    /// A message that nobody published, or not to this queue.
    Invented,
    /// A message with other bytes than were published.
    Altered,
    /// A first delivery before one that was published earlier by the same publisher.
    Misordered,
    /// A second delivery that does not say so.
    Unmarked,
    /// A second delivery without a reason for one.
    Twice,
    /// A message that was settled for good, again.
    Resurrected,
    /// Something declared is gone, or something deleted is there.
    Topology,
}

/// Everything in which the server broke its word.
#[derive(Debug, Clone, Default)]
pub struct Verdict(Vec<(Wrong, String)>);

impl Verdict {
    /// How often in each way.
    pub fn counts(&self) -> BTreeMap<Wrong, usize> {
        let mut counts = BTreeMap::new();
        self.0.iter().for_each(|(wrong, _)| *counts.entry(*wrong).or_default() += 1);
        counts
    }

    /// Passes only where nothing is wrong.
    ///
    /// # Errors
    /// What is, the first cases of each kind.
    pub fn hold(&self) -> Result<()> {
        ensure!(self.0.is_empty(), "{self}");
        Ok(())
    }

    fn add(&mut self, wrong: Wrong, what: String) {
        self.0.push((wrong, what));
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (wrong, count) in self.counts() {
            let cases = self.0.iter().filter(|(kind, _)| *kind == wrong);
            let shown: Vec<&str> = cases.map(|(_, what)| what.as_str()).take(SHOWN).collect();
            writeln!(f, "{wrong:?}: {count}: {}", shown.join("; "))?;
        }
        Ok(())
    }
}

/// Cases of a kind that are shown.
const SHOWN: usize = 12;

/// What a burst of load did until the server was gone.
#[derive(Debug, Clone, Default)]
pub struct Burst {
    /// Messages that were confirmed.
    pub confirmed: u64,
    /// Declarations and deletions that were answered.
    pub declared: u64,
    /// Deliveries that were acknowledged.
    pub worked: u64,
    /// From the first connection to the end of the server, or of the first client.
    pub took: Duration,
    /// How each client ended, for a report.
    pub ends: Vec<String>,
}

/// Counters of a burst, and who waits for them.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    confirmed: AtomicU64,
    declared: AtomicU64,
    worked: AtomicU64,
    wanted: u64,
    reached: Notify,
}

impl Progress {
    pub(crate) fn confirm(&self) {
        if self.confirmed.fetch_add(1, Relaxed) + 1 == self.wanted {
            self.reached.notify_one();
        }
    }
}

/// The load, and the record of what it was promised.
#[derive(Debug)]
pub struct Load {
    url: String,
    seed: u64,
    runtime: Runtime,
    record: Arc<Mutex<Record>>,
    topology: Arc<Mutex<Topology>>,
}

impl Load {
    /// For the server at this address, with nothing published yet.
    ///
    /// # Errors
    /// There are no threads for the clients.
    pub fn new(url: &str, seed: u64) -> Result<Load> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .context("no runtime for the clients")?;
        let (record, topology) = (Arc::default(), Arc::default());
        Ok(Load { url: url.to_owned(), seed, runtime, record, topology })
    }

    /// Publishes, consumes and declares until the connections break. Calls `end` as soon as so many
    /// messages were confirmed; it, or something else, has to end the server.
    ///
    /// # Errors
    /// The clients are still served when their patience is over; `end` fails.
    pub fn run(
        &self,
        confirms: u64,
        end: impl FnOnce() -> Result<()> + Send + 'static,
    ) -> Result<Burst> {
        let progress = Arc::new(Progress { wanted: confirms.max(1), ..Progress::default() });
        let begun = Instant::now();
        self.lock().begin_life();
        let (ends, took) = self.runtime.block_on(async {
            // A server that ends this early breaks off the load as well.
            let declared = tokio::select! {
                declared = topology::declare_fixed(&self.url, &self.topology) => declared,
                () = client::gone(&self.url) => Err(anyhow!("nobody listens any more")),
            };
            let mut clients = JoinSet::new();
            match declared {
                Ok(()) => self.spawn_clients(&mut clients, &progress),
                Err(error) => {
                    let end = format!("declaring: {error:#}");
                    return anyhow::Ok((vec![end], begun.elapsed()));
                }
            }
            let mut ends = Vec::new();
            tokio::select! {
                () = progress.reached.notified() => {
                    tokio::task::spawn_blocking(end).await.context("the end panicked")??;
                }
                first = timeout(PATIENCE, clients.join_next()) => {
                    ends.extend(first.context("clients are still served, nothing ended them")?);
                }
            }
            let took = begun.elapsed();
            // A client library may take its time to see that a connection is broken.
            while let Ok(Some(next)) = timeout(GRACE, clients.join_next()).await {
                ends.push(next);
            }
            let said = ends.into_iter().map(|end| end.unwrap_or_else(|panic| panic.to_string()));
            Ok((said.collect(), took))
        })?;
        Ok(Burst {
            confirmed: progress.confirmed.load(Relaxed),
            declared: progress.declared.load(Relaxed),
            worked: progress.worked.load(Relaxed),
            took,
            ends,
        })
    }

    fn spawn_clients(&self, clients: &mut JoinSet<String>, progress: &Arc<Progress>) {
        for publisher in &publisher::PUBLISHERS {
            let (url, record, progress) =
                (self.url.clone(), Arc::clone(&self.record), Arc::clone(progress));
            clients.spawn(async move {
                let end = publisher::publish(&url, publisher, &record, &progress).await;
                format!("publisher {}: {end:#?}", publisher.number)
            });
        }
        let (url, record, counters) =
            (self.url.clone(), Arc::clone(&self.record), Arc::clone(progress));
        clients.spawn(async move {
            let end = worker::work(&url, &record, &counters).await;
            format!("worker: {end:#?}")
        });
        let (url, topology, counters) =
            (self.url.clone(), Arc::clone(&self.topology), Arc::clone(progress));
        let rng = fastrand::Rng::with_seed(self.seed);
        clients.spawn(async move {
            let end = topology::churn(&url, &topology, rng, &counters).await;
            format!("churn: {end:#?}")
        });
    }

    /// As [`Load::run`], one step after the other on one connection, `steps` of them: the same
    /// steps for the same seed. Returns how many were done when the server was gone, or all.
    ///
    /// # Errors
    /// A step gets no answer although the server is there.
    pub fn run_script(&self, steps: u32) -> Result<u32> {
        self.lock().begin_life();
        let done = AtomicU32::new(0);
        let rng = fastrand::Rng::with_seed(self.seed);
        let script = script::run(&self.url, &self.record, &self.topology, rng, steps, &done);
        self.until_it_is_gone(script).context("a step of the script got no answer")?;
        Ok(done.into_inner())
    }

    /// One script more: some messages that are kept stand among many that are done with, until
    /// `moved` says that the server has moved what is left. Whether it came to that, and was not
    /// ended before.
    ///
    /// # Errors
    /// A step gets no answer, or nothing is moved, although the server is there.
    pub fn run_moving(&self, moved: impl Fn() -> bool) -> Result<bool> {
        self.lock().begin_life();
        let done = AtomicU32::new(0);
        let script = async {
            let script = script::run_moving(&self.url, &self.record, &self.topology, moved);
            done.store(u32::from(script.await.is_ok()), Relaxed);
        };
        self.until_it_is_gone(script).context("nothing was moved")?;
        Ok(done.into_inner() == 1)
    }

    /// Publishes persistent messages, each after the confirm of the one before, until the
    /// connection breaks; returns how many were confirmed. Publishes none before their queues are
    /// declared: what goes nowhere is confirmed without a sync.
    ///
    /// # Errors
    /// No confirm comes although the server is there.
    pub fn publish_one_by_one(&self) -> Result<u64> {
        if !lock(&self.topology).is_fixed {
            return Ok(0);
        }
        let before = self.confirmed();
        self.lock().begin_life();
        let publishing = script::publish_one_by_one(&self.url, &self.record);
        self.until_it_is_gone(publishing).context("a publish got no confirm")?;
        Ok(self.confirmed() - before)
    }

    /// Runs a client to its end, or until nobody listens any more: a client library may miss that
    /// its connection was reset, and wait for ever.
    fn until_it_is_gone(&self, client: impl Future<Output = ()>) -> Result<()> {
        self.runtime.block_on(async {
            tokio::select! {
                ended = timeout(PATIENCE, client) => ended.context("and the server is there"),
                () = client::gone(&self.url) => Ok(()),
            }
        })
    }

    /// Compares the restarted server with the record: the topology, and the queue that is worked
    /// on, which is emptied; with `kept` also the other one. What is wrong is taken as it is from
    /// then on.
    ///
    /// # Errors
    /// The server does not do what it is asked.
    pub fn check(&self, kept: bool) -> Result<Verdict> {
        self.lock().begin_life();
        self.compare(kept, true)
    }

    /// As [`Load::check`] with `kept`, of a server that was not restarted. Its other clients must
    /// have disconnected.
    ///
    /// # Errors
    /// As [`Load::check`].
    pub fn check_again(&self) -> Result<Verdict> {
        self.compare(true, false)
    }

    fn compare(&self, kept: bool, restarted: bool) -> Result<Verdict> {
        let queues: &[&'static str] = if kept { &[WORKED, KEPT] } else { &[WORKED] };
        let verdict = self.runtime.block_on(async {
            let mut verdict = topology::check(&self.url, &self.topology, restarted).await?;
            for queue in queues {
                timeout(PATIENCE, drain::drain(&self.url, queue, &self.record))
                    .await
                    .with_context(|| {
                        format!("{queue} could not be emptied within {PATIENCE:?}")
                    })??;
            }
            drain::make_durable(&self.url).await?;
            let mut record = self.lock();
            queues.iter().for_each(|queue| record.close(queue));
            verdict.0.append(&mut record.verdict.0);
            anyhow::Ok(verdict)
        })?;
        Ok(verdict)
    }

    /// How many messages were confirmed so far.
    pub fn confirmed(&self) -> u64 {
        self.lock().confirmed
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        lock(&self.record)
    }
}

/// A panic elsewhere is reported there.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An answer of the server that came although it should have been refused, or the other way round.
fn unexpected<T>(what: &str, answer: impl fmt::Debug) -> Result<T> {
    bail!("{what}: the server answered {answer:?}")
}
