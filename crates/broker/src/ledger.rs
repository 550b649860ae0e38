//! What is declared, on disk: a small journal of its own, read whole at start and rewritten when
//! most of it is history. One record is one change, as JSON, so that it can be read with the
//! naked eye.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use bytestring::ByteString;
use journal::Journal;
use serde::{Deserialize, Serialize};

use crate::{
    Arguments, Error, ExchangeDeclaration, QueueDeclaration,
    authorize::PermissionChange,
    policy::{Policy, PolicyKind},
    queue::QueueId,
    store::Store,
    sync::lock,
    virtual_host::Settings,
};

/// One change of what is declared and survives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Change {
    /// Queue numbers below this one have been given out.
    QueueIds {
        next: u64,
    },
    /// A virtual host is new: nothing that was in an earlier one of its name is in it.
    VirtualHost {
        name: ByteString,
        settings: Settings,
    },
    /// A virtual host that is there has other settings now.
    VirtualHostSettings {
        name: ByteString,
        settings: Settings,
    },
    /// All that was in it went with it: queues, exchanges, bindings, permissions, policies.
    VirtualHostDeleted {
        name: ByteString,
    },
    Permission(PermissionChange),
    Policy(Policy),
    PolicyDeleted {
        vhost: ByteString,
        kind: PolicyKind,
        name: ByteString,
    },
    GlobalParameter {
        name: String,
        value: serde_json::Value,
    },
    GlobalParameterDeleted {
        name: String,
    },
    Exchange {
        vhost: ByteString,
        declaration: ExchangeDeclaration,
    },
    ExchangeDeleted {
        vhost: ByteString,
        name: ByteString,
    },
    Queue {
        vhost: ByteString,
        id: QueueId,
        declaration: QueueDeclaration,
    },
    QueueDeleted {
        vhost: ByteString,
        id: QueueId,
    },
    /// Messages are there of a queue that the ledger has lost: they are kept.
    QueueLost {
        id: QueueId,
    },
    Bound(Bound),
    Unbound(Bound),
}

/// A binding between durable things.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bound {
    pub(crate) vhost: ByteString,
    pub(crate) source: ByteString,
    pub(crate) destination: BoundTo,
    pub(crate) key: ByteString,
    pub(crate) arguments: Arguments,
}

impl Bound {
    /// Whether this is the binding that is meant by the other. Arguments may be written otherwise:
    /// in another order, integers in another width.
    pub(crate) fn is_same(&self, other: &Bound) -> bool {
        let ends = |it: &Bound| (it.vhost.clone(), it.source.clone(), it.key.clone());
        ends(self) == ends(other)
            && self.destination == other.destination
            && self.arguments.is_equivalent(&other.arguments)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BoundTo {
    Queue(QueueId),
    Exchange(ByteString),
}

/// Writes changes and makes them durable before anybody is told.
#[derive(Debug)]
pub(crate) struct Ledger {
    journal: Option<Journal>,
    /// The messages: when their journal failed, nothing is declared any more.
    store: Arc<Store>,
    /// One change at a time; held from the check to the end of the change.
    turn: Mutex<()>,
    next_queue_id: AtomicU64,
    /// Queues that it has lost and that have messages.
    lost: Vec<QueueId>,
    rewrite_bytes: u64,
    size_after_rewrite: AtomicU64,
}

/// The kind of every record; the change itself says what it is.
pub(crate) const CHANGE: u8 = 1;

impl Ledger {
    pub(crate) fn new(
        journal: Option<Journal>,
        store: Arc<Store>,
        next_queue_id: u64,
        rewrite_bytes: u64,
    ) -> Ledger {
        Ledger {
            journal,
            store,
            rewrite_bytes,
            turn: Mutex::new(()),
            next_queue_id: AtomicU64::new(next_queue_id),
            lost: Vec::new(),
            size_after_rewrite: AtomicU64::new(0),
        }
    }

    /// Writes down, at a start, that it has lost these queues. On a full disk the next start finds
    /// it out again, unless queues were declared meanwhile.
    pub(crate) fn has_lost(&mut self, queues: Vec<QueueId>, new: &[QueueId]) -> Result<(), Error> {
        self.lost = queues;
        let changes: Vec<Change> = new.iter().map(|&id| Change::QueueLost { id }).collect();
        match self.record(&changes) {
            Err(error) if error.kind == crate::error::Kind::DiskFull => Ok(()),
            other => other,
        }
    }

    /// Adds what the ledger itself knows to changes that say all that is true.
    pub(crate) fn snapshot(&self, changes: &mut Vec<Change>) {
        changes.extend(self.lost.iter().map(|&id| Change::QueueLost { id }));
        // Last, and queues by number: should the end of the file be lost, then the numbers that are
        // missing are above all that are left, and recovery can tell them from deleted ones.
        changes.push(Change::QueueIds { next: self.next_queue_id() });
    }

    /// Waits until no other change is under way.
    pub(crate) fn turn(&self) -> std::sync::MutexGuard<'_, ()> {
        lock(&self.turn)
    }

    pub(crate) fn new_queue_id(&self) -> QueueId {
        QueueId(self.next_queue_id.fetch_add(1, Relaxed))
    }

    pub(crate) fn next_queue_id(&self) -> u64 {
        self.next_queue_id.load(Relaxed)
    }

    /// Writes the changes, all or none of which survive, and returns when they are on disk. After
    /// [`crate::error::Kind::DiskFull`] none of them is there, nor ever will be.
    pub(crate) fn record(&self, changes: &[Change]) -> Result<(), Error> {
        let Some(journal) = self.journal.as_ref().filter(|_| !changes.is_empty()) else {
            return Ok(());
        };
        self.store.check()?;
        let payload = encode(changes)?;
        // A change that cannot be read again would stop the next start.
        decode(&payload).map_err(|reason| {
            Error::precondition(format!("arguments that cannot be kept on disk: {reason}"))
        })?;
        journal.append(CHANGE, &[&payload])?;
        match journal.commit() {
            Ok(_) => Ok(()),
            Err(full @ journal::Error::Full { .. }) => {
                // Whoever asked is told no. Left pending it would be written with the next change:
                // a queue that nobody has declared, or one deleted that is in use.
                journal.withdraw()?;
                Err(full.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// An error if the ledger's journal failed: then nothing is accepted any more, as what is
    /// declared and what is queued belong together.
    pub(crate) fn check(&self) -> Result<(), Error> {
        check(self.journal.as_ref())
    }

    /// Whether most of the ledger is history.
    pub(crate) fn wants_rewrite(&self) -> bool {
        let size = self.journal.as_ref().map_or(0, Journal::size_bytes);
        size > self.rewrite_bytes + 4 * self.size_after_rewrite.load(Relaxed)
    }

    /// Replaces the ledger by these changes, which say all that is true now. Each is a record of
    /// its own: damage to one costs one thing, not all.
    pub(crate) fn rewrite(&self, changes: &[Change]) -> Result<(), Error> {
        if let Some(journal) = &self.journal {
            self.store.check()?;
            let payloads: Vec<Vec<u8>> =
                changes.chunks(1).map(encode).collect::<Result<_, Error>>()?;
            let records: Vec<(u8, &[u8])> =
                payloads.iter().map(|payload| (CHANGE, payload.as_slice())).collect();
            journal.rewrite(&records)?;
            self.size_after_rewrite.store(journal.size_bytes(), Relaxed);
        }
        Ok(())
    }
}

/// An error if this journal failed.
pub(crate) fn check(journal: Option<&Journal>) -> Result<(), Error> {
    match journal.and_then(Journal::failed) {
        Some(reason) => Err(journal::Error::Failed(reason).into()),
        None => Ok(()),
    }
}

fn encode(changes: &[Change]) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(changes).map_err(|error| {
        Error::new(crate::error::Kind::Internal, format!("a change cannot be written: {error}"))
    })
}

/// The changes of one record.
pub(crate) fn decode(payload: &[u8]) -> Result<Vec<Change>, String> {
    serde_json::from_slice(payload).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As 0.1 wrote them before there were virtual hosts but one: they are in data directories.
    #[test]
    fn what_earlier_versions_wrote_is_read() {
        let queue = r#"{"queue":{"vhost":"/","id":3,"declaration":{"name":"q","durable":true,
            "exclusive":false,"auto_delete":false,"arguments":[["x-max-length",{"long":5}]]}}}"#;
        let exchange = r#"{"exchange":{"vhost":"/","declaration":{"name":"x","kind":"topic",
            "durable":true,"auto_delete":false,"internal":false,"arguments":[]}}}"#;
        let bound = r#"{"bound":{"vhost":"/","source":"x","destination":{"queue":3},"key":"k",
            "arguments":[]}}"#;
        for (text, is_it) in [
            (queue, (|change| matches!(change, Change::Queue { .. })) as fn(&Change) -> bool),
            (exchange, |change| matches!(change, Change::Exchange { .. })),
            (bound, |change| matches!(change, Change::Bound(_))),
            (r#"{"queue_deleted":{"vhost":"/","id":3}}"#, |change| {
                matches!(change, Change::QueueDeleted { .. })
            }),
            (r#"{"exchange_deleted":{"vhost":"/","name":"x"}}"#, |change| {
                matches!(change, Change::ExchangeDeleted { .. })
            }),
            (r#"{"queue_lost":{"id":3}}"#, |change| matches!(change, Change::QueueLost { .. })),
            (r#"{"queue_ids":{"next":4}}"#, |change| {
                matches!(change, Change::QueueIds { next: 4 })
            }),
        ] {
            let read = decode(format!("[{text}]").as_bytes()).unwrap();
            assert!(read.iter().all(is_it) && read.len() == 1, "{text}: {read:?}");
        }
    }

    /// What this version writes stays readable: a change of these texts needs a reader of the old.
    #[test]
    fn what_this_version_writes_is_what_later_ones_will_find() {
        for text in [
            r#"[{"virtual_host":{"name":"v","settings":{"metadata":{"description":"d","default_queue_type":"quorum"},"limits":{"max-queues":5}}}}]"#,
            r#"[{"virtual_host_settings":{"name":"/","settings":{"metadata":{"tags":["t"],"protected_from_deletion":true},"limits":{"max-connections":0}}}}]"#,
            r#"[{"virtual_host_deleted":{"name":"v"}}]"#,
            r#"[{"permission":{"set":{"user":"u","vhost":"v","permission":{"configure":"","write":".*","read":"^q"}}}}]"#,
            r#"[{"permission":{"cleared":{"user":"u","vhost":"/"}}}]"#,
            r#"[{"permission":{"topic_set":{"user":"u","vhost":"v","exchange":"x","write":"^a","read":""}}}]"#,
            r#"[{"permission":{"topic_cleared":{"user":"u","vhost":"v","exchange":null}}}]"#,
            r#"[{"permission":{"user_forgotten":{"user":"u"}}}]"#,
            r#"[{"policy":{"vhost":"v","name":"p","pattern":"^q","apply-to":"queues","definition":{"max-length":5},"priority":1}}]"#,
            r#"[{"policy":{"vhost":"v","name":"p","pattern":"","apply-to":"all","definition":{"max-length":5},"priority":0,"kind":"operator"}}]"#,
            r#"[{"policy_deleted":{"vhost":"v","kind":"user","name":"p"}}]"#,
        ] {
            let read = decode(text.as_bytes()).unwrap();
            let written = String::from_utf8(encode(&read).unwrap()).unwrap();
            assert_eq!(written, text);
        }
    }
}
