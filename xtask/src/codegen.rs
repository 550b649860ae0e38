//! `cargo xtask codegen`: what the specifications say as data, as Rust: for `crates/amqp091` and
//! `crates/amqp10`. The specifications lie beside the checkout, not in it; what comes out is
//! committed, so that nobody needs them to build. `--check` writes nothing and fails when the
//! committed files differ.

mod amqp091;
mod amqp10;

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

const USAGE: &str = "usage: cargo xtask codegen [--check] [--specs FOLDER]";
/// A folder for each protocol: `amqp-0-9-1` and `amqp-1-0`.
const SPECS: &str = "../shared/spec";

/// File names with their texts.
type Files = Vec<(String, String)>;

/// Runs the verb with the arguments that follow it.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let root = root()?;
    let mut check = false;
    let mut specs = root.join(SPECS);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--check" => check = true,
            "--specs" => specs = rest.next().context("--specs needs a folder")?.into(),
            other => bail!("unknown argument {other}; {USAGE}"),
        }
    }
    ensure!(
        specs.exists(),
        "the specifications {} are not there. They are not part of the checkout and not needed to \
         build: the generated files are committed. To generate them anew, give a folder with \
         RabbitMQ's JSON (amqp-0-9-1) and OASIS's XML (amqp-1-0) with --specs FOLDER.",
        specs.display()
    );
    let mut folders = Vec::new();
    let mut files = Vec::new();
    for (folder, texts) in [amqp091::files(&specs)?, amqp10::files(&specs)?].concat() {
        folders.push(root.join(folder));
        for (name, text) in texts {
            files.push((root.join(folder).join(name), format(&root, &text)?));
        }
    }
    let stale = stale(&folders, &files)?;
    if check { compare(&root, stale, &files) } else { write(&root, &stale, &files) }
}

/// Whether the specifications lie beside this checkout, so that `codegen --check` can run.
pub(crate) fn specs_are_present() -> bool {
    root().is_ok_and(|root| root.join(SPECS).exists())
}

/// The workspace's root: this crate's parent folder.
fn root() -> Result<PathBuf> {
    let parent = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    parent.map(Path::to_path_buf).context("xtask has no parent folder")
}

fn write(root: &Path, stale: &[PathBuf], files: &[(PathBuf, String)]) -> Result<ExitCode> {
    for stale in stale {
        fs::remove_file(stale).with_context(|| format!("cannot remove {}", stale.display()))?;
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

fn compare(root: &Path, stale: Vec<PathBuf>, files: &[(PathBuf, String)]) -> Result<ExitCode> {
    let mut different = stale;
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
fn stale(folders: &[PathBuf], files: &[(PathBuf, String)]) -> Result<Vec<PathBuf>> {
    let mut stale = Vec::new();
    for folder in folders {
        let Ok(entries) = fs::read_dir(folder) else { continue };
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
