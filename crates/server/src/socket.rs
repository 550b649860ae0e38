//! The socket of a connection, plain, with TLS, or a WebSocket: what a driver reads and writes, by
//! one and the same way. Of a plain one every call is the socket's own.

use std::{
    io::{self, IoSlice},
    time::Duration,
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::TcpStream,
    time::timeout,
};

use crate::{
    tls::{Nameless, PeerCertificate, TlsStream},
    websocket::WebSocketStream,
};

/// A connected peer.
#[derive(Debug)]
pub(crate) enum Socket {
    /// TCP.
    Plain(TcpStream),
    /// TLS over TCP, past its handshake.
    Tls(Box<TlsStream>),
    /// A WebSocket, past its opening handshake.
    Web(Box<WebSocketStream>),
}

impl Socket {
    /// Waits until there may be something to read. May be dropped and called again.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        match self {
            Socket::Plain(tcp) => tcp.readable().await,
            Socket::Tls(tls) => tls.readable().await,
            Socket::Web(web) => web.readable().await,
        }
    }

    /// Waits until something may be written. May be dropped and called again.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        match self {
            Socket::Plain(tcp) => tcp.writable().await,
            Socket::Tls(tls) => tls.writable().await,
            Socket::Web(web) => web.writable().await,
        }
    }

    /// Reads once; 0 at the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing now.
    pub(crate) fn try_read_buf(&mut self, inbox: &mut BytesMut) -> io::Result<usize> {
        match self {
            Socket::Plain(tcp) => read_once(tcp, inbox),
            Socket::Tls(tls) => tls.try_read_buf(inbox),
            Socket::Web(web) => web.try_read_buf(inbox),
        }
    }

    /// Writes once; how much was taken.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is taken now.
    pub(crate) fn try_write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socket::Plain(tcp) => tcp.try_write_vectored(slices),
            Socket::Tls(tls) => tls.try_write_vectored(slices),
            Socket::Web(web) => web.try_write_vectored(slices),
        }
    }

    /// Whether something that was taken still has to be written.
    pub(crate) fn holds_back(&self) -> bool {
        match self {
            Socket::Plain(_) => false,
            Socket::Tls(tls) => tls.holds_back(),
            Socket::Web(web) => web.holds_back(),
        }
    }

    /// Writes what was taken and not written.
    ///
    /// # Errors
    /// `WouldBlock` when not all of it goes now.
    pub(crate) fn try_flush(&mut self) -> io::Result<()> {
        match self {
            Socket::Plain(_) => Ok(()),
            Socket::Tls(tls) => tls.try_flush(),
            Socket::Web(web) => web.try_flush(),
        }
    }

    /// Waits for something to read and reads once; 0 at the end of the stream.
    pub(crate) async fn read_buf(&mut self, inbox: &mut BytesMut) -> io::Result<usize> {
        loop {
            self.readable().await?;
            match self.try_read_buf(inbox) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(0) if self.is_websocket() => {
                    // A close is answered (RFC 6455 §5.5.1).
                    timeout(LINGER, self.linger()).await.ok();
                    return Ok(0);
                }
                Err(error) => {
                    self.let_see(&error).await;
                    return Err(error);
                }
                Ok(count) => return Ok(count),
            }
        }
    }

    /// Gives a peer the time to see why a read failed, where it was told.
    pub(crate) async fn let_see(&mut self, error: &io::Error) {
        if self.is_websocket() && error.kind() == io::ErrorKind::InvalidData {
            timeout(LINGER, self.linger()).await.ok();
        }
    }

    /// Writes all of it.
    pub(crate) async fn write_all(&mut self, mut octets: &[u8]) -> io::Result<()> {
        while !octets.is_empty() || self.holds_back() {
            let written = match octets.is_empty() {
                true => self.try_flush().map(|()| 0),
                false => self.try_write_vectored(&[IoSlice::new(octets)]),
            };
            match written {
                Ok(0) if !octets.is_empty() => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => octets = octets.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.writable().await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Closes this side, when everything is written.
    pub(crate) async fn shutdown(&mut self) -> io::Result<()> {
        match self {
            Socket::Plain(tcp) => tcp.shutdown().await,
            Socket::Tls(tls) => tls.shutdown().await,
            Socket::Web(web) => web.shutdown().await,
        }
    }

    /// Closes this side, and lets the peer see why: see [`linger`].
    pub(crate) async fn linger(&mut self) {
        //= amqp-1.0 §5.1 outgoing-closed-first
        if self.shutdown().await.is_err() {
            return;
        }
        match self {
            Socket::Plain(tcp) => linger(tcp).await,
            Socket::Tls(tls) => linger(tls.tcp_mut()).await,
            Socket::Web(web) => linger(web.tcp_mut()).await,
        }
    }

    /// Who the client's certificate says it is; `None` when it showed none.
    pub(crate) fn certified_user(&self) -> Option<&Result<String, Nameless>> {
        match self {
            Socket::Plain(_) | Socket::Web(_) => None,
            Socket::Tls(tls) => tls.user(),
        }
    }

    /// What there is to say of the client's certificate; `None` when it showed none.
    pub(crate) fn peer_certificate(&self) -> Option<&PeerCertificate> {
        match self {
            Socket::Plain(_) | Socket::Web(_) => None,
            Socket::Tls(tls) => tls.certificate(),
        }
    }

    /// Whether it is a WebSocket.
    pub(crate) fn is_websocket(&self) -> bool {
        matches!(self, Socket::Web(_))
    }

    /// The version of TLS, for the log.
    pub(crate) fn tls_version(&self) -> Option<&'static str> {
        match self {
            Socket::Plain(_) | Socket::Web(_) => None,
            Socket::Tls(tls) => Some(tls.version()),
        }
    }
}

/// Reads once. A read that left room has emptied the socket: that is noted, as tokio's own
/// `AsyncRead` does it, and saves a second one that would only say so.
pub(crate) fn read_once(tcp: &TcpStream, inbox: &mut BytesMut) -> io::Result<usize> {
    let room = inbox.capacity() - inbox.len();
    let mut emptied = None;
    let read = tcp.try_io(Interest::READABLE, || match tcp.try_read_buf(inbox) {
        Ok(count) if (1..room).contains(&count) => {
            emptied = Some(count);
            Err(io::ErrorKind::WouldBlock.into())
        }
        read => read,
    });
    emptied.map_or(read, Ok)
}

/// Reads what the peer still sends, until it closes too: a socket that is closed with octets unread
/// resets the connection, and the peer may never see why it was closed. Bounded in time by the
/// caller, with [`LINGER`].
pub(crate) async fn linger(tcp: &mut TcpStream) {
    let mut discarded = [0; 4096];
    while let Ok(1..) = tcp.read(&mut discarded).await {}
}

/// How long a peer has to close its side.
pub(crate) const LINGER: Duration = Duration::from_secs(1);
