//! What Prometheus is told: RabbitMQ's names, so that its dashboards and alerts work, and our own.
//! Counters only grow: what a closed channel or a deleted queue counted stays in the totals.

mod exposition;
mod families;
mod objects;

use std::sync::Arc;

use crate::{
    answer::{Answer, Outcome},
    call::Call,
    site::Site,
};
use exposition::Exposition;

/// `GET /metrics`.
pub(crate) fn aggregated(call: &Call) -> Outcome {
    Ok(Answer::Text(TEXT, text(&call.site, false)))
}

/// `GET /metrics/per-object`, `/metrics/detailed`.
pub(crate) fn per_object(call: &Call) -> Outcome {
    Ok(Answer::Text(TEXT, text(&call.site, true)))
}

/// All of it.
pub(crate) fn text(site: &Arc<Site>, per_object: bool) -> String {
    let mut out = Exposition::default();
    families::node(site, &mut out);
    families::totals(site, &mut out);
    match per_object {
        true => objects::all(site, &mut out),
        false => families::queues(site, &mut out),
    }
    families::own(site, &mut out);
    out.into_text()
}

/// Prometheus' text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
