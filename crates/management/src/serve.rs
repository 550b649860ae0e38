//! The HTTP server under the API: its connections come by TCP and by a Unix socket.

use std::{
    fs, io,
    net::SocketAddr,
    os::{fd::AsRawFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
};

use axum::{Router, extract::Request};
use http_door::{Limits, Socket};
use rustix::{
    io::Errno,
    net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType},
};
use tokio::{
    net::{TcpListener, UnixListener},
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use crate::{
    guard::{Door, answer},
    limits::{
        DRAIN_WAIT, REQUEST_HEAD_BYTES_MAX, REQUEST_HEAD_WAIT, SAMPLE_EVERY, WRITE_STALL_MAX,
    },
    site::Management,
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

    /// Serves those who can open the socket, as the owner of the data, until `shutdown` is ready.
    pub async fn serve_socket(&self, socket: OwnersSocket, shutdown: impl Future<Output = ()>) {
        let OwnersSocket { listener, path } = socket;
        self.accept(Listener::Socket(listener), shutdown).await;
        // A left-over is replaced by the next start.
        fs::remove_file(path).ok();
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
        let (listener, site) = (Arc::new(listener), Arc::clone(&self.0));
        let slots = Arc::clone(&site.sockets);
        let accept = move || {
            let (listener, site) = (Arc::clone(&listener), Arc::clone(&site));
            async move {
                let (socket, door) = listener.accept().await?;
                let respond = move |request: Request| answer(site, door, request);
                Ok((socket, Router::new().fallback(respond)))
            }
        };
        http_door::serve(accept, slots, LIMITS, watch::Sender::new(false), shutdown).await;
    }
}

const LIMITS: Limits = Limits {
    head_bytes_max: REQUEST_HEAD_BYTES_MAX,
    head_wait: REQUEST_HEAD_WAIT,
    write_stall_max: WRITE_STALL_MAX,
    drain_wait: DRAIN_WAIT,
};

/// A socket that only the process' own user can open.
#[derive(Debug)]
pub struct OwnersSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl OwnersSocket {
    /// Makes it; from then on it can be connected to. One that is left over is replaced: the caller
    /// knows that no other process serves there. Needs a runtime.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn bind(path: &Path) -> Result<OwnersSocket, Error> {
        let path = path.to_owned();
        match bind_socket(&path) {
            Ok(listener) => Ok(OwnersSocket { listener, path }),
            Err(source) => Err(Error::Socket { path, source }),
        }
    }
}

/// Where connections come in.
enum Listener {
    Tcp(TcpListener, SocketAddr),
    Socket(UnixListener),
}

impl Listener {
    async fn accept(&self) -> io::Result<(Socket, Door)> {
        match self {
            Listener::Tcp(listener, address) => {
                let (socket, peer) = listener.accept().await?;
                // Answers are one piece, or large ones.
                socket.set_nodelay(true)?;
                Ok((Socket::Tcp(socket), Door::Tcp { address: *address, peer }))
            }
            Listener::Socket(listener) => {
                Ok((Socket::Unix(listener.accept().await?.0), Door::Socket))
            }
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

/// For those who only need to know whether an address is of this machine.
pub(crate) fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}
