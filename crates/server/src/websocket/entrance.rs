//! Letting in those who come over a WebSocket: past its opening handshake they are connections like
//! all others, counted and bounded together with them.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use crate::{
    Context,
    entrance::{self, Way},
};

/// The entrance of a running server for WebSockets. Cheap to clone.
#[derive(Clone)]
pub struct WebSocketEntrance {
    pub(crate) context: Arc<Context>,
    /// Places for sockets, those of all listeners.
    pub(crate) sockets: Arc<Semaphore>,
}

impl WebSocketEntrance {
    /// A place for a connection; `None` when there is none left, or the server stops.
    pub fn admit(&self) -> Option<WebSocketPlace> {
        if *self.context.drain.borrow() {
            return None;
        }
        let place = Arc::clone(&self.sockets).try_acquire_owned().ok()?;
        Some(WebSocketPlace { context: Arc::clone(&self.context), place })
    }
}

impl fmt::Debug for WebSocketEntrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketEntrance").finish_non_exhaustive()
    }
}

/// A place that is kept until it is dropped.
pub struct WebSocketPlace {
    context: Arc<Context>,
    place: OwnedSemaphorePermit,
}

impl WebSocketPlace {
    /// Serves a socket whose opening handshake was answered, and what was `read` behind it, in a
    /// task of its own. Needs the server's runtime.
    pub fn serve(self, tcp: TcpStream, read: Bytes) {
        let WebSocketPlace { context, place } = self;
        // Who is gone already needs no service.
        let Ok(peer) = tcp.peer_addr() else { return };
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%peer, "no TCP_NODELAY: {error}");
        }
        tokio::spawn(async move {
            entrance::serve(tcp, Way::WebSocket(read), peer, context).await;
            drop(place);
        });
    }
}

impl fmt::Debug for WebSocketPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketPlace").finish_non_exhaustive()
    }
}
