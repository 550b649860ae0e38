//! The scenario scripts in `tests/python` and `tests/node`.

use std::{path::Path, process::Command};

use anyhow::{Result, ensure};

use crate::{Finished, node, python, root, run};

/// Whose answers a scenario expects where brokers differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broker {
    /// The broker under test.
    Tubepost,
    /// Debian's RabbitMQ, by which the scenarios are proved.
    RabbitMq3,
}

/// Runs a Python scenario file against the bus; all its scenarios must hold.
///
/// # Errors
/// Which did not, and why.
pub fn python_script(name: &str, url: &str, broker: Broker, more: &[&str]) -> Result<()> {
    let broker = match broker {
        Broker::Tubepost => "tubepost",
        Broker::RabbitMq3 => "rabbitmq-3",
    };
    let mut command = Command::new(python()?);
    command.current_dir(root().join("tests/python"));
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUNBUFFERED", "1");
    command.arg(name).arg(url).args(["--broker", broker]).args(more);
    all_held(name, &run(name, &mut command, b"", 200)?)
}

/// Runs a Node scenario file against the bus; all its scenarios must hold.
///
/// # Errors
/// Which did not, and why.
pub fn node_script(name: &str, url: &str) -> Result<()> {
    run_node(Command::new(node()?), name, url)
}

/// As [`node_script`], with an authority to trust.
///
/// # Errors
/// As [`node_script`].
pub fn node_script_trusting(name: &str, url: &str, authority: &Path) -> Result<()> {
    let mut command = Command::new(node()?);
    command.env("NODE_EXTRA_CA_CERTS", authority);
    run_node(command, name, url)
}

fn run_node(mut command: Command, name: &str, url: &str) -> Result<()> {
    command.current_dir(root().join("tests/node")).arg(name).arg(url);
    all_held(name, &run(name, &mut command, b"", 200)?)
}

fn all_held(name: &str, done: &Finished) -> Result<()> {
    ensure!(
        done.status.success() && done.stdout.contains(" held, 0 failed"),
        "{name}: {}\n{}\n{}",
        done.status,
        done.stdout,
        done.stderr
    );
    Ok(())
}
