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
    let offered = first.and_then(|word| named(word.to_str()?)).map(slice::from_ref);
    let matches = tubepost(offered.unwrap_or(&SUBCOMMANDS)).try_get_matches().map_err(|error| {
        // Help and version are no failure; a closed pipe is not either.
        _ = error.print();
        Failure::Said(u8::try_from(error.exit_code()).unwrap_or(2))
    })?;
    let chosen = matches.subcommand().and_then(|(name, matches)| Some((named(name)?, matches)));
    match chosen {
        Some(((_, _, run), matches)) => run(matches),
        None => Err(Failure::called_wrongly("no command; see tubepost --help")),
    }
}

/// What stands behind `tubepost`: its name, its options, and what it does.
type Subcommand = (&'static str, fn() -> Command, fn(&ArgMatches) -> Result<(), Failure>);

fn named(wanted: &str) -> Option<&'static Subcommand> {
    SUBCOMMANDS.iter().find(|(name, ..)| *name == wanted)
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
        .subcommands(offered.iter().map(|(_, command, _)| command()))
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
    ("serve", serve::command, serve::run),
    ("publish", verb::publish::command, verb::publish::run),
    ("tail", verb::tail::command, verb::tail::run),
    ("on", verb::on::command, verb::on::run),
    ("hook", verb::hook::command, verb::hook::run),
    ("agent", verb::agent::command, verb::agent::run),
    ("event", verb::event::command, verb::event::run),
    ("schema", verb::schema::command, verb::schema::run),
    ("notify", verb::notify::command, verb::notify::run),
    ("desktop", verb::desktop::command, verb::desktop::run),
    ("verify", verb::verify::command, verb::verify::run),
    ("key", verb::key::command, verb::key::run),
    ("user", verb::user::command, verb::user::run),
    ("status", verb::status::command, verb::status::run),
    ("vhost", verb::vhost::command, verb::vhost::run),
    ("permission", verb::permission::command, verb::permission::run),
    ("policy", verb::policy::command, verb::policy::run),
    ("exchange", verb::exchange::command, verb::exchange::run),
    ("queue", verb::queue::command, verb::queue::run),
    ("binding", verb::binding::command, verb::binding::run),
    ("connection", verb::connection::command, verb::connection::run),
    ("channel", verb::channel::command, verb::channel::run),
    ("consumer", verb::consumer::command, verb::consumer::run),
    ("definitions", verb::definitions::command, verb::definitions::run),
    ("journal", verb::journal::command, verb::journal::run),
    ("bench", verb::bench::command, verb::bench::run),
    ("config", verb::config::command, verb::config::run),
    ("completions", verb::completions::command, verb::completions::run),
    ("man", verb::man::command, verb::man::run),
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
        for (name, command, _) in &SUBCOMMANDS {
            assert_eq!(command().get_name(), *name);
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
