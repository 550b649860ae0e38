//! Why a command did not do what it was asked, how that is said, and the exit code of it.

use std::{io, io::Write, process::ExitCode};

use anstyle::{AnsiColor, Style};

use crate::{config::Fault, management_client, terminal::shown};

/// What ends a command early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was asked rightly and could not do it: exit 1. Each line reads `what: where; mend`.
    Failed(Vec<String>),
    /// It was asked wrongly, by its arguments or its configuration: exit 2.
    CalledWrongly(Vec<String>),
    /// Whoever read the output went away, which is their right: exit 0, nothing said.
    NobodyReads,
    /// All was said already: this exit code.
    Said(u8),
}

impl Failure {
    /// One line, exit 1.
    pub(crate) fn failed(line: impl Into<String>) -> Failure {
        Failure::Failed(vec![line.into()])
    }

    /// One line, exit 2.
    pub(crate) fn called_wrongly(line: impl Into<String>) -> Failure {
        Failure::CalledWrongly(vec![line.into()])
    }

    /// Writing to standard output failed.
    pub(crate) fn of_output(error: &io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::NobodyReads,
            _ => Failure::failed(format!("standard output: cannot be written: {error}")),
        }
    }

    /// Says it on standard error.
    pub(crate) fn report(self) -> ExitCode {
        let (lines, code) = match self {
            Failure::Failed(lines) => (lines, 1),
            Failure::CalledWrongly(lines) => (lines, 2),
            Failure::NobodyReads => (Vec::new(), 0),
            Failure::Said(code) => (Vec::new(), code),
        };
        lines.iter().for_each(|line| complain(line));
        ExitCode::from(code)
    }
}

/// Says what went wrong, on standard error.
pub(crate) fn complain(line: &str) {
    say(AnsiColor::Red.on_default().bold(), line);
}

/// Says what is worth knowing and nothing wrong, on standard error.
pub(crate) fn remark(line: &str) {
    say(AnsiColor::Cyan.on_default(), line);
}

fn say(style: Style, line: &str) {
    // Where nobody can be told that nobody can be told, it stays unsaid.
    _ = writeln!(anstream::stderr().lock(), "{style}tubepost:{style:#} {line}");
}

impl From<Vec<Fault>> for Failure {
    fn from(faults: Vec<Fault>) -> Failure {
        Failure::CalledWrongly(faults.iter().map(ToString::to_string).collect())
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Failure {
        Failure::called_wrongly(fault.to_string())
    }
}

impl From<client::Error> for Failure {
    fn from(error: client::Error) -> Failure {
        match error {
            client::Error::Url { .. } => Failure::called_wrongly(error.to_string()),
            error => Failure::failed(error.to_string()),
        }
    }
}

impl From<management_client::Error> for Failure {
    fn from(error: management_client::Error) -> Failure {
        Failure::failed(shown(&error.to_string()))
    }
}

impl From<auth::Error> for Failure {
    fn from(error: auth::Error) -> Failure {
        match error {
            auth::Error::Name { .. } | auth::Error::Password { .. } | auth::Error::Tag { .. } => {
                Failure::called_wrongly(error.to_string())
            }
            error => Failure::failed(error.to_string()),
        }
    }
}

impl From<intake::Error> for Failure {
    fn from(error: intake::Error) -> Failure {
        Failure::failed(error.to_string())
    }
}
