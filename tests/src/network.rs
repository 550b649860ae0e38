//! A network of its own, with nothing but loopback: every port is free in it.

use std::process::Command;

use anyhow::{Context, Result};

use crate::Process;

/// The network. Dropped, it goes when the last process in it has ended.
#[derive(Debug)]
pub struct Network {
    holder: Process,
}

impl Network {
    /// Makes one.
    ///
    /// # Errors
    /// This is not root, or its loopback does not come up.
    pub fn new() -> Result<Network> {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", "ip link set lo up && echo up && exec cat"]);
        let mut holder = Process::start("a network", &mut command)?;
        holder.wait_for_line("its loopback", 20, |line| line == "up").context("no network")?;
        Ok(Network { holder })
    }

    /// Whether this process may make one.
    pub fn is_allowed() -> bool {
        rustix::process::geteuid().is_root()
    }

    /// What stands before a command to run it inside; the command is the process that is started.
    pub fn words(&self) -> Vec<String> {
        let target = self.holder.pid().to_string();
        ["nsenter", "--net", "--target", &target, "--"].map(str::to_owned).into()
    }
}
