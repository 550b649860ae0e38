//! `tidy.toml`: which files may break which rule, and why.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{Finding, TextFile};

const FILE: &str = "tidy.toml";

/// The file as read. Each entry has a path (a file, or a folder with all in it) and a reason.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exceptions {
    /// Written by a program, never by hand.
    #[serde(default)]
    generated: Vec<Entry>,
    /// Longer than a file should be: a table.
    #[serde(default)]
    long: Vec<Entry>,
    /// Names a registry's host or a path that looks like one machine's.
    #[serde(default)]
    traces: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    path: String,
    reason: String,
}

impl Entry {
    fn covers(&self, path: &str) -> bool {
        path.strip_prefix(&self.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl Exceptions {
    /// Reads the file; none is as good as an empty one.
    ///
    /// # Errors
    /// It is not as described above, with line and column.
    pub(super) fn read(file: &Path) -> Result<Exceptions> {
        match fs::read_to_string(file) {
            Ok(text) => Exceptions::parse(&text),
            Err(_) => Ok(Exceptions::default()),
        }
    }

    pub(super) fn parse(text: &str) -> Result<Exceptions> {
        toml::from_str(text).context(FILE)
    }

    pub(super) fn is_generated(&self, path: &str) -> bool {
        self.generated.iter().any(|entry| entry.covers(path))
    }

    pub(super) fn may_be_long(&self, path: &str) -> bool {
        self.is_generated(path) || self.long.iter().any(|entry| entry.covers(path))
    }

    pub(super) fn may_trace(&self, path: &str) -> bool {
        self.traces.iter().any(|entry| entry.covers(path))
    }

    /// Entries that cover no file, or say no reason.
    pub(super) fn unused(&self, files: &[TextFile]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for entry in self.generated.iter().chain(&self.long).chain(&self.traces) {
            let path = &entry.path;
            if !files.iter().any(|file| entry.covers(&file.path)) {
                let what = format!("the entry for {path} covers no file");
                findings.push(Finding::new(FILE, 1, what, "remove the entry"));
            }
            if entry.reason.trim().is_empty() {
                let what = format!("the entry for {path} has no reason");
                findings.push(Finding::new(FILE, 1, what, "say why the rule does not fit"));
            }
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[[generated]]\npath = \"a/generated\"\nreason = \"by codegen\"\n\
                        [[long]]\npath = \"a/table.rs\"\nreason = \" \"\n";

    #[test]
    fn a_folder_covers_what_is_in_it_and_nothing_that_only_begins_alike() {
        let exceptions = Exceptions::parse(TEXT).unwrap();
        assert!(exceptions.is_generated("a/generated/method.rs"));
        assert!(exceptions.may_be_long("a/generated/method.rs"));
        assert!(!exceptions.is_generated("a/generated_by_hand.rs"));
        assert!(exceptions.may_be_long("a/table.rs") && !exceptions.is_generated("a/table.rs"));
    }

    #[test]
    fn an_entry_for_nothing_or_without_reason_is_found() {
        let exceptions = Exceptions::parse(TEXT).unwrap();
        let found = exceptions.unused(&[TextFile::test("a/table.rs", "")]);
        let found: Vec<&str> = found.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(
            found,
            ["the entry for a/generated covers no file", "the entry for a/table.rs has no reason"]
        );
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        assert!(Exceptions::parse("[[longs]]\npath = \"a\"\nreason = \"b\"\n").is_err());
    }
}
