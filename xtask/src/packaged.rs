//! The build that is packaged and measured. The compiler lays it out by what an earlier build was
//! found to do: what is run lies together, and what is not is small and out of the way. That
//! takes a third off the resident memory of an idle broker, most of which is the program itself.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{project, setup, step::run_command, training};

/// A way to build the workspace.
pub(crate) struct Build {
    pub(crate) profile: &'static str,
    /// With its own folder under the target directory; none: cargo's default, for this machine.
    pub(crate) target: Option<String>,
    /// Of rustc, beside the profile's.
    flags: Vec<String>,
}

impl Build {
    /// As the tests have it.
    pub(crate) fn release() -> Build {
        Build { profile: "release", target: None, flags: Vec::new() }
    }

    /// As it is packaged: counts what a first build does at the work of [`training`], and has the
    /// second laid out by that.
    ///
    /// # Errors
    /// It does not build, does not do its work, or there is no `llvm-profdata` to be had.
    pub(crate) fn packaged() -> Result<Build> {
        let home = project::target_directory()?.join("packaged");
        let host = host()?;
        setup::of_training()?;
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
        let mut merge = Command::new(llvm_profdata()?);
        run_command(merge.args(["merge", "--output"]).arg(&profile).args(&files))?;
        let mut flags = vec![format!("-Cprofile-use={}", profile.display())];
        flags.extend(LINK_FLAGS.map(str::to_owned));
        Ok(Build { profile: PROFILE, target: Some(host), flags })
    }

    /// Builds the binary; returns where it is.
    ///
    /// # Errors
    /// It does not build.
    pub(crate) fn binary(&self) -> Result<PathBuf> {
        run_command(&mut self.tubepost())?;
        Ok(project::target_directory()?.join(self.folder()).join("tubepost"))
    }

    /// Where it puts what it makes, in a target directory.
    pub(crate) fn folder(&self) -> PathBuf {
        self.target.as_deref().map_or_else(PathBuf::new, PathBuf::from).join(self.profile)
    }

    fn tubepost(&self) -> Command {
        let mut command = project::cargo(&["build", "--profile", self.profile]);
        command.args(["--package", "tubepost"]);
        if let Some(target) = &self.target {
            command.args(["--target", target]);
        }
        command.envs(self.environment());
        command
    }

    /// What cargo has to be told by its environment.
    pub(crate) fn environment(&self) -> Option<(&'static str, String)> {
        // Encoded, as there may be a space in a path.
        (!self.flags.is_empty()).then(|| ("CARGO_ENCODED_RUSTFLAGS", self.flags.join("\x1f")))
    }
}

/// What rustc calls this machine. With it as a target, procedural macros and build scripts are
/// built without the flags, and do not count what they do.
fn host() -> Result<String> {
    let said = project::said(Command::new("rustc").arg("-vV"))?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names no host")?.to_owned())
}

/// The newest `llvm-profdata` that may know this compiler's counts: its own, or the system's.
///
/// # Errors
/// There is none, with the mend.
pub(crate) fn llvm_profdata() -> Result<PathBuf> {
    let sysroot = project::said(Command::new("rustc").args(["--print", "sysroot"]))?;
    let own = Path::new(sysroot.trim()).join("lib/rustlib").join(host()?).join("bin/llvm-profdata");
    if own.is_file() {
        return Ok(own);
    }
    let mut names = (LLVM_OLDEST..LLVM_OLDEST + 20).rev().map(|n| format!("llvm-profdata-{n}"));
    let found = names.find_map(|name| project::find_program(&[&name]));
    found.with_context(|| {
        format!("there is no llvm-profdata of LLVM {LLVM_OLDEST} or newer; rustup component add llvm-tools, or on Debian apt-get install llvm-{LLVM_OLDEST}")
    })
}

const PROFILE: &str = "dist";
/// It reads what LLVM 22 counts.
const LLVM_OLDEST: u32 = 19;
/// Code that was never run has a section of its own; addresses that are made up when the program is
/// loaded are listed in a hundredth of the space.
const LINK_FLAGS: [&str; 2] =
    ["-Clink-arg=-Wl,-z,keep-text-section-prefix", "-Clink-arg=-Wl,-z,pack-relative-relocs"];
