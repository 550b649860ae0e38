//! The Python environment: a venv with exactly the packages of `tests/python/requirements.txt`, and
//! beside it the sources of `tests/python/suites.txt` and the packages of
//! `tests/python/synapse.txt`.

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

/// Synapse's packages, in a folder of their own: for `PYTHONPATH`, with the venv's interpreter.
/// Made anew when their list changed.
///
/// # Errors
/// A package cannot be installed.
pub(super) fn synapse(home: &Path, python: &Path) -> Result<PathBuf> {
    let list = project::root().join("tests/python/synapse.txt");
    let wanted =
        fs::read_to_string(&list).with_context(|| format!("{} cannot be read", list.display()))?;
    let folder = home.join("synapse");
    let stamp = folder.join("made-from.txt");
    if fs::read_to_string(&stamp).is_ok_and(|text| text == wanted) {
        return Ok(folder);
    }
    println!("making {}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    // Compiled, all of it would take longer than the install; what is used is compiled by its use.
    let words = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"];
    run_command(
        Command::new(python)
            .args(words)
            .args(["--no-compile", "--target"])
            .arg(&folder)
            .arg("--requirement")
            .arg(&list),
    )?;
    fs::write(&stamp, &wanted)?;
    Ok(folder)
}

/// fedora-messaging's source with its tests; fetched anew when the list of suites changed.
///
/// # Errors
/// It cannot be downloaded, has another hash than the list, or cannot be unpacked.
pub(super) fn fedora_messaging_suite(home: &Path, python: &Path) -> Result<PathBuf> {
    let list = project::root().join("tests/python/suites.txt");
    let wanted =
        fs::read_to_string(&list).with_context(|| format!("{} cannot be read", list.display()))?;
    let folder = home.join("suites");
    let stamp = folder.join("made-from.txt");
    let suite = |name: &str| {
        let pin = wanted.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("=="));
        let version = pin.and_then(|pin| pin.split_whitespace().next());
        let version = version.with_context(|| format!("{}: no {name}", list.display()))?;
        Ok(format!("{name}-{version}"))
    };
    let name: Result<String> = suite("fedora_messaging");
    let place = folder.join(name?);
    if place.exists() && fs::read_to_string(&stamp).is_ok_and(|text| text == wanted) {
        return Ok(place);
    }
    println!("fetching {}", place.display());
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    // pip looks into the metadata of what it downloads, with the backend that the venv has.
    let words = ["-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"];
    run_command(
        Command::new(python)
            .args(words)
            .args(["--no-binary", ":all:", "--no-build-isolation", "--dest"])
            .arg(&folder)
            .arg("--requirement")
            .arg(&list),
    )?;
    let archive = place.with_added_extension("tar.gz");
    run_command(
        Command::new(python).args(["-m", "tarfile", "--extract"]).args([&archive, &folder]),
    )?;
    fs::write(&stamp, &wanted)?;
    Ok(place)
}
