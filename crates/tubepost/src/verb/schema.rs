//! `tubepost schema`: writing schema files, checking and documenting them, and comparing their
//! versions.

mod check;
mod diff;
mod docs;
mod import;
mod new;
mod sample;
mod source;
mod test;

use clap::{ArgMatches, Command};

use crate::failure::Failure;

pub(crate) fn command() -> Command {
    Command::new("schema")
        .about("Write, check, test, compare and document schema files")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(check::command())
        .subcommand(diff::command())
        .subcommand(test::command())
        .subcommand(new::command())
        .subcommand(docs::command())
        .subcommand(import::command())
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    match matches.subcommand() {
        Some(("check", matches)) => check::run(matches),
        Some(("diff", matches)) => diff::run(matches),
        Some(("test", matches)) => test::run(matches),
        Some(("new", matches)) => new::run(matches),
        Some(("docs", matches)) => docs::run(matches),
        Some(("import", matches)) => import::run(matches),
        _ => Err(Failure::called_wrongly("no command; see tubepost schema --help")),
    }
}
