//! The figures of a run.

use serde::Serialize;

use crate::{audit::Verdict, latency::Latency, traffic::Traffic};

/// What one run showed.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Given to the broker's socket, messages a second.
    pub published_per_s: f64,
    /// Confirmed by the broker, messages a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmed_per_s: Option<f64>,
    /// Delivered to consumers, messages a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivered_per_s: Option<f64>,
    /// From publishing (with a rate: from when it was due) to its consumer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Latency>,
    /// From publishing (with a rate: from when it was due) to its confirm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirm: Option<Latency>,
    /// Of a backlog: from when its consumers come (after a restart: from the first delivery) to the
    /// last delivery, messages a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drained_per_s: Option<f64>,
    /// From the restart's command to the first message, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_message_s: Option<f64>,
    /// Messages published in all.
    pub published: u64,
    /// Messages delivered in all.
    pub delivered: u64,
    /// What was lost, doubled, out of order.
    pub verdict: Verdict,
    /// What the broker's process took, when it could be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Taken>,
    /// CPU time of the load generator for each message published or delivered, in microseconds.
    pub generator_cpu_us: f64,
    /// Every 100 ms.
    pub series: Vec<Point>,
}

/// What the broker's process took during a run.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Taken {
    /// CPU time for each message published, in microseconds.
    pub cpu_us: f64,
    /// The most resident memory that was seen, in bytes.
    pub resident_peak_bytes: u64,
    /// Resident memory before the run.
    pub resident_before_bytes: u64,
}

/// Rates at one moment of a run.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Point {
    /// Since the first message, in seconds.
    pub at_s: f64,
    /// Messages a second.
    pub published_per_s: f64,
    /// Messages a second.
    pub delivered_per_s: f64,
}

/// What a run of idle connections showed.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct IdleOutcome {
    /// All of them at once.
    pub connections: u32,
    /// Opened (connected, logged in, one channel) a second.
    pub opened_per_s: f64,
    /// What the broker's process takes for each, in bytes, when it could be seen; of several runs
    /// the most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resident_bytes_each: Option<f64>,
}

/// One case with its runs' median.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// The case's name.
    pub case: String,
    /// What it does.
    pub what: String,
    /// How often it was run; the figures are of the run in the middle.
    pub runs: u32,
    /// Its parameters, of traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
    /// Its figures, of traffic.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Its figures, of idle connections.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub idle: Option<IdleOutcome>,
}
