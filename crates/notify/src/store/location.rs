//! Where a store is.

use std::{fmt, path::PathBuf, str::FromStr};

use super::{Error, Store, postgres, sqlite};

/// A file, or a database server.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// A SQLite file.
    File(PathBuf),
    /// PostgreSQL, by URL; it may have a password.
    Postgres(String),
}

impl Location {
    /// Whether there is something: a file may be made later, a server is there.
    pub fn exists(&self) -> bool {
        match self {
            Location::File(path) => path.exists(),
            Location::Postgres(_) => true,
        }
    }

    /// Where notices wait: with a server in the same database, so that several machines share the
    /// work; else in a file beside, so that a rule is not kept waiting by them.
    pub fn outbox(&self) -> Location {
        match self {
            Location::File(path) => {
                let stem = path.file_stem().unwrap_or_default().to_string_lossy();
                Location::File(path.with_file_name(format!("{stem}-outbox.db")))
            }
            Location::Postgres(url) => Location::Postgres(url.clone()),
        }
    }

    /// Opens it, makes what is not there, and brings it to this release's form.
    ///
    /// # Errors
    /// It cannot be opened or reached, is none of ours, or a newer release's.
    pub fn open(&self) -> Result<Store, Error> {
        match self {
            Location::File(path) => Store::with(Box::new(sqlite::Sqlite::open(path)?)),
            Location::Postgres(url) => Store::with(Box::new(postgres::Postgres::open(url)?)),
        }
    }
}

impl FromStr for Location {
    type Err = String;

    fn from_str(text: &str) -> Result<Location, String> {
        match text {
            "" => {
                Err("is not a place: expected a file or postgres://user@host/database".to_owned())
            }
            url if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                Ok(Location::Postgres(url.to_owned()))
            }
            other if other.contains("://") || other.contains('\0') => Err(
                "is neither a file nor a URL of PostgreSQL: expected /var/lib/tubepost/notify.db \
                 or postgres://user@host/database"
                    .to_owned(),
            ),
            path => Ok(Location::File(path.into())),
        }
    }
}

/// Without what is secret in a URL.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::File(path) => path.display().fmt(f),
            Location::Postgres(url) => {
                let host = url.rsplit_once('@').map_or(url.as_str(), |(_, host)| host);
                let host =
                    host.trim_start_matches("postgresql://").trim_start_matches("postgres://");
                let place = host.split_once('?').map_or(host, |(place, _)| place);
                write!(f, "postgres://{place}")
            }
        }
    }
}

/// As shown.
impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({self})")
    }
}
