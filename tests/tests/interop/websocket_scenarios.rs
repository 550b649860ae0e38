//! AMQP over WebSockets: rhea and CloudAMQP's client by Node, and a page in Chromium.

use std::process::Command;

use anyhow::{Result, ensure};
use harness::{Page, Process, Site, node, node_script, root};
use serde_json::json;

use super::still_runs;

#[test]
fn websockets_work_against_tubepost() -> Result<()> {
    let site = Site::new()?;
    let listed = [("TUBEPOST_AMQP_WEBSOCKET_ORIGINS", "https://app.example.org")];
    let mut server = site.serve_with(&listed)?;
    let api = format!("http://guest:guest@127.0.0.1:{}", site.management_port);
    node_script("websocket_scenarios.mjs", &api)?;
    still_runs(&mut server)
}

#[test]
fn a_client_over_a_websocket_comes_again_when_the_broker_does() -> Result<()> {
    let site = Site::new()?;
    let server = site.serve()?;
    let url = format!("ws://guest:guest@127.0.0.1:{}/amqp", site.http_port);
    let mut command = Command::new(node()?);
    command.current_dir(root().join("tests/node")).args(["websocket_restart.mjs", &url]);
    let mut client = Process::start("rhea", &mut command)?;
    client.wait_for_line("the first connection", 30, |line| line == "open 1")?;
    server.terminate()?;
    let forced = "closed: amqp:connection:forced";
    client.wait_for_line("the broker's goodbye", 30, |line| line == forced)?;
    let server = site.serve()?;
    client.wait_for_line("the second connection", 30, |line| line == "open 2")?;
    server.kill()?;
    let mut server = site.serve()?;
    client.wait_for_line("the third connection", 30, |line| line == "open 3")?;
    still_runs(&mut server)
}

#[test]
fn a_page_of_the_same_host_speaks_amqp_in_a_browser() -> Result<()> {
    let site = Site::new()?;
    let mut server = site.serve()?;
    let mut page = Page::open(&site.http_url())?;
    let header = b"AMQP\x03\x01\x00\x00";
    let said = json!({"path": "/amqp", "protocol": "amqp", "octets": header});
    let answer = page.run("websocket", said)?;
    ensure!(answer["protocol"] == "amqp", "{answer}");
    let octets = answer["octets"].as_array().map(|octets| octets.get(..8).unwrap_or_default());
    ensure!(octets == Some(header.map(|octet| json!(octet)).as_slice()), "{answer}");
    still_runs(&mut server)
}

#[test]
fn websockets_can_be_switched_off() -> Result<()> {
    let site = Site::new()?;
    let mut server = site.serve_with(&[("TUBEPOST_AMQP_WEBSOCKET", "false")])?;
    let answer = site.get("/amqp")?;
    ensure!(answer.starts_with("HTTP/1.0 404") || answer.starts_with("HTTP/1.1 404"), "{answer}");
    still_runs(&mut server)
}
