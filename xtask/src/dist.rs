//! `cargo xtask dist`: what is given away. The binary as it is packaged, its manual pages and
//! completions, the Python wheel, and the sums of all of them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};

use crate::{packaged, project, setup, step::run_command, wheel};

const SHELLS: [(&str, &str); 3] =
    [("bash", "tubepost.bash"), ("zsh", "_tubepost"), ("fish", "tubepost.fish")];

/// Runs the verb.
///
/// # Errors
/// An argument; something does not build.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    if !arguments.is_empty() {
        bail!("usage: cargo xtask dist");
    }
    let python = setup::python()?;
    let build = packaged::build()?;
    let target = project::target_directory()?;
    let folder = target.join("distribution");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    for part in ["man", "completions"] {
        fs::create_dir_all(folder.join(part))?;
    }
    let wheel = wheel::build(&python, &build)?;
    copy(&wheel, &folder)?;
    let binary = target.join(build.folder()).join("tubepost");
    copy(&binary, &folder)?;
    run_command(Command::new(&binary).args(["man", "--directory"]).arg(folder.join("man")))?;
    for (shell, file) in SHELLS {
        let script = project::said(Command::new(&binary).args(["completions", shell]))?;
        fs::write(folder.join("completions").join(file), script)?;
    }
    let mut files = Vec::new();
    collect(&folder, &mut files)?;
    files.sort();
    let names = files.iter().map(|file| file.strip_prefix(&folder).unwrap_or(file));
    let sums = project::said(Command::new("sha256sum").current_dir(&folder).arg("--").args(names))?;
    fs::write(folder.join("SHA256SUMS"), sums)?;
    println!("{} files in {}", files.len() + 1, folder.display());
    Ok(ExitCode::SUCCESS)
}

fn copy(file: &Path, folder: &Path) -> Result<()> {
    let name = file.file_name().context("a file has a name")?;
    fs::copy(file, folder.join(name)).with_context(|| format!("copy {}", file.display()))?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => collect(&path, files)?,
            false => files.push(path),
        }
    }
    Ok(())
}
