//! A work tree to commit in and a bare repository to push to, whose hook notes what git tells it.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use event::Event;
use intake::git::{RefUpdate, Repository, Rules, read_push};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) struct Workshop {
    pub(crate) directory: TempDir,
    pub(crate) rules: Rules,
}

impl Workshop {
    pub(crate) fn new() -> Workshop {
        Workshop::with_ids("sha1")
    }

    pub(crate) fn with_ids(format: &str) -> Workshop {
        let format = format!("--object-format={format}");
        let directory = tempfile::tempdir().unwrap();
        let rules = Rules { agent: "ada".to_owned(), ..Rules::default() };
        let workshop = Workshop { directory, rules };
        fs::create_dir_all(workshop.tree()).unwrap();
        workshop.git(["init", "-q", &format, "-b", "main", "."]);
        workshop.git([
            "init",
            "-q",
            &format,
            "--bare",
            "-b",
            "main",
            workshop.bare().to_str().unwrap(),
        ]);
        workshop.git(["remote", "add", "origin", workshop.bare().to_str().unwrap()]);
        let hook = workshop.bare().join("hooks/post-receive");
        fs::write(&hook, "#!/bin/sh\ncat > updates\n").unwrap();
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
        workshop
    }

    pub(crate) fn tree(&self) -> PathBuf {
        self.directory.path().join("tree")
    }

    pub(crate) fn bare(&self) -> PathBuf {
        self.directory.path().join("rpms/bash.git")
    }

    pub(crate) fn git<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        let output = git_in(&self.tree(), arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git: {said}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    pub(crate) fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        fs::write(self.tree().join(name), content).unwrap();
    }

    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(["add", "-A"]);
        self.git(["commit", "-q", "--allow-empty", "--cleanup=verbatim", "-m", message]);
        self.git(["rev-parse", "HEAD"])
    }

    /// Pushes and makes the events of it.
    pub(crate) fn push<'a>(&self, refs: impl IntoIterator<Item = &'a str>) -> Vec<Event> {
        self.git(["push", "-q", "origin"].into_iter().chain(refs));
        let updates = fs::read(self.bare().join("updates")).unwrap();
        let updates = RefUpdate::parse_all(&updates).unwrap();
        let repository = Repository::open(&self.bare()).unwrap();
        read_push(&repository, &updates, &self.rules).unwrap()
    }
}

pub(crate) fn git_in<S: AsRef<OsStr>>(
    directory: &Path,
    arguments: impl IntoIterator<Item = S>,
) -> Output {
    Command::new("git")
        .args(arguments)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_AUTHOR_NAME", "Grace Höpper")
        .env("GIT_AUTHOR_EMAIL", "grace@example.org")
        .env("GIT_AUTHOR_DATE", "2026-11-24T10:42:31+01:00")
        .env("GIT_COMMITTER_NAME", "Someone Else")
        .env("GIT_COMMITTER_EMAIL", "else@example.org")
        .output()
        .unwrap()
}

/// `TOPIC` and, for commits, the summary.
pub(crate) fn told(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .map(|event| match event.body.object().get("commit") {
            Some(commit) => format!("{} {}", event.topic, text(&commit["summary"])),
            None => event.topic.to_string(),
        })
        .collect()
}

pub(crate) fn commit(event: &Event) -> &Value {
    &event.body.object()["commit"]
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a string"))
}
