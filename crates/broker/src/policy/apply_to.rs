//! Which things a policy is for.

use serde::Serialize;
use serde_json::Value;

use super::{QueueType, erlang};

/// `apply-to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the variants are RabbitMQ's words")]
pub enum ApplyTo {
    #[default]
    All,
    Queues,
    ClassicQueues,
    QuorumQueues,
    Streams,
    Exchanges,
}

impl ApplyTo {
    /// RabbitMQ's word.
    pub fn name(self) -> &'static str {
        match self {
            ApplyTo::All => "all",
            ApplyTo::Queues => "queues",
            ApplyTo::ClassicQueues => "classic_queues",
            ApplyTo::QuorumQueues => "quorum_queues",
            ApplyTo::Streams => "streams",
            ApplyTo::Exchanges => "exchanges",
        }
    }

    pub(super) fn read(value: &Value) -> Result<ApplyTo, String> {
        const ALL: &[ApplyTo] = &[
            ApplyTo::All,
            ApplyTo::Queues,
            ApplyTo::ClassicQueues,
            ApplyTo::QuorumQueues,
            ApplyTo::Streams,
            ApplyTo::Exchanges,
        ];
        let known = ALL.iter().find(|it| value.as_str() == Some(it.name()));
        known.copied().ok_or_else(|| {
            let given = value.as_str().map_or_else(|| erlang::term(value), str::to_owned);
            // RabbitMQ has two spaces there.
            format!(
                "apply-to '{given}' unrecognised; should be one of: 'queues', 'classic_queues',  \
                 'quorum_queues', 'streams', 'exchanges', or 'all'"
            )
        })
    }

    pub(super) fn has_queue(self, queue_type: QueueType) -> bool {
        match self {
            ApplyTo::All | ApplyTo::Queues => true,
            ApplyTo::ClassicQueues => queue_type == QueueType::Classic,
            ApplyTo::QuorumQueues => queue_type == QueueType::Quorum,
            ApplyTo::Streams => queue_type == QueueType::Stream,
            ApplyTo::Exchanges => false,
        }
    }

    pub(super) fn has_exchanges(self) -> bool {
        matches!(self, ApplyTo::All | ApplyTo::Exchanges)
    }
}
