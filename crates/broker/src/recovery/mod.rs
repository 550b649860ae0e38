//! Starting again: the ledger says what there is, the checkpoint how the queues stood, and the
//! journal what came behind that. Without a checkpoint the journal says it all.

mod added;
mod behind;
mod declared;
mod messages;

use std::sync::Arc;

use bytestring::ByteString;
use journal::{Journal, Position};

use self::{
    declared::{Built, Declared},
    messages::Messages,
};
use crate::{
    Error,
    authorize::Permissions,
    broker::{DEFAULT_VHOST, Disks, GlobalParameters, Options, RecoveryReport},
    error::Kind,
    ledger::{self, Ledger},
    limits::LEDGER_SEGMENT_BYTES,
    policy::Policies,
    queue::QueueId,
    store::Store,
    topology::Topology,
    virtual_host::Settings,
};

/// What a broker begins with.
pub(crate) struct Recovered {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) store: Arc<Store>,
    pub(crate) vhosts: Vec<(ByteString, Settings, Topology)>,
    pub(crate) permissions: Permissions,
    pub(crate) policies: Policies,
    pub(crate) parameters: GlobalParameters,
    /// Where the checkpoint stands that this began with.
    pub(crate) checkpoint: Option<Position>,
}

impl Recovered {
    pub(crate) fn nothing(ledger: Ledger, store: Arc<Store>) -> Recovered {
        Recovered {
            ledger: Arc::new(ledger),
            store,
            vhosts: vec![(DEFAULT_VHOST, Settings::default(), Topology::new())],
            permissions: Permissions::default(),
            policies: Policies::default(),
            parameters: GlobalParameters::default(),
            checkpoint: None,
        }
    }
}

pub(crate) fn recover(
    disks: &Disks,
    options: &Options,
) -> Result<(Recovered, RecoveryReport), Error> {
    let mut declared = Declared::default();
    let (ledger, ledger_report) = read_ledger(disks, options, &mut declared)?;
    declared.is_whole = ledger_report.damaged.is_empty() && ledger_report.set_aside.is_empty();
    let mut messages = Messages::read(disks, options, &declared)?;
    let lost = messages.take_undeclared(&declared);

    let mut damage = Vec::new();
    let lost_there = "; what was declared, allowed or forbidden there is lost: see what is missing";
    for (name, part, what) in
        [("ledger", &ledger_report, lost_there), ("messages", &messages.report, "")]
    {
        damage.extend(part.damaged.iter().map(|damage| format!("{name}: {damage}{what}")));
        damage.extend(part.set_aside.iter().map(|file| {
            format!("{name}: {file} was set aside earlier; look into it, then remove it")
        }));
        damage.extend(
            part.foreign
                .iter()
                .map(|file| format!("{name}: {file} is no file of this journal and is left alone")),
        );
    }
    damage.append(&mut messages.damage);
    damage.extend(lost.iter().map(|queue| {
        format!(
            "messages: {} messages of queue number {} are kept and not served: the ledger has lost \
             what it said of that queue; repair its files, or put them back from a backup",
            messages::count(&queue.parts),
            queue.id.0
        )
    }));
    let report = RecoveryReport {
        queues: declared.queues.len(),
        messages: messages.count(),
        damage,
        torn_bytes: ledger_report.torn_bytes + messages.report.torn_bytes,
    };

    let Messages { journal, chunks, queues, checkpoint, highest_id, .. } = messages;
    let is_new = |id: &QueueId| declared.was_never_given(*id) && !declared.lost.contains(id);
    let new: Vec<QueueId> = lost.iter().map(|queue| queue.id).filter(is_new).collect();
    let lost_ids = lost.iter().map(|queue| queue.id).collect();
    let store = Store::new(Some(Arc::new(journal)), Some(chunks), options).with_lost(lost);
    let store = Arc::new(store);
    // A number that messages bear is never given out again, even if the ledger has forgotten it.
    let next_queue_id = declared.next_queue_id.max(highest_id + 1);
    let rewrite_bytes = options.ledger_rewrite_bytes;
    let mut ledger = Ledger::new(Some(ledger), store.clone(), next_queue_id, rewrite_bytes);
    ledger.has_lost(lost_ids, &new)?;
    let ledger = Arc::new(ledger);
    let Built { vhosts, permissions, policies, parameters } = declared.build(&store, queues);
    let recovered =
        Recovered { ledger, store, vhosts, permissions, policies, parameters, checkpoint };
    Ok((recovered, report))
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
        Ok(changes) => {
            let applied = changes.into_iter().try_for_each(|change| declared.apply(change));
            applied.unwrap_or_else(|reason| {
                unreadable = Some(format!("{:?}: {reason}", record.position));
            });
        }
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
