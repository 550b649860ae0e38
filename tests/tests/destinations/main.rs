//! What people's rules tell where no mail goes: by feed, on the desktop and in browsers.

#![allow(clippy::print_stdout, reason = "a measurement")]

mod desktop;
mod feed;
mod push;
mod session;

use anyhow::{Result, ensure};
use harness::{Finished, Server, Site};
use serde_json::{Value, json};

/// A site with a store of rules, which `make` fills before anything is served.
fn site(make: impl FnOnce(&Site) -> Result<()>) -> Result<(Site, Server)> {
    let site = Site::new()?;
    let store = site.path("notify.db").display().to_string();
    let url = site.http_url();
    site.write(
        "tubepost.toml",
        format!("[notify]\nstore = \"{store}\"\n[notify.feed]\nurl = \"{url}\"\n"),
    )?;
    make(&site)?;
    let mut server = site.serve()?;
    // From then on the notifier misses nothing.
    server.process().wait_for_line("its greeting", 30, |line| line == "Tubepost listens.")?;
    Ok((site, server))
}

/// `tubepost notify WORDS…`, which must succeed.
fn notify(site: &Site, words: &[&str]) -> Result<Finished> {
    let config = site.path("tubepost.toml").display().to_string();
    let done = site.tubepost(&[&["notify"], words, &["--config", &config]].concat())?;
    ensure!(done.code() == 0, "notify {words:?}: {}\n{}", done.stdout, done.stderr);
    Ok(done)
}

/// Somebody pushed this commit to a repository.
fn push(repository: &str, summary: &str) -> Value {
    json!({"agent": "grace", "commit": {
        "name": "Grace", "email": "grace@example.org", "username": "grace", "summary": summary,
        "message": format!("{summary}\n"), "stats": {"files": {}, "total": {"files": 0}},
        "rev": "3aa6642b0d3c1b7a2b0dc6f3d0a6e43c2e5d5f11", "path": "/srv/git/x.git",
        "repo": repository, "namespace": "rpms", "branch": "main", "seen": false, "patch": "+bar\n",
        "date": "2026-11-25T10:42:31+01:00",
        "url": format!("https://git.example.org/{repository}/c/3aa6642b"),
    }})
}

/// Where [`push`] is told.
const PUSHED: &str = "org.example.git.receive";
