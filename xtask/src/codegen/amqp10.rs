//! AMQP 1.0: the types of `crates/amqp10`, from OASIS's XML.

mod emit;
mod spec;
mod words;

use std::path::Path;

use anyhow::Result;

use super::Files;
use spec::Spec;

const SOURCES: &str = "crates/amqp10/src/generated";
const STRATEGIES: &str = "crates/amqp10/tests/wire/generated";

/// Folders of the checkout with what belongs into them.
pub(super) fn files(specs: &Path) -> Result<Vec<(&'static str, Files)>> {
    let spec = Spec::read(&specs.join("amqp-1-0"))?;
    Ok(vec![(SOURCES, emit::sources(&spec)?), (STRATEGIES, emit::strategies(&spec)?)])
}
