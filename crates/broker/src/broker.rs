//! The broker: its virtual hosts, its journal, and who waits for the disk.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

use bytestring::ByteString;
use journal::{Disk, Journal};

use crate::{
    Error, Mailbox, VirtualHost,
    connection::ConnectionId,
    error::Kind,
    ledger::Ledger,
    limits::LEDGER_REWRITE_BYTES,
    recovery::{self, Recovered},
    store::Store,
    sync::lock,
};

/// How a broker is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Bytes of queued messages in memory past which those that the journal has are let go of.
    /// At twice this, publishers have to wait.
    pub memory_bytes_max: usize,
    /// How the message journal is set up.
    pub journal: journal::Options,
    /// The ledger is rewritten when it grew by this many bytes since it was last rewritten, and to
    /// four times what it was then.
    pub ledger_rewrite_bytes: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            memory_bytes_max: 256 * 1024 * 1024,
            journal: journal::Options::default(),
            ledger_rewrite_bytes: LEDGER_REWRITE_BYTES,
        }
    }
}

/// The two journals of a data directory.
#[derive(Clone)]
pub struct Disks {
    /// Messages and settlements.
    pub messages: Arc<dyn Disk>,
    /// The durable topology.
    pub ledger: Arc<dyn Disk>,
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
}

impl Broker {
    /// A broker that forgets everything when it ends.
    pub fn in_memory(options: &Options) -> Broker {
        let store = Arc::new(Store::new(None, options.memory_bytes_max));
        let ledger = Ledger::new(None, store.clone(), 1, options.ledger_rewrite_bytes);
        Broker::new(Recovered::nothing(ledger, store))
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

    /// Makes room in the journal ahead of need, so that no commit has to wait for it.
    ///
    /// # Errors
    /// The journal failed. No space is no error yet.
    pub fn prepare(&self) -> Result<(), Error> {
        match self.store.journal().map_or(Ok(false), |journal| journal.prepare_next()) {
            Err(error @ journal::Error::Failed(_)) => Err(error.into()),
            _ => Ok(()),
        }
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
        for mailbox in std::mem::take(&mut *lock(&self.waiting)) {
            mailbox.wake_after_commit();
        }
    }

    /// What has to be done now and then, beside the commits: gives back disk, memory and the
    /// ledger's history.
    ///
    /// # Errors
    /// A journal failed.
    pub fn tidy(&self) -> Result<(), Error> {
        self.ledger.check()?;
        if let Some(journal) = self.store.journal() {
            journal.reclaim()?;
        }
        if self.store.is_over_budget() {
            for queue in self.vhosts.iter().flat_map(|vhost| vhost.queues()) {
                queue.page_out();
            }
        }
        if self.ledger.wants_rewrite() {
            let _turn = self.ledger.turn();
            let mut changes = Vec::new();
            self.vhosts.iter().for_each(|vhost| vhost.snapshot(&mut changes));
            self.ledger.snapshot(&mut changes);
            self.ledger.rewrite(&changes)?;
        }
        Ok(())
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

/// The virtual host that is always there.
pub(crate) const DEFAULT_VHOST: ByteString = ByteString::from_static("/");
