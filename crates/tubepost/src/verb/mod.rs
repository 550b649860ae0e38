//! The commands, one a file: its words, its help, and what it does.

pub(crate) mod agent;
pub(crate) mod bench;
pub(crate) mod binding;
pub(crate) mod channel;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod connection;
pub(crate) mod consumer;
pub(crate) mod definitions;
pub(crate) mod desktop;
pub(crate) mod event;
pub(crate) mod exchange;
pub(crate) mod hook;
pub(crate) mod journal;
pub(crate) mod key;
pub(crate) mod man;
mod management;
mod named_value;
pub(crate) mod notify;
pub(crate) mod on;
pub(crate) mod permission;
pub(crate) mod policy;
pub(crate) mod publish;
pub(crate) mod queue;
pub(crate) mod schema;
pub(crate) mod status;
pub(crate) mod tail;
pub(crate) mod user;
pub(crate) mod verify;
pub(crate) mod vhost;

use std::future::Future;

use crate::failure::Failure;

/// Runs a command that waits for things, on this thread.
///
/// # Errors
/// Those of the command; the system gives no runtime.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("the runtime cannot start: {error}")))?
        .block_on(work)
}
