//! Accepting connections, and letting go of them in order.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use broker::Broker;
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinHandle,
};

use crate::{Config, Context, amqp091, committer::Committer};

/// A running server.
#[derive(Debug)]
pub struct Server {
    amqp: SocketAddr,
    accepting: JoinHandle<()>,
    drain: watch::Sender<bool>,
    failed: watch::Receiver<Option<String>>,
    connections: Arc<Semaphore>,
    connections_max: u32,
    committer: Committer,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or not one of this machine's.
    #[error("cannot listen for AMQP on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// No thread for the journal.
    #[error("cannot start the journal's thread: {0}")]
    Thread(std::io::Error),
}

impl Server {
    /// Listens and serves. Must run within a multi-threaded tokio runtime.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub fn start(
        config: Config,
        broker: Arc<Broker>,
        users: Arc<auth::Users>,
    ) -> Result<Server, StartError> {
        let listen = |source| StartError::Listen { address: config.amqp, source };
        let listener = bind(config.amqp).map_err(listen)?;
        let amqp = listener.local_addr().map_err(listen)?;
        let (drain, draining) = watch::channel(false);
        let (failure, failed) = watch::channel(None);
        let committer = Committer::start(broker.clone(), failure).map_err(StartError::Thread)?;
        let limit =
            config.limits.connections_max.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        let connections = Arc::new(Semaphore::new(limit));
        let context = Arc::new(Context {
            broker,
            users,
            limits: config.limits,
            cluster_name: config.cluster_name,
            drain: draining,
        });
        let accepting = tokio::spawn(accept(listener, context, connections.clone()));
        let connections_max = limit as u32;
        Ok(Server { amqp, accepting, drain, failed, connections, connections_max, committer })
    }

    /// Where it listens: the port that was chosen when the configured one was 0.
    pub fn amqp_address(&self) -> SocketAddr {
        self.amqp
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
        self.accepting.abort();
        self.drain.send_replace(true);
        let all = self.connections.acquire_many(self.connections_max);
        if tokio::time::timeout(patience, all).await.is_err() {
            tracing::warn!("some connections did not close within {patience:?}");
        }
        tokio::task::block_in_place(|| self.committer.stop());
    }
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restart must not wait for the old connections' TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(listener: TcpListener, context: Arc<Context>, connections: Arc<Semaphore>) {
    loop {
        // The place first: past the limit the peer waits in the backlog and harms nobody.
        let Ok(place) = connections.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((socket, peer)) => {
                // Deliveries are batched here already: waiting for more only delays them.
                if let Err(error) = socket.set_nodelay(true) {
                    tracing::debug!(%peer, "no TCP_NODELAY: {error}");
                }
                tokio::spawn(serve(socket, peer, context.clone(), place));
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
    peer: SocketAddr,
    context: Arc<Context>,
    place: OwnedSemaphorePermit,
) {
    amqp091::serve(socket, peer, context).await;
    drop(place);
}

/// Peers that wait for a place.
const BACKLOG: u32 = 1024;

/// After a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
