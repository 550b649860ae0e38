//! The socket and the clock of one connection: reads, steps the state, writes, keeps heartbeats.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use amqp091::{ReplyCode, encode_heartbeat};
use broker::{Mailbox, Wake};
use bytes::BytesMut;
use tokio::{
    net::TcpStream,
    sync::{Notify, OwnedSemaphorePermit},
    task::yield_now,
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use super::{
    connection::{Connection, Phase},
    handshake::{self, Failure, Opened},
    plaintext,
    refusal::Refusal,
};
use crate::{
    Context,
    connections::{ConnectionFacts, OpenConnection},
    read_buffer::ReadRoom,
    socket::{LINGER, Socket},
    tls::{self, Accepted, Tls},
};

/// Serves one peer until it is gone. Nothing that happens here reaches another connection.
pub(crate) async fn serve(
    tcp: TcpStream,
    tls: Option<Arc<Tls>>,
    peer: SocketAddr,
    context: Arc<Context>,
) {
    // Asked for while it is there: a peer that is gone has none.
    let local = tcp.local_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
    let deadline = context.limits.handshake_timeout;
    let mut drain = context.drain.clone();
    let shaken = tokio::select! {
        shaken = timeout(deadline, enter(tcp, tls, peer, &context)) => shaken,
        _ = drain.changed() => return,
    };
    let (socket, opened) = match shaken {
        Ok(Ok(entered)) => entered,
        Ok(Err(failure)) => return tracing::info!(%peer, "not connected: {failure}"),
        Err(_) => {
            return tracing::info!(%peer, "not connected: no handshake within {deadline:?}");
        }
    };
    let name = opened.name.clone().unwrap_or_default();
    let bell = Arc::new(Notify::new());
    let mailbox = Mailbox::new(Bell(bell.clone()));
    let mut driver = Driver::new(socket, opened, mailbox, bell, (peer, local), &context);
    let id = driver.connection.id.0;
    let (user, tls) = (&driver.connection.login.name, driver.socket.tls_version());
    tracing::info!(connection = id, %peer, name, user, tls, "connected");
    let result = driver.run(&context).await;
    driver.connection.on_read_end();
    driver.connection.end();
    drop(driver.place.take());
    match result {
        Ok(()) => {
            timeout(LINGER, driver.socket.linger()).await.ok();
            tracing::info!(connection = id, "closed");
        }
        Err(error) => tracing::info!(connection = id, "lost: {error}"),
    }
}

/// TLS, where there is to be, and the handshake of AMQP.
async fn enter(
    tcp: TcpStream,
    tls: Option<Arc<Tls>>,
    peer: SocketAddr,
    context: &Context,
) -> Result<(Socket, Opened), Failure> {
    let (mut socket, inbox) = match tls {
        None => (Socket::Plain(tcp), BytesMut::new()),
        Some(tls) => match tls::accept(tcp, &tls).await? {
            Accepted::Tls(stream, inbox) => (Socket::Tls(stream), inbox),
            Accepted::Plain(tcp) => return Err(plaintext::turn_away(Socket::Plain(tcp)).await),
        },
    };
    let opened = handshake::shake_hands(&mut socket, inbox, peer, context).await?;
    Ok((socket, opened))
}

/// Wakes the driver from the broker's side.
struct Bell(Arc<Notify>);

impl Wake for Bell {
    fn wake(&self) {
        self.0.notify_one();
    }
}

struct Driver {
    socket: Socket,
    connection: Connection,
    decoder: amqp091::FrameDecoder,
    inbox: BytesMut,
    room: ReadRoom,
    bell: Arc<Notify>,
    heartbeat: Option<Duration>,
    /// Since others had their turn.
    reads: u32,
    last_read: Instant,
    last_write: Instant,
    /// There may be frames that were read and not acted upon, because what they bring would not
    /// fit into the write buffer.
    is_stalled: bool,
    /// Its place among the open connections.
    place: Option<OwnedSemaphorePermit>,
    /// The server said close: from when on the answer is no longer waited for.
    closing_since: Option<Instant>,
}

impl Driver {
    fn new(
        socket: Socket,
        opened: Opened,
        mailbox: Arc<Mailbox>,
        bell: Arc<Notify>,
        (peer, local): (SocketAddr, SocketAddr),
        context: &Context,
    ) -> Driver {
        let Opened { agreed, login, access, decoder, inbox, heartbeat, place, .. } = opened;
        let now = Instant::now();
        let broker = context.broker.clone();
        let facts = ConnectionFacts {
            id: broker.new_connection(),
            user: login.name.clone(),
            vhost: access.vhost().name().to_string(),
            peer,
            local,
            connected_at: broker.now().0,
            mechanism: opened.mechanism,
            tls: socket.tls_version(),
            peer_certificate: socket.peer_certificate().cloned().map(Box::new),
            frame_max: agreed.frame_max,
            channel_max: agreed.channel_max,
            heartbeat_s: heartbeat.map_or(0, |it| u16::try_from(it.as_secs()).unwrap_or(u16::MAX)),
        };
        let (properties, its_mailbox) = (opened.client_properties, Some(mailbox.clone()));
        let open = OpenConnection::new(facts, properties, its_mailbox, bell.clone());
        let entered = context.connections.enter(Arc::new(open), opened.place_of_user);
        Driver {
            socket,
            connection: Connection::new(broker, (login, access), mailbox, agreed, entered),
            decoder,
            inbox,
            room: ReadRoom::new(),
            bell,
            heartbeat,
            reads: 0,
            last_read: now,
            last_write: now,
            is_stalled: false,
            place: Some(place),
            closing_since: None,
        }
    }

    async fn run(&mut self, context: &Context) -> io::Result<()> {
        let mut drain = context.drain.clone();
        // What changed before this connection was there is news to it, too.
        let mut rights = context.rights.clone();
        let mut is_draining = false;
        let mut tick = interval(self.tick_every());
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.step();
        loop {
            // A peer that always has something to read would keep its thread for itself, and with
            // it the clock of everybody else.
            if self.reads >= READS_AT_ONCE {
                self.reads = 0;
                yield_now().await;
            }
            // Not only when there is nothing else to do: a busy peer's rights end as well.
            if rights.has_changed().unwrap_or(false) {
                rights.borrow_and_update();
                self.connection.on_read_end();
                self.connection.recheck(&context.users);
            }
            if let Some(reason) = self.connection.entered.close_asked() {
                self.connection.on_read_end();
                self.connection.close(Refusal::new(ReplyCode::ConnectionForced, reason));
            }
            self.write()?;
            if self.is_stalled && !self.connection.out.is_full() {
                self.step();
                continue;
            }
            if self.connection.phase == Phase::Closed && !self.must_write() {
                return Ok(());
            }
            let may_read = self.may_read();
            let must_write = self.must_write();
            tokio::select! {
                biased;
                // First, and seldom: a peer that never stops sending is not to stop the clock.
                _ = tick.tick() => self.on_tick()?,
                () = self.bell.notified() => self.connection.on_wake(),
                ready = self.socket.writable(), if must_write => ready?,
                ready = self.socket.readable(), if may_read => {
                    ready?;
                    if !self.read()? {
                        return Ok(());
                    }
                }
                Ok(()) = rights.changed() => rights.mark_changed(),
                _ = drain.changed(), if !is_draining => {
                    is_draining = true;
                    // What was published before is delivered before.
                    self.connection.on_read_end();
                    self.connection.on_wake();
                    let text = "broker is shutting down";
                    self.connection.close(Refusal::new(ReplyCode::ConnectionForced, text));
                }
            }
        }
    }

    /// A peer that does not read, or has to wait, is not read either: it slows down.
    fn may_read(&mut self) -> bool {
        !self.connection.out.is_full()
            && self.connection.phase != Phase::Closed
            && !self.connection.check_blocked()
    }

    fn must_write(&self) -> bool {
        !self.connection.out.is_empty() || self.socket.holds_back()
    }

    /// Reads once and steps the state with every frame that is complete. `false` at the end of
    /// the stream.
    fn read(&mut self) -> io::Result<bool> {
        let missing = self.decoder.missing(&self.inbox);
        self.room.prepare(&mut self.inbox, missing);
        let room = self.inbox.capacity() - self.inbox.len();
        match self.socket.try_read_buf(&mut self.inbox) {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.reads += 1;
                self.room.learn(count, room);
                self.connection.entered.received_bytes.add(count as u64);
                self.connection.entered.received.add(1);
                self.last_read = Instant::now();
                self.step();
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Steps the state with what was read.
    fn step(&mut self) {
        self.is_stalled = self.connection.on_read(&mut self.decoder, &mut self.inbox);
    }

    /// Writes as much as the socket takes now, and fills up from the mailbox meanwhile.
    fn write(&mut self) -> io::Result<()> {
        while !self.connection.out.is_empty() {
            let mut slices = [IoSlice::new(&[]); WRITE_PIECES];
            let filled = self.connection.out.pieces(&mut slices);
            match self.socket.try_write_vectored(slices.get(..filled).unwrap_or_default()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.last_write = Instant::now();
                    self.connection.entered.sent_bytes.add(count as u64);
                    self.connection.entered.sent.add(1);
                    self.connection.out.advance(count);
                    self.connection.deliver();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        match self.socket.try_flush() {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    fn tick_every(&self) -> Duration {
        self.heartbeat.map_or(TICK, |heartbeat| TICK.min(heartbeat / 2))
    }

    /// AMQP 0-9-1 §4.2.7: something at least every interval each way; two intervals of silence
    /// mean that the peer is gone.
    fn on_tick(&mut self) -> io::Result<()> {
        if self.connection.phase == Phase::Closing {
            let since = *self.closing_since.get_or_insert_with(Instant::now);
            if since.elapsed() > CLOSE_OK_TIMEOUT {
                self.connection.phase = Phase::Closed;
                return Err(io::Error::new(io::ErrorKind::TimedOut, "no connection.close-ok"));
            }
        }
        self.connection.close_overdue(std::time::Instant::now());
        let Some(heartbeat) = self.heartbeat else { return Ok(()) };
        // Who is not read cannot be heard: then it counts whether it takes what is written.
        let last_sign = match (self.may_read(), !self.must_write()) {
            (true, _) => self.last_read,
            (false, false) => self.last_read.max(self.last_write),
            (false, true) => Instant::now(),
        };
        if last_sign.elapsed() > heartbeat * 2 {
            let text = format!("missed heartbeats from client, timeout: {}s", heartbeat.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        if self.last_write.elapsed() >= heartbeat / 2 && self.connection.phase == Phase::Open {
            encode_heartbeat(self.connection.out.tail());
        }
        Ok(())
    }
}

/// Reads in a row before others have their turn.
const READS_AT_ONCE: u32 = 4;

/// Pieces of one vectored write.
const WRITE_PIECES: usize = 64;

/// How often clocks are looked at.
const TICK: Duration = Duration::from_secs(1);

/// How long a client has to answer `connection.close`.
const CLOSE_OK_TIMEOUT: Duration = Duration::from_secs(5);
