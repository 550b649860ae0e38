//! The build that is packaged and measured. The compiler lays it out by what an earlier build was
//! found to do: what is run lies together, and what is not is small and out of the way. That
//! takes a third off the resident memory of an idle broker, most of which is the program itself.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, ensure};

use crate::{build::Build, project, setup, step::run_command, training};

/// Counts what a first build does at the work of [`training`]; returns how to make the second,
/// which is laid out by that.
///
/// # Errors
/// It does not build, does not do its work, or there is no `llvm-profdata` to be had.
pub(crate) fn build() -> Result<Build> {
    let home = project::target_directory()?.join("packaged");
    let host = project::host()?;
    let llvm_profdata = setup::llvm_profdata()?;
    let (counts, profile) = (home.join("counts"), home.join("counts.profdata"));
    let counting = Build {
        profile: PROFILE,
        target: Some(host.clone()),
        flags: vec![format!("-Cprofile-generate={}", counts.display())],
    };
    // In a directory of its own: who wants the one program is not to find the other.
    let directory = home.join("counting");
    run_command(counting.tubepost().arg("--target-dir").arg(&directory))?;
    if counts.exists() {
        fs::remove_dir_all(&counts)?;
    }
    training::train(&directory.join(counting.folder()).join("tubepost"), &home, &counts)?;
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(&counts).with_context(|| counts.display().to_string())? {
        files.push(entry?.path());
    }
    ensure!(!files.is_empty(), "{}: nothing was counted", counts.display());
    let mut merge = Command::new(llvm_profdata);
    run_command(merge.args(["merge", "--output"]).arg(&profile).args(&files))?;
    let mut flags = vec![format!("-Cprofile-use={}", profile.display())];
    flags.extend(LINK_FLAGS.map(str::to_owned));
    Ok(Build { profile: PROFILE, target: Some(host), flags })
}

const PROFILE: &str = "dist";
/// Code that was never run has a section of its own; addresses that are made up when the program is
/// loaded are listed in a hundredth of the space.
const LINK_FLAGS: [&str; 2] =
    ["-Clink-arg=-Wl,-z,keep-text-section-prefix", "-Clink-arg=-Wl,-z,pack-relative-relocs"];
