//! A connection as its driver sees it, from the handshake on.

use std::{sync::Arc, time::Instant};

use amqp10::{ErrorCondition, encode_heartbeat, types::Value};
use auth::Users;
use broker::Mailbox;
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use tokio::sync::Notify;

use super::{
    connection::Connection,
    handshake::{self, Opened},
    refusal,
};
use crate::{
    Context,
    admission::Admitted,
    amqp091::field_table,
    bell::Bell,
    connections::{self, ConnectionFacts, Entered, OpenConnection, Protocol},
    driver::{Driver, Endpoint, Heartbeats, Phase},
    entrance::{Ends, Failure},
    socket::Socket,
    write_buffer::WriteBuffer,
};

/// An open connection.
pub(crate) struct Served(Connection);

/// The handshake, and all that begins with an open connection.
pub(crate) async fn enter(
    mut socket: Socket,
    inbox: BytesMut,
    ends: Ends,
    context: &Context,
) -> Result<Driver<Served>, Failure> {
    let opened = handshake::shake_hands(&mut socket, inbox, ends, context).await?;
    let Opened { protocol, login, admitted, mechanism, decoder, inbox, outbox, open } = opened;
    let Admitted { access, place, place_of_user } = admitted;
    let bell = Arc::new(Notify::new());
    let mailbox = Mailbox::new(Bell(bell.clone()));
    let broker = context.broker.clone();
    let idle = open.idle_time_out.map_or(0, |it| u16::try_from(it.0 / 1000).unwrap_or(u16::MAX));
    let facts = ConnectionFacts {
        id: broker.new_connection(),
        protocol: Protocol::Amqp10,
        is_websocket: socket.is_websocket(),
        user: login.name.clone(),
        vhost: access.vhost().name().to_string(),
        peer: ends.peer,
        local: ends.local,
        connected_at: broker.now().0,
        mechanism,
        tls: socket.tls_version(),
        peer_certificate: socket.peer_certificate().cloned().map(Box::new),
        frame_max: open.max_frame_size,
        channel_max: open.channel_max,
        heartbeat_s: idle,
    };
    let (id, user, tls, peer) = (facts.id.0, facts.user.clone(), facts.tls, ends.peer);
    let websocket = facts.is_websocket.then_some(true);
    let name: String = open.container_id.chars().filter(|it| !it.is_control()).take(100).collect();
    let properties = connections::encoded(&field_table(&client_properties(&open)));
    let container = ByteString::from(&*open.container_id);
    let settles_first = settles_first(&open);
    let open = OpenConnection::new(facts, properties, Some(mailbox.clone()), bell.clone());
    let entered = context.connections.enter(Arc::new(open), place_of_user);
    tracing::info!(connection = id, %peer, name, user, tls, websocket, "connected by AMQP 1.0");
    let mut connection = Connection::new(
        broker,
        (login, access),
        mailbox,
        (protocol, decoder),
        (container, context.suspended.clone()),
        entered,
        context.limits.clone(),
    );
    connection.settles_first = settles_first;
    connection.out.tail().extend_from_slice(&outbox);
    // What is due the engine sees to, and whether the peer is silent; the driver says the time as
    // often as the peer needs it.
    let heartbeats = Heartbeats { sent: connection.protocol.idle_times().theirs, awaited: None };
    Ok(Driver { socket, endpoint: Served(connection), inbox, bell, heartbeats, place })
}

/// What the peer says of itself, as operators are shown it.
fn client_properties(open: &amqp10::performative::Open) -> broker::Arguments {
    let said = open.properties.iter().flat_map(|map| map.iter());
    let texts = said.filter_map(|(name, value)| {
        let value = match value {
            Value::Boolean(it) => broker::Value::Bool(*it),
            other => broker::Value::Longstr(other.as_text()?.to_owned()),
        };
        Some((name.as_text()?.to_owned(), value))
    });
    let name = broker::Value::Longstr(open.container_id.to_string());
    texts.chain([("connection_name".to_owned(), name)]).collect()
}

/// Azure's clients ask for `rcv-settle-mode` second where they publish, and then wait for the
/// broker to settle first. RabbitMQ answers everybody with `first`.
fn settles_first(open: &amqp10::performative::Open) -> bool {
    let product = open.properties.as_ref().and_then(|it| it.get("product"));
    let product = product.and_then(Value::as_text).unwrap_or_default();
    product.starts_with("azsdk-") || product == "uamqp"
}

impl Endpoint for Served {
    fn entered(&self) -> &Entered {
        &self.0.entered
    }

    fn out(&mut self) -> &mut WriteBuffer {
        &mut self.0.out
    }

    fn phase(&self) -> Phase {
        self.0.phase()
    }

    fn missing(&self, inbox: &[u8]) -> usize {
        self.0.decoder.missing(inbox)
    }

    fn on_read(&mut self, inbox: &mut BytesMut) -> bool {
        self.0.on_read(inbox)
    }

    fn on_wake(&mut self) {
        self.0.on_wake();
    }

    fn deliver(&mut self) {
        self.0.wrote();
        self.0.deliver();
    }

    fn must_wait(&mut self) -> bool {
        self.0.check_blocked()
    }

    fn recheck(&mut self, users: &Users) {
        self.0.on_read_end();
        self.0.recheck(users);
    }

    fn force_close(&mut self, why: &str) {
        self.0.on_read_end();
        self.0.on_wake();
        self.0.close(refusal::error(ErrorCondition::ConnectionForced, why));
    }

    fn give_up(&mut self) {
        self.0.give_up();
    }

    fn on_tick(&mut self) {
        self.0.on_tick(Instant::now());
    }

    fn sign_of_life(&mut self) {
        encode_heartbeat(self.0.out.tail());
    }

    fn end(&mut self) {
        self.0.on_read_end();
        self.0.end();
    }
}

impl amqp10::endpoint::Outbox for WriteBuffer {
    fn tail(&mut self) -> &mut BytesMut {
        WriteBuffer::tail(self)
    }

    fn put(&mut self, slice: &Bytes) {
        self.put_body(slice);
    }
}
