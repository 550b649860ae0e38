//! What is kept on disk of a registry: one file, replaced as a whole. Its time of change is when
//! the registry was asked last.

use std::{
    fs::{self, File, FileTimes},
    io::{self, Write},
    path::Path,
    process,
    time::SystemTime,
};

use event::{Registry, content_tag};
use serde::{Deserialize, Serialize};

/// The schemas of a registry, as they last were good.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Copy {
    /// Whose: without its login.
    pub(super) url: String,
    /// The list's own entity tag; none when the list has more than is here.
    pub(super) etag: Option<String>,
    pub(super) schemas: Vec<Kept>,
}

/// One schema file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) name: String,
    /// The tag of its text.
    pub(super) etag: String,
    /// None when it is the one that ships with this program.
    pub(super) text: Option<String>,
}

impl Copy {
    /// Reads a copy, and when its registry was asked last; `None` when there is none. What does not
    /// match its tag any more, or was shipped with an older program, is left out, and the list's
    /// tag with it.
    ///
    /// # Errors
    /// It cannot be read, or is damaged.
    pub(super) fn read(file: &Path, url: &str) -> Result<Option<(Copy, SystemTime)>, String> {
        let fault = |reason: &dyn std::fmt::Display| {
            format!("{}: the copy of {url} cannot be used: {reason}", file.display())
        };
        let metadata = match fs::metadata(file) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fault(&error)),
        };
        if metadata.len() > COPY_BYTES_MAX as u64 {
            return Err(fault(&format!("it has more than {COPY_BYTES_MAX} bytes")));
        }
        let bytes = fs::read(file).map_err(|error| fault(&error))?;
        let mut copy: Copy = serde_json::from_slice(&bytes).map_err(|error| fault(&error))?;
        if copy.url != url {
            return Ok(None);
        }
        let (shipped, before) = (Registry::builtin(), copy.schemas.len());
        copy.schemas.retain(|kept| kept.is_whole(&shipped));
        if copy.schemas.len() < before {
            copy.etag = None;
        }
        let asked = metadata.modified().map_err(|error| fault(&error))?;
        Ok(Some((copy, asked)))
    }

    /// Writes it in place of an older one, on disk before that goes.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn write(&self, file: &Path) -> io::Result<()> {
        let directory = file.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let new = directory.join(format!(".{name}.{}", process::id()));
        let bytes = serde_json::to_vec(self).map_err(io::Error::other)?;
        let written = File::create(&new).and_then(|mut it| {
            it.write_all(&bytes)?;
            it.sync_all()
        });
        written.and_then(|()| fs::rename(&new, file)).inspect_err(|_| {
            _ = fs::remove_file(&new);
        })
    }

    /// Notes that it was asked for and is still good.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn touch(file: &Path) -> io::Result<()> {
        let now = FileTimes::new().set_modified(SystemTime::now());
        File::options().append(true).open(file)?.set_times(now)
    }
}

impl Kept {
    fn is_whole(&self, shipped: &Registry) -> bool {
        match &self.text {
            Some(text) => content_tag(text.as_bytes()) == self.etag,
            None => is_shipped(shipped, &self.name, &self.etag),
        }
    }
}

/// Whether the schema of that name and tag ships with this program.
pub(super) fn is_shipped(shipped: &Registry, name: &str, etag: &str) -> bool {
    shipped.schema(name).is_some_and(|schema| schema.name() == name && schema.tag() == etag)
}

/// All schemas of one registry together.
pub(super) const COPY_BYTES_MAX: usize = 64 << 20;
