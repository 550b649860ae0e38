//! A connection as its driver sees it, from the handshake on.

use std::sync::Arc;

use amqp091::{FrameDecoder, ReplyCode, encode_heartbeat};
use auth::Users;
use broker::Mailbox;
use bytes::BytesMut;
use tokio::sync::Notify;

use super::{
    connection::Connection,
    handshake::{self, Opened},
    refusal::Refusal,
};
use crate::{
    Context,
    admission::Admitted,
    bell::Bell,
    connections::{ConnectionFacts, Entered, OpenConnection, Protocol},
    driver::{Driver, Endpoint, Heartbeats, Phase},
    entrance::{Ends, Failure},
    socket::Socket,
    write_buffer::WriteBuffer,
};

/// An open connection and what cuts its frames.
pub(crate) struct Served {
    connection: Connection,
    decoder: FrameDecoder,
}

/// The handshake, and all that begins with an open connection.
pub(crate) async fn enter(
    mut socket: Socket,
    inbox: BytesMut,
    ends: Ends,
    context: &Context,
) -> Result<Driver<Served>, Failure> {
    let opened = handshake::shake_hands(&mut socket, inbox, ends.peer, context).await?;
    let Opened { agreed, login, admitted, decoder, inbox, heartbeat, name, .. } = opened;
    let Admitted { access, place, place_of_user } = admitted;
    let bell = Arc::new(Notify::new());
    let mailbox = Mailbox::new(Bell(bell.clone()));
    let broker = context.broker.clone();
    let facts = ConnectionFacts {
        id: broker.new_connection(),
        protocol: Protocol::Amqp091,
        is_websocket: socket.is_websocket(),
        user: login.name.clone(),
        vhost: access.vhost().name().to_string(),
        peer: ends.peer,
        local: ends.local,
        connected_at: broker.now().0,
        mechanism: opened.mechanism,
        tls: socket.tls_version(),
        peer_certificate: socket.peer_certificate().cloned().map(Box::new),
        frame_max: agreed.frame_max,
        channel_max: agreed.channel_max,
        heartbeat_s: heartbeat.map_or(0, |it| u16::try_from(it.as_secs()).unwrap_or(u16::MAX)),
    };
    let (id, user, tls, peer) = (facts.id.0, facts.user.clone(), facts.tls, ends.peer);
    let websocket = facts.is_websocket.then_some(true);
    let (properties, its_mailbox) = (opened.client_properties, Some(mailbox.clone()));
    let open = OpenConnection::new(facts, properties, its_mailbox, bell.clone());
    let entered = context.connections.enter(Arc::new(open), place_of_user);
    let name = name.unwrap_or_default();
    tracing::info!(connection = id, %peer, name, user, tls, websocket, "connected");
    let connection = Connection::new(broker, (login, access), mailbox, agreed, entered);
    let endpoint = Served { connection, decoder };
    let heartbeats = Heartbeats { sent: heartbeat, awaited: heartbeat };
    Ok(Driver { socket, endpoint, inbox, bell, heartbeats, place })
}

impl Endpoint for Served {
    fn entered(&self) -> &Entered {
        &self.connection.entered
    }

    fn out(&mut self) -> &mut WriteBuffer {
        &mut self.connection.out
    }

    fn phase(&self) -> Phase {
        self.connection.phase
    }

    fn missing(&self, inbox: &[u8]) -> usize {
        self.decoder.missing(inbox)
    }

    fn on_read(&mut self, inbox: &mut BytesMut) -> bool {
        self.connection.on_read(&mut self.decoder, inbox)
    }

    fn on_wake(&mut self) {
        self.connection.on_wake();
    }

    fn deliver(&mut self) {
        self.connection.deliver();
    }

    fn must_wait(&mut self) -> bool {
        self.connection.check_blocked()
    }

    fn recheck(&mut self, users: &Users) {
        self.connection.on_read_end();
        self.connection.recheck(users);
    }

    fn force_close(&mut self, why: &str) {
        self.connection.on_read_end();
        self.connection.on_wake();
        self.connection.close(Refusal::new(ReplyCode::ConnectionForced, why));
    }

    fn give_up(&mut self) {
        self.connection.phase = Phase::Closed;
    }

    fn on_tick(&mut self) {
        self.connection.close_overdue(std::time::Instant::now());
    }

    fn sign_of_life(&mut self) {
        encode_heartbeat(self.connection.out.tail());
    }

    fn end(&mut self) {
        self.connection.on_read_end();
        self.connection.end();
    }
}
