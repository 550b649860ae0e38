//! One AMQP connection, opened within a bounded time and gone for sure when dropped.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

use lapin::{
    AsyncTcpStream, Channel, ConnectionProperties,
    uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo, SASLMechanism},
};

use crate::{
    BusUrl, Error,
    limits::{CLOSE_WAIT, CONNECT_WAIT, HEARTBEAT_S},
    transport::{self, Cut, Kit},
};

/// An open connection. Dropped, it is cut; [`Connection::close`] ends it in order.
#[derive(Debug)]
pub(crate) struct Connection {
    bus: BusUrl,
    amqp: lapin::Connection,
    _cut: Cut,
}

impl Connection {
    /// Name look-up, TCP, TLS, AMQP handshake, within [`CONNECT_WAIT`] in all.
    pub(crate) async fn open(bus: &BusUrl, app: &str) -> Result<Connection, Error> {
        match tokio::time::timeout(CONNECT_WAIT, handshake(bus, app)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::TimedOut {
                bus: bus.clone(),
                what: "answer".to_owned(),
                after: CONNECT_WAIT,
            }),
        }
    }

    pub(crate) async fn channel(&self) -> Result<Channel, Error> {
        let opened = tokio::time::timeout(CONNECT_WAIT, self.amqp.create_channel()).await;
        match opened {
            Ok(Ok(channel)) => Ok(channel),
            Ok(Err(error)) => Err(Error::of_use(&self.bus, "a channel", &error)),
            Err(_) => Err(Error::TimedOut {
                bus: self.bus.clone(),
                what: "open a channel".to_owned(),
                after: CONNECT_WAIT,
            }),
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        self.amqp.status().connected()
    }

    /// The broker takes nothing for want of memory or disk (RabbitMQ: `connection.blocked`).
    pub(crate) fn is_blocked(&self) -> bool {
        self.amqp.status().blocked()
    }

    /// Says goodbye, for at most [`CLOSE_WAIT`].
    pub(crate) async fn close(self) {
        let goodbye = self.amqp.close(REPLY_SUCCESS, "OK".into());
        // Whatever comes of it, the socket is cut after this.
        let _ = tokio::time::timeout(CLOSE_WAIT, goodbye).await;
    }
}

async fn handshake(bus: &BusUrl, app: &str) -> Result<Connection, Error> {
    let (transport, cut) = transport::connect(bus).await?;
    let transport = Mutex::new(Some(transport));
    let connect = async move |_: AMQPUri, _: async_rs::Runtime<Kit>| {
        let transport = transport.lock().unwrap_or_else(PoisonError::into_inner).take();
        match transport {
            Some(transport) => Ok(AsyncTcpStream::Plain(transport)),
            // A second try is a new Connection, never lapin's.
            None => Err(lapin::Error::from(io::Error::from(io::ErrorKind::NotConnected))),
        }
    };
    let runtime = async_rs::Runtime::new(Kit::current());
    let amqp = lapin::Connection::connector(uri(bus), runtime, connect, properties(app))
        .await
        .map_err(|error| Error::of_handshake(bus, &error))?;
    Ok(Connection { bus: bus.clone(), amqp, _cut: cut })
}

fn uri(bus: &BusUrl) -> AMQPUri {
    AMQPUri {
        scheme: if bus.is_tls() { AMQPScheme::AMQPS } else { AMQPScheme::AMQP },
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo {
                username: bus.user().to_owned(),
                password: bus.password().to_owned(),
            },
            host: bus.host().to_owned(),
            port: bus.port(),
        },
        vhost: bus.vhost().to_owned(),
        query: AMQPQueryString {
            frame_max: Some(FRAME_MAX),
            heartbeat: Some(bus.heartbeat_s().unwrap_or(HEARTBEAT_S)),
            auth_mechanism: bus.is_external().then_some(SASLMechanism::External),
            ..AMQPQueryString::default()
        },
    }
}

/// What the broker's list of connections shows.
fn properties(app: &str) -> ConnectionProperties {
    let pid = std::process::id();
    ConnectionProperties::default()
        .with_client_property("product".into(), "Tubepost".into())
        .with_client_property("version".into(), env!("CARGO_PKG_VERSION").into())
        .with_client_property("app".into(), app.into())
        .with_connection_name(format!("{app} (pid {pid})").into())
}

const REPLY_SUCCESS: u16 = 200;

/// Bytes. lapin keeps room for 64 frames for each connection, filled or not: 8 MiB with the usual
/// 128 KiB. An event is seldom longer than one of these, and may have any number of them.
const FRAME_MAX: u32 = 16 * 1024;
