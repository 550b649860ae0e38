//! What Prometheus is told on the pages' port: the same as on the HTTP API's, and what the services
//! count.

use std::{fmt, sync::Arc};

use client::{Trust, TrustCounts};
use management::Management;
use notify::{Counters, Counts};

/// The HTTP API's metrics where the broker is; what became of signatures and of notices, where they
/// are looked at and told.
pub(crate) struct Metrics {
    pub(crate) api: Option<Management>,
    pub(crate) trust: Option<Trust>,
    pub(crate) notices: Option<Arc<Counters>>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl web::Metrics for Metrics {
    fn text(&self) -> String {
        let broker = self.api.as_ref().map(|api| api.metrics(false));
        let signatures = self.trust.as_ref().map(|trust| of_signatures(trust.counts()));
        let notices = self.notices.as_ref().map(|counters| of_notices(counters.read()));
        [broker, signatures, notices].into_iter().flatten().collect()
    }
}

fn of_notices(counts: Counts) -> String {
    let Counts { received, undecodable, kept, delivered, retried, parked } = counts;
    [
        (
            "events_received",
            "Messages taken from the bus, those that came again included",
            received,
        ),
        ("events_undecodable", "Messages that were no events", undecodable),
        ("notices_kept", "Notices that are in the outbox, those that came again included", kept),
        ("notices_delivered", "Notices that the other side took", delivered),
        ("notices_retried", "Tries that have to be made again", retried),
        ("notices_parked", "Notices refused for good; see tubepost notify parked list", parked),
    ]
    .map(|(name, help, value)| {
        format!(
            "# HELP tubepost_notify_{name}_total {help}\n\
             # TYPE tubepost_notify_{name}_total counter\n\
             tubepost_notify_{name}_total {value}\n"
        )
    })
    .concat()
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
