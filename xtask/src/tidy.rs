//! `cargo xtask tidy`: the rules of the house that can be measured. Every finding is a sentence:
//! `file:line: what, mend`. What may break a rule is named in `tidy.toml`, with the reason.

mod arrows;
mod exceptions;
mod rust_source;
mod traces;

use std::{fmt, fs, path::Path, process::Command, process::ExitCode};

use anyhow::{Context, Result, bail, ensure};

use crate::project;
use exceptions::Exceptions;

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    file: String,
    line: usize,
    what: String,
    mend: String,
}

impl Finding {
    fn new(file: &str, line: usize, what: impl Into<String>, mend: impl Into<String>) -> Finding {
        Finding { file: file.to_owned(), line, what: what.into(), mend: mend.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}, {}", self.file, self.line, self.what, self.mend)
    }
}

/// A committed text file.
pub(crate) struct TextFile {
    /// From the root, with slashes.
    path: String,
    text: String,
}

/// Runs the verb.
///
/// # Errors
/// The findings.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    if !arguments.is_empty() {
        bail!("usage: cargo xtask tidy");
    }
    check()?;
    Ok(ExitCode::SUCCESS)
}

/// Checks the whole checkout.
///
/// # Errors
/// The findings, one a line.
pub(crate) fn check() -> Result<()> {
    let root = project::root();
    let files = text_files(&root)?;
    let exceptions = Exceptions::read(&root.join("tidy.toml"))?;
    let mut findings = exceptions.unused(&files);
    for file in &files {
        if file.path.ends_with(".rs") {
            findings.extend(rust_source::check(file, &exceptions));
        }
        findings.extend(rust_source::check_name(&file.path));
        findings.extend(rust_source::check_script(file));
        if !exceptions.may_trace(&file.path) {
            findings.extend(traces::check(file));
        }
    }
    match files.iter().find(|file| file.path == arrows::FILE) {
        Some(file) => findings.extend(arrows::check(file, &project::metadata()?)),
        None => println!("arrows between crates: skipped, there is no {}", arrows::FILE),
    }
    for finding in &findings {
        println!("{finding}");
    }
    ensure!(findings.is_empty(), "{} findings", findings.len());
    println!("{} files are tidy", files.len());
    Ok(())
}

/// Everything git tracks or would track, as far as it is text.
///
/// # Errors
/// git cannot be started, or this is no checkout.
pub(crate) fn text_files(root: &Path) -> Result<Vec<TextFile>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"])
        .current_dir(root)
        .output()
        .context("git cannot be started")?;
    ensure!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let mut files = Vec::new();
    for path in String::from_utf8_lossy(&output.stdout).split_terminator('\0') {
        // A file may be deleted and not yet committed so.
        let Ok(bytes) = fs::read(root.join(path)) else { continue };
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(TextFile { path: path.to_owned(), text });
        }
    }
    Ok(files)
}

impl TextFile {
    /// From the root, with slashes.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// What is in it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
impl TextFile {
    fn test(path: &str, text: &str) -> TextFile {
        TextFile { path: path.to_owned(), text: text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_a_sentence_with_its_place() {
        let finding = Finding::new("a.rs", 7, "101 columns", "break the line");
        assert_eq!(finding.to_string(), "a.rs:7: 101 columns, break the line");
    }

    #[test]
    fn this_checkout_has_text_files_and_each_once() {
        let files = text_files(&project::root()).unwrap();
        let mine = files.iter().filter(|file| file.path == "xtask/src/tidy.rs").count();
        assert_eq!(mine, 1);
        assert!(files.iter().all(|file| !file.path.starts_with("target/")));
    }
}
