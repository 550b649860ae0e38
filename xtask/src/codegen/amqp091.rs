//! AMQP 0-9-1: the methods, properties and reply codes of `crates/amqp091`, from RabbitMQ's
//! machine-readable definition.

mod emit;
mod spec;
mod words;

use std::path::Path;

use anyhow::Result;

use super::Files;
use spec::Spec;

const SOURCES: &str = "crates/amqp091/src/generated";
const STRATEGIES: &str = "crates/amqp091/tests/wire/generated";

/// Folders of the checkout with what belongs into them.
pub(super) fn files(specs: &Path) -> Result<Vec<(&'static str, Files)>> {
    let spec = Spec::read(&specs.join("amqp-0-9-1/amqp-rabbitmq-0.9.1.json"))?;
    Ok(vec![(SOURCES, emit::sources(&spec)?), (STRATEGIES, emit::strategies(&spec)?)])
}
