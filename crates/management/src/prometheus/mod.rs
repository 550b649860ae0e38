//! What Prometheus is told: RabbitMQ's names, so that its dashboards and alerts work, and our own.
//! Counters only grow: what a closed channel or a deleted queue counted stays in the totals.

mod exposition;
mod families;
mod objects;
mod selection;

use std::sync::Arc;

use crate::{
    answer::{Answer, Outcome},
    call::Call,
    site::Site,
};
use exposition::Exposition;
use selection::Selection;

/// `GET /metrics`.
pub(crate) fn aggregated(call: &Call) -> Outcome {
    Ok(Answer::Text(TEXT, text(&call.site, false)))
}

/// `GET /metrics/detailed`: the families, and virtual hosts, that are asked for.
pub(crate) fn detailed(call: &Call) -> Outcome {
    let out = Exposition::of(Selection::of(&call.query));
    Ok(Answer::Text(TEXT, filled(&call.site, true, out)))
}

/// `GET /metrics/per-object`.
pub(crate) fn per_object(call: &Call) -> Outcome {
    Ok(Answer::Text(TEXT, text(&call.site, true)))
}

/// All of it.
pub(crate) fn text(site: &Arc<Site>, per_object: bool) -> String {
    filled(site, per_object, Exposition::default())
}

fn filled(site: &Arc<Site>, per_object: bool, mut out: Exposition) -> String {
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
