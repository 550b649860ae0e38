//! Qpid Proton, by its Python binding: a peer of AMQP 1.0 that is not RabbitMQ's.

use anyhow::{Result, ensure};
use harness::{Broker, Server, Site, python_script, python_script_with, start_python_script};

use super::{still_runs, tubepost};

/// Scenarios that call the HTTP API as well.
pub(super) fn with_api(script: &str) -> Result<()> {
    let (site, mut server) = tubepost()?;
    let api = format!("http://guest:guest@127.0.0.1:{}", site.management_port);
    let variables = [("TUBEPOST_API", api.as_str())];
    python_script_with(script, &site.amqp_url(), Broker::Tubepost, &variables)?;
    nothing_panicked(&mut server)
}

fn nothing_panicked(server: &mut Server) -> Result<()> {
    still_runs(server)?;
    let log = server.process().log();
    ensure!(!log.contains("panicked"), "a panic is reachable from the network:\n{log}");
    Ok(())
}

#[test]
fn protons_links_lead_where_their_addresses_say() -> Result<()> {
    with_api("proton_links.py")
}

#[test]
fn protons_messages_are_kept_and_settled_as_they_should() -> Result<()> {
    with_api("proton_messages.py")
}

#[test]
fn protons_links_choose_browse_and_subscribe() -> Result<()> {
    with_api("proton_subscriptions.py")
}

#[test]
fn protons_transactions_are_whole_or_nothing() -> Result<()> {
    with_api("proton_transactions.py")
}

#[test]
fn messages_cross_between_pika_and_proton() -> Result<()> {
    with_api("proton_crossing.py")
}

#[test]
fn proton_and_the_broker_hear_of_each_other_while_idle() -> Result<()> {
    let site = Site::new()?;
    let mut server = site.serve_with(&[("TUBEPOST_AMQP_HEARTBEAT", "1s")])?;
    python_script("proton_idle.py", &site.amqp_url(), Broker::Tubepost, &[])?;
    nothing_panicked(&mut server)
}

#[test]
fn what_proton_was_told_is_safe_survives_kill_9() -> Result<()> {
    let (site, server) = tubepost()?;
    let part = |name| {
        python_script("proton_restart.py", &site.amqp_url(), Broker::Tubepost, &["--only", name])
    };
    part("before_the_kill")?;
    server.kill()?;
    let mut server = site.serve()?;
    part("after_the_kill")?;
    nothing_panicked(&mut server)
}

#[test]
fn proton_connects_again_after_the_server_was_killed() -> Result<()> {
    let (site, server) = tubepost()?;
    let more = ["--only", "a_client_reconnects"];
    let mut client = start_python_script("proton_restart.py", &site.amqp_url(), &more)?;
    client.wait_for_line("its first message", 20, |line| line.contains("ready for the end"))?;
    // Not SIGTERM: told `amqp:connection:forced`, proton 0.40 for Python waits for a transport that
    // it would have to close itself.
    server.kill()?;
    let _server = site.serve()?;
    let status = client.wait(20)?;
    ensure!(status.success(), "the client ended with {status}:\n{}", client.log());
    Ok(())
}
