//! What Prometheus is told of the broker.

use std::{fmt::Write as _, sync::Arc};

use broker::Broker;

/// The broker, as its metrics see it.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) broker: Arc<Broker>,
    /// What the start found that somebody has to look into.
    pub(crate) damage_found: usize,
}

impl web::Metrics for Metrics {
    fn text(&self) -> String {
        let broker = &self.broker;
        let blocked = broker.blocked().unwrap_or_default();
        let samples: [Sample; 8] = [
            (
                "tubepost_journal_bytes",
                "gauge",
                "Bytes of records in the journal's files, alive or not.",
                broker.journal_bytes(),
            ),
            (
                "tubepost_journal_copied_bytes_total",
                "counter",
                "Bytes of messages that compaction copied out of sparse files.",
                broker.copied_bytes(),
            ),
            (
                "tubepost_journal_damage_found",
                "gauge",
                "Places that the last start found damaged; tubepost journal check names them.",
                self.damage_found as u64,
            ),
            (
                "tubepost_journal_unreadable_messages_total",
                "counter",
                "Messages that could not be read back since the start; they are kept, not served.",
                broker.damaged_messages(),
            ),
            (
                "tubepost_messages_memory_bytes",
                "gauge",
                "Bytes that messages which wait hold in memory.",
                broker.memory_bytes() as u64,
            ),
            (
                "tubepost_disk_free_bytes",
                "gauge",
                "Bytes that are free on the journal's disk.",
                broker.disk_free_bytes().unwrap_or_default(),
            ),
            (
                "tubepost_alarm_disk",
                "gauge",
                "1 while publishers wait because there is too little space on the disk.",
                u64::from(blocked.contains("disk")),
            ),
            (
                "tubepost_alarm_memory",
                "gauge",
                "1 while publishers wait because too many messages are in memory only.",
                u64::from(blocked.contains("memory")),
            ),
        ];
        let mut text = String::new();
        for (name, kind, help, value) in samples {
            // Writing to a string does not fail.
            write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n").ok();
        }
        text
    }
}

/// Name, kind, help and value.
type Sample = (&'static str, &'static str, &'static str, u64);
