//! `tubepost notify rule`: the rules of people and groups.

use clap::{Arg, ArgAction, ArgMatches, Command};
use notify::{
    rule::{Owner, Rule},
    store::{Destination, Store},
};
use serde_json::{Value, json};

use super::{on_the_store, open, owner, rule_text};
use crate::{
    failure::{Failure, remark},
    listing::{self, Listing},
    terminal::{print_line, shown},
};

pub(super) fn command() -> Command {
    let list = listing::with_options(Command::new("list").about("List rules").arg(owner()))
        .after_help(
            "Examples:\n  \
             tubepost notify rule list\n  \
             tubepost notify rule list ada\n  \
             tubepost notify rule list group:kernel --json | jq .what",
        );
    let show = Command::new("show")
        .about("Show a rule, as JSON")
        .arg(id())
        .after_help("Examples:\n  tubepost notify rule show fmn.7 > rule.json");
    let add = rule_text::with_flags(
        Command::new("add")
            .about("Make a rule; it is in force within a second")
            .arg(owner().help("Whose it is; may stand in the file instead")),
    )
    .arg(json_flag())
    .after_help(
        "Examples:\n  \
         tubepost notify rule add ada --name mine --people @me --not-mine --to mail:ada@example.org\n  \
         tubepost notify rule add ada --name broken --maintainer @me --severity warning --severity error --to @mail\n  \
         tubepost notify rule add group:kernel --name CVEs --topic '#' --text CVE- --to mail:kernel@example.org\n  \
         tubepost notify rule add ada --name big --cel 'app == \"git\" && size(packages) > 10' --to @mail\n  \
         tubepost notify rule add ada --file rule.json\n\n\
         Tests of different kinds must all hold, of one kind one must; a file can say any, all and not.\n\
         Without a test it is every event. A destination that is an address is added to the owner's.",
    );
    let edit = rule_text::with_flags(
        Command::new("edit").about("Change a rule: what is given replaces what it had").arg(id()),
    )
    .arg(json_flag())
    .after_help(
        "Examples:\n  \
         tubepost notify rule show fmn.7 > rule.json; $EDITOR rule.json\n  \
         tubepost notify rule edit fmn.7 --file rule.json\n  \
         tubepost notify rule edit fmn.7 --name 'my packages' --to mail:ada@example.net",
    );
    let remove = Command::new("remove")
        .about("Remove rules")
        .arg(ids())
        .after_help("Examples:\n  tubepost notify rule remove fmn.7");
    let enable = Command::new("enable")
        .about("Put rules in force")
        .arg(ids())
        .after_help("Examples:\n  tubepost notify rule enable fmn.7 fmn.8");
    let disable = Command::new("disable")
        .about("Keep rules, and tell nothing of them")
        .arg(ids())
        .after_help("Examples:\n  tubepost notify rule disable fmn.7");
    [list, show, add, edit, remove, enable, disable].into_iter().fold(
        Command::new("rule")
            .about("List, make, change and remove rules")
            .subcommand_required(true)
            .arg_required_else_help(true),
        |command, subcommand| command.subcommand(on_the_store(subcommand)),
    )
}

fn id() -> Arg {
    Arg::new("id").value_name("ID").required(true).help("The rule, as list has it")
}

fn ids() -> Arg {
    id().action(ArgAction::Append).num_args(1..)
}

fn json_flag() -> Arg {
    Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print the rule, as JSON")
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    match matches.subcommand() {
        Some(("list", matches)) => list(matches),
        Some(("show", matches)) => {
            print_line(&pretty(&rule_of(&open(matches, false)?, given(matches))?))
        }
        Some(("add", matches)) => add(matches),
        Some(("edit", matches)) => edit(matches),
        Some(("remove", matches)) => each(matches, "removed", |store, id| {
            store.remove_rule(id)?.then_some(()).ok_or_else(|| no_rule(id))
        }),
        Some(("enable", matches)) => each(matches, "in force", |store, id| switch(store, id, true)),
        Some(("disable", matches)) => {
            each(matches, "not in force", |store, id| switch(store, id, false))
        }
        _ => Err(Failure::called_wrongly("no command; see tubepost notify rule --help")),
    }
}

fn list(matches: &ArgMatches) -> Result<(), Failure> {
    let owner = matches.get_one::<Owner>("owner");
    let rules = open(matches, false)?.rules(owner)?;
    let listing = Listing::of(matches);
    let objects: Vec<Value> = rules
        .iter()
        .map(|rule| match listing.is_json() {
            true => whole(rule),
            false => row(rule),
        })
        .collect();
    let nothing =
        owner.map_or("there are no rules".to_owned(), |owner| format!("{owner} has no rules"));
    listing.print(&objects, &["id", "owner", "name", "enabled", "what", "to"], &nothing)
}

/// All of a rule but what lets others write to its destinations; that is in `show`.
fn whole(rule: &Rule) -> Value {
    let mut rule = rule.clone();
    for outlet in &mut rule.outlets {
        for id in outlet.to.iter_mut().chain(&mut outlet.when.fallback) {
            *id = Destination { id: std::mem::take(id), enabled: true }.shown();
        }
    }
    serde_json::to_value(rule).unwrap_or_default()
}

fn row(rule: &Rule) -> Value {
    let to = rule.outlets.iter().flat_map(|outlet| &outlet.to);
    let to: Vec<String> =
        to.map(|id| Destination { id: id.clone(), enabled: true }.shown()).collect();
    json!({
        "id": rule.id,
        "owner": rule.owner.to_string(),
        "name": rule.name,
        "enabled": rule.enabled,
        "what": serde_json::to_string(&rule.what).unwrap_or_default(),
        "to": to.join(", "),
    })
}

fn add(matches: &ArgMatches) -> Result<(), Failure> {
    let owner = matches.get_one::<Owner>("owner");
    let rule = match matches.get_one::<String>("file") {
        Some(file) => {
            let mut rule = rule_text::of_document(file, owner, None)?;
            if let Some(name) = matches.get_one::<String>("name") {
                name.clone_into(&mut rule.name);
            }
            rule
        }
        None => {
            let missing = |what: &str| {
                Failure::called_wrongly(format!("{what}; or give the whole rule with --file"))
            };
            let owner = owner.ok_or_else(|| missing("the owner is missing: name ada"))?;
            let name = matches.get_one::<String>("name");
            let name = name.ok_or_else(|| missing("--name is missing: say what it is called"))?;
            let outlets = rule_text::outlets(matches);
            if outlets.is_empty() {
                return Err(missing("--to is missing: say --to mail:ada@example.org"));
            }
            Rule {
                version: notify::rule::VERSION,
                id: String::new(),
                owner: owner.clone(),
                name: name.clone(),
                enabled: true,
                what: rule_text::condition(matches)?,
                outlets,
            }
        }
    };
    let store = open(matches, true)?;
    keep(matches, &store, rule, "is in force")
}

fn edit(matches: &ArgMatches) -> Result<(), Failure> {
    let store = open(matches, false)?;
    let id = given(matches);
    let mut rule = rule_of(&store, id)?;
    if let Some(file) = matches.get_one::<String>("file") {
        rule = rule_text::of_document(file, Some(&rule.owner), Some(id))?;
    }
    if let Some(name) = matches.get_one::<String>("name") {
        name.clone_into(&mut rule.name);
    }
    if rule_text::has_tests(matches) {
        rule.what = rule_text::condition(matches)?;
    }
    let outlets = rule_text::outlets(matches);
    if !outlets.is_empty() {
        rule.outlets = outlets;
    }
    keep(matches, &store, rule, "changed")
}

/// Keeps a rule and says so. Who may write to the store answers for the addresses in it.
fn keep(matches: &ArgMatches, store: &Store, rule: Rule, done: &str) -> Result<(), Failure> {
    rule.check().map_err(notify::store::Error::Rule)?;
    let there = store.destinations(&rule.owner)?;
    for to in rule.outlets.iter().flat_map(|outlet| outlet.to.iter().chain(&outlet.when.fallback)) {
        if !to.starts_with('@') && there.iter().all(|one| one.id != *to) {
            let destination = Destination::new(to)?;
            super::destination::reachable(matches, &destination)?;
            store.put_destination(&rule.owner, &destination)?;
        }
    }
    let rule = store.put_rule(rule)?;
    match matches.get_flag("json") {
        true => print_line(&rule.to_json()),
        false => {
            remark(&shown(&format!("rule {} of {} {done}", rule.id, rule.owner)));
            Ok(())
        }
    }
}

fn each(
    matches: &ArgMatches,
    done: &str,
    act: impl Fn(&Store, &str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let store = open(matches, false)?;
    for id in matches.get_many::<String>("id").into_iter().flatten() {
        act(&store, id)?;
        remark(&shown(&format!("rule {id} {done}")));
    }
    Ok(())
}

fn switch(store: &Store, id: &str, enabled: bool) -> Result<(), Failure> {
    let rule = rule_of(store, id)?;
    store.put_rule(Rule { enabled, ..rule })?;
    Ok(())
}

fn rule_of(store: &Store, id: &str) -> Result<Rule, Failure> {
    store.rule(id)?.ok_or_else(|| no_rule(id))
}

fn no_rule(id: &str) -> Failure {
    let problem =
        format!("rule {id}: is not there; tubepost notify rule list shows those that are");
    Failure::failed(shown(&problem))
}

fn given(matches: &ArgMatches) -> &str {
    matches.get_one::<String>("id").map_or("", String::as_str)
}

fn pretty(rule: &Rule) -> String {
    serde_json::to_string_pretty(rule).unwrap_or_default()
}
