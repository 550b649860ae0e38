//! From an accepted socket to an open connection: TLS or WebSocket, which protocol it is to be, its
//! handshake.
//! Bounded in time here, and in memory by each protocol's first frames.

use std::{net::SocketAddr, sync::Arc};

use amqp091::PROTOCOL_HEADER_SIZE;
use bytes::{Bytes, BytesMut};
use tokio::{net::TcpStream, time::timeout};

use crate::{
    Context, amqp10 as adapter10, amqp091 as adapter091,
    driver::Driver,
    opening::Opening,
    plaintext,
    socket::{LINGER, Socket},
    tls::{self, Accepted, Tls},
    websocket,
};

/// By what way a peer comes.
#[derive(Debug, Clone)]
pub(crate) enum Way {
    /// TCP alone.
    Plain,
    /// It has to begin with TLS.
    Tls(Arc<Tls>),
    /// A WebSocket, whose opening handshake is done; and what was read behind that.
    WebSocket(Bytes),
}

/// Where a peer is, and where it came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends {
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
}

/// How a handshake ends when it does not end well. Whatever is to be sent was sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Not a client of a protocol that is spoken here.
    #[error("{0}")]
    WrongProtocol(Opening),
    /// The peer went away, or never said anything.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// No TLS on a port that has it.
    #[error("{}", without_tls(.0))]
    WithoutTls(Opening),
    /// TLS, but not with each other.
    #[error("{0}")]
    Tls(#[from] tls::Failure),
    /// It may not come in, or broke the protocol.
    #[error("{0}")]
    Refused(String),
}

fn without_tls(opening: &Opening) -> String {
    match opening {
        Opening::Amqp091 => "the client came without TLS to the port for TLS; give it an amqps:// \
                             URL or turn TLS on in it, or send it to the port without TLS"
            .to_owned(),
        other => format!("on the port for TLS, without TLS: {other}"),
    }
}

/// Serves one peer until it is gone. Nothing that happens here reaches another connection.
pub(crate) async fn serve(tcp: TcpStream, way: Way, peer: SocketAddr, context: Arc<Context>) {
    // Asked for while it is there: a peer that is gone has none.
    let local = tcp.local_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
    let deadline = context.limits.handshake_timeout;
    let mut drain = context.drain.clone();
    let entered = tokio::select! {
        entered = timeout(deadline, enter(tcp, way, Ends { peer, local }, &context)) => entered,
        _ = drain.changed() => return,
    };
    match entered {
        Ok(Ok(Entered::Amqp091(driver))) => (*driver).drive(&context).await,
        Ok(Ok(Entered::Amqp10(driver))) => (*driver).drive(&context).await,
        Ok(Err(failure)) => tracing::info!(%peer, "not connected: {failure}"),
        Err(_) => tracing::info!(%peer, "not connected: no handshake within {deadline:?}"),
    }
}

/// An open connection.
enum Entered {
    Amqp091(Box<Driver<adapter091::Served>>),
    Amqp10(Box<Driver<adapter10::Served>>),
}

async fn enter(
    tcp: TcpStream,
    way: Way,
    ends: Ends,
    context: &Context,
) -> Result<Entered, Failure> {
    let (mut socket, mut inbox) = match way {
        Way::Plain => (Socket::Plain(tcp), BytesMut::new()),
        Way::Tls(tls) => match tls::accept(tcp, &tls).await? {
            Accepted::Tls(stream, inbox) => (Socket::Tls(stream), inbox),
            Accepted::Plain(tcp) => return Err(plaintext::turn_away(Socket::Plain(tcp)).await),
        },
        Way::WebSocket(read) => {
            let mut inbox = BytesMut::new();
            let stream = websocket::accept(tcp, &read, &mut inbox).await?;
            (Socket::Web(stream.into()), inbox)
        }
    };
    inbox.reserve(INBOX_BYTES);
    while inbox.len() < PROTOCOL_HEADER_SIZE {
        if socket.read_buf(&mut inbox).await? == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
    }
    let first = inbox.split_to(PROTOCOL_HEADER_SIZE);
    let opening = first.first_chunk().map_or(Opening::Other([0; 8]), |first| Opening::of(*first));
    match opening {
        Opening::Amqp091 => adapter091::enter(socket, inbox, ends, context)
            .await
            .map(|it| Entered::Amqp091(it.into())),
        Opening::Amqp10Sasl => adapter10::enter(socket, inbox, ends, context)
            .await
            .map(|it| Entered::Amqp10(it.into())),
        other => {
            //= amqp-1.0 §2.2 unsupported-answered, unreadable-answered, protocol-id-answered
            // AMQP 0-9-1 §4.2.2, AMQP 1.0 §2.2: a header that is supported, then close.
            socket.write_all(other.answer()).await?;
            timeout(LINGER, socket.linger()).await.ok();
            Err(Failure::WrongProtocol(other))
        }
    }
}

/// Room for what comes before the connection is open.
const INBOX_BYTES: usize = 4096;
