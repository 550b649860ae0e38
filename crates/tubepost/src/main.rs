//! The one binary of Tubepost: its command line, its configuration, and putting the parts together.
//!
//! `cli` knows the commands, `config` the options; each verb is a module of `verb`, and what a verb
//! cannot do becomes a [`failure::Failure`]: exit 1 when it failed, 2 when it was called wrongly.

mod cli;
mod config;
mod event_line;
mod event_lines;
mod failure;
mod http_transport;
mod http_url;
mod keys;
mod listing;
mod management_client;
mod schemas;
mod serve;
mod stop;
mod terminal;
mod verb;
mod verdict;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
