//! Does compaction harm who publishes? Publishers' latency from publish to confirm, on a real disk
//! and under a steady load, while compaction is idle and while it copies all through the
//! measurement; both, and their ratio. `cargo bench -p tubepost-broker --bench compaction`
//!
//! `-- --directory DIRECTORY --windows 15`: the directory must lie on the disk that is to be
//! measured (a tmpfs measures nothing), with 4 GB free. Two brokers, one whose journal is dense and
//! one whose journal is sparse, have the load in turn, two seconds each, so that both meet the same
//! machine; of each percentile the middle one of all windows counts. The threads are a server's:
//! one commits, one keeps house. The load is open-loop: what a slow commit holds up counts as late
//! from when it was due.
//!
//! A ratio of 1.5 is the most that may come of it at the 99th percentile: beyond it exits 1. If
//! compaction was busy where it was to be idle, or hardly copied where it was to be busy, that is
//! no measurement, and panics.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement prints, and may panic")]

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

use broker::{
    Broker, ConnectionId, Disks, Label, Mailbox, Message, Options, Position, Publish, Publisher,
    Queue, QueueDeclaration, Receipt, Return, Wake,
};
use journal::FileDisk;

/// Messages that wait before the load begins: larger than its own, so that they are soon made.
const KEPT_BYTES: usize = 16 * 1024;
/// 1.5 GB of them.
const KEPT: usize = 96 * 1024;
/// One in so many stays, and has to move.
const STAYS_ONE_IN: usize = 5;

/// The load: so many messages a second, each of this size, a few at a time.
const LOAD_PER_SECOND: u32 = 2000;
const LOAD_BYTES: usize = 1024;
const LOAD_AT_ONCE: u32 = 4;

/// Compaction that copied less in a second was not busy.
const BUSY_BYTES_MIN: u64 = 4 * 1024 * 1024;

const RATIO_MAX: f64 = 1.5;

const WINDOW: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let Given { directory, windows } = Given::read();
    let (dense, sparse) = (Scene::begin(&directory), Scene::begin(&directory));
    sparse.make_sparse();
    let begun = [&dense, &sparse].map(|it| it.broker.copied_bytes());
    let mut all = [Vec::new(), Vec::new()];
    for _ in 0..windows {
        for (scene, found) in [&dense, &sparse].into_iter().zip(&mut all) {
            found.push(percentiles(scene.measure(WINDOW)));
        }
    }
    let ended = [&dense, &sparse].map(|it| it.broker.copied_bytes());
    let (seconds, idle) = (WINDOW.as_secs() * windows, ended[0] - begun[0]);
    let copied = (ended[1] - begun[1]) / seconds;
    assert_eq!(idle, 0, "compaction was to be idle");
    assert!(copied >= BUSY_BYTES_MIN, "compaction was to be busy: it copied {copied} bytes/s");
    dense.end();
    sparse.end();
    let place = directory.display();
    println!("{LOAD_PER_SECOND} messages of {LOAD_BYTES} bytes a second, in {place};");
    println!("the middle of {windows} windows of {WINDOW:?} each, in milliseconds\n");
    println!("{:<40}{:>9}{:>9}{:>9}", "", "p50", "p99", "p99.9");
    let middle = all.map(|found| [0, 1, 2].map(|at| middle(&found, at)));
    let [idle, busy] = middle;
    let line = |what: String, [p50, p99, p999]: [f64; 3]| {
        println!("{what:<40}{p50:>9.2}{p99:>9.2}{p999:>9.2}");
    };
    line("compaction idle".to_owned(), idle);
    line(format!("compaction copies {:.1} MB/s", copied as f64 / 1e6), busy);
    let ratios = [0, 1, 2].map(|at| busy[at] / idle[at]);
    line("busy / idle".to_owned(), ratios);
    if ratios[1] > RATIO_MAX {
        println!("\nat the 99th percentile compaction costs more than {RATIO_MAX} times");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// The middle, 99 % and 99.9 %, in milliseconds.
fn percentiles(mut late: Vec<Duration>) -> [f64; 3] {
    late.sort_unstable();
    [0.5, 0.99, 0.999].map(|share| {
        let at = ((late.len() as f64 * share) as usize).min(late.len() - 1);
        late[at].as_secs_f64() * 1e3
    })
}

fn middle(windows: &[[f64; 3]], at: usize) -> f64 {
    let mut found: Vec<f64> = windows.iter().map(|it| it[at]).collect();
    found.sort_unstable_by(f64::total_cmp);
    found[found.len() / 2]
}

struct Given {
    directory: PathBuf,
    windows: u64,
}

impl Given {
    fn read() -> Given {
        let mut given = Given { directory: std::env::temp_dir(), windows: 15 };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--directory" => given.directory = words.next().unwrap().into(),
                "--windows" => given.windows = words.next().unwrap().parse().unwrap(),
                // cargo's own
                "--bench" => {}
                other => panic!("{other}: --directory or --windows"),
            }
        }
        given
    }
}

/// A broker on a disk, with a journal full of messages, and the threads that a server has for it.
struct Scene {
    directory: tempfile::TempDir,
    broker: Arc<Broker>,
    stop: Arc<AtomicBool>,
    /// Whether its housekeeper is at work: only while it is measured, or prepared for it.
    is_kept: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Scene {
    fn begin(below: &Path) -> Scene {
        let directory = tempfile::tempdir_in(below).unwrap();
        let disk = |name: &str| {
            let path = directory.path().join(name);
            std::fs::create_dir_all(&path).unwrap();
            Arc::new(FileDisk::open(path).unwrap())
        };
        let disks =
            Disks { messages: disk("messages"), ledger: disk("ledger"), index: disk("index") };
        let broker = Arc::new(Broker::open(&disks, &Options::default()).unwrap().0);
        let vhost = broker.vhost("/").unwrap();
        for name in ["kept", "load"] {
            let declaration = QueueDeclaration {
                name: name.into(),
                durable: true,
                exclusive: false,
                auto_delete: false,
                arguments: Default::default(),
            };
            vhost.declare_queue(declaration, ConnectionId(1), false).unwrap();
        }
        let stop = Arc::new(AtomicBool::new(false));
        let is_kept = Arc::new(AtomicBool::new(true));
        let kept = is_kept.clone();
        let mut scene = Scene { directory, broker, stop, is_kept, threads: Vec::new() };
        scene.spawn(|broker| {
            broker.wait_pending(Duration::from_millis(50));
            broker.commit().unwrap();
            broker.prepare().unwrap();
        });
        scene.spawn(move |broker| keep_house(broker, &kept));
        scene.fill();
        scene.is_kept.store(false, SeqCst);
        scene
    }

    fn spawn(&mut self, turn: impl Fn(&Broker) + Send + 'static) {
        let (broker, stop) = (self.broker.clone(), self.stop.clone());
        self.threads.push(thread::spawn(move || {
            while !stop.load(SeqCst) {
                turn(&broker);
            }
        }));
    }

    /// Messages that all wait: nothing of the journal can be given back.
    fn fill(&self) {
        let mut sender = Sender::new(&self.broker, "kept", KEPT_BYTES);
        for number in 0..KEPT / 64 {
            let last = sender.send(64).pop().unwrap();
            if number % 32 == 0 {
                wait_until(|| sender.publisher.is_durable(last));
            }
        }
        wait_until(|| self.broker.memory_bytes() < 32 << 20);
    }

    /// Most of them are settled, those that stay spread over all: until compaction has begun.
    fn make_sparse(&self) {
        self.is_kept.store(true, SeqCst);
        let queue = self.queue("kept");
        let mut entries = Vec::with_capacity(KEPT);
        while let Some((entry, _)) = queue.get().unwrap() {
            entries.push(entry);
        }
        let (stay, go): (Vec<_>, Vec<_>) =
            entries.into_iter().enumerate().partition(|(number, _)| number % STAYS_ONE_IN == 0);
        queue.requeue(stay.into_iter().map(|(_, entry)| entry), None, Return::Unsent);
        queue.settle(go.into_iter().map(|(_, entry)| entry), None).unwrap();
        wait_until(|| self.broker.copied_bytes() > 0);
        self.is_kept.store(false, SeqCst);
    }

    fn queue(&self, name: &str) -> Arc<Queue> {
        self.broker.vhost("/").unwrap().queue(name, ConnectionId(1)).unwrap()
    }

    /// The load for a while: how long after it was due each message was confirmed.
    fn measure(&self, seconds: Duration) -> Vec<Duration> {
        self.is_kept.store(true, SeqCst);
        let under_way = Mutex::<UnderWay>::default();
        let is_over = AtomicBool::new(false);
        let late = thread::scope(|scope| {
            let confirms = scope.spawn(|| self.confirm(&under_way, &is_over));
            scope.spawn(|| self.consume(&is_over));
            let mut sender = Sender::new(&self.broker, "load", LOAD_BYTES);
            let every = Duration::from_secs(1) * LOAD_AT_ONCE / LOAD_PER_SECOND;
            let begun = Instant::now();
            let mut due = begun;
            while due < begun + seconds {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                let positions = sender.send(LOAD_AT_ONCE as usize);
                under_way.lock().unwrap().extend(positions.into_iter().map(|it| (due, it)));
                confirms.thread().unpark();
                due += every;
            }
            is_over.store(true, SeqCst);
            confirms.thread().unpark();
            confirms.join().unwrap()
        });
        self.is_kept.store(false, SeqCst);
        late
    }

    /// Confirms in order, as a connection does: woken after a commit, until the load is over. How
    /// long after it was due each message was confirmed.
    fn confirm(&self, under_way: &Mutex<UnderWay>, is_over: &AtomicBool) -> Vec<Duration> {
        let publisher = Publisher::new(self.broker.vhost("/").unwrap());
        let mailbox = Mailbox::new(Unpark(thread::current()));
        let mut late = Vec::new();
        loop {
            let ends = is_over.load(SeqCst);
            // Before the look: a commit behind it wakes.
            self.broker.wake_after_commit(&mailbox);
            let mut under_way = under_way.lock().unwrap();
            while let Some((due, position)) = under_way.front()
                && publisher.is_durable(*position)
            {
                late.push(due.elapsed());
                under_way.pop_front();
            }
            if ends && under_way.is_empty() {
                return late;
            }
            drop(under_way);
            thread::park_timeout(Duration::from_millis(100));
        }
    }

    /// Whoever the load is for: it is done with as it comes.
    fn consume(&self, is_over: &AtomicBool) {
        let queue = self.queue("load");
        while !is_over.load(SeqCst) {
            let mut taken = Vec::new();
            while let Some((entry, _)) = queue.get().unwrap() {
                taken.push(entry);
            }
            queue.settle(taken, None).unwrap();
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn end(self) {
        self.stop.store(true, SeqCst);
        self.threads.into_iter().for_each(|it| it.join().unwrap());
        assert_eq!(self.broker.reports(), []);
        drop(self.broker);
        self.directory.close().unwrap();
    }
}

/// As the server's housekeeper does.
fn keep_house(broker: &Broker, is_kept: &AtomicBool) {
    for _ in 0..25 {
        thread::sleep(Duration::from_millis(10));
        if is_kept.load(SeqCst) {
            broker.page_out().unwrap();
        }
    }
    if is_kept.load(SeqCst) {
        broker.tidy().unwrap();
    }
}

fn wait_until(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not come to that");
        thread::sleep(Duration::from_millis(1));
    }
}

/// When each message was due, and where the journal has it; in order.
type UnderWay = VecDeque<(Instant, Position)>;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(&self) {
        self.0.unpark();
    }
}

/// Publishes messages of one size to one queue.
struct Sender {
    publisher: Publisher,
    message: Message,
}

impl Sender {
    fn new(broker: &Broker, queue: &str, bytes: usize) -> Sender {
        let message = Message::new(
            Label { routing_key: queue.into(), persistent: true, ..Label::default() },
            [vec![7; bytes].into()].into_iter().collect(),
        );
        Sender { publisher: Publisher::new(broker.vhost("/").unwrap()), message }
    }

    fn send(&mut self, count: usize) -> Vec<Position> {
        let Label { exchange, routing_key, .. } = &*self.message.label;
        let routes = self.publisher.route(exchange, routing_key, &()).unwrap();
        let publish = || Publish { message: self.message.clone(), routes: routes.clone() };
        let mut batch: Vec<Publish> = (0..count).map(|_| publish()).collect();
        let mut receipts = Vec::new();
        self.publisher.publish(&mut batch, &mut receipts).unwrap();
        let at = |receipt| match receipt {
            Receipt::At(position) => position,
            other => panic!("{other:?}"),
        };
        receipts.into_iter().map(at).collect()
    }
}
