//! The store in a SQLite file, with a write-ahead log: who reads never waits for who writes.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, TransactionBehavior, params_from_iter, types::ValueRef};

use super::{
    Error,
    database::{Database, Dialect, Session},
};

#[derive(Debug)]
pub(super) struct Sqlite {
    connection: Connection,
    /// As SQLite counts what other connections wrote.
    version: i64,
}

impl Sqlite {
    pub(super) fn open(path: &Path) -> Result<Sqlite, Error> {
        let fault = |error: rusqlite::Error| {
            Error::Database(format!("{} cannot be opened: {error}", path.display()))
        };
        let is_new = !path.exists();
        let connection = Connection::open(path).map_err(fault)?;
        // It has addresses in it. Whoever gave it to others later meant it.
        #[cfg(unix)]
        if is_new {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(path, mode).map_err(|error| {
                Error::Database(format!("{}: its mode cannot be set: {error}", path.display()))
            })?;
        }
        Sqlite::prepare(connection).map_err(fault)
    }

    pub(super) fn in_memory() -> Result<Sqlite, Error> {
        Connection::open_in_memory().and_then(Sqlite::prepare).map_err(|error| said(&error))
    }

    fn prepare(connection: Connection) -> Result<Sqlite, rusqlite::Error> {
        connection.busy_timeout(BUSY_MAX)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Sqlite { connection, version: 0 })
    }
}

impl Database for Sqlite {
    fn transact(
        &mut self,
        writes: bool,
        work: &mut dyn FnMut(&mut dyn Session) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let behavior = match writes {
            true => TransactionBehavior::Immediate,
            false => TransactionBehavior::Deferred,
        };
        let transaction =
            self.connection.transaction_with_behavior(behavior).map_err(|error| said(&error))?;
        // Dropped on the way out of a failure, it is rolled back.
        work(&mut InTransaction(&transaction))?;
        transaction.commit().map_err(|error| said(&error))
    }

    fn wait(&mut self, patience: Duration) -> Result<(), Error> {
        let until = Instant::now() + patience;
        loop {
            let version = self
                .connection
                .pragma_query_value(None, "data_version", |row| row.get(0))
                .map_err(|error| said(&error))?;
            if version != self.version || Instant::now() >= until {
                self.version = version;
                return Ok(());
            }
            // SQLite tells nobody. The look costs microseconds.
            thread::sleep(LOOK_EVERY.min(until.saturating_duration_since(Instant::now())));
        }
    }

    fn dialect(&self) -> Dialect {
        Dialect { counter: "INTEGER PRIMARY KEY AUTOINCREMENT" }
    }
}

struct InTransaction<'a>(&'a Connection);

impl Session for InTransaction<'_> {
    fn run(&mut self, sql: &str, parameters: &[&str]) -> Result<u64, Error> {
        let changed = self
            .0
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params_from_iter(parameters)));
        changed.map(|count| count as u64).map_err(|error| said(&error))
    }

    fn rows(&mut self, sql: &str, parameters: &[&str]) -> Result<Vec<Vec<String>>, Error> {
        let read = || {
            let mut statement = self.0.prepare_cached(sql)?;
            let columns = statement.column_count();
            let rows = statement.query_map(params_from_iter(parameters), |row| {
                (0..columns).map(|column| Ok(text(row.get_ref(column)?))).collect()
            })?;
            rows.collect::<Result<Vec<Vec<String>>, rusqlite::Error>>()
        };
        read().map_err(|error| said(&error))
    }
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        _ => String::new(),
    }
}

fn said(error: &rusqlite::Error) -> Error {
    Error::Database(error.to_string())
}

/// How long another process may write before it is given up.
const BUSY_MAX: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(100);
