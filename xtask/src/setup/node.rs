//! The Node packages of `tests/node`, as its lock file has them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{
    project::{self, find_program},
    step::run_command,
};

/// Node itself and the folder of its packages; installed anew when the lock file or Node changed.
///
/// # Errors
/// `npm ci` fails, with its own words above.
pub(super) fn packages(home: &Path) -> Result<(PathBuf, PathBuf)> {
    let node = find_program(&["node"]).context("no node on PATH: apt-get install nodejs")?;
    let folder = project::root().join("tests/node");
    let lock = folder.join("package-lock.json");
    let wanted =
        fs::read_to_string(&lock).with_context(|| format!("{} cannot be read", lock.display()))?;
    let version = Command::new(&node).arg("--version").output().context("node")?;
    let stamp_text = format!("{}{wanted}", String::from_utf8_lossy(&version.stdout));
    let modules = folder.join("node_modules");
    let stamp = home.join("node-made-from.txt");
    // What npm leaves there when it has done all of it.
    let is_whole = modules.join(".package-lock.json").exists();
    if !is_whole || !fs::read_to_string(&stamp).is_ok_and(|text| text == stamp_text) {
        println!("npm ci in {}", folder.display());
        run_command(Command::new("npm").arg("ci").current_dir(&folder))?;
        fs::write(&stamp, stamp_text)?;
    }
    Ok((node, modules))
}
