//! `tubepost serve`, running.

use std::{
    net::{SocketAddr, TcpStream},
    process::{Command, ExitStatus},
    time::Duration,
};

use anyhow::{Result, anyhow};

use crate::{Process, wait_for};

/// The server. Dropped, it is killed.
#[derive(Debug)]
pub struct Server {
    process: Process,
    /// From the start of the process to its first accepted AMQP connection.
    pub accepted_after: Duration,
}

impl Server {
    pub(crate) fn start(command: &mut Command, amqp: u16, http: u16) -> Result<Server> {
        let mut process = Process::start("tubepost serve", command)?;
        accepting(&mut process, amqp)?;
        let accepted_after = process.begun().elapsed();
        accepting(&mut process, http)?;
        Ok(Server { process, accepted_after })
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The process, for its output.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// `kill -9`: the disk has what it has.
    ///
    /// # Errors
    /// It had ended before.
    pub fn kill(mut self) -> Result<()> {
        self.process.kill()
    }

    /// SIGTERM; waits up to 20 s for the end.
    ///
    /// # Errors
    /// It had ended before, or does not end.
    pub fn terminate(mut self) -> Result<ExitStatus> {
        self.process.terminate(20)
    }
}

/// Waits until somebody accepts on the port; gives up at once when the process has ended.
pub(crate) fn accepting(process: &mut Process, port: u16) -> Result<()> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let ended = wait_for(&format!("a listener on {address}"), 30, || {
        if let Some(status) = process.ended() {
            return Ok(Some(status));
        }
        match TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
            Ok(_) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    })?;
    match ended {
        None => Ok(()),
        Some(_) => {
            let status = process.wait(1)?;
            let log = process.log();
            Err(anyhow!("the process ended ({status}) before it listened on {address}:\n{log}"))
        }
    }
}
