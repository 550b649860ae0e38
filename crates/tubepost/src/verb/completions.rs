//! `tubepost completions`: the script that completes words in a shell.

use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::Shell;

use crate::{cli, failure::Failure, terminal::print_line};

pub(crate) fn command() -> Command {
    Command::new("completions")
        .about("Print the completion script of a shell")
        .arg(
            Arg::new("shell").value_name("SHELL").required(true).value_parser(value_parser!(Shell)),
        )
        .after_help(
            "Examples:\n  \
             tubepost completions bash > /etc/bash_completion.d/tubepost\n  \
             tubepost completions fish > ~/.config/fish/completions/tubepost.fish",
        )
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let Some(shell) = matches.get_one::<Shell>("shell") else {
        return Err(Failure::called_wrongly("no shell; see tubepost completions --help"));
    };
    let mut script = Vec::new();
    clap_complete::generate(*shell, &mut cli::command(), "tubepost", &mut script);
    print_line(String::from_utf8_lossy(&script).trim_end())
}
