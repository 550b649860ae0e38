//! What a protocol has to be able to do to be measured. Everything else (pace, windows, threads,
//! time, verdicts) is the same for all.

use std::time::{Duration, Instant};

use crate::{
    Error,
    inbox::Inbox,
    stamp::Stamp,
    traffic::{Names, Traffic},
    wire::Wire,
};

/// A broker at an address, spoken to in one protocol.
pub(crate) trait Protocol: Send + Sync {
    /// Makes queues and what leads to them.
    fn declare(&self, traffic: &Traffic, names: &Names) -> Result<(), Error>;

    /// Removes what [`Protocol::declare`] made, as far as it is there.
    fn delete(&self, traffic: &Traffic, names: &Names) -> Result<(), Error>;

    /// A connection that publishes: the producer of that number.
    fn publisher(
        &self,
        traffic: &Traffic,
        names: &Names,
        number: u16,
    ) -> Result<Link<dyn Publishing>, Error>;

    /// A connection that consumes these queues.
    fn consumer(
        &self,
        traffic: &Traffic,
        names: &Names,
        queues: &[u32],
    ) -> Result<Link<dyn Consuming>, Error>;

    /// A connection that does nothing.
    fn idle(&self) -> Result<Wire, Error>;
}

/// A connection after its opening.
pub(crate) struct Link<Side: ?Sized> {
    pub(crate) wire: Wire,
    /// What came already.
    pub(crate) inbox: Inbox,
    pub(crate) side: Box<Side>,
    /// What the broker wants to hear of it, also when there is nothing to say.
    pub(crate) pulse: Option<Pulse>,
}

/// A sign of life, given as often as the peer asked for.
#[derive(Debug, Clone)]
pub(crate) struct Pulse {
    every: Duration,
    next: Instant,
    octets: &'static [u8],
}

impl Pulse {
    pub(crate) fn new(every: Duration, octets: &'static [u8]) -> Pulse {
        Pulse { every, next: Instant::now() + every, octets }
    }

    /// Writes it, when it is time to.
    pub(crate) fn beat(&mut self, out: &mut Vec<u8>) {
        let now = Instant::now();
        if now >= self.next {
            out.extend_from_slice(self.octets);
            self.next = now + self.every;
        }
    }
}

/// A message ready to be sent, but for its stamp and its number.
pub(crate) struct Encoded {
    pub(crate) octets: Vec<u8>,
    pub(crate) stamp_at: usize,
    /// Where its number among the messages of its connection stands, from 0, in four octets each,
    /// if it is told.
    pub(crate) number_at: Option<[usize; 2]>,
}

/// What a broker says of published messages, counted from 1 on this connection: of all from `first`
/// to `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Confirm {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) is_refused: bool,
}

/// A message that arrived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delivery {
    pub(crate) queue: u32,
    pub(crate) is_redelivered: bool,
    pub(crate) body_bytes: usize,
    /// None: no body that a run has sent.
    pub(crate) stamp: Option<Stamp>,
}

/// The sending half of a protocol.
pub(crate) trait Publishing: Send {
    /// A message with a body of that size.
    fn message(&self, key: &str, body_bytes: usize, durable: bool) -> Encoded;

    /// How many more messages the broker takes now.
    fn room(&self) -> u64 {
        u64::MAX
    }

    /// So many more are on their way.
    fn sent(&mut self, _count: u64) {}

    /// Looks at what came; returns how many octets of it are done with.
    fn confirms(
        &mut self,
        input: &[u8],
        each: &mut dyn FnMut(Confirm),
        answer: &mut Vec<u8>,
    ) -> Result<usize, Error>;
}

/// The receiving half of a protocol.
pub(crate) trait Consuming: Send {
    /// Looks at what came; returns how many octets of it are done with.
    fn deliveries(
        &mut self,
        input: &[u8],
        each: &mut dyn FnMut(Delivery),
        answer: &mut Vec<u8>,
    ) -> Result<usize, Error>;

    /// Writes the acknowledgement of everything that was delivered since the last one.
    fn acknowledge(&mut self, answer: &mut Vec<u8>);

    /// Whether the broker closes the connection of who is too slow for it: an end of the consumer,
    /// and not of the run. What it missed counts as lost.
    fn may_be_cut(&self) -> bool {
        false
    }
}
