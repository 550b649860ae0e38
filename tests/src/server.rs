//! `tubepost serve`, running.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::unix::process::ExitStatusExt as _,
    process::Command,
    time::Duration,
};

use anyhow::{Result, anyhow, ensure};

use crate::{Process, wait_for};

/// The server. Dropped, it is killed.
#[derive(Debug)]
pub struct Server {
    process: Process,
    /// From the start of the process to the first byte it said on an AMQP connection.
    pub accepted_after: Duration,
}

impl Server {
    pub(crate) fn start(command: &mut Command, amqp: u16, http: u16) -> Result<Server> {
        let mut process = Process::start("tubepost serve", command)?;
        answering(&mut process, amqp, b"AMQP\x00\x00\x09\x01")?;
        let accepted_after = process.begun().elapsed();
        answering(&mut process, http, b"GET / HTTP/1.0\r\n\r\n")?;
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

    /// Waits until it has ended because somebody else killed it, or the power failed.
    ///
    /// # Errors
    /// It goes on, or ended otherwise.
    pub fn wait_until_killed(mut self) -> Result<()> {
        let status = self.process.wait(20)?;
        ensure!(status.signal() == Some(9), "it was to be killed and ended with {status}");
        Ok(())
    }

    /// `kill -9`: the disk has what it has.
    ///
    /// # Errors
    /// It had ended before.
    pub fn kill(mut self) -> Result<()> {
        self.process.kill()
    }

    /// SIGTERM; waits up to 20 s for the end, which must be in order.
    ///
    /// # Errors
    /// It had ended before, does not end, or ends with another code than 0.
    pub fn terminate(mut self) -> Result<()> {
        let status = self.process.terminate(20)?;
        ensure!(status.success(), "after SIGTERM the server ended with {status}");
        Ok(())
    }
}

/// Waits until somebody accepts on the port; gives up at once when the process has ended.
pub(crate) fn accepting(process: &mut Process, port: u16) -> Result<()> {
    answering(process, port, b"")
}

/// Waits until whoever listens on the port answers these bytes: the kernel accepts for a program
/// that does not serve yet. Without bytes no answer is asked for.
fn answering(process: &mut Process, port: u16, hello: &[u8]) -> Result<()> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let ended = wait_for(&format!("an answer on {address}"), 30, || match process.ended() {
        Some(status) => Ok(Some(status)),
        None => answers(address, hello).map(|()| None).map_err(|error| error.to_string()),
    })?;
    match ended {
        None => Ok(()),
        Some(_) => {
            let status = process.wait(1)?;
            let log = process.log();
            Err(anyhow!("the process ended ({status}) before it served {address}:\n{log}"))
        }
    }
}

fn answers(address: SocketAddr, hello: &[u8]) -> io::Result<()> {
    let patience = Duration::from_secs(2);
    let mut socket = TcpStream::connect_timeout(&address, patience)?;
    if hello.is_empty() {
        return Ok(());
    }
    socket.set_read_timeout(Some(patience))?;
    socket.write_all(hello)?;
    socket.read_exact(&mut [0])
}
