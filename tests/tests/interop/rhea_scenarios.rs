//! rhea, by Node: a peer of AMQP 1.0 that is not RabbitMQ's.

use anyhow::Result;
use harness::node_script;

use super::{still_runs, tubepost};

#[test]
fn rhea_works_against_tubepost() -> Result<()> {
    let (site, mut server) = tubepost()?;
    node_script("rhea_scenarios.mjs", &site.amqp_url())?;
    still_runs(&mut server)
}
