//! `tubepost permission topic`: which keys of a topic exchange a user may use.

use clap::{ArgMatches, Command};
use serde_json::json;

use super::{
    super::{
        block_on,
        management::{
            Session, given, group, name, no_command, say, text, vhost, vhost_of, vhost_or_all,
        },
    },
    only_user, print,
};
use crate::{failure::Failure, listing, management_client::Endpoint};

pub(super) fn command() -> Command {
    let list = listing::with_options(
        Command::new("list").about("List the limits").args(vhost_or_all()).arg(only_user()),
    )
    .after_help("Examples:\n  tubepost permission topic list --user ada");
    let set = Command::new("set")
        .about("Limit the routing keys that a user may use with a topic exchange")
        .arg(name("user", "The user"))
        .arg(name("exchange", "The topic exchange"))
        .arg(text("write", "Keys they may publish with, a regular expression; {username} and {vhost} stand for the names"))
        .arg(text("read", "Keys they may bind with"))
        .arg(vhost())
        .after_help(
            "Examples:\n  \
             tubepost permission topic set ci amq.topic '^ci\\.{username}\\.' '.*'",
        );
    let clear = Command::new("clear")
        .about("Take all these limits of a user in a virtual host away")
        .arg(name("user", "The user"))
        .arg(vhost())
        .after_help("Examples:\n  tubepost permission topic clear ci");
    let command = Command::new("topic").about("Limit the keys that users may use with exchanges");
    group(command, [list, set, clear])
}

pub(super) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let Some((verb, matches)) = matches.subcommand() else {
        return Err(no_command("permission topic"));
    };
    let session = Session::open(matches)?;
    let (user, vhost) = (given(matches, "user"), given(matches, "vhost"));
    let endpoint = Endpoint::topic_permission(vhost, user);
    block_on(async {
        match verb {
            "set" => {
                let exchange = given(matches, "exchange");
                let body = json!({
                    "exchange": exchange,
                    "write": given(matches, "write"),
                    "read": given(matches, "read"),
                });
                session.put(&endpoint, &body).await?;
                say(&format!(
                    "topic permission of user '{user}' on exchange '{exchange}' \
                     in virtual host '{vhost}' is set"
                ));
                Ok(())
            }
            "clear" => {
                let done = format!("user '{user}' may use any key in virtual host '{vhost}' again");
                session.delete(&endpoint, &done).await
            }
            _ => {
                let list = Endpoint::topic_permissions(vhost_of(matches));
                print(&session, &list, matches, &["user", "exchange", "write", "read"]).await
            }
        }
    })
}
