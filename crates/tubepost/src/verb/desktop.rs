//! `tubepost desktop`: shows a person's notices in their session.

use clap::{Arg, ArgMatches, Command};
use client::BusUrl;
use notify::desktop_user;

use crate::{
    cli,
    config::Verb,
    failure::{Failure, remark},
    serve::logging,
    stop::StopSignals,
    verb::block_on,
};

pub(crate) fn command() -> Command {
    let command = Command::new("desktop")
        .about("Show your notices on this desktop; runs in your session")
        .arg(
            Arg::new("user")
                .long("user")
                .value_name("NAME")
                .help("Whose notices [default: the user in the bus's URL]"),
        )
        .after_help(
            "Examples:\n  \
             tubepost notify destination add ada desktop:ada\n  \
             tubepost desktop --bus amqps://ada:secret@bus.example.org\n\n\
             A click opens the link. What came while this did not run is summed up in one. The \
             password is better kept in TUBEPOST_BUS; docs/notify.md has a unit for systemd.",
        );
    cli::with_options(command, Verb::Desktop)
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let config = cli::config(matches)?;
    logging::begin_warnings();
    let bus: BusUrl = config.bus_url.parse()?;
    let user = matches.get_one::<String>("user").map_or(bus.user(), String::as_str);
    let user = desktop_user(user)
        .map_err(|problem| Failure::called_wrongly(format!("--user: '{user}' {problem}")))?;
    let announcement = format!("showing the notices of {user} from {bus}");
    let options = desktop::Options { user: user.to_owned(), bus: bus.clone() };
    block_on(async {
        let mut stop = StopSignals::take()?;
        let ready = || remark(&announcement);
        let shown = desktop::run(&options, ready, stop.next()).await;
        shown.map_err(|error| Failure::failed(error.to_string()))
    })
}
