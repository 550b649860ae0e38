//! Unmodified clients work against Tubepost: pika, aio-pika, py-amqp (AMQPLAIN), kombu, Celery and
//! Flower, amqplib, lapin, rabbitmq-c's tools, fedora-messaging, by AMQP 1.0 python-qpid-proton,
//! rhea and RabbitMQ's own client, by both the CloudEvents SDK, rhea and CloudAMQP's client over
//! WebSockets, and sockets that send what no client would. The same scenarios, but those by AMQP
//! 1.0 and over WebSockets, run against Debian's RabbitMQ first of all, so that what they ask for
//! is what RabbitMQ does.

mod amqp_tools;
mod celery_scenarios;
mod cloudevents_scenarios;
mod fedora_messaging_scenarios;
mod flower_scenarios;
mod lapin_scenarios;
mod management_scenarios;
mod proton_scenarios;
mod rhea_scenarios;
mod websocket_scenarios;

use anyhow::{Context, Result};
use harness::{Broker, RabbitMq, Server, Site, node_script, python_script};

const PYTHON_SCRIPTS: [&str; 11] = [
    "pika_connections.py",
    "pika_exchanges.py",
    "pika_alternates.py",
    "pika_queues.py",
    "pika_publish.py",
    "pika_consume.py",
    "pika_extensions.py",
    "pika_streams.py",
    "aio_pika_scenarios.py",
    "amqplain.py",
    "kombu_scenarios.py",
];

/// Silent clients are dropped after this long, in the scenarios that wait for it.
const HANDSHAKE_TIMEOUT: [&str; 2] = ["--handshake-timeout", "1"];

#[test]
fn rabbitmq_itself_passes_the_interop_scenarios() -> Result<()> {
    let rabbit = RabbitMq::start_with_management()?;
    let url = rabbit.amqp_url();
    for script in PYTHON_SCRIPTS.iter().chain(&["frames.py"]) {
        python_script(script, &url, Broker::RabbitMq3, &[])?;
    }
    python_script("bad_input.py", &url, Broker::RabbitMq3, &HANDSHAKE_TIMEOUT)?;
    node_script("amqplib_scenarios.mjs", &url)?;
    lapin_scenarios::run_all(&url)?;
    let site = Site::beside(&url)?;
    amqp_tools::run_all(&site)?;
    celery_scenarios::run_all(&site, Broker::RabbitMq3)?;
    flower_scenarios::run_all(&site, Broker::RabbitMq3, &rabbit.management_url()?)?;
    fedora_messaging_scenarios::run_all(&site)
}

fn tubepost() -> Result<(Site, Server)> {
    let site = Site::new()?;
    let server = site.serve().context("tubepost serve")?;
    Ok((site, server))
}

#[test]
fn pika_and_kombu_work_against_tubepost() -> Result<()> {
    let (site, mut server) = tubepost()?;
    for script in PYTHON_SCRIPTS {
        python_script(script, &site.amqp_url(), Broker::Tubepost, &[])?;
    }
    still_runs(&mut server)
}

#[test]
fn the_exchanges_of_rabbitmqs_plugins_are_there() -> Result<()> {
    let (site, mut server) = tubepost()?;
    python_script("pika_plugin_exchanges.py", &site.amqp_url(), Broker::Tubepost, &[])?;
    still_runs(&mut server)
}

#[test]
fn the_order_of_frames_and_the_reach_of_errors_are_as_expected_by_clients() -> Result<()> {
    let (site, mut server) = tubepost()?;
    python_script("frames.py", &site.amqp_url(), Broker::Tubepost, &[])?;
    still_runs(&mut server)
}

#[test]
fn bad_input_harms_only_its_own_socket() -> Result<()> {
    let site = Site::new()?;
    let mut server = site.serve_with(&[("TUBEPOST_AMQP_HANDSHAKE_TIMEOUT", "1s")])?;
    python_script("bad_input.py", &site.amqp_url(), Broker::Tubepost, &HANDSHAKE_TIMEOUT)?;
    still_runs(&mut server)?;
    let log = server.process().log();
    anyhow::ensure!(!log.contains("panicked"), "a panic is reachable from the network:\n{log}");
    Ok(())
}

#[test]
fn amqplib_works_against_tubepost() -> Result<()> {
    let (site, mut server) = tubepost()?;
    node_script("amqplib_scenarios.mjs", &site.amqp_url())?;
    still_runs(&mut server)
}

#[test]
fn lapin_works_against_tubepost() -> Result<()> {
    let (site, mut server) = tubepost()?;
    lapin_scenarios::run_all(&site.amqp_url())?;
    still_runs(&mut server)
}

#[test]
fn celery_works_against_tubepost() -> Result<()> {
    let (site, mut server) = tubepost()?;
    celery_scenarios::run_all(&site, Broker::Tubepost)?;
    still_runs(&mut server)
}

#[test]
fn flower_works_against_tubepost() -> Result<()> {
    let (site, mut server) = tubepost()?;
    let api = format!("http://guest:guest@127.0.0.1:{}", site.management_port);
    flower_scenarios::run_all(&site, Broker::Tubepost, &api)?;
    still_runs(&mut server)
}

#[test]
fn the_tools_of_rabbitmq_c_work_against_tubepost() -> Result<()> {
    let (site, mut server) = tubepost()?;
    amqp_tools::run_all(&site)?;
    still_runs(&mut server)
}

#[test]
fn fedora_messaging_works_against_tubepost() -> Result<()> {
    let (site, mut server) = tubepost()?;
    fedora_messaging_scenarios::run_all(&site)?;
    still_runs(&mut server)
}

fn still_runs(server: &mut Server) -> Result<()> {
    let ended = server.process().ended();
    anyhow::ensure!(ended.is_none(), "the server ended: {ended:?}");
    Ok(())
}
