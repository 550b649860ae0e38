//! Where the checkout is and where cargo puts what it builds.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The checkout that this program was built from.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// `cargo VERB…`, started at the root with the cargo that runs this program.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments);
    command
}

/// What `cargo metadata` says of the workspace, without its dependencies' own.
pub(crate) fn metadata() -> Result<Value> {
    let said = said(&mut cargo(&["metadata", "--no-deps", "--format-version", "1"]))?;
    serde_json::from_str(&said).context("cargo metadata did not answer with JSON")
}

/// What a command says on its standard output.
///
/// # Errors
/// It cannot be started, or ends with another code than 0; with what it says of that.
pub(crate) fn said(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?} cannot be started"))?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}\n{words}", output.status);
    String::from_utf8(output.stdout).with_context(|| format!("{command:?} says no UTF-8"))
}

/// What rustc calls this machine. With it as a target, procedural macros and build scripts are
/// built without the flags, and do not count what they do.
pub(crate) fn host() -> Result<String> {
    let said = said(Command::new("rustc").arg("-vV"))?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names no host")?.to_owned())
}

/// The target directory, wherever the developer has put it.
pub(crate) fn target_directory() -> Result<PathBuf> {
    let metadata = metadata()?;
    let directory = metadata["target_directory"].as_str();
    Ok(directory.context("cargo metadata names no target_directory")?.into())
}

/// The first of these programs that is on `PATH`.
pub(crate) fn find_program(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    // Debian keeps servers in sbin, which a user's PATH may lack.
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let directories: Vec<PathBuf> = env::split_paths(&path).chain(system).collect();
    names.iter().find_map(|name| {
        directories.iter().map(|directory| directory.join(name)).find(|file| file.is_file())
    })
}
