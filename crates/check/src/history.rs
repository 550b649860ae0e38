//! Histories as lines of JSON. One line is one event; a line is written whole, so that what a
//! killed process wrote is a history still.

use std::io::{self, BufRead, Write};
use std::time::Instant;

use crate::{Event, Record};

/// Writes a history. Each event is flushed before the call returns: write an attempt before it is
/// made, and what happened after it happened.
#[derive(Debug)]
pub struct Recorder<W: Write> {
    out: W,
    begun: Instant,
    line: Vec<u8>,
}

impl<W: Write> Recorder<W> {
    /// Writes to `out`; time begins now.
    pub fn new(out: W) -> Recorder<W> {
        Recorder { out, begun: Instant::now(), line: Vec::new() }
    }

    /// Writes one event, with its time.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn record(&mut self, event: Event) -> io::Result<()> {
        let at_us = self.begun.elapsed().as_micros() as u64;
        self.line.clear();
        serde_json::to_writer(&mut self.line, &Record { at_us, event })?;
        self.line.push(b'\n');
        self.out.write_all(&self.line)?;
        self.out.flush()
    }
}

/// Reads a history to its end.
///
/// # Errors
/// It cannot be read, or a line is no event. A last line that lacks its end was cut off when its
/// writer was killed, and is passed over.
pub fn read(mut from: impl BufRead) -> Result<Vec<Record>, HistoryError> {
    let mut records = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        from.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            return Ok(records);
        }
        let number = records.len() + 1;
        let record = serde_json::from_slice(&line)
            .map_err(|source| HistoryError::Line { number, source })?;
        records.push(record);
    }
}

/// Why a history cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file or pipe fails.
    #[error("the history cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A line that is no event: whoever wrote it has another version of this crate, or a defect.
    #[error("line {number} of the history is no event: {source}")]
    Line {
        /// From 1 on.
        number: usize,
        /// Why.
        source: serde_json::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Hash, MessageId, Thing};

    fn events() -> Vec<Event> {
        let message = MessageId { publisher: 1, sequence: u64::MAX };
        let (hash, queue) = (Hash::of(b"x"), || "q".to_owned());
        let destination = Box::new(Thing::Queue(queue()));
        let binding = Thing::Binding { source: "e".into(), destination, key: "a.#".into() };
        vec![
            Event::Declaring { thing: binding.clone(), durable: true },
            Event::Declared { thing: Thing::Exchange("e".into()), durable: true },
            Event::Attempt { message, hash, queues: vec![queue()], persistent: true },
            Event::Confirm { message },
            Event::Deliver {
                message,
                queue: queue(),
                consumer: "c".into(),
                hash,
                redelivered: false,
            },
            Event::DeadLetter { message, queue: queue(), to: vec![] },
            Event::Crash,
            Event::Found { things: vec![binding] },
        ]
    }

    #[test]
    fn a_history_is_read_as_it_was_written() {
        let mut file = Vec::new();
        let mut recorder = Recorder::new(&mut file);
        events().into_iter().for_each(|event| recorder.record(event).unwrap());
        let records = read(file.as_slice()).unwrap();
        assert!(records.is_sorted_by_key(|record| record.at_us));
        let read: Vec<Event> = records.into_iter().map(|record| record.event).collect();
        assert_eq!(read, events());
    }

    #[test]
    fn a_line_has_plain_words_for_writers_in_other_languages() {
        let line = r#"{"at_us":5,"event":"deliver","publisher":1,"sequence":2,"queue":"q",
            "consumer":"c","hash":"00000000000000ff","redelivered":true}"#;
        let read = read(format!("{}\n", line.replace('\n', "")).as_bytes()).unwrap();
        let Event::Deliver { message, redelivered: true, .. } = &read[0].event else {
            panic!("{read:?}")
        };
        assert_eq!(message.sequence, 2);
    }

    #[test]
    fn a_last_line_that_was_cut_off_is_passed_over_and_any_other_is_an_error() {
        let whole = "{\"at_us\":1,\"event\":\"crash\"}\n";
        assert_eq!(read(format!("{whole}{{\"at_us\":2,\"ev").as_bytes()).unwrap().len(), 1);
        let error = read(format!("{whole}{{\"at_us\":2}}\n{whole}").as_bytes()).unwrap_err();
        assert!(error.to_string().starts_with("line 2 of the history is no event"), "{error}");
    }
}
