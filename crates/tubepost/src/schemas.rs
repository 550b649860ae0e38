//! The schemas in force: those that ship and those of the operator's directories.

pub(crate) mod folder;
pub(crate) mod live;
pub(crate) mod revision;

use event::Registry;

use crate::{config::Config, failure::Failure};

/// Reads the schemas. Directories are taken in their order, files in the order of their names; a
/// later one of the same schema name replaces an earlier or shipped one.
///
/// # Errors
/// A directory cannot be read, or a file is no schema.
pub(crate) fn registry(config: &Config) -> Result<Registry, Failure> {
    let mut registry = Registry::builtin();
    for path in folder::all_files(&config.schemas)? {
        let text = folder::read(&path)?;
        registry
            .add(&path.display().to_string(), &text)
            .map_err(|error| Failure::failed(error.to_string()))?;
    }
    Ok(registry)
}
