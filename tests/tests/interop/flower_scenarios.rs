//! Celery Flower, with a worker for it to watch.

use anyhow::Result;
use harness::{Broker, CeleryWorker, Flower, Site, python_script_with};

/// `api` is where the broker's HTTP API is, with name and password.
pub(crate) fn run_all(site: &Site, broker: Broker, api: &str) -> Result<()> {
    let mut worker = CeleryWorker::start(site, "watched", "prefork", &[])?;
    worker.wait_until_ready()?;
    let flower = Flower::start(site, api)?;
    let (bus, pages) = (site.amqp_url(), flower.url());
    let variables = [("CELERY_BUS", bus.as_str()), ("FLOWER_URL", pages.as_str())];
    python_script_with("flower_scenarios.py", &bus, broker, &variables)?;
    worker.stop()
}
