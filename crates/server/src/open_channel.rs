//! An open channel as operators see it.
//!
//! Its connection's task is the only one that writes its counts, so a count costs it what a plain
//! number would; anybody may read.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use broker::{ExchangeCounters, QueueId};
use bytestring::ByteString;

use crate::tally::{Listed, TalliedExchange, TalliedQueue};

/// A count that one task adds to and anybody reads.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// As it is now.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub(crate) fn set(&self, count: u64) {
        self.0.store(count, Relaxed);
    }

    /// There is one writer, so nothing is lost between the two.
    pub(crate) fn add(&self, more: u64) {
        self.set(self.get().wrapping_add(more));
    }
}

/// Declares what a channel counts, once.
macro_rules! channel_counts {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// What happened on one channel, in messages.
        #[derive(Debug, Default)]
        pub struct ChannelCounts {
            $($(#[$doc])+ pub $name: Count,)+
        }

        /// The same at one moment; or of many channels together.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct ChannelTotals {
            $($(#[$doc])+ pub $name: u64,)+
        }

        impl ChannelCounts {
            /// As they are now.
            pub fn now(&self) -> ChannelTotals {
                ChannelTotals { $($name: self.$name.get(),)+ }
            }
        }

        impl ChannelTotals {
            /// Adds what others counted.
            pub fn add(&mut self, other: &ChannelTotals) {
                $(self.$name += other.$name;)+
            }
        }
    };
}

channel_counts! {
    /// Were published.
    publish,
    /// Were confirmed to their publisher.
    confirm,
    /// Had no queue to go to and came back (`mandatory`).
    return_unroutable,
    /// Had no queue to go to and are gone.
    drop_unroutable,
    /// Went to consumers that acknowledge.
    deliver,
    /// Went to consumers that do not.
    deliver_no_ack,
    /// Were fetched (`basic.get`) to be acknowledged.
    get,
    /// Were fetched and so were done with.
    get_no_ack,
    /// Fetches that found nothing.
    get_empty,
    /// Were acknowledged.
    ack,
    /// Of those that went out: may have been out before.
    redeliver,
}

impl ChannelTotals {
    /// What went out, however it did.
    pub fn deliver_get(&self) -> u64 {
        self.deliver + self.deliver_no_ack + self.get + self.get_no_ack
    }
}

/// An open channel.
#[derive(Debug, Default)]
pub struct OpenChannel {
    /// What happened on it.
    pub counts: ChannelCounts,
    /// Deliveries that the client has not settled.
    pub unacknowledged: Count,
    /// Messages whose publisher waits for a confirm.
    pub unconfirmed: Count,
    /// Messages that wait for `tx.commit`.
    pub uncommitted: Count,
    /// Acknowledgements that wait for `tx.commit`.
    pub acks_uncommitted: Count,
    /// Consumers.
    pub consumers: Count,
    /// For consumers that begin from now on; 0 is no limit.
    pub prefetch: Count,
    /// For all consumers together; 0 is no limit.
    pub global_prefetch: Count,
    pub(crate) exchanges: Listed<Arc<ExchangeCounters>>,
    pub(crate) queues: Listed<(QueueId, ByteString)>,
    is_confirming: AtomicBool,
    is_transactional: AtomicBool,
}

impl OpenChannel {
    /// After `confirm.select`.
    pub fn is_confirming(&self) -> bool {
        self.is_confirming.load(Relaxed)
    }

    /// After `tx.select`.
    pub fn is_transactional(&self) -> bool {
        self.is_transactional.load(Relaxed)
    }

    /// What it published to each exchange; those that are gone may be among them.
    pub fn exchanges(&self) -> Vec<Arc<TalliedExchange>> {
        self.exchanges.all()
    }

    /// What it took from each queue; those that are gone may be among them.
    pub fn queues(&self) -> Vec<Arc<TalliedQueue>> {
        self.queues.all()
    }

    pub(crate) fn confirms(&self) {
        self.is_confirming.store(true, Relaxed);
    }

    pub(crate) fn transacts(&self) {
        self.is_transactional.store(true, Relaxed);
    }
}
