//! `cargo xtask wheel`: the Python package as a wheel, in the tests' environment. maturin packs it;
//! its library comes out of the build that makes the binary, so that no crate is built twice.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};

use crate::{build::Build, project, setup, step::run_command};

/// maturin runs cargo for its one package, with the features that this alone asks for: most crates
/// would be built once more. So its cargo is this one, which builds the binary with it.
const CARGO: &str = r#"#!/bin/sh
case $1 in
rustc) exec "$TUBEPOST_CARGO" build --message-format json-render-diagnostics --profile \
    "$TUBEPOST_PROFILE" ${TUBEPOST_TARGET:+--target "$TUBEPOST_TARGET"} \
    --package tubepost --package tubepost-python ;;
*) exec "$TUBEPOST_CARGO" "$@" ;;
esac
"#;

/// Runs the verb.
///
/// # Errors
/// An argument; what [`build`] and [`install`] say.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    if !arguments.is_empty() {
        bail!("usage: cargo xtask wheel");
    }
    let python = setup::python()?;
    let wheel = build(&python, &Build::release())?;
    install(&python, &wheel)?;
    println!("{}", wheel.display());
    Ok(ExitCode::SUCCESS)
}

/// Packs the wheel with the maturin beside this interpreter; returns where it is.
///
/// # Errors
/// The library does not build, or maturin fails.
pub(crate) fn build(python: &Path, build: &Build) -> Result<PathBuf> {
    let folder = project::target_directory()?.join("python");
    let wheels = folder.join(build.profile);
    // An older version's must not be taken for this one's.
    if wheels.exists() {
        fs::remove_dir_all(&wheels)?;
    }
    fs::create_dir_all(&wheels)?;
    let cargo = folder.join("cargo");
    fs::write(&cargo, CARGO)?;
    fs::set_permissions(&cargo, Permissions::from_mode(0o755))?;
    run_command(
        Command::new(python)
            .current_dir(project::root().join("python"))
            .args(["-m", "maturin", "build", "--quiet", "--locked", "--profile", build.profile])
            .arg("--out")
            .arg(&wheels)
            .arg("--interpreter")
            .arg(python)
            .env("TUBEPOST_CARGO", project::cargo(&[]).get_program())
            .env("TUBEPOST_PROFILE", build.profile)
            .env("TUBEPOST_TARGET", build.target.as_deref().unwrap_or_default())
            .env("CARGO", &cargo)
            .envs(build.environment()),
    )?;
    let mut entries = fs::read_dir(&wheels)?;
    let wheel = entries.find_map(|entry| {
        Some(entry.ok()?.path()).filter(|path| path.extension().is_some_and(|it| it == "whl"))
    });
    wheel.with_context(|| format!("maturin made no wheel in {}", wheels.display()))
}

/// Installs the wheel where this interpreter finds it, in place of another.
///
/// # Errors
/// pip's.
pub(crate) fn install(python: &Path, wheel: &Path) -> Result<()> {
    let words = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index"];
    run_command(
        Command::new(python).args(words).args(["--no-deps", "--force-reinstall"]).arg(wheel),
    )
}
