//! The schemas in force: those that ship and those of the operator's directory.

use std::{fs, io, path::Path};

use event::Registry;

use crate::{config::Config, failure::Failure};

/// Reads the schemas. Files are taken in the order of their names; a later one of the same schema
/// name replaces an earlier or shipped one.
///
/// # Errors
/// The directory cannot be read, or a file is no schema.
pub(crate) fn registry(config: &Config) -> Result<Registry, Failure> {
    let mut registry = Registry::builtin();
    let Some(directory) = &config.schemas else { return Ok(registry) };
    let unreadable = |path: &Path, error: &io::Error| {
        Failure::failed(format!(
            "{}: schemas cannot be read: {error}; see event.schemas",
            path.display()
        ))
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(|error| unreadable(directory, &error))? {
        let path = entry.map_err(|error| unreadable(directory, &error))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    for path in paths {
        let text = fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
        let name = path.display().to_string();
        registry.add(&name, &text).map_err(|error| Failure::failed(error.to_string()))?;
    }
    Ok(registry)
}
