//! Qpid Proton for C++, as Debian has it: a program of these tests, and Proton's own examples.

use std::process::Command;

use anyhow::{Result, ensure};
use harness::{Finished, Site, proton_cpp, root, run};

use super::{nothing_panicked, tubepost};

/// Runs a verb of `tests/cpp/proton_peer.cpp`, which must succeed.
pub(crate) fn peer(site: &Site, verb: &str, address: &str, more: &[&str]) -> Result<()> {
    let place = format!("guest:guest@127.0.0.1:{}", site.amqp_port);
    let mut command = Command::new(proton_cpp("proton_peer")?);
    command.current_dir(root()).args([verb, &place, address]).args(more);
    done(&run(&format!("proton_peer {verb}"), &mut command, b"", 60)?)
}

fn done(done: &Finished) -> Result<()> {
    ensure!(done.status.success(), "{}\n{}\n{}", done.status, done.stdout, done.stderr);
    Ok(())
}

/// Runs one of Proton's examples, without login: a password they say by TLS only.
fn example(site: &Site, name: &str, more: &[&str]) -> Result<Finished> {
    let mut command = Command::new(proton_cpp(name)?);
    // What is behind the URL's first slash.
    let address = format!("127.0.0.1:{}//queue/examples", site.amqp_port);
    command.args(["-a", &address]).args(more);
    let finished = run(name, &mut command, b"", 30)?;
    done(&finished)?;
    Ok(finished)
}

#[test]
fn protons_own_examples_send_and_receive() -> Result<()> {
    let mut site = Site::new()?;
    let directory = site.path("data").display().to_string();
    let words = ["user", "add", "examples", "--no-password", "--data-dir", &directory];
    done(&run("user add", &mut site.command(&words), b"", 20)?)?;
    site.set("TUBEPOST_AUTH_ANONYMOUS_USER", "examples");
    let mut server = site.serve()?;
    let sent = example(&site, "simple_send", &["-m", "100"])?;
    ensure!(sent.stdout.contains("all messages confirmed"), "{}", sent.stdout);
    let received = example(&site, "simple_recv", &["-m", "100"])?;
    let lines = received.stdout.lines().filter(|line| line.contains("\"sequence\"")).count();
    ensure!(lines == 100, "{lines} messages of 100:\n{}", received.stdout);
    nothing_panicked(&mut server)
}

#[test]
fn messages_of_1_10_and_100_mb_go_there_and_back() -> Result<()> {
    let (site, mut server) = tubepost()?;
    for octets in ["1000000", "10000000", "100000000"] {
        peer(&site, "large", &format!("/queue/large-{octets}"), &[octets])?;
    }
    nothing_panicked(&mut server)
}

#[test]
fn a_receiver_grants_one_credit_at_a_time() -> Result<()> {
    let (site, mut server) = tubepost()?;
    peer(&site, "credit", "/queue/credit", &["2000"])?;
    nothing_panicked(&mut server)
}
