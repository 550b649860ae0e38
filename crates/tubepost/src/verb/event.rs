//! `tubepost event`: events without any bus.

mod render;

use clap::{ArgMatches, Command};

use crate::failure::Failure;

pub(crate) fn command() -> Command {
    Command::new("event")
        .about("Look at events without a bus")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(render::command())
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    match matches.subcommand() {
        Some(("render", matches)) => render::run(matches),
        _ => Err(Failure::called_wrongly("no command; see tubepost event --help")),
    }
}
