//! `tubepost journal`: looking at the journals of a data directory.

mod check;

use clap::{ArgMatches, Command};

use crate::failure::Failure;

pub(crate) fn command() -> Command {
    Command::new("journal")
        .about("Look at the journals in which serve keeps messages and what is declared")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(check::command())
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    match matches.subcommand() {
        Some(("check", matches)) => check::run(matches),
        _ => Err(Failure::called_wrongly("no command; see tubepost journal --help")),
    }
}
