//! Accepting connections, and letting go of them in order.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use broker::Broker;
use tokio::{
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinHandle,
};

use crate::{
    Config, Connections, Context,
    amqp10::SuspendedLinks,
    committer,
    entrance::{self, Way},
    housekeeper, pager,
    revocation::{self, Rights},
    tls::Tls,
    websocket::WebSocketEntrance,
    worker::Worker,
};

/// A socket to accept connections on. It is bound already and does not block.
#[derive(Debug)]
pub enum Listener {
    /// For AMQP over TCP.
    Plain(std::net::TcpListener),
    /// For AMQP over TLS.
    Tls(std::net::TcpListener, Arc<Tls>),
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    accepting: Vec<JoinHandle<()>>,
    rights: JoinHandle<()>,
    drain: watch::Sender<bool>,
    failed: watch::Receiver<Option<String>>,
    websockets: WebSocketEntrance,
    connections: Arc<Semaphore>,
    open: Arc<Connections>,
    sockets_max: u32,
    broker: Arc<Broker>,
    committer: Worker,
    housekeeper: Worker,
    pager: Worker,
}

impl Server {
    /// Serves AMQP. Must run within a multi-threaded tokio runtime.
    ///
    /// # Errors
    /// A listener is not usable, or there is no thread for the journal.
    pub fn start(
        config: Config,
        broker: Arc<Broker>,
        users: Arc<auth::Users>,
        listeners: Vec<Listener>,
    ) -> std::io::Result<Server> {
        let listeners: Vec<(TcpListener, Way)> =
            listeners.into_iter().map(Listener::into_tokio).collect::<Result<_, _>>()?;
        if let Err(error) = revocation::forget_departed(&broker, &users) {
            // Until it can be done, nobody of those names is let in.
            tracing::error!("rights of deleted users cannot be taken back yet: {error}");
        }
        let (drain, draining) = watch::channel(false);
        let (changed, rights) = watch::channel(Rights::now(&broker, &users));
        let (failure, failed) = watch::channel(None);
        let committer = committer::start(broker.clone(), failure.clone())?;
        let housekeeper = housekeeper::start(broker.clone(), failure.clone())?;
        let pager = pager::start(broker.clone(), failure)?;
        let working = broker.clone();
        let limit = config.limits.connections_max.clamp(1, CONNECTIONS_MAX);
        let sockets = limit + (limit / 4).max(UNOPENED_MIN);
        let connections = Arc::new(Semaphore::new(sockets));
        let watching = tokio::spawn(revocation::watch(broker.clone(), users.clone(), changed));
        let open = Arc::<Connections>::default();
        let context = Arc::new(Context {
            connections: open.clone(),
            broker,
            users,
            rights,
            limits: config.limits,
            suspended: Arc::<SuspendedLinks>::default(),
            cluster_name: config.cluster_name,
            open: Arc::new(Semaphore::new(limit)),
            drain: draining,
        });
        let accepting = listeners
            .into_iter()
            .map(|(listener, way)| {
                tokio::spawn(accept(listener, way, context.clone(), connections.clone()))
            })
            .collect();
        let websockets = WebSocketEntrance { context, sockets: connections.clone() };
        let sockets_max = sockets as u32;
        Ok(Server {
            accepting,
            rights: watching,
            drain,
            failed,
            websockets,
            connections,
            open,
            sockets_max,
            broker: working,
            committer,
            housekeeper,
            pager,
        })
    }

    /// The open connections, for as long as anybody asks.
    pub fn connections(&self) -> &Arc<Connections> {
        &self.open
    }

    /// Where those come in who come over a WebSocket. After the server's end it lets nobody in.
    pub fn websockets(&self) -> &WebSocketEntrance {
        &self.websockets
    }

    /// Waits until the journal fails; the reason. Then nothing can be confirmed any more, and
    /// the process has to end.
    pub async fn failed(&self) -> String {
        let mut failed = self.failed.clone();
        loop {
            if let Some(reason) = failed.borrow_and_update().clone() {
                return reason;
            }
            if failed.changed().await.is_err() {
                // The journal's thread ended in order: it can no longer fail.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Stops accepting, closes every connection with 320, waits for them up to `patience`, and
    /// writes what is pending to disk.
    pub async fn stop(self, patience: Duration) {
        self.accepting.iter().for_each(JoinHandle::abort);
        self.rights.abort();
        self.drain.send_replace(true);
        let all = self.connections.acquire_many(self.sockets_max);
        if tokio::time::timeout(patience, all).await.is_err() {
            tracing::warn!("some connections did not close within {patience:?}");
        }
        tokio::task::block_in_place(|| {
            for worker in [self.pager, self.housekeeper, self.committer] {
                worker.stop(|| self.broker.wake_workers());
            }
        });
    }
}

impl Listener {
    fn into_tokio(self) -> std::io::Result<(TcpListener, Way)> {
        let (listener, way) = match self {
            Listener::Plain(listener) => (listener, Way::Plain),
            Listener::Tls(listener, tls) => (listener, Way::Tls(tls)),
        };
        Ok((TcpListener::from_std(listener)?, way))
    }
}

async fn accept(
    listener: TcpListener,
    way: Way,
    context: Arc<Context>,
    connections: Arc<Semaphore>,
) {
    loop {
        // The place first: past the limit the peer waits in the backlog and harms nobody.
        let Ok(place) = connections.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((socket, peer)) => {
                // Deliveries are batched here already: waiting for more only delays them.
                if let Err(error) = socket.set_nodelay(true) {
                    tracing::debug!(%peer, "no TCP_NODELAY: {error}");
                }
                tokio::spawn(serve(socket, way.clone(), peer, context.clone(), place));
            }
            Err(error) => {
                // No file descriptors, or a peer that was gone already: those who are here are
                // served, and the loop must not spin.
                tracing::warn!("a connection could not be accepted: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(
    socket: tokio::net::TcpStream,
    way: Way,
    peer: SocketAddr,
    context: Arc<Context>,
    place: OwnedSemaphorePermit,
) {
    entrance::serve(socket, way, peer, context).await;
    drop(place);
}

/// No configured limit is higher: file descriptors end before.
const CONNECTIONS_MAX: usize = 1 << 20;

/// Sockets that may be here beside the open connections, at least: so that the peers that never
/// open one do not keep out those that would, and there is somebody to tell that it is full.
const UNOPENED_MIN: usize = 64;

/// After a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
