//! The CloudEvents SDK for Python, over pika, over Qpid Proton and over HTTP.

use anyhow::Result;
use harness::{Broker, python_script_with, tubepost_binary};

use super::{still_runs, tubepost};

#[test]
fn the_cloudevents_sdk_and_tubeposts_commands_read_each_other() -> Result<()> {
    let (site, mut server) = tubepost()?;
    let program = tubepost_binary()?.display().to_string();
    let pages = site.http_url().trim_end_matches('/').to_owned();
    let variables = [("TUBEPOST_PROGRAM", program.as_str()), ("PAGES", pages.as_str())];
    let url = site.amqp_url();
    python_script_with("cloudevents_scenarios.py", &url, Broker::Tubepost, &variables)?;
    still_runs(&mut server)
}
