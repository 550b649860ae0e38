//! What a journal was told and what it confirmed, and the check that nothing confirmed was lost and
//! nothing was altered or invented.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use journal::{Attachment, Error, Journal, Options, Position, Reason, Recovery};

use sim::{Random, SimDisk};

pub(crate) type Records = BTreeMap<Position, (u8, Vec<u8>)>;

/// Small segments, so that a short script crosses many.
pub(crate) fn small() -> Options {
    Options { segment_bytes: 2048, first_sequence: Some(1), ..Options::default() }
}

/// Opens and collects; positions must come in order.
pub(crate) fn open(disk: &SimDisk) -> Result<(Journal, Recovery, Records), Error> {
    let mut records = Records::new();
    let mut last = None;
    let (journal, recovery) = Journal::open(disk.share(), small(), &mut |record| {
        assert!(last < Some(record.position), "{last:?} before {}", record.position);
        last = Some(record.position);
        records.insert(record.position, (record.kind, record.payload.to_vec()));
    })?;
    assert_eq!(recovery.records, records.len() as u64);
    Ok((journal, recovery, records))
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) appended: Records,
    pub(crate) confirmed: BTreeSet<Position>,
    /// Given up by their owner, so that they may be gone.
    pub(crate) released: BTreeSet<Position>,
}

impl Model {
    pub(crate) fn append(&mut self, journal: &Journal, payload: Vec<u8>) -> Result<(), Error> {
        let kind = payload.len() as u8;
        let (left, right) = payload.split_at(payload.len() / 3);
        let mut appender = journal.appender()?;
        let position = appender.append(kind, &[left, right])?;
        journal.retain(position);
        drop(appender);
        assert!(!journal.is_durable(position), "{position} is durable before any commit");
        let last = self.appended.keys().next_back();
        assert!(last < Some(&position), "{position} is not behind {last:?}");
        self.appended.insert(position, (kind, payload));
        Ok(())
    }

    /// Appends a record that says what is in the attachment that it has.
    pub(crate) fn append_attached(
        &mut self,
        journal: &Journal,
        attachment: &Arc<Attachment>,
        payload: Vec<u8>,
    ) -> Result<(), Error> {
        let attachment = journal.attach_again(attachment)?;
        let mut appender = journal.appender()?;
        let position = appender.append_attached(ATTACHED, &[&payload], &attachment)?;
        journal.retain(position);
        drop(appender);
        self.appended.insert(position, (ATTACHED, payload));
        Ok(())
    }

    /// Notes what the journal says is durable.
    pub(crate) fn look(&mut self, journal: &Journal) {
        let durable = self.appended.keys().filter(|position| journal.is_durable(**position));
        self.confirmed.extend(durable);
    }

    pub(crate) fn release_half(&mut self, journal: &Journal) {
        let half = self.confirmed.len() / 2;
        for position in self.confirmed.iter().take(half) {
            if self.released.insert(*position) {
                journal.release(*position);
            }
        }
    }

    /// Compares with what a journal delivered when it was opened again.
    pub(crate) fn check(&self, found: &Records, context: &str) {
        for (position, record) in found {
            let told = self.appended.get(position);
            assert_eq!(told, Some(record), "{context}: invented or altered at {position}");
        }
        for position in self.confirmed.difference(&self.released) {
            assert!(
                found.contains_key(position),
                "{context}: {position} was confirmed and is lost"
            );
        }
    }

    /// The same, and that the journal works on: what it confirms now is there at the next start.
    pub(crate) fn check_and_go_on(&self, disk: &SimDisk, context: &str) {
        let (journal, recovery, found) =
            open(disk).unwrap_or_else(|error| panic!("{context}: does not open: {error}"));
        self.check(&found, context);
        no_false_alarm(&recovery, context);
        let mut model = Model { appended: found.clone(), ..Model::default() };
        model.confirmed.extend(found.keys());
        found.keys().for_each(|position| journal.retain(*position));
        for (position, (kind, payload)) in &found {
            let read = journal.read(*position).map(|read| read.to_vec());
            assert_eq!(read.ok().as_ref(), Some(payload), "{context}: {position} is not read back");
            if *kind == ATTACHED {
                let read = read_attachment(&journal, *position);
                let read = read.unwrap_or_else(|error| panic!("{context}: {position}: {error}"));
                assert!(read == attached(payload), "{context}: the attachment of {position}");
            }
        }
        model.append(&journal, b"after the crash".to_vec()).unwrap();
        assert!(journal.commit().unwrap(), "{context}");
        model.look(&journal);
        assert_eq!(model.confirmed.len(), found.len() + 1, "{context}");
        drop(journal);
        for image in disk.after_power_loss(&mut Random::new(1), 2) {
            let (_, recovery, found) = open(&SimDisk::from_image(image)).unwrap();
            model.check(&found, context);
            no_false_alarm(&recovery, context);
            assert_eq!(recovery.torn_bytes, 0, "{context}: what was cut once is reported again");
        }
    }
}

/// The kind of records with attachments.
pub(crate) const ATTACHED: u8 = 251;

/// What is in the attachment of a record with that payload.
pub(crate) fn attached(payload: &[u8]) -> Vec<u8> {
    let seed = payload.iter().fold(0, |seed, byte| seed * 31 + u64::from(*byte));
    let mut random = Random::new(seed);
    let bytes = random.below(5000) as usize;
    random.bytes(bytes)
}

/// An attachment for records with that payload.
pub(crate) fn attach(journal: &Arc<Journal>, payload: &[u8]) -> Result<Arc<Attachment>, Error> {
    let mut writer = journal.attach()?;
    for piece in attached(payload).chunks(1000) {
        writer.write(piece)?;
        if writer.unsynced() > 2000 {
            writer.sync()?;
        }
    }
    writer.finish().map(Arc::new)
}

pub(crate) fn read_attachment(journal: &Journal, position: Position) -> Result<Vec<u8>, Error> {
    let mut reader = journal.attachment(position)?.read()?;
    let mut read = Vec::new();
    while reader.left() > 0 {
        read.extend_from_slice(&reader.next(700)?);
    }
    Ok(read)
}

/// A crash is no damage.
pub(crate) fn no_false_alarm(recovery: &Recovery, context: &str) {
    let alarm = recovery.damaged.iter().find(|damage| damage.reason != Reason::TornBatch);
    assert_eq!(alarm, None, "{context}: a crash was taken for damage");
}

/// A life of a journal with everything in it: batches small and large, several segments, a record
/// larger than a segment, reading, releasing, reclaiming, opening again. Goes on as long as the
/// journal does; stops at what is for ever.
pub(crate) fn live(disk: &SimDisk, seed: u64, model: &mut Model) -> Result<(), Error> {
    let mut random = Random::new(seed);
    for life in 0..2 {
        let (journal, _, found) = open(disk)?;
        let journal = Arc::new(journal);
        model.check(&found, "opened again");
        for position in found.keys() {
            journal.retain(*position);
            model.released.remove(position);
        }
        for round in 0..8 {
            for _ in 0..1 + random.below(6) {
                let bytes = match random.below(8) {
                    0 => 0,
                    1 => 700,
                    2 if round == 5 => 3000,
                    _ => random.below(200) as usize,
                };
                model.append(&journal, random.bytes(bytes))?;
            }
            if random.below(3) == 0 {
                let payload = random.bytes(9);
                match attach(&journal, &payload) {
                    // One for two records, now and then.
                    Ok(attachment) => (0..1 + random.below(2)).try_for_each(|_| {
                        match model.append_attached(&journal, &attachment, payload.clone()) {
                            Err(Error::Io { .. } | Error::Full { .. }) => Ok(()),
                            other => other,
                        }
                    })?,
                    Err(Error::Io { .. } | Error::Full { .. }) => {}
                    Err(error) => {
                        model.look(&journal);
                        return Err(error);
                    }
                }
            }
            match journal.commit() {
                Ok(committed) => assert!(committed, "something was pending"),
                // The disk is full; by the next time somebody has made room.
                Err(Error::Full { .. }) => {
                    model.look(&journal);
                    journal.commit()?;
                }
                Err(error) => {
                    model.look(&journal);
                    return Err(error);
                }
            }
            model.look(&journal);
            assert_eq!(model.confirmed.len(), model.appended.len(), "all of it is durable");
            if seed.is_multiple_of(2) {
                let filled = || journal.fill_next().and_then(|_| journal.fill_ahead());
                match journal.prepare_next().and_then(|_| filled()) {
                    Ok(()) | Err(Error::Io { .. } | Error::Full { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            if round % 3 == 2 {
                model.release_half(&journal);
                match journal.reclaim() {
                    Ok(_) | Err(Error::Io { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            if let Some(position) = model.confirmed.difference(&model.released).last() {
                match journal.read(*position) {
                    Ok(read) => assert_eq!(read, model.appended[position].1, "life {life}"),
                    Err(Error::Io { .. }) => {}
                    Err(error) => panic!("reading {position}: {error}"),
                }
            }
        }
    }
    Ok(())
}
