//! The store's form, step by step. A step is never changed once it was released; a new one is put
//! behind it.

use super::{
    Error,
    database::{Database, Session},
};

/// Brings a database to the form of this release.
pub(super) fn migrate(database: &mut dyn Database) -> Result<(), Error> {
    migrate_to(database, STEPS.len())
}

/// As far as a step; for the tests, which come from each.
pub(super) fn migrate_to(database: &mut dyn Database, last: usize) -> Result<(), Error> {
    let counter = database.dialect().counter;
    database.transact(true, &mut |session| {
        session.run("CREATE TABLE IF NOT EXISTS form (step INTEGER NOT NULL)", &[])?;
        let now = now(session)?;
        if now > STEPS.len() {
            return Err(Error::Refused(format!(
                "the store of rules has form {now}, and this release knows {} at most; run the \
                 newer one",
                STEPS.len()
            )));
        }
        for step in STEPS.iter().take(last).skip(now) {
            for statement in step.split(';').filter(|statement| !statement.trim().is_empty()) {
                session.run(&statement.replace("COUNTER", counter), &[])?;
            }
        }
        if now < last {
            session.run("DELETE FROM form", &[])?;
            session.run(&format!("INSERT INTO form (step) VALUES ({last})"), &[])?;
        }
        Ok(())
    })
}

/// The step it is at; 0 when it is empty.
pub(super) fn now(session: &mut dyn Session) -> Result<usize, Error> {
    let rows = session.rows("SELECT CAST(step AS TEXT) FROM form", &[])?;
    Ok(rows.first().and_then(|row| row.first()?.parse().ok()).unwrap_or(0))
}

/// How many there are.
#[cfg(test)]
pub(super) const LAST: usize = STEPS.len();

const STEPS: [&str; 1] = ["
    CREATE TABLE rule (id TEXT PRIMARY KEY, owner TEXT NOT NULL, body TEXT NOT NULL);
    CREATE INDEX rule_of_owner ON rule (owner);
    CREATE TABLE destination (
        owner TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (owner, id)
    );
    CREATE TABLE silence (owner TEXT PRIMARY KEY, body TEXT NOT NULL);
    CREATE TABLE people_group (name TEXT PRIMARY KEY, body TEXT NOT NULL);
    CREATE TABLE maintainers (package TEXT PRIMARY KEY, body TEXT NOT NULL);
    CREATE TABLE person (name TEXT PRIMARY KEY);
    CREATE TABLE default_rules (scope TEXT PRIMARY KEY, body TEXT NOT NULL);
    CREATE TABLE given (person TEXT NOT NULL, rule TEXT NOT NULL, PRIMARY KEY (person, rule));
    CREATE TABLE change (seq COUNTER, subject TEXT NOT NULL, name TEXT NOT NULL);
"];
