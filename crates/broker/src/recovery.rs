//! Starting again: the ledger says what there is, the checkpoint how the queues stood, and the
//! journal what came behind that. Without a checkpoint the journal says it all.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use bytestring::ByteString;
use journal::{Journal, Position, Record};

use crate::{
    Binding, Error, Queue,
    binding::Destination,
    broker::{DEFAULT_VHOST, Disks, Options, RecoveryReport},
    error::Kind,
    index::{Checkpoint, CheckpointPart, Chunks, Slot},
    ledger::{self, Bound, BoundTo, Change, Ledger},
    limits::LEDGER_SEGMENT_BYTES,
    queue::QueueId,
    routing::Map,
    store::{self, Store},
    topology::Topology,
};

/// What a broker begins with.
pub(crate) struct Recovered {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) store: Arc<Store>,
    pub(crate) topologies: Vec<(ByteString, Topology)>,
}

impl Recovered {
    pub(crate) fn nothing(ledger: Ledger, store: Arc<Store>) -> Recovered {
        let topologies = vec![(DEFAULT_VHOST, Topology::new())];
        Recovered { ledger: Arc::new(ledger), store, topologies }
    }
}

pub(crate) fn recover(
    disks: &Disks,
    options: &Options,
) -> Result<(Recovered, RecoveryReport), Error> {
    let mut declared = Declared::default();
    let (ledger, ledger_report) = read_ledger(disks, options, &mut declared)?;
    let messages = Messages::read(disks, options, &declared)?;

    let mut damage = Vec::new();
    for (name, part) in [("ledger", &ledger_report), ("messages", &messages.report)] {
        damage.extend(part.damaged.iter().map(|damage| format!("{name}: {damage}")));
        damage.extend(part.set_aside.iter().map(|file| {
            format!("{name}: {file} was set aside earlier; look into it, then remove it")
        }));
        damage.extend(
            part.foreign
                .iter()
                .map(|file| format!("{name}: {file} is no file of this journal and is left alone")),
        );
    }
    damage.extend(messages.unreadable.iter().map(|it| format!("messages: {it}")));
    let report = RecoveryReport {
        queues: declared.queues.len(),
        messages: messages.count(),
        damage,
        torn_bytes: ledger_report.torn_bytes + messages.report.torn_bytes,
    };

    let Messages { journal, chunks, queues, .. } = messages;
    let ledger = Arc::new(Ledger::new(Some(ledger), declared.next_queue_id.max(1)));
    let store = Arc::new(Store::new(Some(Arc::new(journal)), Some(chunks), options));
    let topology = declared.build(&store, queues);
    let topologies = vec![(DEFAULT_VHOST, topology)];
    Ok((Recovered { ledger, store, topologies }, report))
}

fn read_ledger(
    disks: &Disks,
    options: &Options,
    declared: &mut Declared,
) -> Result<(Journal, journal::Recovery), Error> {
    let mut unreadable = None;
    let options = journal::Options {
        // Every segment is reserved whole, and a ledger is small.
        segment_bytes: options.journal.segment_bytes.min(LEDGER_SEGMENT_BYTES),
        ..options.journal.clone()
    };
    let opened = Journal::open(disks.ledger.clone(), options, &mut |record| match ledger::decode(
        record.payload,
    ) {
        Ok(changes) => changes.into_iter().for_each(|change| declared.apply(change)),
        Err(reason) => unreadable = Some(format!("{:?}: {reason}", record.position)),
    })?;
    match unreadable {
        None => Ok(opened),
        // Its checksum was right: a program that this one does not understand wrote it.
        Some(what) => Err(Error::new(
            Kind::Internal,
            format!(
                "the ledger has a change that this version does not know ({what}); \
                 start the version that wrote it"
            ),
        )),
    }
}

/// The durable topology while it is read.
#[derive(Default)]
struct Declared {
    next_queue_id: u64,
    exchanges: BTreeMap<ByteString, crate::ExchangeDeclaration>,
    queues: BTreeMap<QueueId, crate::QueueDeclaration>,
    bindings: Vec<Bound>,
}

impl Declared {
    fn apply(&mut self, change: Change) {
        match change {
            Change::QueueIds { next } => self.next_queue_id = self.next_queue_id.max(next),
            Change::Exchange { declaration, .. } => {
                self.exchanges.insert(declaration.name.clone(), declaration);
            }
            Change::ExchangeDeleted { name, .. } => {
                self.exchanges.remove(&name);
                let gone = BoundTo::Exchange(name.clone());
                self.bindings.retain(|it| it.source != name && it.destination != gone);
            }
            Change::Queue { id, declaration, .. } => {
                self.next_queue_id = self.next_queue_id.max(id.0 + 1);
                self.queues.insert(id, declaration);
            }
            Change::QueueDeleted { id, .. } => {
                self.queues.remove(&id);
                let gone = BoundTo::Queue(id);
                self.bindings.retain(|it| it.destination != gone);
            }
            Change::Bound(bound) => self.bindings.push(bound),
            Change::Unbound(bound) => self.bindings.retain(|it| *it != bound),
        }
    }

    fn build(
        self,
        store: &Arc<Store>,
        mut messages: Map<QueueId, Vec<CheckpointPart>>,
    ) -> Topology {
        let mut topology = Topology::new();
        for (name, declaration) in self.exchanges {
            if topology.exchange(&name).is_none() {
                topology.add_exchange(declaration);
            }
        }
        let mut queues: Map<QueueId, Arc<Queue>> = Map::default();
        for (id, declaration) in self.queues {
            let queue = Queue::new(id, DEFAULT_VHOST, declaration, None, store.clone());
            messages.remove(&id).into_iter().flatten().for_each(|part| queue.restore(part));
            topology.add_queue(queue.clone());
            queues.insert(id, queue);
        }
        for bound in self.bindings {
            let destination = match bound.destination {
                BoundTo::Exchange(name) => Destination::Exchange(name),
                BoundTo::Queue(id) => match queues.get(&id) {
                    Some(queue) => Destination::Queue(queue.clone()),
                    None => continue,
                },
            };
            let binding = Binding { destination, key: bound.key, arguments: bound.arguments };
            topology.bind(&bound.source, &binding);
        }
        topology
    }
}

/// The messages that were not settled, each queue's in order, every one kept in the journal.
struct Messages {
    journal: Journal,
    report: journal::Recovery,
    chunks: Chunks,
    queues: Map<QueueId, Vec<CheckpointPart>>,
    unreadable: Vec<String>,
}

impl Messages {
    fn read(disks: &Disks, options: &Options, declared: &Declared) -> Result<Messages, Error> {
        let chunks = Chunks::new(disks.index.clone());
        let checkpoint = chunks.load_checkpoint().and_then(|bytes| Checkpoint::decode(&bytes));
        if let Some(checkpoint) = checkpoint
            && let Some(messages) = Messages::from(checkpoint, chunks, disks, options, declared)?
        {
            return Ok(messages);
        }
        let chunks = Chunks::new(disks.index.clone());
        chunks.begin(std::iter::empty());
        let mut behind = Behind::new(declared);
        let disk = disks.messages.clone();
        let (journal, report) =
            Journal::open(disk, options.journal.clone(), &mut |record| behind.visit(record))?;
        Ok(Messages::new(journal, report, chunks, Map::default(), behind))
    }

    /// From a checkpoint, if the journal goes with it and the chunks it names are whole.
    fn from(
        checkpoint: Checkpoint,
        chunks: Chunks,
        disks: &Disks,
        options: &Options,
        declared: &Declared,
    ) -> Result<Option<Messages>, Error> {
        chunks.begin(checkpoint.files());
        let queues: Map<QueueId, Vec<CheckpointPart>> = checkpoint
            .queues
            .into_iter()
            .filter(|queue| declared.queues.contains_key(&queue.id))
            .map(|queue| (queue.id, queue.parts))
            .collect();
        let mut retained: BTreeMap<u32, u64> = BTreeMap::new();
        for part in queues.values().flatten() {
            match part {
                CheckpointPart::Slots(slots) => slots
                    .iter()
                    .for_each(|slot| *retained.entry(slot.position.segment()).or_default() += 1),
                CheckpointPart::Chunk(chunk) => chunk.segments.iter().for_each(|(id, count)| {
                    *retained.entry(*id).or_default() += u64::from(*count);
                }),
            }
        }
        let retained: Vec<(u32, u64)> = retained.into_iter().collect();
        let mut behind = Behind::new(declared);
        let (disk, options) = (disks.messages.clone(), options.journal.clone());
        let opened = Journal::open_from(disk, options, checkpoint.from, &retained, &mut |record| {
            behind.visit(record);
        });
        let (journal, report) = match opened {
            Ok(opened) => opened,
            // Not this journal's checkpoint, or an old one: the journal itself knows better.
            Err(journal::Error::NoRecord(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut kept = Map::default();
        for (id, parts) in queues {
            let settled = behind.settled.remove(&id).unwrap_or_default();
            match without(&settled, parts, &chunks, &journal) {
                Ok(parts) => drop(kept.insert(id, parts)),
                Err(_) => return Ok(None),
            }
        }
        Ok(Some(Messages::new(journal, report, chunks, kept, behind)))
    }

    fn new(
        journal: Journal,
        report: journal::Recovery,
        chunks: Chunks,
        mut queues: Map<QueueId, Vec<CheckpointPart>>,
        behind: Behind,
    ) -> Messages {
        for (id, added) in behind.added {
            added.keys().for_each(|&position| journal.retain(position));
            let slots = added.into_iter().map(|(position, size)| again(position, size)).collect();
            queues.entry(id).or_default().push(CheckpointPart::Slots(slots));
        }
        Messages { journal, report, chunks, queues, unreadable: behind.unreadable }
    }

    fn count(&self) -> usize {
        let count = |part: &CheckpointPart| match part {
            CheckpointPart::Slots(slots) => slots.len(),
            CheckpointPart::Chunk(chunk) => chunk.count as usize,
        };
        self.queues.values().flatten().map(count).sum()
    }
}

/// A message that a restart found: it may have been delivered before, so it is marked.
fn again(position: Position, size: u32) -> Slot {
    Slot { position, size, redelivered: true }
}

/// The parts without what was settled behind the checkpoint. Only chunks that may hold some of it
/// are read.
fn without(
    settled: &HashSet<Position>,
    parts: Vec<CheckpointPart>,
    chunks: &Chunks,
    journal: &Journal,
) -> Result<Vec<CheckpointPart>, Error> {
    let left = |slots: Vec<Slot>| {
        let (gone, left): (Vec<Slot>, Vec<Slot>) =
            slots.into_iter().partition(|slot| settled.contains(&slot.position));
        gone.iter().for_each(|slot| journal.release(slot.position));
        let left = left.into_iter().map(|slot| again(slot.position, slot.size));
        CheckpointPart::Slots(left.collect())
    };
    parts
        .into_iter()
        .map(|part| match part {
            CheckpointPart::Slots(slots) => Ok(left(slots)),
            CheckpointPart::Chunk(chunk)
                if settled.iter().any(|it| (chunk.lowest..=chunk.highest).contains(it)) =>
            {
                let slots = chunks.read(&chunk)?;
                chunks.discard(&chunk);
                Ok(left(slots))
            }
            whole @ CheckpointPart::Chunk(_) => Ok(whole),
        })
        .collect()
}

/// What the journal says behind a checkpoint, or all of it.
struct Behind {
    added: Map<QueueId, BTreeMap<Position, u32>>,
    /// Of what was there before.
    settled: Map<QueueId, HashSet<Position>>,
    unreadable: Vec<String>,
}

impl Behind {
    fn new(declared: &Declared) -> Behind {
        let added = declared.queues.keys().map(|id| (*id, BTreeMap::new())).collect();
        Behind { added, settled: Map::default(), unreadable: Vec::new() }
    }

    fn visit(&mut self, record: Record<'_>) {
        let size = u32::try_from(record.payload.len()).unwrap_or(u32::MAX);
        let understood = match record.kind {
            store::MESSAGE => store::decode_queues(&mut &*record.payload).map(|ids| {
                for id in ids {
                    // A queue that the ledger does not have was deleted: its messages with it.
                    if let Some(added) = self.added.get_mut(&id) {
                        added.insert(record.position, size);
                    }
                }
            }),
            store::SETTLE => store::decode_settle(record.payload).map(|(id, positions)| {
                if let Some(added) = self.added.get_mut(&id) {
                    let before = positions.into_iter().filter(|it| added.remove(it).is_none());
                    self.settled.entry(id).or_default().extend(before);
                }
            }),
            _ => None,
        };
        if understood.is_none() {
            let (kind, position) = (record.kind, record.position);
            self.unreadable.push(format!("a record of unknown kind {kind} at {position:?}"));
        }
    }
}
