//! Takes connections, and lets them finish at the end.

use std::{io, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::{Request, body::Incoming, server::conn::http1, service::Service};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::timeout,
};

use crate::{Peer, Socket, stall::Stall};

/// What one connection may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a request's head. hyper wants at least 8 KiB.
    pub head_bytes_max: usize,
    /// A request's head must be here by then; also how long an idle connection is kept.
    pub head_wait: Duration,
    /// A peer that takes no byte of an answer for so long is dropped.
    pub write_stall_max: Duration,
    /// After being told to stop, connections have so long to finish.
    pub drain_wait: Duration,
}

/// Serves what `accept` brings, each connection with the router for it and in one of the `slots`,
/// until `shutdown` is ready. Then it says so by `stop`, lets connections finish what is under way,
/// and ends those that do not. Each request has its [`Peer`] among its extensions. A connection
/// that became a WebSocket is no longer one of these.
pub async fn serve<A>(
    accept: impl Fn() -> A,
    slots: Arc<Semaphore>,
    limits: Limits,
    stop: watch::Sender<bool>,
    shutdown: impl Future<Output = ()>,
) where
    A: Future<Output = io::Result<(Socket, Router)>>,
{
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (accept().await, slot)
        };
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            (accepted, slot) = next => match accepted {
                Ok((socket, router)) => {
                    let connection = connection(socket, router, limits, stop.subscribe());
                    connections.spawn(async move {
                        connection.await;
                        drop(slot);
                    });
                }
                Err(error) if is_of_the_peer(&error) => {}
                // No file descriptors, which passes; the listener itself does not break.
                Err(error) => {
                    tracing::warn!(%error, "an HTTP connection could not be accepted");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }
    // The listener goes, so that whoever comes now learns at once.
    drop(accept);
    stop.send_replace(true);
    let finish = async { while connections.join_next().await.is_some() {} };
    if timeout(limits.drain_wait, finish).await.is_err() {
        tracing::warn!(left = connections.len(), "HTTP connections did not finish in time");
        connections.shutdown().await;
    }
}

fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn connection(
    socket: Socket,
    router: Router,
    limits: Limits,
    mut stopped: watch::Receiver<bool>,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head_wait)
        .max_buf_size(limits.head_bytes_max);
    let service = FromPeer { peer: socket.peer(), inner: TowerToHyperService::new(router) };
    let socket = TokioIo::new(Stall::new(socket, limits.write_stall_max));
    let mut connection = pin!(http.serve_connection(socket, service).with_upgrades());
    let told_to_stop = async { drop(stopped.wait_for(|stopped| *stopped).await) };
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = told_to_stop => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}

/// Says with each request from where it comes.
struct FromPeer<S> {
    peer: Peer,
    inner: S,
}

impl<S: Service<Request<Incoming>>> Service<Request<Incoming>> for FromPeer<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn call(&self, mut request: Request<Incoming>) -> S::Future {
        request.extensions_mut().insert(self.peer);
        self.inner.call(request)
    }
}

/// After a failed accept.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
