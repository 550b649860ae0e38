//! The HTTP server under the API: takes connections of TCP and of a Unix socket, as many as it may,
//! until it is told to stop, and then lets them finish.

use std::{
    fs, io,
    net::SocketAddr,
    os::{fd::AsRawFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
};

use axum::{Router, extract::Request, response::Response};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rustix::{
    io::Errno,
    net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::{
    guard::{Door, answer},
    limits::{
        DRAIN_WAIT, REQUEST_HEAD_BYTES_MAX, REQUEST_HEAD_WAIT, SAMPLE_EVERY, WRITE_STALL_MAX,
    },
    site::{Management, Site},
    stall::Stall,
};

/// Why the API cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The listener has no address.
    #[error("the listener of the HTTP API is broken: {0}")]
    Listener(io::Error),
    /// The socket cannot be made.
    #[error("{}: the socket for commands cannot be made: {source}", .path.display())]
    Socket {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Management {
    /// Serves those who come by TCP until `shutdown` is ready.
    ///
    /// # Errors
    /// The listener has no address.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), Error> {
        let address = listener.local_addr().map_err(Error::Listener)?;
        self.accept(Listener::Tcp(listener, address), shutdown).await;
        Ok(())
    }

    /// Serves those who can open the socket at `path`, as the owner of the data, until `shutdown`
    /// is ready. Only the process' own user can open it. One that is left over is replaced; the
    /// caller knows that no other process serves there.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub async fn serve_socket(
        &self,
        path: &Path,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), Error> {
        let listener =
            bind_socket(path).map_err(|source| Error::Socket { path: path.to_owned(), source })?;
        self.accept(Listener::Socket(listener), shutdown).await;
        // A left-over is replaced by the next start.
        fs::remove_file(path).ok();
        Ok(())
    }

    /// Looks at all counts every five seconds until `shutdown` is ready.
    pub async fn watch(&self, shutdown: impl Future<Output = ()>) {
        let mut tick = interval(SAMPLE_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => return,
                _ = tick.tick() => {
                    let management = self.clone();
                    // It may walk over a hundred thousand queues.
                    drop(tokio::task::spawn_blocking(move || management.sample()).await);
                }
            }
        }
    }

    async fn accept(&self, listener: Listener, shutdown: impl Future<Output = ()>) {
        let (stop, stopped) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            let next = async {
                let slot = Arc::clone(&self.0.sockets).acquire_owned().await;
                (listener.accept().await, slot)
            };
            tokio::select! {
                () = &mut shutdown => break,
                Some(_) = connections.join_next() => {}
                (accepted, slot) = next => match accepted {
                    Ok((socket, door)) => {
                        let connection =
                            connection(socket, door, self.0.clone(), stopped.clone());
                        connections.spawn(async move {
                            connection.await;
                            drop(slot);
                        });
                    }
                    Err(error) => {
                        // Of a peer that is gone, or no file descriptors: it must not spin.
                        tracing::debug!(%error, "an HTTP connection could not be accepted");
                        tokio::time::sleep(ACCEPT_AGAIN).await;
                    }
                },
            }
        }
        stop.send_replace(true);
        let finish = async { while connections.join_next().await.is_some() {} };
        if timeout(DRAIN_WAIT, finish).await.is_err() {
            tracing::warn!("requests to the HTTP API did not finish in time");
            connections.shutdown().await;
        }
    }
}

/// Where connections come in.
enum Listener {
    Tcp(TcpListener, SocketAddr),
    Socket(UnixListener),
}

/// A connection of either.
trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket for S {}

impl Listener {
    async fn accept(&self) -> io::Result<(Box<dyn Socket>, Door)> {
        match self {
            Listener::Tcp(listener, address) => {
                let (socket, peer) = listener.accept().await?;
                // Answers are one piece, or large ones.
                socket.set_nodelay(true)?;
                Ok((Box::new(socket), Door::Tcp { address: *address, peer }))
            }
            Listener::Socket(listener) => Ok((Box::new(listener.accept().await?.0), Door::Socket)),
        }
    }
}

/// Bound, closed to all others, and only then listened on: nobody can connect before.
fn bind_socket(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match SocketAddrUnix::new(path) {
        Ok(address) => net::bind(&socket, &address)?,
        // The kernel has room for some hundred bytes of a path; a directory has a shorter one.
        Err(Errno::NAMETOOLONG) => {
            let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
                return Err(Errno::NAMETOOLONG.into());
            };
            let folder = fs::File::open(folder)?;
            let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
            net::bind(&socket, &SocketAddrUnix::new(short)?)?;
        }
        Err(error) => return Err(error.into()),
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    net::listen(&socket, BACKLOG)?;
    UnixListener::from_std(socket.into())
}

/// Commands that wait for their turn.
const BACKLOG: i32 = 128;

async fn connection(
    socket: Box<dyn Socket>,
    door: Door,
    site: Arc<Site>,
    mut stopped: watch::Receiver<bool>,
) {
    let router = Router::new().fallback(move |request: Request| respond(site, door, request));
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

async fn respond(site: Arc<Site>, door: Door, request: Request) -> Response {
    answer(site, door, request).await
}

/// After a failed accept.
const ACCEPT_AGAIN: std::time::Duration = std::time::Duration::from_millis(100);

/// For those who only need to know whether an address is of this machine.
pub(crate) fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}
