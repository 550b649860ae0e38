//! One AMQP connection of either protocol, opened within a bounded time and gone when dropped.

use std::{collections::VecDeque, time::Duration};

use bytes::BytesMut;
use tokio::time::{Instant, timeout};

use crate::{
    BusUrl, Error, Protocol, amqp10, amqp091,
    conversation::{Conversation, Ending, Said},
    limits::{CLOSE_WAIT, CONNECT_WAIT},
    pipe::{Exchanged, Pipe},
    transport,
};

/// An open connection. Dropped, it is cut; [`Connection::close`] ends it in order.
pub(crate) struct Connection {
    pipe: Pipe,
    conversation: Conversation,
    said: VecDeque<Said>,
    opened_at: Instant,
}

impl Connection {
    /// Name look-up, TCP, TLS, AMQP handshake, within [`CONNECT_WAIT`] in all.
    pub(crate) async fn open(bus: &BusUrl, app: &str) -> Result<Connection, Error> {
        match timeout(CONNECT_WAIT, handshake(bus, app)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::TimedOut {
                bus: bus.clone(),
                what: "answer".to_owned(),
                after: CONNECT_WAIT,
            }),
        }
    }

    /// Something to say: what it needs is handed to `say`, and is written by the next
    /// [`Connection::step`].
    pub(crate) fn say<T>(
        &mut self,
        say: impl FnOnce(&mut Conversation, &mut BytesMut, &mut VecDeque<Said>) -> T,
    ) -> T {
        say(&mut self.conversation, &mut self.pipe.outbox, &mut self.said)
    }

    /// What the bus said next, if it said something.
    pub(crate) fn said(&mut self) -> Option<Said> {
        self.said.pop_front()
    }

    pub(crate) fn conversation(&self) -> &Conversation {
        &self.conversation
    }

    /// Writes what was said, or reads what the bus says; returns after either, and after a sign of
    /// life. May be cancelled.
    pub(crate) async fn step(&mut self) -> Result<(), Ending> {
        let now = self.opened_at.elapsed();
        let due = self.conversation.tick(now, &mut self.pipe.outbox)?;
        let longest = due.saturating_sub(now).max(Duration::from_millis(1));
        match self.pipe.exchange(longest).await {
            Ok(Exchanged::Read) => {}
            Ok(Exchanged::Wrote | Exchanged::Nothing) => return Ok(()),
            Err(error) => return Err(Ending::Lost(words(&error))),
        }
        let Pipe { inbox, outbox, .. } = &mut self.pipe;
        self.conversation.receive(inbox, self.opened_at.elapsed(), outbox, &mut self.said)
    }

    /// Whether something that was said waits to be written.
    pub(crate) fn has_unwritten(&self) -> bool {
        self.pipe.has_unwritten()
    }

    /// Says goodbye, for at most [`CLOSE_WAIT`].
    pub(crate) async fn close(mut self) {
        self.say(|conversation, out, _| conversation.close(out));
        let goodbye = async { while self.step().await.is_ok() {} };
        // Whatever comes of it, the socket is closed after this.
        let _ = timeout(CLOSE_WAIT, goodbye).await;
    }
}

async fn handshake(bus: &BusUrl, app: &str) -> Result<Connection, Error> {
    let mut pipe = Pipe::new(transport::connect(bus).await?);
    let opened_at = Instant::now();
    let conversation = match bus.protocol() {
        Protocol::Amqp091 => {
            Conversation::Amqp091(Box::new(amqp091::open(&mut pipe, bus, app).await?))
        }
        Protocol::Amqp10 => {
            Conversation::Amqp10(Box::new(amqp10::open(&mut pipe, bus, app).await?))
        }
    };
    let mut connection = Connection { pipe, conversation, said: VecDeque::new(), opened_at };
    let Connection { pipe: Pipe { inbox, outbox, .. }, conversation, said, .. } = &mut connection;
    // What came right behind the handshake.
    conversation
        .receive(inbox, opened_at.elapsed(), outbox, said)
        .map_err(|ending| Error::of_ending(bus, "the connection", ending))?;
    Ok(connection)
}

fn words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "the bus closed it".to_owned(),
        _ => error.to_string(),
    }
}
