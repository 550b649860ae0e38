//! What the server promised, and what it then did.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    KEPT, Verdict, WORKED, Wrong,
    message::MessageId,
    publisher::{PUBLISHERS, Publisher},
};

/// What one queue was promised of one publisher, from the number `settled` on.
#[derive(Debug, Default)]
struct Stream {
    /// Every message below this number is settled for good.
    settled: u64,
    confirmed: BTreeSet<u64>,
    /// What was delivered, and in which life of the server last.
    delivered: BTreeMap<u64, u32>,
    /// What was given back, and may come again in the same life.
    given_back: BTreeSet<u64>,
}

/// The record of a load.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) verdict: Verdict,
    pub(crate) confirmed: u64,
    /// Which life of the server this is.
    life: u32,
    published: BTreeMap<u8, u64>,
    streams: BTreeMap<(&'static str, u8), Stream>,
}

impl Default for Record {
    fn default() -> Record {
        let queues = [KEPT, WORKED];
        let pairs = PUBLISHERS.iter().flat_map(|publisher| {
            queues
                .into_iter()
                .filter(|queue| publisher.queues.contains(queue))
                .map(|queue| ((queue, publisher.number), Stream::default()))
        });
        Record {
            verdict: Verdict::default(),
            confirmed: 0,
            life: 0,
            published: BTreeMap::new(),
            streams: pairs.collect(),
        }
    }
}

impl Record {
    /// The server was started again, or everybody connects anew.
    pub(crate) fn begin_life(&mut self) {
        self.life += 1;
    }

    /// The next message of a publisher, which is about to be published.
    pub(crate) fn next(&mut self, publisher: &Publisher) -> MessageId {
        let next = self.published.entry(publisher.number).or_default();
        let number = *next;
        *next += 1;
        MessageId { publisher: publisher.number, number }
    }

    /// The server took responsibility for a message.
    pub(crate) fn confirm(&mut self, publisher: &Publisher, number: u64) {
        self.confirmed += 1;
        if !publisher.is_persistent(number) {
            return;
        }
        for queue in publisher.queues {
            if let Some(stream) = self.streams.get_mut(&(*queue, publisher.number)) {
                stream.confirmed.insert(number);
            }
        }
    }

    /// A message was delivered from a queue.
    pub(crate) fn deliver(
        &mut self,
        queue: &'static str,
        id: Option<MessageId>,
        body: &[u8],
        redelivered: bool,
    ) {
        let Some(id) = id else {
            return self.verdict.add(Wrong::Invented, format!("{queue}: a message without an id"));
        };
        let published = self.published.get(&id.publisher).copied().unwrap_or(0);
        let Some(stream) = self.streams.get_mut(&(queue, id.publisher)) else {
            return self.verdict.add(Wrong::Invented, format!("{queue}: {id} is not for it"));
        };
        let mut wrongs = Vec::new();
        if id.number >= published {
            wrongs.push((Wrong::Invented, format!("was never published, {published} were")));
        }
        if id.number < stream.settled {
            let settled = stream.settled;
            wrongs.push((Wrong::Resurrected, format!("all before {settled} are settled")));
        }
        if body != id.body() {
            let (found, expected) = (body.len(), id.body().len());
            wrongs.push((Wrong::Altered, format!("{found} bytes, {expected} were published")));
        }
        match (stream.delivered.get(&id.number), stream.delivered.last_key_value()) {
            (Some(_), _) if !redelivered => {
                wrongs.push((Wrong::Unmarked, "delivered again without saying so".to_owned()));
            }
            (Some(life), _) if *life == self.life && !stream.given_back.contains(&id.number) => {
                wrongs
                    .push((Wrong::Twice, "delivered again without having been given back".into()));
            }
            (None, Some((later, _))) if *later > id.number => {
                wrongs.push((Wrong::Misordered, format!("first delivered after {later}")));
            }
            _ => {}
        }
        stream.given_back.remove(&id.number);
        stream.delivered.insert(id.number, self.life);
        for (wrong, what) in wrongs {
            self.verdict.add(wrong, format!("{queue}: {id} {what}"));
        }
    }

    /// A delivered message was given back to the queue.
    pub(crate) fn give_back(&mut self, queue: &'static str, id: Option<MessageId>) {
        let Some(id) = id else { return };
        if let Some(stream) = self.streams.get_mut(&(queue, id.publisher)) {
            stream.given_back.insert(id.number);
        }
    }

    /// A queue was emptied, and it is on disk that it was: what was confirmed must have been
    /// delivered, and nothing of before may come again.
    pub(crate) fn close(&mut self, queue: &'static str) {
        for ((of, publisher), stream) in &mut self.streams {
            if *of != queue {
                continue;
            }
            for number in &stream.confirmed {
                if !stream.delivered.contains_key(number) {
                    let id = MessageId { publisher: *publisher, number: *number };
                    self.verdict.add(Wrong::Lost, format!("{queue}: {id}"));
                }
            }
            let settled = self.published.get(publisher).copied().unwrap_or(0);
            *stream = Stream { settled, ..Stream::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FANOUT: &Publisher = &PUBLISHERS[0];

    fn published(count: u64) -> Record {
        let mut record = Record::default();
        for number in 0..count {
            assert_eq!(record.next(FANOUT).number, number);
            record.confirm(FANOUT, number);
        }
        record
    }

    fn deliver(record: &mut Record, number: u64, redelivered: bool) {
        let id = MessageId { publisher: FANOUT.number, number };
        record.deliver(KEPT, Some(id), &id.body(), redelivered);
    }

    fn kinds(record: &Record) -> Vec<Wrong> {
        record.verdict.counts().into_keys().collect()
    }

    #[test]
    fn what_is_delivered_as_it_was_published_is_right() {
        let mut record = published(3);
        for number in 0..3 {
            deliver(&mut record, number, false);
        }
        record.close(KEPT);
        assert_eq!(kinds(&record), []);
        record.verdict.hold().unwrap();
    }

    #[test]
    fn each_way_of_breaking_the_word_is_seen() {
        let mut record = published(3);
        deliver(&mut record, 0, false);
        deliver(&mut record, 2, false);
        record.close(KEPT);
        assert_eq!(kinds(&record), [Wrong::Lost]);
        deliver(&mut record, 1, true);
        assert_eq!(kinds(&record), [Wrong::Lost, Wrong::Resurrected]);

        let mut record = published(3);
        deliver(&mut record, 1, false);
        deliver(&mut record, 0, false);
        assert_eq!(kinds(&record), [Wrong::Misordered]);
        deliver(&mut record, 3, false);
        assert_eq!(kinds(&record), [Wrong::Invented, Wrong::Misordered]);

        let mut record = published(1);
        let id = MessageId { publisher: FANOUT.number, number: 0 };
        record.deliver(KEPT, Some(id), b"other", false);
        record.deliver(KEPT, None, b"", false);
        assert_eq!(kinds(&record), [Wrong::Invented, Wrong::Altered]);
    }

    #[test]
    fn a_second_delivery_needs_a_reason_and_has_to_say_so() {
        let mut record = published(2);
        deliver(&mut record, 0, false);
        deliver(&mut record, 0, true);
        assert_eq!(kinds(&record), [Wrong::Twice]);
        let mut record = published(2);
        deliver(&mut record, 0, false);
        record.give_back(KEPT, Some(MessageId { publisher: FANOUT.number, number: 0 }));
        deliver(&mut record, 0, true);
        record.begin_life();
        deliver(&mut record, 0, true);
        assert_eq!(kinds(&record), []);
        record.begin_life();
        deliver(&mut record, 0, false);
        assert_eq!(kinds(&record), [Wrong::Unmarked]);
    }
}
