//! The Python environment: a venv with exactly the packages of `tests/python/requirements.txt`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{project, step::run_command};

/// The venv's interpreter; made anew when the requirements or Python itself changed.
///
/// # Errors
/// The venv cannot be made, or a package not be installed.
pub(super) fn environment(home: &Path) -> Result<PathBuf> {
    let requirements = project::root().join("tests/python/requirements.txt");
    let wanted = fs::read_to_string(&requirements)
        .with_context(|| format!("{} cannot be read", requirements.display()))?;
    let version = Command::new("python3").arg("--version").output().context("python3")?;
    let stamp_text = format!("{}{wanted}", String::from_utf8_lossy(&version.stdout));
    let venv = home.join("venv");
    let python = venv.join("bin/python");
    let stamp = venv.join("made-from.txt");
    if python.exists() && fs::read_to_string(&stamp).is_ok_and(|text| text == stamp_text) {
        return Ok(python);
    }
    println!("making {}", venv.display());
    run_command(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
    // The list holds everything, so nothing that is not pinned gets in; `check` proves it.
    let pip = ["-m", "pip", "--disable-pip-version-check"];
    run_command(
        Command::new(&python)
            .args(pip)
            .args(["install", "--quiet", "--no-deps", "--requirement"])
            .arg(&requirements),
    )?;
    run_command(Command::new(&python).args(pip).arg("check"))?;
    fs::write(&stamp, stamp_text)?;
    Ok(python)
}
