//! Messages that wait for their time, of one delayed exchange.
//!
//! They are in a queue of the exchange's own that no client can name: so they are in the journal,
//! survive a restart, and move with compaction as any other. Each carries the time it is due behind
//! its body. Who fires them takes them out of the queue, and keeps of each its place: some hundred
//! bytes, counted as memory that messages hold. The message itself stays on disk when memory is
//! short.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    sync::{Arc, Mutex},
};

use bytes::Buf;
use bytestring::ByteString;

use crate::{
    Entry, Error, Headers, Message, Queue, Value,
    clock::Timestamp,
    limits::{FIRED_BYTES_MAX, FIRED_MESSAGES_MAX},
    routing::Map,
    store::Store,
    sync::lock,
};

/// The queue of a delayed exchange, and what of it is due when.
#[derive(Debug)]
pub(crate) struct DelayQueue {
    queue: Arc<Queue>,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// By when it is due, then in the order it came.
    due: BinaryHeap<Reverse<(Timestamp, u64)>>,
    entries: Map<u64, Entry>,
    /// Those whose message is in memory yet, oldest first.
    in_memory: VecDeque<u64>,
    ended: bool,
}

/// Where a message waits, and until when.
#[derive(Debug, Clone)]
pub(crate) struct Delay {
    pub(crate) queue: Arc<DelayQueue>,
    pub(crate) due: Timestamp,
}

/// A message whose time has come.
#[derive(Debug)]
pub(crate) struct Due {
    pub(crate) at: Timestamp,
    pub(crate) entry: Entry,
    pub(crate) message: Message,
}

impl DelayQueue {
    pub(crate) fn new(queue: Arc<Queue>) -> DelayQueue {
        DelayQueue { queue, waiting: Mutex::default() }
    }

    pub(crate) fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    /// How many messages wait.
    pub(crate) fn len(&self) -> usize {
        let counts = self.queue.counts();
        counts.ready + counts.unacknowledged
    }

    /// Takes what is due, first to be due first, as much as fits into one batch; and says when to
    /// come again. The caller owes [`DelayQueue::done`] or [`DelayQueue::put_back`] for it.
    ///
    /// # Errors
    /// A part of the queue on disk cannot be read now.
    pub(crate) fn take_due(
        &self,
        now: Timestamp,
        store: &Store,
    ) -> Result<(Vec<Due>, Option<Timestamp>), Error> {
        let mut waiting = lock(&self.waiting);
        if waiting.ended {
            return Ok((Vec::new(), None));
        }
        let more = self.take_in(&mut waiting, store)?;
        if store.is_over_budget() {
            waiting.page_out(store);
        }
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while let Some(&Reverse((at, order))) = waiting.due.peek()
            && at <= now
            && taken.len() < FIRED_MESSAGES_MAX
            && bytes < FIRED_BYTES_MAX
        {
            waiting.due.pop();
            let Some(entry) = waiting.entries.remove(&order) else { continue };
            store.let_go(ENTRY_BYTES);
            match self.queue.message(&entry).map(|sealed| Sealed::open(&sealed)) {
                Ok(Some((_, message))) => {
                    bytes += message.body_len();
                    taken.push(Due { at, entry, message });
                }
                Ok(None) => self.set_aside(entry, store, None),
                Err(error) => self.set_aside(entry, store, Some(error)),
            }
        }
        let next = waiting.due.peek().map(|Reverse((at, _))| *at);
        Ok((taken, if more { Some(now) } else { next }))
    }

    /// Takes in what came into the queue; whether there is more than one turn takes.
    fn take_in(&self, waiting: &mut Waiting, store: &Store) -> Result<bool, Error> {
        for _ in 0..TAKEN_IN_MAX {
            let Some((mut entry, _)) = self.queue.get()? else { return Ok(false) };
            let due = match self.queue.message(&entry) {
                Ok(sealed) => Sealed::due(&sealed),
                Err(error) => {
                    self.set_aside(entry, store, Some(error));
                    continue;
                }
            };
            let Some(due) = due else {
                self.set_aside(entry, store, None);
                continue;
            };
            entry.ticket.flags = entry.ticket.flags.not_delivered();
            store.hold(ENTRY_BYTES);
            let order = entry.order;
            waiting.due.push(Reverse((due, order)));
            if entry.message.is_some() {
                waiting.in_memory.push_back(order);
            }
            waiting.entries.insert(order, entry);
        }
        Ok(true)
    }

    fn set_aside(&self, entry: Entry, store: &Store, error: Option<Error>) {
        let what = self.queue.resource().to_string();
        store.report(error.unwrap_or_else(|| {
            Error::new(
                crate::error::Kind::Internal,
                format!("a message of {what} does not say when it is due; it is kept, not served"),
            )
        }));
        self.queue.set_aside(entry, None);
    }

    /// Done with these: they are where they belong.
    ///
    /// # Errors
    /// The journal failed.
    pub(crate) fn done(&self, entries: impl IntoIterator<Item = Entry>) -> Result<(), Error> {
        self.queue.settle(entries, None)
    }

    /// Not done with these: they wait on, and are due.
    pub(crate) fn put_back(&self, taken: Vec<Due>, store: &Store) {
        let mut waiting = lock(&self.waiting);
        if waiting.ended {
            drop(waiting);
            self.done(taken.into_iter().map(|it| it.entry)).unwrap_or_else(|it| store.report(it));
            return;
        }
        for Due { at, entry, .. } in taken {
            store.hold(ENTRY_BYTES);
            if entry.message.is_some() {
                waiting.in_memory.push_back(entry.order);
            }
            waiting.due.push(Reverse((at, entry.order)));
            waiting.entries.insert(entry.order, entry);
        }
    }

    /// The exchange is gone, which the ledger says: its messages go.
    ///
    /// # Errors
    /// The journal failed.
    pub(crate) fn end(&self, store: &Store) -> Result<(), Error> {
        let mut waiting = lock(&self.waiting);
        waiting.ended = true;
        waiting.due.clear();
        waiting.in_memory.clear();
        let entries = std::mem::take(&mut waiting.entries);
        store.let_go(entries.len() * ENTRY_BYTES);
        self.queue.delete(|_| Ok(()))?;
        self.done(entries.into_values())
    }
}

impl Waiting {
    /// Lets go of messages that the journal can give back.
    fn page_out(&mut self, store: &Store) {
        let Some(journal) = store.journal() else { return };
        while let Some(order) = self.in_memory.front() {
            if let Some(entry) = self.entries.get_mut(order) {
                match entry.position {
                    Some(position) if !journal.is_committed(position) => return,
                    Some(_) => {
                        entry.message = None;
                        store.let_go(std::mem::take(&mut entry.share) as usize);
                    }
                    None => {}
                }
            }
            self.in_memory.pop_front();
        }
    }
}

/// A message with the time it is due behind its body, and the time it has to live then plus one, or
/// 0: eight bytes each, little endian.
pub(crate) struct Sealed;

impl Sealed {
    /// Writes the times behind the body. While it waits, it does not age.
    pub(crate) fn seal(mut message: Message, due: Timestamp) -> Message {
        let label = Arc::make_mut(&mut message.label);
        let ttl = label.marks.ttl.take().map_or(0, |ttl| ttl.saturating_add(1));
        let times = [due.0.to_le_bytes(), ttl.to_le_bytes()].concat();
        message.body.push(times.into());
        message
    }

    /// When it is due; `None` when it does not say.
    pub(crate) fn due(message: &Message) -> Option<Timestamp> {
        let mut last = [0; DUE_BYTES];
        let mut missing = DUE_BYTES;
        for slice in message.body.iter().rev() {
            let taken = slice.len().min(missing);
            let from = slice.get(slice.len() - taken..)?;
            last.get_mut(missing - taken..missing)?.copy_from_slice(from);
            missing -= taken;
        }
        (missing == 0).then(|| Timestamp((&last[..]).get_u64_le()))
    }

    /// The time to live that the end of a body says.
    fn ttl(message: &Message) -> Option<u64> {
        let end: Vec<u8> =
            message.body.iter().rev().flat_map(|it| it.iter().rev()).take(8).copied().collect();
        let bytes: [u8; 8] = end.try_into().ok()?;
        u64::from_be_bytes(bytes).checked_sub(1)
    }

    /// When it is due, and the message as it was published.
    pub(crate) fn open(sealed: &Message) -> Option<(Timestamp, Message)> {
        let due = Sealed::due(sealed)?;
        let mut message = sealed.clone();
        Arc::make_mut(&mut message.label).marks.ttl = Sealed::ttl(sealed);
        let mut rest = DUE_BYTES;
        while let Some(mut slice) = message.body.pop().filter(|_| rest > 0) {
            if slice.len() > rest {
                slice.truncate(slice.len() - rest);
                message.body.push(slice);
                return Some((due, message));
            }
            rest -= slice.len();
            if rest == 0 {
                return Some((due, message));
            }
        }
        None
    }
}

/// How many milliseconds a message is to wait (the plugin: `get_delay`): an integer, its digits, or
/// the whole part of a float. `None`: it goes on at once.
pub(crate) fn delay_of(headers: &dyn Headers) -> Option<u64> {
    let delay = match headers.header(DELAY_HEADER)? {
        Value::Longstr(digits) => digits.parse().ok()?,
        Value::Float(delay) => delay as i64,
        Value::Double(delay) => delay as i64,
        other => other.as_integer()?,
    };
    u64::try_from(delay).ok().filter(|delay| *delay > 0)
}

/// The name of a delayed exchange's own queue.
pub(crate) fn queue_name(exchange: &str) -> ByteString {
    ByteString::from(format!("{QUEUE_PREFIX}{exchange}"))
}

/// The exchange whose own queue has this name. Clients can neither declare nor find it: it is
/// reserved (`amq.`), and no queue of the topology.
pub(crate) fn delays_exchange(queue: &str) -> Option<&str> {
    queue.strip_prefix(QUEUE_PREFIX)
}

const QUEUE_PREFIX: &str = "amq.rabbitmq.delayed.";

/// The header in which a message says how long it is to wait; negative once it did.
pub(crate) const DELAY_HEADER: &str = "x-delay";

const DUE_BYTES: usize = 16;

/// Messages taken in from the queue in one turn: few enough that what is due is not held up.
const TAKEN_IN_MAX: usize = 4096;

/// What a waiting message holds in memory when it is on disk itself.
const ENTRY_BYTES: usize = 128;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{Arguments, Encoding, Label};

    fn message(slices: &[&str]) -> Message {
        Message::new(
            Label {
                exchange: "x".into(),
                routing_key: "k".into(),
                properties: Bytes::from_static(b"p"),
                encoding: Encoding(1),
                persistent: true,
                marks: crate::Marks { ttl: Some(7), ..crate::Marks::default() },
                ..Label::default()
            },
            slices.iter().map(|it| Bytes::copy_from_slice(it.as_bytes())).collect(),
        )
    }

    #[test]
    fn a_sealed_message_opens_to_itself_however_its_body_is_cut() {
        let due = Timestamp(0x0102_0304_0506_0708);
        for slices in [&[][..], &["body"], &["two", "slices"], &["", "x", ""]] {
            let sealed = Sealed::seal(message(slices), due);
            let (found, opened) = Sealed::open(&sealed).unwrap();
            assert_eq!((found, &opened), (due, &message(slices)));
            // As the journal gives it back: in one piece. And in as many as there can be.
            let whole: Vec<u8> = sealed.body.concat();
            for size in [whole.len(), 1, 3] {
                let cut = whole.chunks(size).map(Bytes::copy_from_slice).collect();
                let (found, opened) =
                    Sealed::open(&Message { body: cut, ..sealed.clone() }).unwrap();
                assert_eq!((found, opened.body.concat()), (due, slices.concat().into_bytes()));
            }
        }
        assert_eq!(Sealed::due(&message(&["short"])), None);
        assert!(Sealed::open(&message(&[])).is_none());
    }

    #[test]
    fn a_delay_is_a_number_in_any_form_and_only_a_positive_one_is() {
        let of = |value: Value| {
            delay_of(&[("x-delay".to_owned(), value)].into_iter().collect::<Arguments>())
        };
        assert_eq!(of(Value::SignedInt(5000)), Some(5000));
        assert_eq!(of(Value::Byte(5)), Some(5));
        assert_eq!(of(Value::Longstr("5000".into())), Some(5000));
        assert_eq!(of(Value::Double(1.9)), Some(1));
        assert_eq!(of(Value::Long(5_000_000_000)), Some(5_000_000_000));
        for none in [Value::SignedInt(0), Value::Long(-5), Value::Longstr("soon".into())] {
            assert_eq!(of(none), None);
        }
        assert_eq!((of(Value::Void), of(Value::Double(f64::NAN))), (None, None));
        assert_eq!(delay_of(&()), None);
    }

    #[test]
    fn the_name_of_its_queue_says_whose_it_is() {
        assert_eq!(delays_exchange(&queue_name("events")), Some("events"));
        assert_eq!(delays_exchange("amq.gen-x"), None);
    }
}
