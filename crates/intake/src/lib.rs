//! What turns the outside into events. Today: a push to a git repository.
//!
//! An intake reads what happened from its source and makes [`event::Event`]s of it. It knows no
//! bus: the caller hands the events to a [`client::Spool`], on disk, and somebody else delivers
//! them, so that the source (here the `git push` of a person who waits) never waits for a bus.
//!
//! ```no_run
//! use intake::git;
//!
//! let repository = git::Repository::open(std::path::Path::new("/srv/git/rpms/bash.git"))?;
//! let updates = git::RefUpdate::parse_all(b"old new refs/heads/main\n")?;
//! let events = git::read_push(&repository, &updates, &git::Rules::default())?;
//! # Ok::<(), intake::Error>(())
//! ```

mod error;
pub mod git;

pub use error::Error;
