//! A feed by its secret address, read by feedparser.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use harness::{Site, python, root, run, wait_for};
use serde_json::Value;

use crate::{PUSHED, notify, push, site};

/// What feedparser makes of the feed; `known` is what it had: an entity tag, a date.
fn read(address: &str, known: &[&str]) -> Result<Value> {
    let mut command = Command::new(python()?);
    command.arg(root().join("tests/python/read_feed.py")).arg(address).args(known);
    let done = run("feedparser", &mut command, b"", 20)?;
    ensure!(done.code() == 0, "feedparser: {}", done.stderr);
    Ok(serde_json::from_str(&done.stdout)?)
}

fn wait_for_entry(site: &Site, address: &str, summary: &str) -> Result<Value> {
    let feed = wait_for("the notice in the feed", 20, || {
        let path = address.strip_prefix(site.http_url().trim_end_matches('/')).unwrap_or_default();
        let answer = site.get(path).map_err(|error| format!("{error:#}"))?;
        if answer.contains(summary) { Ok(()) } else { Err(answer) }
    });
    feed?;
    read(address, &[])
}

#[test]
fn a_feed_is_read_by_feedparser_and_a_hostile_push_is_text_in_it() -> Result<()> {
    let mut addresses = Vec::new();
    let mut id = String::new();
    let (site, server) = site(|site| {
        let made = notify(site, &["destination", "add", "ada", "feed:"])?;
        addresses = made.stdout.lines().map(str::to_owned).collect();
        let listed = notify(site, &["destination", "list", "ada", "--json"])?;
        let listed: Value = serde_json::from_str(&listed.stdout)?;
        listed["id"].as_str().context("no id")?.clone_into(&mut id);
        notify(site, &["rule", "add", "ada", "--name", "pushes", "--topic", "#", "--to", &id])?;
        Ok(())
    })?;
    let [atom, rss] = addresses.as_slice() else { anyhow::bail!("{addresses:?}") };

    let hostile = "</title><script>alert(1)</script>&amp; \u{202e}\u{1b}[2J<img src=x> end of it";
    site.publish(PUSHED, &push("kernel", hostile))?;
    for (address, version) in [(atom, "atom10"), (rss, "rss20")] {
        let feed = wait_for_entry(&site, address, "end of it")?;
        ensure!(feed["wrong"] == Value::Null && feed["version"] == version, "{feed}");
        ensure!(feed["status"] == 200, "{feed}");
        let entry = &feed["entries"][0];
        let title = entry["title"].as_str().unwrap_or_default();
        ensure!(entry["link"] == "https://git.example.org/kernel/c/3aa6642b", "{feed}");
        // feedparser gives an HTML title of RSS as markup, and Atom's text as it is.
        ensure!(title.contains("grace pushed to rpms/kernel"), "{title:?}");
        ensure!(!feed.to_string().contains(['\u{202e}', '\u{1b}']), "{feed}");
        ensure!(!entry["content"].to_string().contains("<script"), "{entry}");
        // Who has it is not sent it again, by either validator.
        for name in ["etag", "modified"] {
            let known = feed[name].as_str().with_context(|| format!("no {name}"))?;
            let again = read(address, &[name, known])?;
            ensure!(again["status"] == 304 && again["entries"] == Value::Array(vec![]), "{again}");
        }
    }

    // Neither the list nor the log has the key, and another key shuts the old address.
    let secret = atom.rsplit('/').next().and_then(|file| file.split('.').next()).context("none")?;
    ensure!(secret.len() == 32 && !id.contains(secret), "{id} {secret}");
    let other = notify(&site, &["destination", "rotate", "ada", &id])?.stdout;
    let other = other.lines().next().context("no address")?;
    ensure!(read(atom, &[])?["status"] == 404, "the old address opens the feed");
    ensure!(read(other, &[])?["entries"].as_array().is_some_and(|all| all.len() == 1), "{other}");
    let mut server = server;
    let log = server.process().log();
    ensure!(!log.contains(secret), "the log has the secret:\n{log}");
    server.terminate()
}
