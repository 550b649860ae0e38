//! The HTTP server under the pages: takes connections, as many as it may, until it is told to
//! stop, and then lets them finish.

use std::{fmt, io, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::timeout,
};

use crate::{
    Error, Feed,
    guard::{Guard, Login},
    limits::{
        CONNECTIONS_MAX, DRAIN_WAIT, REQUEST_HEAD_BYTES_MAX, REQUEST_HEAD_WAIT, STREAMS_MAX,
        WRITE_STALL_MAX,
    },
    route::{Site, router},
    stall::Stall,
};

/// How the pages are served. The default is for a loopback address.
#[derive(Debug, Clone)]
pub struct Options {
    /// Names the pages answer to besides `localhost` and loopback addresses, without port: those
    /// of a proxy in front. Beyond loopback an empty list means any name.
    pub hosts: Vec<String>,
    /// Who may see the pages; `None` is everyone, and possible on loopback only.
    pub login: Option<Arc<dyn Login>>,
    /// Connections at once; further ones wait.
    pub connections_max: usize,
    /// Live pages at once; further ones are refused (503) and come again. Fewer than the
    /// connections, so that other requests always find one.
    pub streams_max: usize,
    /// What everybody who looks has to know, on top of the feed: plain text, one sentence or two.
    pub notice: Option<String>,
    /// What `/metrics` tells; without it there is no such page.
    pub metrics: Option<Arc<dyn Metrics>>,
}

/// Who knows what Prometheus is told.
pub trait Metrics: Send + Sync + fmt::Debug {
    /// All metrics, in Prometheus' text format 0.0.4.
    fn text(&self) -> String;
}

impl Default for Options {
    fn default() -> Options {
        Options {
            hosts: Vec::new(),
            login: None,
            connections_max: CONNECTIONS_MAX,
            streams_max: STREAMS_MAX,
            notice: None,
            metrics: None,
        }
    }
}

/// Serves the pages of `feed` until `shutdown` is ready; then takes no more connections, ends
/// the live streams, and gives answers under way three seconds.
///
/// # Errors
/// [`Error::NoLogin`] for a listener beyond loopback without a login; [`Error::Listener`] when it
/// has no address.
pub async fn serve(
    listener: TcpListener,
    feed: Feed,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let address = listener.local_addr().map_err(Error::Listener)?;
    if !address.ip().is_loopback() && options.login.is_none() {
        return Err(Error::NoLogin(address));
    }
    let (stop, stopped) = watch::channel(false);
    let site = Site {
        feed,
        stop: stopped.clone(),
        streams: Arc::new(Semaphore::new(options.streams_max)),
        notice: options.notice.map(Arc::from),
        metrics: options.metrics,
    };
    let router = router(site, Guard::new(address, &options.hosts, options.login));
    let slots = Arc::new(Semaphore::new(options.connections_max.max(1)));
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (accept(&listener).await, slot)
        };
        tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            (socket, slot) = next => {
                let connection = connection(socket, router.clone(), stopped.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(slot);
                });
            }
        }
    }
    drop(listener);
    stop.send_replace(true);
    let drained = timeout(DRAIN_WAIT, async { while connections.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::warn!(left = connections.len(), "HTTP connections did not finish in time");
        connections.shutdown().await;
    }
    Ok(())
}

/// The next connection. A failure is of that connection, or of a process out of descriptors,
/// which passes; the listener itself does not break.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => return socket,
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "an HTTP connection could not be accepted");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn connection(socket: TcpStream, router: Router, mut stopped: watch::Receiver<bool>) {
    // Live rows are small writes that should not wait for one another.
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY");
    }
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(REQUEST_HEAD_WAIT)
        .max_buf_size(REQUEST_HEAD_BYTES_MAX);
    let socket = TokioIo::new(Stall::new(socket, WRITE_STALL_MAX));
    let mut connection = pin!(http.serve_connection(socket, TowerToHyperService::new(router)));
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

const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
