//! The agent: takes events over, keeps them on disk, and delivers them to the bus, in order, with
//! confirms, across any outage.

use std::{
    future::Future,
    path::PathBuf,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use event::{Registry, SigningKey};
use tokio::sync::watch;
use tracing::{debug, error, info, warn};

use crate::{
    BusUrl, Error, Publisher, Spool,
    agent_socket::AgentSocket,
    delivery_lock::{DeliveryLock, Of},
    limits::{LOCK_POLL, OUTBOX_SYNC_POLL},
    outbox::{Outbox, OutboxStore},
    round::Round,
    spool_store::SpoolStore,
    spool_watch::SpoolWatch,
};

/// Where an agent takes events over, and how it keeps them.
#[derive(Debug, Clone)]
pub struct Reception {
    /// The Unix socket.
    pub socket: PathBuf,
    /// Whether somebody named it. One that nobody named and that another agent has, or that cannot
    /// be made, is left out with a warning.
    pub is_named: bool,
    /// The socket's mode: who may write it may publish. `0o660`: the agent's user and group.
    pub mode: u32,
    /// When an event counts as on disk.
    pub sync: journal::Sync,
    /// What completes and checks events that came without their schema.
    pub registry: Registry,
}

/// Delivers one spool to one bus. Of all agents of a spool, in whatever process, one delivers it,
/// and one has the socket and what comes by it.
#[derive(Debug)]
pub struct Agent {
    spool: Spool,
    bus: BusUrl,
    app: String,
    reception: Option<Reception>,
    key: Option<Arc<SigningKey>>,
}

impl Agent {
    /// An agent for one spool and one bus. Connects when there is something to deliver.
    pub fn new(spool: Spool, bus: BusUrl, app: &str) -> Agent {
        Agent { spool, bus, app: app.to_owned(), reception: None, key: None }
    }

    /// Takes events over at a socket as well.
    #[must_use]
    pub fn receiving(self, reception: Reception) -> Agent {
        Agent { reception: Some(reception), ..self }
    }

    /// Signs with this key what nobody has signed: what comes by the socket when it is taken over,
    /// what is in the spool when it is delivered.
    #[must_use]
    pub fn signing(self, key: impl Into<Option<SigningKey>>) -> Agent {
        Agent { key: key.into().map(Arc::new), ..self }
    }

    /// Delivers for ever: waits for events, and for the bus. While another process delivers this
    /// spool, stands by.
    ///
    /// # Errors
    /// The spool's directory cannot be read, the outbox's disk fails, or a socket that was named
    /// cannot be made.
    pub async fn run(self) -> Result<(), Error> {
        self.run_after(std::future::ready(())).await
    }

    /// As [`Agent::run`], but delivers nothing before `ready`; what is handed over is taken.
    ///
    /// # Errors
    /// As [`Agent::run`].
    pub async fn run_after(self, ready: impl Future<Output = ()>) -> Result<(), Error> {
        let publisher = Publisher::unconnected(&self.bus, &self.app);
        let (is_ready, mut spool_ready) = watch::channel(false);
        let mut outbox_ready = spool_ready.clone();
        let spool = async {
            told(&mut spool_ready).await;
            self.deliver_spool(publisher.clone()).await
        };
        let outbox = async {
            match &self.reception {
                None => std::future::pending().await,
                Some(reception) => {
                    self.receive(reception, publisher.clone(), &mut outbox_ready).await
                }
            }
        };
        let ready = async {
            ready.await;
            is_ready.send_replace(true);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            ended = spool => ended,
            ended = outbox => ended,
            () = ready => Ok(()),
        }
    }

    /// Takes events over, and delivers them once it is ready.
    async fn receive(
        &self,
        reception: &Reception,
        publisher: Publisher,
        ready: &mut watch::Receiver<bool>,
    ) -> Result<(), Error> {
        let lock = self.wait_for_lock(Of::Outbox).await?;
        let outbox = self.outbox(reception.sync, lock).await?;
        let _socket = listen(reception, &outbox, self.key.clone())?;
        let deliver = async {
            told(ready).await;
            self.deliver_outbox(outbox.clone(), publisher).await
        };
        tokio::select! {
            ended = deliver => ended,
            ended = sync(&outbox) => ended,
        }
    }

    /// Delivers until spool and outbox are empty, waiting for the bus with back-off; returns at
    /// once when another process delivers this spool.
    ///
    /// # Errors
    /// As [`Agent::run`].
    pub async fn run_until_empty(self) -> Result<(), Error> {
        let publisher = Publisher::unconnected(&self.bus, &self.app);
        let mut round = self.spool_round(publisher.clone());
        let mut is_alone = true;
        // A batch may come after the holder saw the spool empty and before it let go of the lock;
        // whoever handed it over found the lock held and went. So the holder looks once more
        // without the lock.
        while round.store.has_work()? {
            match DeliveryLock::try_acquire(&self.spool, Of::Spool)? {
                Ok(lock) => {
                    round.deliver_until_empty().await?;
                    lock.release();
                }
                Err(pid) => {
                    debug!(pid, "another process delivers this spool");
                    is_alone = false;
                    break;
                }
            }
        }
        // Of an agent that ended before it had delivered. Who is beside others, as with every push
        // while the bus is away, leaves it to them.
        if is_alone
            && Outbox::is_in(&self.spool)
            && let Ok(lock) = DeliveryLock::try_acquire(&self.spool, Of::Outbox)?
        {
            let outbox = self.outbox(journal::Sync::Always, lock).await?;
            self.outbox_round(outbox, publisher.clone()).deliver_until_empty().await?;
        }
        publisher.close().await;
        Ok(())
    }

    async fn outbox(&self, sync: journal::Sync, lock: DeliveryLock) -> Result<Arc<Outbox>, Error> {
        let (spool, size_bytes_max) = (self.spool.clone(), self.spool.size_bytes_max());
        let directory = self.spool.directory().to_owned();
        let opened =
            tokio::task::spawn_blocking(move || Outbox::open(&spool, size_bytes_max, sync, lock));
        match opened.await {
            Ok(opened) => opened.map(Arc::new),
            Err(error) => Err(Error::Outbox { directory, reason: error.to_string() }),
        }
    }

    fn spool_round(&self, publisher: Publisher) -> Round<SpoolStore> {
        let who = format!("agent of spool {}", self.spool.directory().display());
        Round::new(SpoolStore::new(self.spool.clone(), self.key.clone()), publisher, who)
    }

    fn outbox_round(&self, outbox: Arc<Outbox>, publisher: Publisher) -> Round<OutboxStore> {
        let who = format!("agent of outbox {}", outbox.directory().display());
        Round::new(OutboxStore::new(outbox, self.spool.clone()), publisher, who)
    }

    async fn deliver_spool(&self, publisher: Publisher) -> Result<(), Error> {
        let _lock = self.wait_for_lock(Of::Spool).await?;
        let mut round = self.spool_round(publisher);
        let mut watch = SpoolWatch::new(self.spool.directory());
        loop {
            round.deliver_until_empty().await?;
            watch.wait().await;
        }
    }

    async fn deliver_outbox(&self, outbox: Arc<Outbox>, publisher: Publisher) -> Result<(), Error> {
        let mut round = self.outbox_round(outbox.clone(), publisher).gathering();
        loop {
            round.deliver_until_empty().await?;
            outbox.came.notified().await;
        }
    }

    async fn wait_for_lock(&self, of: Of) -> Result<DeliveryLock, Error> {
        let mut said = false;
        loop {
            match DeliveryLock::try_acquire(&self.spool, of)? {
                Ok(lock) => return Ok(lock),
                Err(pid) if !said => {
                    info!(pid, spool = %self.spool.directory().display(), ?of, "another process has it; standing by");
                    said = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(LOCK_POLL).await;
        }
    }
}

/// Until it is said, or nobody is left to say it.
async fn told(flag: &mut watch::Receiver<bool>) {
    let _ = flag.wait_for(|told| *told).await;
}

fn listen(
    reception: &Reception,
    outbox: &Arc<Outbox>,
    key: Option<Arc<SigningKey>>,
) -> Result<Option<AgentSocket>, Error> {
    let Reception { socket, mode, registry, .. } = reception;
    match AgentSocket::listen(socket, *mode, outbox.clone(), registry.clone(), key) {
        Ok(listening) => Ok(Some(listening)),
        Err(error) if reception.is_named => Err(error),
        Err(error) => {
            warn!(%error, "the agent goes without a socket; events come by the spool only");
            Ok(None)
        }
    }
}

/// Puts what was written on the medium, on a thread of its own. Ends when the disk fails.
async fn sync(outbox: &Arc<Outbox>) -> Result<(), Error> {
    let (tell, told) = tokio::sync::oneshot::channel();
    let interval = outbox.sync_interval().unwrap_or(OUTBOX_SYNC_POLL);
    // Cancelled, it takes the thread along.
    let going = Arc::new(AtomicBool::new(true));
    let _stop = Stop(going.clone());
    let directory = outbox.directory().to_owned();
    let outbox: Weak<Outbox> = Arc::downgrade(outbox);
    std::thread::Builder::new()
        .name("agent sync".to_owned())
        .spawn(move || {
            let mut slept = Duration::ZERO;
            while going.load(Ordering::SeqCst) {
                let pause = OUTBOX_SYNC_POLL.min(interval);
                std::thread::sleep(pause);
                slept += pause;
                if slept < interval {
                    continue;
                }
                slept = Duration::ZERO;
                let Some(outbox) = outbox.upgrade() else { return };
                if let Err(failed) = outbox.sync() {
                    error!(error = %failed, "nothing more is taken over");
                    // Nobody waits when the agent ends anyway.
                    let _ = tell.send(failed);
                    return;
                }
            }
        })
        .map_err(|error| Error::Outbox {
            directory,
            reason: format!("there is no thread to sync it: {error}"),
        })?;
    match told.await {
        Ok(failed) => Err(failed),
        // The thread ends without a word only when there is no outbox any more.
        Err(_) => std::future::pending().await,
    }
}

struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}
