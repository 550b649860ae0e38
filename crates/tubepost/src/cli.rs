//! The commands, and the way from the arguments to one of them.

use std::path::{Path, PathBuf};

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
    let matches = command().try_get_matches().map_err(|error| {
        // Help and version are no failure; a closed pipe is not either.
        _ = error.print();
        Failure::Said(u8::try_from(error.exit_code()).unwrap_or(2))
    })?;
    match matches.subcommand() {
        Some(("serve", matches)) => serve::run(matches),
        Some(("journal", matches)) => verb::journal::run(matches),
        Some(("config", matches)) => verb::config::run(matches),
        Some(("user", matches)) => verb::user::run(matches),
        Some(("status", matches)) => verb::status::run(matches),
        Some(("vhost", matches)) => verb::vhost::run(matches),
        Some(("permission", matches)) => verb::permission::run(matches),
        Some(("policy", matches)) => verb::policy::run(matches),
        Some(("exchange", matches)) => verb::exchange::run(matches),
        Some(("queue", matches)) => verb::queue::run(matches),
        Some(("binding", matches)) => verb::binding::run(matches),
        Some(("connection", matches)) => verb::connection::run(matches),
        Some(("channel", matches)) => verb::channel::run(matches),
        Some(("consumer", matches)) => verb::consumer::run(matches),
        Some(("definitions", matches)) => verb::definitions::run(matches),
        Some(("publish", matches)) => verb::publish::run(matches),
        Some(("tail", matches)) => verb::tail::run(matches),
        Some(("on", matches)) => verb::on::run(matches),
        Some(("agent", matches)) => verb::agent::run(matches),
        Some(("event", matches)) => verb::event::run(matches),
        Some(("schema", matches)) => verb::schema::run(matches),
        Some(("hook", matches)) => verb::hook::run(matches),
        Some(("desktop", matches)) => verb::desktop::run(matches),
        Some(("notify", matches)) => verb::notify::run(matches),
        Some(("verify", matches)) => verb::verify::run(matches),
        Some(("key", matches)) => verb::key::run(matches),
        Some(("bench", matches)) => verb::bench::run(matches),
        Some(("completions", matches)) => verb::completions::run(matches),
        Some(("man", matches)) => verb::man::run(matches),
        _ => Err(Failure::called_wrongly("no command; see tubepost --help")),
    }
}

/// All commands with all their options.
pub(crate) fn command() -> Command {
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
        .subcommand(serve::command())
        .subcommand(verb::publish::command())
        .subcommand(verb::tail::command())
        .subcommand(verb::on::command())
        .subcommand(verb::hook::command())
        .subcommand(verb::agent::command())
        .subcommand(verb::event::command())
        .subcommand(verb::schema::command())
        .subcommand(verb::notify::command())
        .subcommand(verb::desktop::command())
        .subcommand(verb::verify::command())
        .subcommand(verb::key::command())
        .subcommand(verb::user::command())
        .subcommand(verb::status::command())
        .subcommand(verb::vhost::command())
        .subcommand(verb::permission::command())
        .subcommand(verb::policy::command())
        .subcommand(verb::exchange::command())
        .subcommand(verb::queue::command())
        .subcommand(verb::binding::command())
        .subcommand(verb::connection::command())
        .subcommand(verb::channel::command())
        .subcommand(verb::consumer::command())
        .subcommand(verb::definitions::command())
        .subcommand(verb::journal::command())
        .subcommand(verb::bench::command())
        .subcommand(verb::config::command())
        .subcommand(verb::completions::command())
        .subcommand(verb::man::command())
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

const CONFIG_FILE: &str = "config-file";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_consistent() {
        command().debug_assert();
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
