//! A commit as `git.receive` tells of it (fedora-messaging-git-hook, commit v1).

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Oid, limits::FILES_MAX, patch::Patch};

/// What git knows of a commit.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub(crate) rev: Oid,
    pub(crate) name: String,
    pub(crate) email: String,
    /// When it was authored, ISO 8601 with offset.
    pub(crate) date: String,
    pub(crate) message: String,
    pub(crate) stats: Stats,
    pub(crate) patch: Patch,
}

/// Lines added and removed, by file and together. Binary files have none of either.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stats {
    files: BTreeMap<String, Count>,
    files_total: u64,
    total: Count,
}

#[derive(Debug, Clone, Copy, Default, Serialize)]
struct Count {
    additions: u64,
    deletions: u64,
    lines: u64,
}

impl Count {
    fn add(&mut self, additions: u64, deletions: u64) {
        self.additions += additions;
        self.deletions += deletions;
        self.lines += additions + deletions;
    }
}

/// Where the commit was pushed to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) path: &'a str,
    pub(crate) repo: &'a str,
    pub(crate) namespace: Option<&'a str>,
    pub(crate) branch: &'a str,
}

impl Stats {
    pub(crate) fn add(&mut self, path: String, additions: u64, deletions: u64) {
        self.files_total += 1;
        self.total.add(additions, deletions);
        if self.files.len() < FILES_MAX || self.files.contains_key(&path) {
            self.files.entry(path).or_default().add(additions, deletions);
        }
    }

    fn to_json(&self) -> Value {
        let mut stats = Map::new();
        stats.insert("files".to_owned(), json!(self.files));
        let Count { additions, deletions, lines } = self.total;
        let files = self.files_total;
        stats.insert(
            "total".to_owned(),
            json!({"additions": additions, "deletions": deletions, "lines": lines, "files": files}),
        );
        let omitted = files.saturating_sub(self.files.len() as u64);
        if omitted > 0 {
            stats.insert("files_omitted".to_owned(), omitted.into());
        }
        Value::Object(stats)
    }
}

impl Commit {
    /// The body's `commit`.
    pub(crate) fn to_json(&self, place: Place<'_>, seen: bool, url: Option<String>) -> Value {
        let mut commit = json!({
            "name": self.name,
            "email": self.email,
            "username": self.username(),
            "summary": self.message.lines().next().unwrap_or_default(),
            "message": self.message,
            "stats": self.stats.to_json(),
            "rev": self.rev.as_str(),
            "path": place.path,
            "repo": place.repo,
            "namespace": place.namespace,
            "branch": place.branch,
            "patch": self.patch.text,
            "date": self.date,
            "url": url,
            "seen": seen,
        });
        if let Value::Object(commit) = &mut commit {
            if self.patch.truncated {
                commit.insert("patch_truncated".to_owned(), true.into());
            }
            if let Some(note) = &self.patch.note {
                commit.insert("patch_note".to_owned(), note.as_str().into());
            }
        }
        commit
    }

    fn username(&self) -> &str {
        match self.email.split_once('@') {
            Some((account, _)) if !account.is_empty() => account,
            _ => &self.name,
        }
    }
}
