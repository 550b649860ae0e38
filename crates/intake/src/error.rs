//! What can go wrong on the way from a source to its events.

use std::{io, path::PathBuf};

/// A source that cannot be read, or a hook that cannot be installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The `git` program could not be started.
    #[error("git cannot be started: {0}; is git installed and in PATH?")]
    NoGit(io::Error),
    /// What git wrote could not be read.
    #[error("git's output cannot be read: {0}")]
    Reading(io::Error),
    /// A git command failed.
    #[error("git {command} failed ({status}): {said}")]
    Git {
        /// Its first arguments.
        command: String,
        /// Exit status or signal.
        status: String,
        /// What it wrote to standard error, the first lines.
        said: String,
    },
    /// What a git command wrote is not what it should be.
    #[error("git {command} wrote what was not expected: {found}")]
    Output {
        /// Its first arguments.
        command: String,
        /// What was found.
        found: String,
    },
    /// A line of a post-receive hook's input is not `OLD NEW REF`.
    #[error(
        "'{line}' is not a ref update; git writes 'OLD NEW REF' lines to its post-receive hook"
    )]
    RefUpdate {
        /// The line, shortened.
        line: String,
    },
    /// A URL template cannot be filled in.
    #[error("{reason}")]
    UrlTemplate {
        /// What is wrong and what is known.
        reason: String,
    },
    /// A file or directory could not be read or written.
    #[error("{}: cannot {doing}: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The hook in the way was not written by Tubepost.
    #[error("{}: {reason}", .path.display())]
    Hook {
        /// The hook's file.
        path: PathBuf,
        /// What is in the way and the mend.
        reason: String,
    },
    /// An event could not be made.
    #[error(transparent)]
    Event(#[from] event::Error),
}
