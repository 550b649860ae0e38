//! Starting again: first the ledger says what there is, then the journal says which messages
//! were not settled.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytestring::ByteString;
use journal::{Journal, Position, Record};

use crate::{
    Binding, Error, Queue,
    binding::Destination,
    broker::{DEFAULT_VHOST, Disks, Options, RecoveryReport},
    error::Kind,
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

    // A queue that the ledger does not have was deleted, and its messages with it: unless the
    // ledger has lost something. What cannot be found is never a reason to delete.
    let is_whole = ledger_report.damaged.is_empty() && ledger_report.set_aside.is_empty();
    let never_given = declared.next_queue_id;
    let is_kept = |id: QueueId| !is_whole || id.0 >= never_given || declared.lost.contains(&id);
    let mut unsettled = Unsettled::new(declared.queues.keys().copied(), &is_kept);
    let (journal, report) =
        Journal::open(disks.messages.clone(), options.journal.clone(), &mut |record| {
            unsettled.visit(record);
        })?;
    let Unsettled { queues: mut unsettled, unreadable, highest_id, .. } = unsettled;
    for positions in unsettled.values() {
        positions.keys().for_each(|&position| journal.retain(position));
    }
    let store = Arc::new(Store::new(Some(Arc::new(journal)), options.memory_bytes_max));

    let mut damage = Vec::new();
    for (name, part) in [("ledger", &ledger_report), ("messages", &report)] {
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
    damage.extend(unreadable.iter().map(|it| format!("messages: {it}")));
    let is_declared = |id: &QueueId| declared.queues.contains_key(id);
    let mut lost = Vec::new();
    for (id, positions) in unsettled.extract_if(|id, it| !is_declared(id) && !it.is_empty()) {
        lost.push(id);
        damage.push(format!(
            "messages: {} messages of queue number {} are kept and not served: the ledger has lost \
             what it said of that queue; repair its files, or put them back from a backup",
            positions.len(),
            id.0
        ));
    }
    let report = RecoveryReport {
        queues: declared.queues.len(),
        messages: unsettled.values().map(BTreeMap::len).sum(),
        damage,
        torn_bytes: ledger_report.torn_bytes + report.torn_bytes,
    };

    // A number that messages bear is never given out again, even if the ledger has forgotten it.
    let next_queue_id = declared.next_queue_id.max(highest_id + 1);
    let rewrite_bytes = options.ledger_rewrite_bytes;
    let mut ledger = Ledger::new(Some(ledger), store.clone(), next_queue_id, rewrite_bytes);
    let is_new = |id: &QueueId| id.0 >= never_given && !declared.lost.contains(id);
    let new: Vec<QueueId> = lost.iter().copied().filter(is_new).collect();
    ledger.has_lost(lost, &new)?;
    let ledger = Arc::new(ledger);
    let topology = declared.build(&store, unsettled);
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
    /// The queue that has each name now.
    names: Map<ByteString, QueueId>,
    /// Queues that an earlier start missed.
    lost: BTreeSet<QueueId>,
    bindings: Vec<Bound>,
}

impl Declared {
    fn apply(&mut self, change: Change) {
        match change {
            Change::QueueIds { next } => self.next_queue_id = self.next_queue_id.max(next),
            Change::Exchange { declaration, .. } => {
                // A name is free when it is declared. If the ledger still has something of that
                // name, the record of its end was lost.
                self.exchange_gone(&declaration.name);
                self.exchanges.insert(declaration.name.clone(), declaration);
            }
            Change::ExchangeDeleted { name, .. } => self.exchange_gone(&name),
            Change::Queue { id, declaration, .. } => {
                self.next_queue_id = self.next_queue_id.max(id.0 + 1);
                if let Some(earlier) = self.names.insert(declaration.name.clone(), id) {
                    self.queue_gone(earlier);
                }
                self.queues.insert(id, declaration);
            }
            Change::QueueDeleted { id, .. } => {
                if let Some(gone) = self.queue_gone(id)
                    && self.names.get(&gone.name) == Some(&id)
                {
                    self.names.remove(&gone.name);
                }
            }
            Change::QueueLost { id } => {
                self.lost.insert(id);
            }
            Change::Bound(bound) => self.bindings.push(bound),
            Change::Unbound(bound) => self.bindings.retain(|it| !it.is_same(&bound)),
        }
    }

    fn exchange_gone(&mut self, name: &ByteString) {
        if self.exchanges.remove(name).is_some() {
            let gone = BoundTo::Exchange(name.clone());
            self.bindings.retain(|it| it.source != *name && it.destination != gone);
        }
    }

    fn queue_gone(&mut self, id: QueueId) -> Option<crate::QueueDeclaration> {
        let queue = self.queues.remove(&id)?;
        let gone = BoundTo::Queue(id);
        self.bindings.retain(|it| it.destination != gone);
        Some(queue)
    }

    fn build(
        self,
        store: &Arc<Store>,
        mut unsettled: Map<QueueId, BTreeMap<Position, u32>>,
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
            queue.restore(unsettled.remove(&id).unwrap_or_default().into_iter());
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

/// The messages that queues of the ledger have not settled, in the journal's order.
struct Unsettled<'a> {
    queues: Map<QueueId, BTreeMap<Position, u32>>,
    /// Whether the messages of a queue that is not in the ledger are counted as well.
    is_kept: &'a dyn Fn(QueueId) -> bool,
    /// Of all queues that records name.
    highest_id: u64,
    unreadable: Vec<String>,
}

impl<'a> Unsettled<'a> {
    fn new(
        queues: impl Iterator<Item = QueueId>,
        is_kept: &'a dyn Fn(QueueId) -> bool,
    ) -> Unsettled<'a> {
        let queues = queues.map(|id| (id, BTreeMap::new())).collect();
        Unsettled { queues, is_kept, highest_id: 0, unreadable: Vec::new() }
    }

    fn visit(&mut self, record: Record<'_>) {
        let size = u32::try_from(record.payload.len()).unwrap_or(u32::MAX);
        let understood = match record.kind {
            store::MESSAGE => store::decode_queues(&mut &*record.payload).map(|ids| {
                for id in ids {
                    if let Some(positions) = self.of_queue(id) {
                        positions.insert(record.position, size);
                    }
                }
            }),
            store::SETTLE => store::decode_settle(record.payload).map(|(id, settled)| {
                if let Some(positions) = self.of_queue(id) {
                    settled.iter().for_each(|position| {
                        positions.remove(position);
                    });
                }
            }),
            _ => None,
        };
        if understood.is_none() {
            let (kind, position) = (record.kind, record.position);
            self.unreadable.push(format!("a record of unknown kind {kind} at {position:?}"));
        }
    }

    fn of_queue(&mut self, id: QueueId) -> Option<&mut BTreeMap<Position, u32>> {
        self.highest_id = self.highest_id.max(id.0);
        if !self.queues.contains_key(&id) && (self.is_kept)(id) {
            self.queues.insert(id, BTreeMap::new());
        }
        self.queues.get_mut(&id)
    }
}
