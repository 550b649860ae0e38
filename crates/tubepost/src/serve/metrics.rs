//! What Prometheus is told on the pages' port: the same as on the HTTP API's.

use std::fmt;

use management::Management;

/// The HTTP API's metrics.
pub(crate) struct Metrics(pub(crate) Management);

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl web::Metrics for Metrics {
    fn text(&self) -> String {
        self.0.metrics(false)
    }
}
