//! The client inside azure-servicebus (`_pyamqp`): Python's, and not Proton's.

use anyhow::Result;
use harness::{Broker, python_script};

use super::{nothing_panicked, tubepost};

#[test]
fn azures_client_works_against_tubepost() -> Result<()> {
    let (site, mut server) = tubepost()?;
    python_script("azure_scenarios.py", &site.amqp_url(), Broker::Tubepost, &[])?;
    nothing_panicked(&mut server)
}
