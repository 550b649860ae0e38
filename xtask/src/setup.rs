//! `cargo xtask setup`: what the end-to-end tests need, on a fresh Debian machine. Idempotent; when
//! nothing changed it only looks.

mod cpp;
mod debian;
mod node;
mod python;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Result, bail};

use crate::project;

/// Where everything is.
pub(crate) struct Tools {
    python: PathBuf,
    fedora_messaging_suite: PathBuf,
    synapse: PathBuf,
    node: PathBuf,
    node_modules: PathBuf,
    proton_cpp: PathBuf,
    chromium: PathBuf,
    rabbitmq_server: PathBuf,
}

impl Tools {
    /// The interpreter of the Python environment.
    pub(crate) fn python(&self) -> &Path {
        &self.python
    }

    /// The environment variables by which the tests find them.
    pub(crate) fn variables(self) -> Vec<(String, PathBuf)> {
        [
            ("TUBEPOST_PYTHON", self.python),
            ("TUBEPOST_FEDORA_MESSAGING_SUITE", self.fedora_messaging_suite),
            ("TUBEPOST_SYNAPSE", self.synapse),
            ("TUBEPOST_NODE", self.node),
            ("TUBEPOST_NODE_MODULES", self.node_modules),
            ("TUBEPOST_PROTON_CPP", self.proton_cpp),
            ("TUBEPOST_CHROMIUM", self.chromium),
            ("TUBEPOST_RABBITMQ_SERVER", self.rabbitmq_server),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

/// The brokers that `cargo xtask bench` compares; an empty path is one that is not asked for.
#[derive(Default)]
pub(crate) struct Servers {
    pub(crate) tubepost: PathBuf,
    pub(crate) rabbitmq: PathBuf,
    pub(crate) nats: PathBuf,
}

/// Runs the verb.
///
/// # Errors
/// What is missing and cannot be installed here, with the command that would.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    if !arguments.is_empty() {
        bail!("usage: cargo xtask setup");
    }
    for (name, value) in everything()?.variables() {
        println!("{name}={}", value.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Installs what is missing.
///
/// # Errors
/// As [`run`].
pub(crate) fn everything() -> Result<Tools> {
    debian::install_missing(&debian::OF_TESTS)?;
    let home = project::target_directory()?.join("test-env");
    std::fs::create_dir_all(&home)?;
    let python = python::environment(&home)?;
    let fedora_messaging_suite = python::fedora_messaging_suite(&home, &python)?;
    let synapse = python::synapse(&home, &python)?;
    let (node, node_modules) = node::packages(&home)?;
    Ok(Tools {
        python,
        fedora_messaging_suite,
        synapse,
        node,
        node_modules,
        proton_cpp: cpp::programs(&home)?,
        chromium: debian::chromium()?,
        rabbitmq_server: debian::rabbitmq_server()?,
    })
}

/// Only the interpreter of the Python environment, for what is built with it.
///
/// # Errors
/// As [`run`].
pub(crate) fn python() -> Result<PathBuf> {
    let home = project::target_directory()?.join("test-env");
    std::fs::create_dir_all(&home)?;
    python::environment(&home)
}

/// Installs what `cargo xtask bench` compares with; Tubepost itself is built, and not found here.
///
/// # Errors
/// As [`run`].
pub(crate) fn servers() -> Result<Servers> {
    debian::install_missing(&debian::OF_COMPARISONS)?;
    Ok(Servers {
        tubepost: PathBuf::new(),
        rabbitmq: debian::rabbitmq_server()?,
        nats: debian::nats_server()?,
    })
}

/// Installs what counts instructions.
///
/// # Errors
/// As [`run`].
pub(crate) fn valgrind() -> Result<()> {
    debian::install_missing(&debian::OF_COUNTS)
}

/// Installs what a packaged build is made with; returns what reads the counts of its first half.
///
/// # Errors
/// As [`run`].
pub(crate) fn llvm_profdata() -> Result<PathBuf> {
    debian::install_missing(&debian::OF_TRAINING)?;
    debian::llvm_profdata()
}
