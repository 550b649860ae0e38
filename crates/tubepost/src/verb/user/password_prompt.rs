//! Asks for a password on the terminal, without echo.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, Write},
};

use auth::Secret;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};

use crate::failure::Failure;

/// Asks twice; the two must be the same.
///
/// # Errors
/// No terminal to ask on (exit 2, with the other ways); Ctrl-C; two different passwords.
pub(crate) fn prompt(name: &str) -> Result<Secret, Failure> {
    let mut terminal =
        OpenOptions::new().read(true).write(true).open("/dev/tty").map_err(|_| {
            Failure::called_wrongly(
                "password: there is no terminal to ask on; use --password-stdin or --generate",
            )
        })?;
    let broken = |error: std::io::Error| Failure::failed(format!("terminal: {error}"));
    let first = ask(&mut terminal, &format!("Password for {name}: ")).map_err(broken)?;
    let first = first.ok_or_else(cancelled)?;
    let again = ask(&mut terminal, "The same again: ").map_err(broken)?.ok_or_else(cancelled)?;
    match first == again {
        true => Ok(Secret::new(first)),
        false => Err(Failure::failed("password: the two are not the same; nothing was changed")),
    }
}

fn cancelled() -> Failure {
    Failure::failed("password: cancelled; nothing was changed")
}

// `None` after Ctrl-C or Ctrl-D. Ctrl-C comes as a character here, so that the echo is never left
// switched off.
fn ask(terminal: &mut File, question: &str) -> std::io::Result<Option<String>> {
    terminal.write_all(question.as_bytes())?;
    let quiet = Quiet::enter(terminal.try_clone()?)?;
    let mut line = Vec::new();
    let read = read_line(BufReader::new(&*terminal), &mut line);
    drop(quiet);
    terminal.write_all(b"\n")?;
    read?;
    match line.pop() {
        Some(b'\n') => Ok(Some(String::from_utf8_lossy(&line).into_owned())),
        _ => Ok(None),
    }
}

// Up to a line feed or Ctrl-C, both of which end a line of the terminal here.
fn read_line(mut from: impl BufRead, line: &mut Vec<u8>) -> std::io::Result<()> {
    loop {
        let buffer = from.fill_buf()?;
        let end = buffer.iter().position(|byte| matches!(*byte, b'\n' | CTRL_C));
        let size = end.map_or(buffer.len(), |at| at + 1);
        line.extend_from_slice(buffer.get(..size).unwrap_or_default());
        let ended = end.is_some() || size == 0;
        from.consume(size);
        if ended || line.len() > LINE_BYTES_MAX {
            return Ok(());
        }
    }
}

/// The terminal without echo; as it was when dropped.
struct Quiet {
    terminal: File,
    before: Termios,
}

impl Quiet {
    fn enter(terminal: File) -> std::io::Result<Quiet> {
        let before = tcgetattr(&terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ISIG);
        quiet.special_codes[SpecialCodeIndex::VEOL] = CTRL_C;
        tcsetattr(&terminal, OptionalActions::Flush, &quiet)?;
        Ok(Quiet { terminal, before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that is gone.
        _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

const CTRL_C: u8 = 3;
const LINE_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_at_a_line_feed_at_ctrl_c_or_at_the_end() {
        for (typed, read) in
            [(&b"secret\nmore"[..], &b"secret\n"[..]), (b"sec\x03", b"sec\x03"), (b"sec", b"sec")]
        {
            let mut line = Vec::new();
            read_line(typed, &mut line).unwrap();
            assert_eq!(line, read);
        }
    }
}
