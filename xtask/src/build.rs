//! A way to build the workspace, and where what is built lies.

use std::{path::PathBuf, process::Command};

use anyhow::Result;

use crate::{project, step::run_command};

/// Profile, target and flags.
pub(crate) struct Build {
    pub(crate) profile: &'static str,
    /// With its own folder under the target directory; none: cargo's default, for this machine.
    pub(crate) target: Option<String>,
    /// Of rustc, beside the profile's.
    pub(crate) flags: Vec<String>,
}

impl Build {
    /// As the tests have it.
    pub(crate) fn release() -> Build {
        Build { profile: "release", target: None, flags: Vec::new() }
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

    /// `cargo build` of the binary.
    pub(crate) fn tubepost(&self) -> Command {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_for_a_target_has_a_folder_of_its_own_and_flags_may_have_spaces() {
        assert_eq!(Build::release().folder(), PathBuf::from("release"));
        assert_eq!(Build::release().environment(), None);
        let flags = ["-Cprofile-use=a b", "-Clto"].map(str::to_owned).into();
        let build = Build { profile: "dist", target: Some("host".to_owned()), flags };
        assert_eq!(build.folder(), PathBuf::from("host/dist"));
        assert_eq!(
            build.environment(),
            Some(("CARGO_ENCODED_RUSTFLAGS", "-Cprofile-use=a b\x1f-Clto".to_owned()))
        );
        let words: Vec<_> = build.tubepost().get_args().map(ToOwned::to_owned).collect();
        assert!(words.windows(2).any(|it| it == ["--target", "host"]), "{words:?}");
    }
}
