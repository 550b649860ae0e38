//! Every bound of the broker, with its reason.

/// Bytes of an exchange, queue or routing key: an AMQP short string.
pub const NAME_BYTES_MAX: usize = 255;

/// Bytes of deliveries that wait for one consumer's connection to take them. Enough to keep a
/// fast consumer busy between two wake-ups; little enough that a stalled one holds no memory.
pub(crate) const OUTBOX_BYTES_MAX: usize = 512 * 1024;

/// Deliveries that wait likewise, so that a flood of tiny messages is bounded too.
pub(crate) const OUTBOX_MESSAGES_MAX: usize = 4096;

/// Routes remembered by one publisher; past it the memory is emptied and begun anew.
pub(crate) const ROUTE_CACHE_MAX: usize = 16_384;

/// Exchanges by which a queue counts what came, each some thirty bytes; past it the one that did
/// not come for longest is forgotten.
pub(crate) const INCOMING_EXCHANGES_MAX: usize = 256;

/// Identities that a deduplicating exchange may be declared to remember: some hundred bytes each.
pub const DEDUPLICATION_ENTRIES_MAX: usize = 10_000_000;

/// Delayed messages that are published together when they are due.
pub(crate) const FIRED_MESSAGES_MAX: usize = 512;

/// Bytes of their bodies: the last one may go past it.
pub(crate) const FIRED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Entries at the head of a queue that stay in memory when the budget is exceeded, so that a
/// consumer that comes back starts at once.
pub(crate) const HEAD_IN_MEMORY: usize = 512;

/// What a transaction may have in sum, in bytes: half of what the journal keeps together, so that
/// it fits whatever is said besides.
pub const TRANSACTION_BYTES_MAX: usize = 512 << 20;

/// Positions in one settle record.
pub(crate) const SETTLE_RECORD_MAX: usize = 4096;

/// A ledger that grew by this much since its last rewrite, and to four times its live size, is
/// rewritten.
pub(crate) const LEDGER_REWRITE_BYTES: u64 = 1024 * 1024;

/// The ledger's segments.
pub(crate) const LEDGER_SEGMENT_BYTES: u32 = 1024 * 1024;

/// Entries at the head of a queue, before any go to disk.
pub(crate) const BACKLOG_HEAD: usize = 16 * 1024;

/// Bytes that compaction copies in one turn ([`crate::Broker::tidy`], four a second) at the most,
/// or a quarter of what was written since the turn before, if that is more: little beside what a
/// disk takes, and enough to keep up.
pub(crate) const COPIED_BYTES_MIN: u64 = 4 * 1024 * 1024;

/// Entries in one chunk of a queue on disk: 256 KiB.
pub(crate) const BACKLOG_CHUNK: usize = 16 * 1024;

/// Bytes of its newest messages that a stream holds in memory for those who read at its end, when
/// there is memory to spare.
pub(crate) const STREAM_HOT_BYTES: usize = 1024 * 1024;

/// Messages of a stream in one chunk on disk, 96 KiB: what a reader holds in memory, unless another
/// is in the same.
pub(crate) const STREAM_STRETCH: usize = 4096;

/// Messages that a reader looks at in memory under one lock.
pub(crate) const STREAM_BATCH: usize = 256;

/// Chunks that a reader whose filter lets little through looks into in one turn.
pub(crate) const STREAM_SCANNED_MAX: usize = 16;

/// Virtual hosts of a broker. Each costs some kilobytes; RabbitMQ sets no limit of its own.
pub const VHOSTS_MAX: usize = 10_000;

/// Bytes of a virtual host's description.
pub const DESCRIPTION_BYTES_MAX: usize = 4096;

/// Global parameters of a broker.
pub const GLOBAL_PARAMETERS_MAX: usize = 1000;

/// Bytes of a global parameter's value, as JSON.
pub const PARAMETER_BYTES_MAX: usize = 64 * 1024;

/// Tags of a virtual host.
pub const VHOST_TAGS_MAX: usize = 32;
