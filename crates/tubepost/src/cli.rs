//! The commands, and the way from the arguments to one of them.

use std::{
    env,
    path::{Path, PathBuf},
    slice,
};

use clap::{
    Arg, ArgMatches, Command,
    builder::styling::{AnsiColor, Styles},
};

use crate::{
    config::{self, Config, Environment, Fallback, Settings, Verb},
    failure::Failure,
    serve, verb,
};

/// Reads the arguments and runs what they ask for.
pub(crate) fn run() -> Result<(), Failure> {
    // All of them take their time to make, and half a megabyte that a server would keep.
    let first = env::args_os().nth(1);
    let named = first.and_then(|word| Subcommand::named(word.to_str()?));
    let matches = tubepost(named.map_or(&SUBCOMMANDS, slice::from_ref)).try_get_matches().map_err(
        |error| {
            // Help and version are no failure; a closed pipe is not either.
            _ = error.print();
            Failure::Said(u8::try_from(error.exit_code()).unwrap_or(2))
        },
    )?;
    let chosen = matches.subcommand();
    match chosen.and_then(|(name, matches)| Some((Subcommand::named(name)?, matches))) {
        Some((subcommand, matches)) => (subcommand.run)(matches),
        None => Err(Failure::called_wrongly("no command; see tubepost --help")),
    }
}

/// What stands behind `tubepost`.
struct Subcommand {
    name: &'static str,
    command: fn() -> Command,
    run: fn(&ArgMatches) -> Result<(), Failure>,
}

impl Subcommand {
    fn named(name: &str) -> Option<&'static Subcommand> {
        SUBCOMMANDS.iter().find(|it| it.name == name)
    }
}

/// All commands with all their options.
pub(crate) fn command() -> Command {
    tubepost(&SUBCOMMANDS)
}

fn tubepost(offered: &[Subcommand]) -> Command {
    Command::new("tubepost")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Push messaging for an infrastructure: say what happened once, everyone who cares learns of it at once")
        .after_help(
            "Begin with:\n  \
             tubepost serve\n  \
             tubepost tail\n  \
             tubepost publish org.example.hello '{\"agent\": \"ada\"}'\n\n\
             Nothing needs configuring; tubepost config shows what is in force.",
        )
        .styles(
            Styles::styled()
                .header(AnsiColor::Green.on_default().bold())
                .usage(AnsiColor::Green.on_default().bold())
                .literal(AnsiColor::Cyan.on_default())
                .placeholder(AnsiColor::Cyan.on_default()),
        )
        .max_term_width(100)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .arg(
            Arg::new(CONFIG_FILE)
                .long("config")
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .global(true)
                .help(
                    "The configuration file [default: $TUBEPOST_CONFIG, else \
                     /etc/tubepost/tubepost.toml, else ~/.config/tubepost/tubepost.toml]",
                ),
        )
        .subcommands(offered.iter().map(|it| (it.command)()))
}

/// Adds the flags that the table has for a verb.
pub(crate) fn with_options(mut command: Command, verb: Verb) -> Command {
    for group in config::table::GROUPS {
        for option in group.options {
            let declaration = option.declaration();
            let Some(flag) = declaration.flag.filter(|_| declaration.verbs.contains(&verb)) else {
                continue;
            };
            let default = match declaration.default {
                Fallback::Text("") => "none",
                Fallback::Text(text) | Fallback::Unset(text) | Fallback::Derived(_, text) => text,
            };
            let help = format!("{} [default: {default}]", declaration.help);
            let long_help = format!(
                "{help}\n\nVariable {}, key {}, for example {}",
                declaration.variable, declaration.key, declaration.example
            );
            command = command.arg(
                Arg::new(declaration.key)
                    .long(flag)
                    .value_name(declaration.value)
                    .allow_hyphen_values(true)
                    .help(help)
                    .long_help(long_help)
                    .help_heading(format!("{} options", group.title)),
            );
        }
    }
    command
}

/// What flags, environment and file say.
///
/// # Errors
/// All faults, exit 2.
pub(crate) fn settings(matches: &ArgMatches) -> Result<Settings, Failure> {
    let flag = |key: &str| matches.try_get_one::<String>(key).ok().flatten().cloned();
    Ok(Settings::gather(flag, Environment::of_process(), config_file(matches))?)
}

/// The checked configuration.
///
/// # Errors
/// As [`settings`].
pub(crate) fn config(matches: &ArgMatches) -> Result<Config, Failure> {
    Ok(Config::check(&settings(matches)?)?)
}

/// What `--config` says.
pub(crate) fn config_file(matches: &ArgMatches) -> Option<&Path> {
    matches.get_one::<PathBuf>(CONFIG_FILE).map(PathBuf::as_path)
}

/// In the order of the help.
static SUBCOMMANDS: [Subcommand; 29] = [
    Subcommand { name: "serve", command: serve::command, run: serve::run },
    Subcommand { name: "publish", command: verb::publish::command, run: verb::publish::run },
    Subcommand { name: "tail", command: verb::tail::command, run: verb::tail::run },
    Subcommand { name: "on", command: verb::on::command, run: verb::on::run },
    Subcommand { name: "hook", command: verb::hook::command, run: verb::hook::run },
    Subcommand { name: "agent", command: verb::agent::command, run: verb::agent::run },
    Subcommand { name: "event", command: verb::event::command, run: verb::event::run },
    Subcommand { name: "schema", command: verb::schema::command, run: verb::schema::run },
    Subcommand { name: "notify", command: verb::notify::command, run: verb::notify::run },
    Subcommand { name: "desktop", command: verb::desktop::command, run: verb::desktop::run },
    Subcommand { name: "verify", command: verb::verify::command, run: verb::verify::run },
    Subcommand { name: "key", command: verb::key::command, run: verb::key::run },
    Subcommand { name: "user", command: verb::user::command, run: verb::user::run },
    Subcommand { name: "status", command: verb::status::command, run: verb::status::run },
    Subcommand { name: "vhost", command: verb::vhost::command, run: verb::vhost::run },
    Subcommand {
        name: "permission",
        command: verb::permission::command,
        run: verb::permission::run,
    },
    Subcommand { name: "policy", command: verb::policy::command, run: verb::policy::run },
    Subcommand { name: "exchange", command: verb::exchange::command, run: verb::exchange::run },
    Subcommand { name: "queue", command: verb::queue::command, run: verb::queue::run },
    Subcommand { name: "binding", command: verb::binding::command, run: verb::binding::run },
    Subcommand {
        name: "connection",
        command: verb::connection::command,
        run: verb::connection::run,
    },
    Subcommand { name: "channel", command: verb::channel::command, run: verb::channel::run },
    Subcommand { name: "consumer", command: verb::consumer::command, run: verb::consumer::run },
    Subcommand {
        name: "definitions",
        command: verb::definitions::command,
        run: verb::definitions::run,
    },
    Subcommand { name: "journal", command: verb::journal::command, run: verb::journal::run },
    Subcommand { name: "bench", command: verb::bench::command, run: verb::bench::run },
    Subcommand { name: "config", command: verb::config::command, run: verb::config::run },
    Subcommand {
        name: "completions",
        command: verb::completions::command,
        run: verb::completions::run,
    },
    Subcommand { name: "man", command: verb::man::command, run: verb::man::run },
];

const CONFIG_FILE: &str = "config-file";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_command_is_called_what_the_table_says() {
        for it in &SUBCOMMANDS {
            assert_eq!((it.command)().get_name(), it.name);
        }
    }

    #[test]
    fn every_command_has_help_with_an_example() {
        fn check(command: &Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            assert!(command.get_about().is_some(), "{path}");
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            if !command.has_subcommands() {
                assert!(examples.contains(path.trim()), "{path}");
            }
            command.get_subcommands().for_each(|sub| check(sub, &path));
        }
        check(&command(), "");
    }
}
