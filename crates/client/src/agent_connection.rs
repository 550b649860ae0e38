//! The other end of an agent's socket: hands events over and waits until the agent has them.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use event::Event;

use crate::{
    Error, agent_line,
    limits::{AGENT_WAIT, BURST_BYTES_MAX, BURST_EVENTS_MAX, LINE_BYTES_MAX},
};

/// A connection to the agent of this machine. Blocking: an answer takes as long as the agent's
/// disk, and never as long as the bus.
#[derive(Debug)]
pub struct AgentConnection {
    socket: PathBuf,
    stream: BufReader<UnixStream>,
}

impl AgentConnection {
    /// Connects to the socket.
    ///
    /// # Errors
    /// [`Error::AgentAway`].
    pub fn open(socket: &Path) -> Result<AgentConnection, Error> {
        let opened = UnixStream::connect(socket).and_then(|stream| {
            stream.set_read_timeout(Some(AGENT_WAIT))?;
            stream.set_write_timeout(Some(AGENT_WAIT))?;
            Ok(BufReader::new(stream))
        });
        match opened {
            Ok(stream) => Ok(AgentConnection { socket: socket.to_owned(), stream }),
            Err(error) => Err(away(socket, error.to_string())),
        }
    }

    /// Hands events over, in order; on return the agent has them on disk and will deliver them.
    /// An outcome for each.
    ///
    /// # Errors
    /// [`Error::AgentAway`]: the connection is of no use any more, and what has no outcome may be
    /// taken over or not. Each outcome: [`Error::AgentRefused`], with the agent's words.
    pub fn hand_over(&mut self, events: &[Event]) -> Result<Vec<Result<(), Error>>, Error> {
        let mut outcomes = Vec::with_capacity(events.len());
        let mut lines = String::new();
        let mut waiting: Vec<&Event> = Vec::new();
        for event in events {
            let line = event.to_dump();
            if line.len() >= LINE_BYTES_MAX {
                self.burst(&mut lines, &mut waiting, &mut outcomes)?;
                let reason = format!(
                    "it has {} bytes and an agent takes {LINE_BYTES_MAX}; publish it straight to the bus",
                    line.len()
                );
                outcomes.push(Err(self.refused(event, reason)));
                continue;
            }
            lines.push_str(&line);
            lines.push('\n');
            waiting.push(event);
            if lines.len() >= BURST_BYTES_MAX || waiting.len() >= BURST_EVENTS_MAX {
                self.burst(&mut lines, &mut waiting, &mut outcomes)?;
            }
        }
        self.burst(&mut lines, &mut waiting, &mut outcomes)?;
        Ok(outcomes)
    }

    fn burst(
        &mut self,
        lines: &mut String,
        waiting: &mut Vec<&Event>,
        outcomes: &mut Vec<Result<(), Error>>,
    ) -> Result<(), Error> {
        self.stream
            .get_mut()
            .write_all(lines.as_bytes())
            .map_err(|error| away(&self.socket, error.to_string()))?;
        lines.clear();
        for event in waiting.drain(..) {
            let answer = self.answer().map_err(|error| away(&self.socket, error.to_string()))?;
            let outcome = agent_line::outcome_of(&answer);
            let outcome = outcome.map_err(|reason| away(&self.socket, reason))?;
            outcomes.push(outcome.map_err(|reason| self.refused(event, reason)));
        }
        Ok(())
    }

    // To look for the answer a while before sleeping for it was tried, and makes nothing faster:
    // the kernel wakes the agent on this very core.
    fn answer(&mut self) -> io::Result<String> {
        let mut answer = String::new();
        self.stream.by_ref().take(ANSWER_BYTES_MAX).read_line(&mut answer)?;
        match answer.is_empty() {
            true => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it hung up")),
            false => Ok(answer),
        }
    }

    fn refused(&self, event: &Event, reason: String) -> Error {
        Error::AgentRefused { socket: self.socket.clone(), id: event.id.clone(), reason }
    }
}

fn away(socket: &Path, reason: String) -> Error {
    Error::AgentAway { socket: socket.to_owned(), reason }
}

const ANSWER_BYTES_MAX: u64 = 64 << 10;
