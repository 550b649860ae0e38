//! `cargo xtask codegen`: the AMQP 0-9-1 methods, properties and reply codes of `crates/amqp091`,
//! from RabbitMQ's machine-readable definition of the protocol. The definition lies beside the
//! checkout, not in it; what comes out is committed, so that nobody needs it to build. `--check`
//! writes nothing and fails when the committed files differ.

mod emit;
mod spec;
mod words;

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

use spec::Spec;

const USAGE: &str = "usage: cargo xtask codegen [--check] [--spec FILE]";
const SPEC: &str = "../shared/spec/amqp-0-9-1/amqp-rabbitmq-0.9.1.json";
const SOURCES: &str = "crates/amqp091/src/generated";
const STRATEGIES: &str = "crates/amqp091/tests/wire/generated";

/// Runs the verb with the arguments that follow it.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let root = root()?;
    let mut check = false;
    let mut spec = root.join(SPEC);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--check" => check = true,
            "--spec" => spec = rest.next().context("--spec needs a file")?.into(),
            other => bail!("unknown argument {other}; {USAGE}"),
        }
    }
    ensure!(
        spec.exists(),
        "the protocol definition {} is not there. It is not part of the checkout and not needed to \
         build: the generated files are committed. To generate them anew, give RabbitMQ's JSON \
         with --spec FILE.",
        spec.display()
    );
    let mut files = Vec::new();
    let spec = Spec::read(&spec)?;
    for (name, text) in emit::sources(&spec)? {
        files.push((root.join(SOURCES).join(name), format(&root, &text)?));
    }
    for (name, text) in emit::strategies(&spec)? {
        files.push((root.join(STRATEGIES).join(name), format(&root, &text)?));
    }
    if check { compare(&root, &files) } else { write(&root, &files) }
}

/// Whether the protocol definition lies beside this checkout, so that `codegen --check` can run.
#[allow(dead_code, reason = "for `cargo xtask test`, which checks the output where it can")]
pub(crate) fn spec_is_present() -> bool {
    root().is_ok_and(|root| root.join(SPEC).exists())
}

/// The workspace's root: this crate's parent folder.
fn root() -> Result<PathBuf> {
    let parent = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    parent.map(Path::to_path_buf).context("xtask has no parent folder")
}

fn write(root: &Path, files: &[(PathBuf, String)]) -> Result<ExitCode> {
    for stale in stale(root, files)? {
        fs::remove_file(&stale).with_context(|| format!("cannot remove {}", stale.display()))?;
    }
    for (path, text) in files {
        if fs::read_to_string(path).is_ok_and(|committed| committed == *text) {
            continue;
        }
        let folder = path.parent().context("a generated file has a folder")?;
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(path, text))
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("wrote {}", path.strip_prefix(root).unwrap_or(path).display());
    }
    Ok(ExitCode::SUCCESS)
}

fn compare(root: &Path, files: &[(PathBuf, String)]) -> Result<ExitCode> {
    let mut different = stale(root, files)?;
    for (path, text) in files {
        if !fs::read_to_string(path).is_ok_and(|committed| committed == *text) {
            different.push(path.clone());
        }
    }
    for path in &different {
        let path = path.strip_prefix(root).unwrap_or(path);
        eprintln!("{} is not what `cargo xtask codegen` writes", path.display());
    }
    if different.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("run `cargo xtask codegen` and commit its output");
    Ok(ExitCode::FAILURE)
}

/// Files in the generated folders that the generator would not write.
fn stale(root: &Path, files: &[(PathBuf, String)]) -> Result<Vec<PathBuf>> {
    let mut stale = Vec::new();
    for folder in [SOURCES, STRATEGIES] {
        let Ok(entries) = fs::read_dir(root.join(folder)) else { continue };
        for entry in entries {
            let path = entry?.path();
            if !files.iter().any(|(known, _)| *known == path) {
                stale.push(path);
            }
        }
    }
    Ok(stale)
}

/// What rustfmt makes of the text, with the workspace's settings.
fn format(root: &Path, text: &str) -> Result<String> {
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--emit", "stdout", "--config-path"])
        .arg(root.join("rustfmt.toml"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run rustfmt; `rustup component add rustfmt` installs it")?;
    // rustfmt parses all of its input before it writes, so writing first cannot block on a full
    // pipe.
    let mut stdin = rustfmt.stdin.take().context("rustfmt has no standard input")?;
    stdin.write_all(text.as_bytes()).context("rustfmt stopped reading")?;
    drop(stdin);
    let output = rustfmt.wait_with_output()?;
    ensure!(output.status.success(), "rustfmt refused generated text:\n{text}");
    Ok(String::from_utf8(output.stdout)?)
}
