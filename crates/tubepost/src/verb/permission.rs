//! `tubepost permission`: what users may do in a virtual host.

mod topic;

use clap::{Arg, ArgMatches, Command};
use serde_json::{Value, json};

use super::{
    block_on,
    management::{
        Session, given, group, name, no_command, optional, say, text, vhost, vhost_of,
        vhost_or_all, with_vhost,
    },
};
use crate::{failure::Failure, listing, management_client::Endpoint};

pub(crate) fn command() -> Command {
    let list = listing::with_options(
        Command::new("list").about("List who may do what").args(vhost_or_all()).arg(only_user()),
    )
    .after_help(
        "Examples:\n  \
         tubepost permission list\n  \
         tubepost permission list --all-vhosts --user ada",
    );
    let set = Command::new("set")
        .about("Say what a user may do in a virtual host: this, and nothing else")
        .arg(name("user", "The user"))
        .arg(text(
            "configure",
            "Queues and exchanges they may declare and delete, a regular expression",
        ))
        .arg(text("write", "Those they may publish to"))
        .arg(text("read", "Those they may consume from; an empty text is none at all"))
        .arg(vhost())
        .after_help(
            "Examples:\n  \
             tubepost permission set ada '.*' '.*' '.*'\n  \
             tubepost permission set ci '^ci\\.' '^(ci\\.|amq\\.topic$)' '^ci\\.' --vhost builds",
        );
    let clear = Command::new("clear")
        .about("Let a user do nothing in a virtual host; they cannot connect to it any more")
        .arg(name("user", "The user"))
        .arg(vhost())
        .after_help("Examples:\n  tubepost permission clear ada --vhost builds");
    let command = Command::new("permission").about("Say and show what users may do");
    group(command, [list, set, clear, topic::command()])
}

/// `--user` of a list.
fn only_user() -> Arg {
    Arg::new("user").long("user").value_name("USER").help("Only those of this user")
}

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let Some((verb, matches)) = matches.subcommand() else {
        return Err(no_command("permission"));
    };
    if verb == "topic" {
        return topic::run(matches);
    }
    let session = Session::open(matches)?;
    let (user, vhost) = (given(matches, "user"), given(matches, "vhost"));
    let endpoint = Endpoint::permission(vhost, user);
    block_on(async {
        match verb {
            "set" => {
                let field = |id| given(matches, id);
                let body = json!({
                    "configure": field("configure"),
                    "write": field("write"),
                    "read": field("read"),
                });
                session.put(&endpoint, &body).await?;
                say(&format!("permission of user '{user}' in virtual host '{vhost}' is set"));
                Ok(())
            }
            "clear" => {
                let done = format!("user '{user}' may do nothing in virtual host '{vhost}'");
                session.delete(&endpoint, &done).await
            }
            _ => {
                let list = Endpoint::permissions(vhost_of(matches));
                print(&session, &list, matches, &["user", "configure", "write", "read"]).await
            }
        }
    })
}

/// Lists permissions of either kind.
async fn print(
    session: &Session,
    endpoint: &Endpoint,
    matches: &ArgMatches,
    columns: &[&str],
) -> Result<(), Failure> {
    let mut permissions = session.client.list(endpoint).await?;
    if let Some(user) = optional(matches, "user") {
        permissions.retain(|permission| permission.get("user") == Some(&Value::from(user)));
    }
    let columns = with_vhost(matches, columns);
    session.listing.print(&permissions, &columns, "there are no such permissions")
}
