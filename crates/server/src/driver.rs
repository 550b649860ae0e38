//! The socket and the clock of one connection, whatever its protocol: reads, steps the state,
//! writes, keeps heartbeats. Knows no frame: [`Endpoint`] does.

use std::{
    io::{self, IoSlice},
    sync::Arc,
    time::Duration,
};

use auth::Users;
use bytes::BytesMut;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit},
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use crate::{
    Context,
    bell::{Held, Hold},
    connections::Entered,
    read_buffer::ReadRoom,
    socket::{LINGER, Socket},
    turn::Turn,
    write_buffer::WriteBuffer,
};

/// How far a connection is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    /// This side said that it closes: all but the peer's close and its answer is passed over.
    Closing,
    /// Nothing more is read; what is in the buffer is still written.
    Closed,
}

/// One connection's state in its protocol, stepped by octets and wake-ups. It writes into a buffer
/// and reads no socket.
pub(crate) trait Endpoint {
    /// How operators see it.
    fn entered(&self) -> &Entered;

    /// What is to be written.
    fn out(&mut self) -> &mut WriteBuffer;

    fn phase(&self) -> Phase;

    /// How many octets complete the frame that has begun.
    fn missing(&self, inbox: &[u8]) -> usize;

    /// Acts upon what is complete in what was read, as long as there is room for what it brings: a
    /// few octets can ask for a large message. `true` when there may be more of it.
    fn on_read(&mut self, inbox: &mut BytesMut) -> bool;

    /// The mailbox has something, or the journal's durable mark moved.
    fn on_wake(&mut self);

    /// There is room in the write buffer: fills it from the mailbox.
    fn deliver(&mut self);

    /// Whether it published, and has to wait until memory or disk is less short; says so to a peer
    /// that understands it.
    fn must_wait(&mut self) -> bool;

    /// Users or permissions changed: looks again who this is and what they may do.
    fn recheck(&mut self, users: &Users);

    /// Closes, because an operator or the server's end wants it. What was published before is
    /// delivered before.
    fn force_close(&mut self, why: &str);

    /// The peer does not answer a close: it is over without.
    fn give_up(&mut self);

    /// A second has passed, or less.
    fn on_tick(&mut self);

    /// Writes the shortest thing that shows that this side is there.
    fn sign_of_life(&mut self);

    /// Gives everything back to the broker, however the connection ended.
    fn end(&mut self);
}

/// Who has to be heard of how often; `None` is never.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Heartbeats {
    /// The peer expects something in such an interval, and gets it twice in each.
    pub(crate) sent: Option<Duration>,
    /// Two such intervals of silence mean that the peer is gone.
    pub(crate) awaited: Option<Duration>,
}

/// What a driver drives.
pub(crate) struct Driver<E> {
    pub(crate) socket: Socket,
    pub(crate) endpoint: E,
    /// Octets read and not acted upon.
    pub(crate) inbox: BytesMut,
    pub(crate) bell: Arc<Notify>,
    pub(crate) heartbeats: Heartbeats,
    /// Its place among the open connections.
    pub(crate) place: OwnedSemaphorePermit,
}

impl<E: Endpoint> Driver<E> {
    /// Serves the peer until it is gone.
    pub(crate) async fn drive(self, context: &Context) {
        let Driver { socket, endpoint, inbox, bell, heartbeats, place } = self;
        let now = Instant::now();
        let mut driving = Driving {
            socket,
            endpoint,
            inbox,
            room: ReadRoom::new(),
            bell,
            heartbeats,
            turn: Turn::default(),
            last_read: now,
            last_write: now,
            is_stalled: false,
            held: Held::default(),
            closing_since: None,
        };
        let id = driving.endpoint.entered().facts.id.0;
        let result = driving.run(context).await;
        driving.endpoint.end();
        drop(place);
        match result {
            Ok(()) => {
                timeout(LINGER, driving.socket.linger()).await.ok();
                tracing::info!(connection = id, "closed");
            }
            Err(error) => {
                driving.socket.let_see(&error).await;
                tracing::info!(connection = id, "lost: {error}");
            }
        }
    }
}

/// What one read brought.
enum ReadOnce {
    /// The stream has ended.
    End,
    /// All there was.
    Emptied,
    /// As much as there was room for.
    Filled,
}

struct Driving<E> {
    socket: Socket,
    endpoint: E,
    inbox: BytesMut,
    room: ReadRoom,
    bell: Arc<Notify>,
    heartbeats: Heartbeats,
    turn: Turn,
    last_read: Instant,
    last_write: Instant,
    /// There may be frames that were read and not acted upon, because what they bring would not
    /// fit into the write buffer.
    is_stalled: bool,
    /// Whom its reads have yet to wake.
    held: Held,
    /// The server said close: from when on the answer is no longer waited for.
    closing_since: Option<Instant>,
}

impl<E: Endpoint> Driving<E> {
    async fn run(&mut self, context: &Context) -> io::Result<()> {
        let mut drain = context.drain.clone();
        // What changed before this connection was there is news to it, too.
        let mut rights = context.rights.clone();
        let mut is_draining = false;
        let mut tick = interval(self.tick_every());
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.step();
        loop {
            if self.turn.is_over() {
                self.turn.let_others().await;
            }
            // Not only when there is nothing else to do: a busy peer's rights end as well.
            if rights.has_changed().unwrap_or(false) {
                rights.borrow_and_update();
                self.endpoint.recheck(&context.users);
            }
            if let Some(reason) = self.endpoint.entered().close_asked() {
                self.endpoint.force_close(&reason);
            }
            self.write()?;
            if self.is_stalled && !self.endpoint.out().is_full() {
                self.step();
                continue;
            }
            let must_write = self.must_write();
            if self.endpoint.phase() == Phase::Closed && !must_write {
                return Ok(());
            }
            let may_read = self.may_read();
            let must_write = self.must_write();
            if !may_read {
                self.held.ring();
            }
            tokio::select! {
                biased;
                // First, and seldom: a peer that never stops sending is not to stop the clock.
                _ = tick.tick() => self.on_tick()?,
                () = self.bell.notified() => self.endpoint.on_wake(),
                ready = self.socket.writable(), if must_write => ready?,
                ready = self.readable(), if may_read => {
                    ready?;
                    if !self.read()? {
                        return Ok(());
                    }
                }
                Ok(()) = rights.changed() => rights.mark_changed(),
                _ = drain.changed(), if !is_draining => {
                    is_draining = true;
                    self.endpoint.force_close("broker is shutting down");
                }
            }
        }
    }

    /// Waits until there may be something to read. Not while others wait for what was read: then a
    /// read shows whether there is more.
    async fn readable(&self) -> io::Result<()> {
        match self.held.is_empty() {
            true => self.socket.readable().await,
            false => Ok(()),
        }
    }

    /// A peer that does not read, or has to wait, is not read either: it slows down.
    fn may_read(&mut self) -> bool {
        !self.endpoint.out().is_full()
            && self.endpoint.phase() != Phase::Closed
            && !self.endpoint.must_wait()
    }

    fn must_write(&mut self) -> bool {
        !self.endpoint.out().is_empty() || self.socket.holds_back()
    }

    /// Reads, and steps the state with every frame that is complete, as long as the peer fills what
    /// it is given, and it is its turn. `false` at the end of the stream.
    fn read(&mut self) -> io::Result<bool> {
        let hold = Hold::begin(std::mem::take(&mut self.held));
        loop {
            match self.read_once()? {
                ReadOnce::End => return Ok(false),
                ReadOnce::Emptied => return Ok(true),
                ReadOnce::Filled if self.is_stalled || !self.may_read() => return Ok(true),
                ReadOnce::Filled => hold.on_read(),
            }
            if !self.turn.may_read() {
                self.held = hold.suspend();
                return Ok(true);
            }
        }
    }

    fn read_once(&mut self) -> io::Result<ReadOnce> {
        let missing = self.endpoint.missing(&self.inbox);
        self.room.prepare(&mut self.inbox, missing);
        let room = self.inbox.capacity() - self.inbox.len();
        match self.socket.try_read_buf(&mut self.inbox) {
            Ok(0) => Ok(ReadOnce::End),
            Ok(count) => {
                self.turn.on_read();
                self.room.learn(count, room);
                let entered = self.endpoint.entered();
                entered.received_bytes.add(count as u64);
                entered.received.add(1);
                self.step();
                // Not before: what was read may have waited for the disk, and nobody is heard
                // meanwhile.
                self.last_read = Instant::now();
                Ok(if count < room { ReadOnce::Emptied } else { ReadOnce::Filled })
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(ReadOnce::Emptied),
            Err(error) => Err(error),
        }
    }

    /// Steps the state with what was read.
    fn step(&mut self) {
        self.is_stalled = self.endpoint.on_read(&mut self.inbox);
    }

    /// Writes as much as the socket takes now, as long as it is its turn, and fills up from the
    /// mailbox meanwhile.
    fn write(&mut self) -> io::Result<()> {
        while !self.endpoint.out().is_empty() && self.turn.may_write() {
            let mut slices = [IoSlice::new(&[]); WRITE_PIECES];
            let filled = self.endpoint.out().pieces(&mut slices);
            match self.socket.try_write_vectored(slices.get(..filled).unwrap_or_default()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.last_write = Instant::now();
                    self.turn.on_written(count);
                    let entered = self.endpoint.entered();
                    entered.sent_bytes.add(count as u64);
                    entered.sent.add(1);
                    self.endpoint.out().advance(count);
                    self.endpoint.deliver();
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
        let Heartbeats { sent, awaited } = self.heartbeats;
        sent.into_iter().chain(awaited).map(|it| it / 2).chain([TICK]).min().unwrap_or(TICK)
    }

    fn on_tick(&mut self) -> io::Result<()> {
        if self.endpoint.phase() == Phase::Closing {
            let since = *self.closing_since.get_or_insert_with(Instant::now);
            if since.elapsed() > CLOSE_TIMEOUT {
                self.endpoint.give_up();
                return Err(io::Error::new(io::ErrorKind::TimedOut, "no answer to close"));
            }
        }
        self.endpoint.on_tick();
        if let Some(awaited) = self.heartbeats.awaited {
            // Who is not read cannot be heard: then it counts whether it takes what is written.
            let last_sign = match (self.may_read(), !self.must_write()) {
                (true, _) => self.last_read,
                (false, false) => self.last_read.max(self.last_write),
                (false, true) => Instant::now(),
            };
            if last_sign.elapsed() > awaited * 2 {
                let text =
                    format!("missed heartbeats from client, timeout: {}s", awaited.as_secs());
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
        }
        if let Some(sent) = self.heartbeats.sent
            && self.last_write.elapsed() >= sent / 2
            && self.endpoint.phase() == Phase::Open
        {
            self.endpoint.sign_of_life();
        }
        Ok(())
    }
}

/// Pieces of one vectored write.
const WRITE_PIECES: usize = 64;

/// How often clocks are looked at.
const TICK: Duration = Duration::from_secs(1);

/// How long a client has to answer a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
