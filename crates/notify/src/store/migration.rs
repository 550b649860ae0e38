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

const STEPS: [&str; 4] = [
    "
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
",
    // Moments are milliseconds since 1970 in 15 digits: text that sorts as they do.
    "
    CREATE TABLE post_lane (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL, place TEXT NOT NULL, plan TEXT NOT NULL,
        fallback TEXT NOT NULL, first TEXT NOT NULL, held BIGINT NOT NULL, due TEXT NOT NULL,
        tries BIGINT NOT NULL, since TEXT NOT NULL, reason TEXT NOT NULL, holder TEXT NOT NULL,
        lease TEXT NOT NULL, spent TEXT NOT NULL
    );
    CREATE INDEX post_lane_due ON post_lane (due);
    CREATE INDEX post_lane_holder ON post_lane (holder);
    CREATE TABLE post_event (id TEXT PRIMARY KEY, body TEXT NOT NULL);
    CREATE TABLE post_waiting (
        seq COUNTER, key TEXT NOT NULL UNIQUE, lane TEXT NOT NULL, event TEXT NOT NULL,
        event_id TEXT NOT NULL, owners TEXT NOT NULL, reasons TEXT NOT NULL, received TEXT NOT NULL
    );
    CREATE INDEX post_waiting_lane ON post_waiting (lane, seq);
    CREATE INDEX post_waiting_event ON post_waiting (event);
    CREATE INDEX post_waiting_event_id ON post_waiting (event_id);
    CREATE TABLE post_parked (
        seq COUNTER, key TEXT NOT NULL UNIQUE, lane TEXT NOT NULL, kind TEXT NOT NULL,
        place TEXT NOT NULL, event TEXT NOT NULL, event_id TEXT NOT NULL, owners TEXT NOT NULL,
        reasons TEXT NOT NULL, received TEXT NOT NULL, reason TEXT NOT NULL, at TEXT NOT NULL
    );
    CREATE INDEX post_parked_event ON post_parked (event);
    CREATE TABLE post_told (
        seq COUNTER, key TEXT NOT NULL, event_id TEXT NOT NULL, place TEXT NOT NULL,
        owners TEXT NOT NULL, at TEXT NOT NULL, answer TEXT NOT NULL
    );
    CREATE INDEX post_told_key ON post_told (key);
    CREATE INDEX post_told_event_id ON post_told (event_id);
    CREATE INDEX post_told_at ON post_told (at);
    CREATE TABLE post_bounced (
        place TEXT PRIMARY KEY, count BIGINT NOT NULL, reason TEXT NOT NULL, at TEXT NOT NULL
    )
",
    "
    CREATE TABLE feed (id TEXT PRIMARY KEY, body TEXT NOT NULL);
    CREATE TABLE feed_door (feed TEXT PRIMARY KEY, door TEXT NOT NULL UNIQUE);
    CREATE TABLE feed_entry (
        seq COUNTER, feed TEXT NOT NULL, entry TEXT NOT NULL, body TEXT NOT NULL
    );
    CREATE UNIQUE INDEX entry_of_feed ON feed_entry (feed, entry);
",
    // What somebody was told; what several owners share stands apart.
    "
    CREATE INDEX post_told_owners ON post_told (owners, seq);
    CREATE INDEX post_told_shared ON post_told (seq) WHERE owners LIKE '%,%'
",
];
