//! The broker: its virtual hosts, its journal, and who waits for the disk.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{
            AtomicBool, AtomicU32, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

use bytestring::ByteString;
use journal::Disk;

use crate::{
    Error, Mailbox, Queue, VirtualHost,
    connection::ConnectionId,
    error::Kind,
    index::Checkpoint,
    ledger::{Change, Ledger},
    recovery::{self, Recovered},
    store::Store,
    sync::lock,
};

/// How a broker is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Bytes of queued messages in memory past which those that the journal has are let go of.
    pub paged_bytes_min: usize,
    /// Bytes of queued messages in memory past which publishers have to wait: what is left then
    /// cannot be let go of.
    pub memory_bytes_max: usize,
    /// How the message journal is set up.
    pub journal: journal::Options,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            paged_bytes_min: 16 * 1024 * 1024,
            memory_bytes_max: 1024 * 1024 * 1024,
            journal: journal::Options::default(),
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
    vhosts: Vec<Arc<VirtualHost>>,
    store: Arc<Store>,
    ledger: Arc<Ledger>,
    connections: AtomicU64,
    /// The last commit found no space.
    is_disk_full: AtomicBool,
    waiting: Mutex<Vec<Arc<Mailbox>>>,
    /// The journal's segment that the last checkpoint lies in.
    checkpointed_in: AtomicU32,
    /// How often [`Broker::tidy`] was called.
    tidied: AtomicU32,
}

impl Broker {
    /// A broker that forgets everything when it ends.
    pub fn in_memory(options: &Options) -> Broker {
        let store = Arc::new(Store::new(None, None, options));
        Broker::new(Recovered::nothing(Ledger::new(None, 1), store))
    }

    /// Opens a data directory: declares what was durable, and finds the messages that were not
    /// settled. The report is for the log.
    ///
    /// # Errors
    /// A journal cannot be read, or a program newer than this one wrote it.
    pub fn open(disks: &Disks, options: &Options) -> Result<(Broker, RecoveryReport), Error> {
        let (recovered, report) = recovery::recover(disks, options)?;
        Ok((Broker::new(recovered), report))
    }

    fn new(recovered: Recovered) -> Broker {
        let Recovered { ledger, store, topologies } = recovered;
        let vhosts = topologies
            .into_iter()
            .map(|(name, topology)| {
                Arc::new(VirtualHost::new(name, topology, ledger.clone(), store.clone()))
            })
            .collect();
        Broker {
            vhosts,
            store,
            ledger,
            connections: AtomicU64::new(1),
            is_disk_full: AtomicBool::new(false),
            waiting: Mutex::default(),
            checkpointed_in: AtomicU32::new(0),
            tidied: AtomicU32::new(1),
        }
    }

    /// The virtual host of that name.
    ///
    /// # Errors
    /// [`Kind::NotAllowed`], as RabbitMQ says it.
    pub fn vhost(&self, name: &str) -> Result<Arc<VirtualHost>, Error> {
        self.vhosts
            .iter()
            .find(|vhost| vhost.name() == name)
            .cloned()
            .ok_or_else(|| Error::new(Kind::NotAllowed, format!("vhost {name} not found")))
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

    /// Writes and syncs everything pending, and wakes who waits for it.
    ///
    /// # Errors
    /// [`Kind::DiskFull`]: it stays pending, publishers have to wait, and the next commit tries
    /// again. Anything else is for ever: nothing of this batch may be confirmed, and the process
    /// has to end.
    pub fn commit(&self) -> Result<(), Error> {
        if let Some(journal) = self.store.journal() {
            let result = journal.commit().map_err(Error::from);
            let is_full = matches!(&result, Err(error) if error.kind == Kind::DiskFull);
            self.is_disk_full.store(is_full, Relaxed);
            result?;
        }
        for mailbox in std::mem::take(&mut *lock(&self.waiting)) {
            mailbox.wake_after_commit();
        }
        Ok(())
    }

    /// Lets go of messages in memory that the journal has, when they are over the budget.
    pub fn page_out(&self) {
        if self.store.is_over_budget() {
            self.shrink_queues(true);
        }
    }

    /// What has to be done now and then, beside the commits: moves long queues to disk, gives
    /// back disk and the ledger's history, and makes a checkpoint when it is time.
    ///
    /// # Errors
    /// A journal failed.
    pub fn tidy(&self) -> Result<(), Error> {
        self.shrink_queues(self.store.is_over_budget());
        if let Some(journal) = self.store.journal() {
            // Once a segment, so that a restart reads two at most; and sooner when that gives
            // back disk, which only a checkpoint makes safe.
            let due = journal.end().segment() > self.checkpointed_in.load(Relaxed);
            let tidied = self.tidied.fetch_add(1, Relaxed);
            if due || (tidied.is_multiple_of(DEAD_SEGMENTS_EVERY) && journal.has_dead_segments()) {
                self.checkpoint()?;
            }
        }
        if self.ledger.wants_rewrite() {
            let _turn = self.ledger.turn();
            let mut changes = vec![Change::QueueIds { next: self.ledger.next_queue_id() }];
            self.vhosts.iter().for_each(|vhost| vhost.snapshot(&mut changes));
            self.ledger.rewrite(&changes)?;
        }
        Ok(())
    }

    /// Writes down how the queues stand, so that a restart need not read what came before.
    ///
    /// # Errors
    /// The journal failed. An index that cannot be written is a report, not an error: the
    /// checkpoint before it is still good.
    pub fn checkpoint(&self) -> Result<(), Error> {
        let (Some(journal), Some(chunks)) = (self.store.journal(), self.store.chunks()) else {
            return Ok(());
        };
        let queues: Vec<Arc<Queue>> = self.queues().filter(|queue| queue.is_durable()).collect();
        let (from, discarded, mut checkpoint) = self.store.between_publishes(|| {
            let from = journal.end();
            let discarded = chunks.discarded();
            let mut checkpoint = Checkpoint::start(from, queues.len());
            queues.iter().for_each(|queue| queue.checkpoint().encode(&mut checkpoint));
            (from, discarded, checkpoint)
        });
        // What it says is on disk before it says so.
        journal.commit()?;
        Checkpoint::finish(&mut checkpoint);
        self.checkpointed_in.store(from.segment(), Relaxed);
        match chunks.commit(&checkpoint, &discarded) {
            Ok(()) => drop(journal.reclaim()?),
            Err(error) => self.store.report(Error::new(
                Kind::Internal,
                format!("no checkpoint could be written ({error}); the next start takes longer"),
            )),
        }
        Ok(())
    }

    /// Faults that nobody was told of, for the log.
    pub fn reports(&self) -> Vec<Error> {
        self.store.reports()
    }

    fn queues(&self) -> impl Iterator<Item = Arc<Queue>> {
        self.vhosts.iter().flat_map(|vhost| vhost.queues())
    }

    fn shrink_queues(&self, page_out: bool) {
        for queue in self.queues() {
            if let Err(error) = queue.shrink(page_out) {
                let text = format!("queue '{}' cannot move to disk: {error}", queue.name());
                return self.store.report(Error::new(Kind::Internal, text));
            }
        }
    }

    /// Why publishers have to wait, if they have to; in RabbitMQ's words.
    pub fn blocked(&self) -> Option<&'static str> {
        match (self.store.is_exhausted(), self.is_disk_full.load(Relaxed)) {
            (false, false) => None,
            (true, false) => Some("low on memory"),
            (false, true) => Some("low on disk"),
            (true, true) => Some("low on memory & disk"),
        }
    }

    /// Bytes that queued messages hold in memory.
    pub fn memory_bytes(&self) -> usize {
        self.store.held_bytes()
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

/// Calls of [`Broker::tidy`] between two looks for segments to delete.
const DEAD_SEGMENTS_EVERY: u32 = 8;

/// The virtual host that is always there.
pub(crate) const DEFAULT_VHOST: ByteString = ByteString::from_static("/");
