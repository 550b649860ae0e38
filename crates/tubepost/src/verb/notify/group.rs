//! `tubepost notify group` and `maintainer`: who is in which group, who cares for which package.

use clap::{Arg, ArgAction, ArgMatches, Command};
use notify::{rule::Maintainers, store::Group};
use serde_json::json;

use super::{on_the_store, open};
use crate::{
    failure::{Failure, remark},
    listing::{self, Listing},
    terminal::shown,
};

pub(super) fn command() -> Command {
    let list = listing::with_options(Command::new("list").about("List the groups"))
        .after_help("Examples:\n  tubepost notify group list");
    let set = Command::new("set")
        .about("Say who is in a group: these, and no other; nobody removes it")
        .arg(name("GROUP", "The group"))
        .arg(many("member", "PERSON", "Who is in it"))
        .arg(many("owner", "PERSON", "Who may change it"))
        .after_help(
            "Examples:\n  \
             tubepost notify group set kernel --member ada --member grace --owner ada\n  \
             tubepost notify group set kernel",
        );
    group("group", "Who is in which group", [list, set])
}

pub(super) fn maintainer_command() -> Command {
    let set = Command::new("set")
        .about("Say who maintains a package: these, and no other; nobody forgets it")
        .arg(name("PACKAGE", "The package"))
        .arg(many("person", "PERSON", "Who maintains it"))
        .arg(many("group", "GROUP", "A group that maintains it"))
        .after_help(
            "Examples:\n  \
             tubepost notify maintainer set kernel --person ada --group kernel\n  \
             tubepost notify maintainer set kernel",
        );
    group("maintainer", "Who maintains which package", [set])
}

fn group<const N: usize>(
    name: &'static str,
    about: &'static str,
    subcommands: [Command; N],
) -> Command {
    let command =
        Command::new(name).about(about).subcommand_required(true).arg_required_else_help(true);
    subcommands.into_iter().fold(command, |command, one| command.subcommand(on_the_store(one)))
}

fn name(value: &'static str, help: &'static str) -> Arg {
    Arg::new("name").value_name(value).required(true).help(help)
}

fn many(id: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(id).long(id).value_name(value).action(ArgAction::Append).help(help)
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    match matches.subcommand() {
        Some(("set", matches)) => {
            let (name, members) = (given(matches), texts(matches, "member"));
            let group = Group { owners: texts(matches, "owner"), members };
            open(matches, true)?.put_group(&name, &group)?;
            let count = group.members.len();
            remark(&shown(&format!("members of group {name}: {count}")));
            Ok(())
        }
        Some((_, matches)) => {
            let groups = open(matches, false)?.groups()?;
            let object = |(name, group): &(String, Group)| json!({"name": name, "members": group.members, "owners": group.owners});
            let objects: Vec<_> = groups.iter().map(object).collect();
            let columns = ["name", "members", "owners"];
            Listing::of(matches).print(&objects, &columns, "there are no groups")
        }
        None => Err(Failure::called_wrongly("no command; see tubepost notify group --help")),
    }
}

pub(super) fn run_maintainer(matches: &ArgMatches) -> Result<(), Failure> {
    let Some((_, matches)) = matches.subcommand() else {
        return Err(Failure::called_wrongly("no command; see tubepost notify maintainer --help"));
    };
    let package = given(matches);
    let maintainers =
        Maintainers { people: texts(matches, "person"), groups: texts(matches, "group") };
    let count = maintainers.people.len() + maintainers.groups.len();
    open(matches, true)?.put_maintainers(&package, &maintainers)?;
    remark(&shown(&format!("people and groups that maintain {package}: {count}")));
    Ok(())
}

fn given(matches: &ArgMatches) -> String {
    matches.get_one::<String>("name").cloned().unwrap_or_default()
}

fn texts(matches: &ArgMatches, id: &str) -> Vec<String> {
    matches.get_many::<String>(id).into_iter().flatten().cloned().collect()
}
