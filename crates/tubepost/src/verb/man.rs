//! `tubepost man`: the manual pages, made from the same commands as `--help`.

use std::{fs, path::PathBuf};

use clap::{Arg, ArgMatches, Command, value_parser};
use clap_mangen::Man;

use crate::{cli, failure::Failure, terminal::print_line};

pub(crate) fn command() -> Command {
    Command::new("man")
        .about("Print the manual page, or write one for each command")
        .arg(
            Arg::new("directory")
                .long("directory")
                .value_name("DIRECTORY")
                .value_parser(value_parser!(PathBuf))
                .help("Write tubepost.1, tubepost-serve.1 and so on there instead"),
        )
        .after_help(
            "Examples:\n  \
             tubepost man | man -l -\n  \
             tubepost man --directory /usr/local/share/man/man1",
        )
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    match matches.get_one::<PathBuf>("directory") {
        Some(directory) => fs::create_dir_all(directory)
            .and_then(|()| clap_mangen::generate_to(cli::command(), directory))
            .map_err(|error| {
                Failure::failed(format!(
                    "{}: pages cannot be written: {error}",
                    directory.display()
                ))
            }),
        None => {
            let mut page = Vec::new();
            Man::new(cli::command())
                .render(&mut page)
                .map_err(|error| Failure::of_output(&error))?;
            print_line(String::from_utf8_lossy(&page).trim_end())
        }
    }
}
