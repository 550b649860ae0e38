//! The broker: its virtual hosts, its journal, and who waits for the disk. What administrators
//! change is in the modules below.

mod parameters;
mod permissions;
mod policies;
mod virtual_hosts;

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    sync::{
        Arc, Mutex, RwLock,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

use bytestring::ByteString;
use journal::{AttachmentWriter, Disk, Journal, Position};

use crate::{
    Clock, Error, Mailbox, Properties, Queue, QueueChurn, QueueCounters, SystemClock, Timestamp,
    VirtualHost,
    authorize::Authority,
    backlog::BacklogSizes,
    compaction::Compaction,
    connection::ConnectionId,
    error::Kind,
    index::Checkpoint,
    ledger::Ledger,
    limits::LEDGER_REWRITE_BYTES,
    policy::{PoliciesInForce, QueueType},
    properties::Opaque,
    recovery::{self, Recovered},
    store::Store,
    sync::{lock, read},
    virtual_host::Shared,
};

pub(crate) use parameters::GlobalParameters;

/// How a broker is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Bytes of queued messages in memory past which those that the journal has are let go of.
    pub paged_bytes_min: usize,
    /// Bytes of queued messages in memory past which publishers have to wait: what is left then
    /// cannot be let go of.
    pub memory_bytes_max: usize,
    /// What of a long queue stays in memory.
    pub backlog: BacklogSizes,
    /// The journal may be larger than twice what is alive in it by this many segments, before what
    /// is alive in the sparsest is copied forward.
    pub compaction_slack_segments: u32,
    /// Bytes that have to be free on the disk; with fewer, publishers have to wait.
    pub disk_free_bytes_min: u64,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// How to read and change a message's properties, which are the protocol's own.
    pub properties: Arc<dyn Properties>,
    /// How the message journal is set up.
    pub journal: journal::Options,
    /// The ledger is rewritten when it grew by this many bytes since it was last rewritten, and to
    /// four times what it was then.
    pub ledger_rewrite_bytes: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            paged_bytes_min: 8 * 1024 * 1024,
            memory_bytes_max: 1024 * 1024 * 1024,
            backlog: BacklogSizes::default(),
            compaction_slack_segments: 2,
            disk_free_bytes_min: 64 * 1024 * 1024,
            clock: Arc::new(SystemClock::default()),
            properties: Arc::new(Opaque),
            journal: journal::Options::default(),
            ledger_rewrite_bytes: LEDGER_REWRITE_BYTES,
        }
    }
}

/// The directories of a data directory.
#[derive(Clone)]
pub struct Disks {
    /// Messages and settlements.
    pub messages: Arc<dyn Disk>,
    /// The durable topology.
    pub ledger: Arc<dyn Disk>,
    /// Queue indexes and the checkpoint: a cache of the messages' journal.
    pub index: Arc<dyn Disk>,
}

/// A broker. Synchronous: whoever owns it drives [`Broker::commit`] in a loop of its own.
#[derive(Debug)]
pub struct Broker {
    vhosts: RwLock<BTreeMap<ByteString, Arc<VirtualHost>>>,
    store: Arc<Store>,
    ledger: Arc<Ledger>,
    authority: Arc<Authority>,
    policies: Arc<PoliciesInForce>,
    parameters: RwLock<Arc<GlobalParameters>>,
    connections: AtomicU64,
    /// The last commit found no space.
    is_disk_full: AtomicBool,
    /// The index found no space.
    is_index_full: AtomicBool,
    /// There is less space than [`Options::disk_free_bytes_min`].
    is_disk_low: AtomicBool,
    compaction: Compaction,
    waiting: Mutex<Vec<Arc<Mailbox>>>,
    /// Where the last checkpoint on the medium stands.
    checkpoint: Mutex<Option<Position>>,
}

impl Broker {
    /// A broker that forgets everything when it ends.
    pub fn in_memory(options: &Options) -> Broker {
        let store = Arc::new(Store::new(None, None, options));
        let ledger = Ledger::new(None, store.clone(), 1, options.ledger_rewrite_bytes);
        Broker::new(Recovered::nothing(ledger, store), options)
    }

    /// Opens a data directory: declares what was durable, and finds the messages that were not
    /// settled. The report is for the log.
    ///
    /// # Errors
    /// A journal cannot be read, or a program newer than this one wrote it.
    pub fn open(disks: &Disks, options: &Options) -> Result<(Broker, RecoveryReport), Error> {
        let (recovered, report) = recovery::recover(disks, options)?;
        Ok((Broker::new(recovered, options), report))
    }

    fn new(recovered: Recovered, options: &Options) -> Broker {
        let Recovered { ledger, store, vhosts, permissions, policies, parameters, checkpoint } =
            recovered;
        let compaction = Compaction::new(options.compaction_slack_segments);
        // What waited before the start may be due.
        store.alarm().set(store.now());
        let policies = Arc::new(PoliciesInForce::new(policies));
        let shared =
            Shared { ledger: ledger.clone(), store: store.clone(), policies: policies.clone() };
        let vhosts = vhosts.into_iter().map(|(name, settings, topology)| {
            let vhost = VirtualHost::new(name.clone(), settings, topology, shared.clone());
            vhost.refresh_policies();
            (name, vhost)
        });
        Broker {
            vhosts: RwLock::new(vhosts.collect()),
            store,
            ledger,
            authority: Arc::new(Authority::new(permissions)),
            policies,
            parameters: RwLock::new(Arc::new(parameters)),
            connections: AtomicU64::new(1),
            is_disk_full: AtomicBool::new(false),
            is_index_full: AtomicBool::new(false),
            is_disk_low: AtomicBool::new(false),
            compaction,
            waiting: Mutex::default(),
            checkpoint: Mutex::new(checkpoint),
        }
    }

    /// The virtual host of that name.
    ///
    /// # Errors
    /// [`Kind::NotAllowed`], as RabbitMQ says it.
    pub fn vhost(&self, name: &str) -> Result<Arc<VirtualHost>, Error> {
        let vhost = read(&self.vhosts).get(name).cloned();
        vhost.ok_or_else(|| Error::new(Kind::NotAllowed, format!("vhost {name} not found")))
    }

    /// The virtual hosts there are now, by name. `/` is always among them.
    pub fn vhosts(&self) -> Vec<Arc<VirtualHost>> {
        read(&self.vhosts).values().cloned().collect()
    }

    /// A number for a new connection.
    pub fn new_connection(&self) -> ConnectionId {
        ConnectionId(self.connections.fetch_add(1, Relaxed))
    }

    /// Wakes `mailbox` once, after the next commit.
    pub fn wake_after_commit(&self, mailbox: &Arc<Mailbox>) {
        if !mailbox.awaits_commit.swap(true, SeqCst) {
            lock(&self.waiting).push(mailbox.clone());
        }
    }

    /// Waits until there is something to commit, or the time is over.
    pub fn wait_pending(&self, timeout: Duration) -> bool {
        match self.store.journal() {
            Some(journal) => journal.wait_pending(timeout),
            None => {
                std::thread::sleep(timeout);
                false
            }
        }
    }

    /// Ends [`Broker::wait_due`], [`Broker::wait_over_budget`] and, where there is a journal,
    /// [`Broker::wait_pending`]: those that go on, or the next ones. Who waits there is to stop.
    pub fn wake_workers(&self) {
        if let Some(journal) = self.store.journal() {
            journal.wake();
        }
        self.store.wake();
    }

    /// Writes and syncs everything pending, and wakes who waits for it.
    ///
    /// # Errors
    /// [`Kind::DiskFull`]: it stays pending, publishers have to wait, and the next commit tries
    /// again. Anything else is for ever: nothing of this batch may be confirmed, and the process
    /// has to end.
    pub fn commit(&self) -> Result<(), Error> {
        self.commit_by(Journal::commit)
    }

    /// As [`Broker::commit`], but with an interval ([`Broker::sync_interval`]) it leaves the sync
    /// to a commit within it.
    ///
    /// # Errors
    /// As [`Broker::commit`].
    pub fn write(&self) -> Result<(), Error> {
        self.commit_by(Journal::write)
    }

    /// How long what was written may wait for its sync. None if it must not wait.
    pub fn sync_interval(&self) -> Option<Duration> {
        match self.store.journal()?.options().sync {
            journal::Sync::Always => None,
            journal::Sync::Interval(interval) => Some(interval),
        }
    }

    /// Waits until a delayed message is due, or the time is over; whether one is due.
    pub fn wait_due(&self, timeout: Duration) -> bool {
        self.store.alarm().wait(self.store.clock(), timeout)
    }

    /// Publishes the delayed messages that are due. To be called when [`Broker::wait_due`] says so,
    /// by one thread.
    ///
    /// # Errors
    /// The journal failed. On a full disk they wait on, and are tried again in a second.
    pub fn fire_due(&self) -> Result<(), Error> {
        self.store.alarm().take();
        self.vhosts().iter().try_for_each(|vhost| vhost.fire_due())
    }

    /// Makes room in the journal ahead of need, so that no commit has to wait for it. To be called
    /// by whoever commits.
    ///
    /// # Errors
    /// The journal failed. No space is no error yet.
    pub fn prepare(&self) -> Result<(), Error> {
        let Some(journal) = self.store.journal() else { return Ok(()) };
        match journal.prepare_next().and_then(|_| journal.fill_ahead()) {
            Err(error @ journal::Error::Failed(_)) => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The same, beside the commits: a part of it. Returns whether there is more to do.
    ///
    /// # Errors
    /// The journal failed.
    pub fn prepare_beside(&self) -> Result<bool, Error> {
        let journal = self.store.journal();
        Ok(journal.map_or(Ok(false), |journal| journal.fill_next())?)
    }

    fn commit_by(
        &self,
        commit: impl FnOnce(&Journal) -> Result<bool, journal::Error>,
    ) -> Result<(), Error> {
        self.ledger.check()?;
        if let Some(journal) = self.store.journal() {
            let result = commit(journal).map_err(Error::from);
            let is_full = matches!(&result, Err(error) if error.kind == Kind::DiskFull);
            let was_full = self.is_disk_full.swap(is_full, Relaxed);
            if is_full && !was_full {
                // Who waits for a confirm learns that it takes longer.
                self.wake_waiting();
            }
            result?;
        }
        self.wake_waiting();
        Ok(())
    }

    fn wake_waiting(&self) {
        // A stream shows nothing that a loss of power could take back.
        self.store.take_awaiting().iter().for_each(|stream| stream.committed());
        if let Some(journal) = self.store.journal() {
            self.store.depart(journal.durable_end());
        }
        for mailbox in std::mem::take(&mut *lock(&self.waiting)) {
            mailbox.wake_after_commit();
        }
    }

    /// Waits until messages take more memory than their budget, or the time is over; whether they
    /// do.
    pub fn wait_over_budget(&self, timeout: Duration) -> bool {
        self.store.wait_over_budget(timeout)
    }

    /// Lets go of messages in memory that the journal has, when they are over the budget; returns
    /// how many bytes that gave back. May go on beside [`Broker::tidy`].
    ///
    /// # Errors
    /// The disk failed.
    pub fn page_out(&self) -> Result<usize, Error> {
        match self.store.is_over_budget() {
            true => self.shrink_queues(true),
            false => Ok(0),
        }
    }

    /// Takes out messages whose time is over, and queues that nobody has used for long. To be
    /// called as often as that is to be noticed.
    ///
    /// # Errors
    /// The journal failed.
    pub fn tick(&self) -> Result<(), Error> {
        let now = self.store.now();
        self.store.ticking().iter().try_for_each(|queue| {
            queue.tick(now);
            match queue.home().filter(|_| queue.is_disused(now)) {
                Some(vhost) => vhost.delete_disused(queue),
                None => Ok(()),
            }
        })
    }

    /// What has to be done now and then, beside the commits: moves long queues to disk, gives
    /// back disk and the ledger's history, makes a checkpoint when it is time, and looks how much
    /// space there is. To be called four times a second, by one thread that need not be the one
    /// that commits: no commit waits for it.
    ///
    /// # Errors
    /// A journal failed.
    pub fn tidy(&self) -> Result<(), Error> {
        self.ledger.check()?;
        self.store.check()?;
        self.shrink_queues(self.store.is_over_budget())?;
        self.is_disk_low.store(self.store.is_disk_low(), Relaxed);
        if let Some(journal) = self.store.journal() {
            // Once a segment, so that a restart reads two at most; and when that gives back disk,
            // which only a checkpoint makes safe.
            let due = journal.end().segment() > self.checkpointed_in();
            if due || journal.has_dead_segments() {
                self.checkpoint()?;
            }
            if !self.is_disk_short() {
                let queues: Vec<Arc<Queue>> = self.durable_queues().collect();
                self.compaction.turn(&self.store, &queues, self.checkpointed_in())?;
            }
        }
        if self.ledger.wants_rewrite() {
            let _turn = self.ledger.turn();
            self.ledger.rewrite(&self.snapshot())?;
        }
        Ok(())
    }

    /// The journal's segment that the last checkpoint lies in.
    fn checkpointed_in(&self) -> u32 {
        lock(&self.checkpoint).map_or(0, Position::segment)
    }

    /// Writes down how the queues stand, so that a restart need not read what came before, and
    /// gives back the disk that nobody needs now.
    ///
    /// # Errors
    /// The disk failed. That it is full is none: the checkpoint before it is still good.
    pub fn checkpoint(&self) -> Result<(), Error> {
        let (Some(journal), Some(chunks)) = (self.store.journal(), self.store.chunks()) else {
            return Ok(());
        };
        // What it says is on disk before it says so. On a full disk that is not all.
        match journal.commit() {
            Ok(_) | Err(journal::Error::Full { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        if journal.durable_end().segment() == 0 {
            return Ok(());
        }
        let mut queues: Vec<Arc<Queue>> = self.durable_queues().collect();
        // The same queues are the same bytes.
        queues.sort_unstable_by_key(|queue| queue.id());
        let lost = self.store.lost();
        let (from, discarded, mut checkpoint) = self.store.between_publishes(|| {
            let from = journal.durable_end();
            // What came before that is accounted for here, settlements by transactions too.
            self.store.depart(from);
            let discarded = chunks.discarded();
            let next_queue_id = self.ledger.next_queue_id();
            let mut checkpoint = Checkpoint::start(from, next_queue_id, queues.len() + lost.len());
            queues.iter().for_each(|queue| queue.checkpoint(from).encode(&mut checkpoint));
            lost.iter().for_each(|queue| queue.encode(&mut checkpoint));
            (from, discarded, checkpoint)
        });
        Checkpoint::finish(&mut checkpoint);
        match chunks.commit(&checkpoint, &discarded) {
            Ok(()) => {
                *lock(&self.checkpoint) = Some(from);
                journal.reclaim_before(from)?;
                chunks.keep_reserve(checkpoint.len());
            }
            Err(error) if error.kind() == ErrorKind::StorageFull => {
                self.is_index_full.store(true, Relaxed);
                // An older checkpoint may need what everybody is done with now.
                if lock(&self.checkpoint).is_none() {
                    journal.reclaim()?;
                }
            }
            Err(error) => return Err(self.fail(&format!("a checkpoint: {error}"))),
        }
        Ok(())
    }

    /// Ends all: the disk did not take what it was given, or did not say that it had it.
    fn fail(&self, what: &str) -> Error {
        match self.store.journal() {
            Some(journal) => journal.stop(&format!("the disk failed to take {what}")).into(),
            None => Error::new(Kind::Internal, what),
        }
    }

    /// Faults that nobody was told of, for the log.
    pub fn reports(&self) -> Vec<Error> {
        self.store.reports()
    }

    fn queues(&self) -> impl Iterator<Item = Arc<Queue>> {
        self.vhosts().into_iter().flat_map(|vhost| vhost.all_queues())
    }

    fn durable_queues(&self) -> impl Iterator<Item = Arc<Queue>> {
        self.queues().filter(|queue| queue.is_durable())
    }

    fn shrink_queues(&self, page_out: bool) -> Result<usize, Error> {
        // What space there is on a full disk is for a checkpoint, which gives back more.
        let may_spill = !self.is_disk_full.load(Relaxed);
        let (mut is_full, mut freed) = (false, 0);
        for queue in self.queues() {
            // Not while a checkpoint looks: it takes a chunk for what came before it as a whole.
            let _no_checkpoint = self.store.publishing();
            match queue.shrink(may_spill, page_out) {
                Ok(bytes) => freed += bytes,
                Err(error) if error.kind() == ErrorKind::StorageFull => is_full = true,
                Err(error) => {
                    return Err(self.fail(&format!("a part of queue '{}': {error}", queue.name())));
                }
            }
        }
        self.is_index_full.store(is_full, Relaxed);
        Ok(freed)
    }

    fn is_disk_short(&self) -> bool {
        let reasons = [&self.is_disk_full, &self.is_index_full, &self.is_disk_low];
        reasons.iter().any(|it| it.load(Relaxed))
    }

    /// Why publishers have to wait, if they have to; in RabbitMQ's words.
    pub fn blocked(&self) -> Option<&'static str> {
        match (self.store.is_exhausted(), self.is_disk_short()) {
            (false, false) => None,
            (true, false) => Some("low on memory"),
            (false, true) => Some("low on disk"),
            (true, true) => Some("low on memory & disk"),
        }
    }

    /// Bytes that are free on the disk; `None` where nobody can say.
    pub fn disk_free_bytes(&self) -> Option<u64> {
        self.store.journal().and_then(|journal| journal.free_bytes())
    }

    /// Bytes of messages that compaction copied since the start.
    pub fn copied_bytes(&self) -> u64 {
        self.compaction.copied_bytes()
    }

    /// Bytes that the messages' journal takes on disk, alive or not.
    pub fn journal_bytes(&self) -> u64 {
        self.store.journal().map_or(0, |journal| journal.size_bytes())
    }

    /// How queues came and went since the start.
    pub fn queue_churn(&self) -> QueueChurn {
        self.store.totals().churn()
    }

    /// What queues of that type counted that are gone.
    pub fn gone_queues(&self, queue_type: QueueType) -> QueueCounters {
        self.store.totals().gone(queue_type)
    }

    /// Whether what is published can be kept on disk.
    pub fn has_disk(&self) -> bool {
        self.store.journal().is_some()
    }

    /// Begins what of a large message is on disk before it is published: [`Message::rest`].
    ///
    /// # Errors
    /// There is no disk, or no space on it; the journal failed.
    pub fn attach(&self) -> Result<AttachmentWriter, Error> {
        self.store.attach()
    }

    /// The present moment, as messages' times are measured.
    pub fn now(&self) -> Timestamp {
        self.store.now()
    }

    /// Bytes that queued messages may hold in memory before publishers wait.
    pub fn memory_bytes_max(&self) -> usize {
        self.store.memory_bytes_max()
    }

    /// Bytes that have to be free on the disk, or publishers wait.
    pub fn disk_free_bytes_min(&self) -> u64 {
        self.store.disk_free_bytes_min()
    }

    /// Messages that could not be read back since the start. They are kept and not served.
    pub fn damaged_messages(&self) -> u64 {
        self.store.damaged()
    }

    /// Bytes that queued messages hold in memory.
    pub fn memory_bytes(&self) -> usize {
        self.store.held_bytes()
    }
}

impl Drop for Broker {
    /// Consumers and their queues refer to each other: neither would ever go.
    fn drop(&mut self) {
        self.queues().for_each(|queue| queue.drop_consumers());
        self.store.take_awaiting();
        self.store.forget_leaving();
    }
}

/// What a start found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Durable queues declared again.
    pub queues: usize,
    /// Messages that were not settled.
    pub messages: usize,
    /// What somebody has to look into: damage with file, offset and reason, and files that do not
    /// belong there; a line each. Empty when all is well.
    pub damage: Vec<String>,
    /// Bytes of a torn write that were cut off: never confirmed to anybody.
    pub torn_bytes: u64,
}

/// The virtual host that is always there.
pub(crate) const DEFAULT_VHOST: ByteString = ByteString::from_static("/");
