//! The scenario scripts in `tests/python` and `tests/node`.

use std::{path::Path, process::Command};

use anyhow::{Result, ensure};

use crate::{Finished, Process, node, python, root, run};

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
    run_python(&mut Command::new(python()?), name, url, broker, more)
}

/// As [`python_script`], with these variables in its environment.
///
/// # Errors
/// As [`python_script`].
pub fn python_script_with(
    name: &str,
    url: &str,
    broker: Broker,
    variables: &[(&str, &str)],
) -> Result<()> {
    let mut command = Command::new(python()?);
    command.envs(variables.iter().copied());
    run_python(&mut command, name, url, broker, &[])
}

/// Starts a Python scenario file, which goes on beside the test.
///
/// # Errors
/// It cannot be started.
pub fn start_python_script(name: &str, url: &str, more: &[&str]) -> Result<Process> {
    let mut command = Command::new(python()?);
    Process::start(name, furnished(&mut command, name, url, Broker::Tubepost, more))
}

fn run_python(
    command: &mut Command,
    name: &str,
    url: &str,
    broker: Broker,
    more: &[&str],
) -> Result<()> {
    all_held(name, &run(name, furnished(command, name, url, broker, more), b"", 200)?)
}

fn furnished<'a>(
    command: &'a mut Command,
    name: &str,
    url: &str,
    broker: Broker,
    more: &[&str],
) -> &'a mut Command {
    let broker = match broker {
        Broker::Tubepost => "tubepost",
        Broker::RabbitMq3 => "rabbitmq-3",
    };
    command.current_dir(root().join("tests/python"));
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUNBUFFERED", "1");
    command.arg(name).arg(url).args(["--broker", broker]).args(more)
}

/// Runs the differential test's scripts against two brokers on loopback; `differences` is the
/// document that lists what may differ. Code 0 means that nothing else does.
///
/// # Errors
/// It does not end.
pub fn differential(rabbitmq: u16, tubepost: u16, differences: &Path) -> Result<Finished> {
    let mut command = Command::new(python()?);
    command.current_dir(root().join("tests/python"));
    command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUNBUFFERED", "1");
    command.args(["-m", "differential"]);
    for (option, port) in [("--rabbitmq", rabbitmq), ("--tubepost", tubepost)] {
        command.args([option, &format!("127.0.0.1:{port}")]);
    }
    command.arg("--differences").arg(differences);
    run("the differential test", &mut command, b"", 150)
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
