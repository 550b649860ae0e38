//! What Prometheus is told on the pages' port: the same as on the HTTP API's.

use std::fmt;

use client::{Trust, TrustCounts};
use management::Management;

/// The HTTP API's metrics, and what became of signatures here, where they are looked at.
pub(crate) struct Metrics {
    pub(crate) api: Management,
    pub(crate) trust: Option<Trust>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl web::Metrics for Metrics {
    fn text(&self) -> String {
        let text = self.api.metrics(false);
        match &self.trust {
            None => text,
            Some(trust) => text + &of_signatures(trust.counts()),
        }
    }
}

fn of_signatures(counts: TrustCounts) -> String {
    let TrustCounts { valid, unsigned, invalid, refused } = counts;
    format!(
        "# HELP tubepost_event_signatures_total Events received here, by what their signature is worth\n\
         # TYPE tubepost_event_signatures_total counter\n\
         tubepost_event_signatures_total{{verdict=\"valid\"}} {valid}\n\
         tubepost_event_signatures_total{{verdict=\"unsigned\"}} {unsigned}\n\
         tubepost_event_signatures_total{{verdict=\"invalid\"}} {invalid}\n\
         # HELP tubepost_event_signatures_refused_total Events refused: a trusted signature is required\n\
         # TYPE tubepost_event_signatures_refused_total counter\n\
         tubepost_event_signatures_refused_total {refused}\n"
    )
}
