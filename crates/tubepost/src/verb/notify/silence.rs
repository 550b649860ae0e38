//! `tubepost notify silence`: what somebody does not want to hear of now.

use clap::{Arg, ArgAction, ArgMatches, Command};
use jiff::Timestamp;
use notify::rule::Owner;

use super::{on_the_store, open, owner};
use crate::{config::parse_duration, failure::Failure, terminal::print_line};

pub(super) fn command() -> Command {
    let flag = |id: &'static str, help: &'static str| {
        Arg::new(id).long(id).action(ArgAction::SetTrue).help(help)
    };
    let many = |id: &'static str, help: &'static str| {
        Arg::new(id).long(id).value_name("OBJECT").action(ArgAction::Append).help(help)
    };
    let command = Command::new("silence")
        .about("Hold back what an owner does not want to hear of now; it is not told later")
        .arg(owner().required(true))
        .arg(flag("pause", "Tell nothing"))
        .arg(flag("resume", "Tell again; also ends a snooze").conflicts_with("pause"))
        .arg(
            Arg::new("snooze")
                .long("snooze")
                .value_name("TIME")
                .value_parser(parse_duration)
                .help("Tell nothing for so long: 90min, 2h, 3d"),
        )
        .arg(many("mute", "Tell nothing of this object"))
        .arg(many("unmute", "Tell of it again"))
        .after_help(
            "Examples:\n  \
             tubepost notify silence ada\n  \
             tubepost notify silence ada --snooze 2h\n  \
             tubepost notify silence ada --mute git/kernel\n  \
             tubepost notify silence ada --resume --unmute git/kernel\n\n\
             Prints what holds then, as JSON.",
        );
    on_the_store(command)
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let Some(owner) = matches.get_one::<Owner>("owner") else {
        return Err(Failure::called_wrongly("the owner is missing"));
    };
    let store = open(matches, false)?;
    let before = store.silence(owner)?;
    let mut silence = before.clone();
    if matches.get_flag("resume") {
        (silence.paused, silence.snoozed_until) = (false, None);
    }
    silence.paused |= matches.get_flag("pause");
    if let Some(time) = matches.get_one::<std::time::Duration>("snooze") {
        silence.snoozed_until = Timestamp::now().checked_add(*time).ok();
    }
    let objects = |id| matches.get_many::<String>(id).into_iter().flatten();
    for object in objects("mute") {
        if !silence.muted.contains(object) {
            silence.muted.push(object.clone());
        }
    }
    silence.muted.retain(|muted| objects("unmute").all(|object| object != muted));
    if silence != before {
        store.put_silence(owner, &silence)?;
    }
    print_line(&serde_json::to_string(&silence).unwrap_or_default())
}
