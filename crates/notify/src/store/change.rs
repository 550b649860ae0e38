//! What changed, in order: how a notifier keeps up with a store that others write to.

use std::{collections::BTreeSet, time::Duration};

use super::{Destination, Error, Group, Silence, Store, database::Session, destination, one};
use crate::rule::{Maintainers, Owner, Rule};

/// One change, as things are now.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A rule was made or changed.
    Rule(Rule),
    /// A rule was removed: its id.
    RuleGone(String),
    /// A group changed; nobody in it: it was removed.
    Group {
        /// Its name.
        name: String,
        /// Who is in it.
        members: Vec<String>,
    },
    /// A package has other maintainers.
    Maintainers {
        /// The package.
        package: String,
        /// All of them.
        maintainers: Maintainers,
    },
    /// An owner has other destinations: all there are.
    Destinations(Owner, Vec<Destination>),
    /// An owner wants to be left alone, or no longer.
    Silence(Owner, Silence),
    /// There is something in the outbox that no notifier put there.
    Outbox,
}

/// How far a reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(u64);

/// What a reader has to do.
#[derive(Debug)]
pub enum News {
    /// These.
    Changes(Vec<Change>),
    /// These are all there is: forget what is not among them.
    Everything(Vec<Change>),
}

impl Store {
    /// What changed since, in one consistent reading; everything without a cursor, and when that is
    /// too long ago.
    ///
    /// # Errors
    /// The database's. What cannot be read any more is left out, and logged.
    pub fn news(&self, since: Option<Cursor>) -> Result<(Cursor, News), Error> {
        self.read(|session| {
            let last = number(session, "SELECT CAST(COALESCE(MAX(seq), 0) AS TEXT) FROM change")?;
            let first = number(session, "SELECT CAST(COALESCE(MIN(seq), 0) AS TEXT) FROM change")?;
            let news = match since {
                Some(Cursor(since)) if since == last => News::Changes(Vec::new()),
                // Some between were trimmed; or the store is another one.
                Some(Cursor(since)) if since + 1 >= first && since < last => {
                    News::Changes(changes(session, since)?)
                }
                _ => News::Everything(everything(session)?),
            };
            Ok((Cursor(last), news))
        })
    }

    /// Has every notifier that follows this store look into its outbox now, not only when it would
    /// look again.
    ///
    /// # Errors
    /// The database's.
    pub fn nudge(&self) -> Result<(), Error> {
        self.change(|session| note(session, "outbox", ""))
    }

    /// Waits until something may have changed, at most `patience`. It keeps this store to itself
    /// for as long: who works with it meanwhile opens another.
    ///
    /// # Errors
    /// The database's.
    pub fn follow(&self, patience: Duration) -> Result<(), Error> {
        self.lock().wait(patience)
    }
}

/// Notes a change, in the transaction that makes it.
pub(super) fn note(session: &mut dyn Session, subject: &str, name: &str) -> Result<(), Error> {
    session.run("INSERT INTO change (subject, name) VALUES ($1, $2)", &[subject, name])?;
    let sql = format!("DELETE FROM change WHERE seq <= (SELECT MAX(seq) FROM change) - {KEPT}");
    session.run(&sql, &[]).map(drop)
}

fn number(session: &mut dyn Session, sql: &str) -> Result<u64, Error> {
    let rows = session.rows(sql, &[])?;
    Ok(rows.first().and_then(|row| row.first()?.parse().ok()).unwrap_or(0))
}

fn changes(session: &mut dyn Session, since: u64) -> Result<Vec<Change>, Error> {
    let sql = format!("SELECT subject, name FROM change WHERE seq > {since} ORDER BY seq");
    let mut seen = BTreeSet::new();
    let mut changes = Vec::new();
    for row in session.rows(&sql, &[])? {
        let [subject, name] = row.as_slice() else { continue };
        // What changed twice is read once: as it is now.
        if seen.insert((subject.clone(), name.clone())) {
            changes.extend(readable(change(session, subject, name))?);
        }
    }
    Ok(changes)
}

/// What is there now under a name.
fn change(session: &mut dyn Session, subject: &str, name: &str) -> Result<Option<Change>, Error> {
    Ok(Some(match subject {
        "rule" => match one(session, "SELECT body FROM rule WHERE id = $1", name)? {
            Some(rule) => Change::Rule(rule),
            None => Change::RuleGone(name.to_owned()),
        },
        "group" => {
            let sql = "SELECT body FROM people_group WHERE name = $1";
            let group: Group = one(session, sql, name)?.unwrap_or_default();
            Change::Group { name: name.to_owned(), members: group.members }
        }
        "maintainers" => {
            let sql = "SELECT body FROM maintainers WHERE package = $1";
            let maintainers = one(session, sql, name)?.unwrap_or_default();
            Change::Maintainers { package: name.to_owned(), maintainers }
        }
        "destination" => {
            let Ok(owner) = name.parse() else { return Ok(None) };
            let all = destination::of_owner(session, &owner)?;
            Change::Destinations(owner, all)
        }
        "silence" => {
            let Ok(owner) = name.parse() else { return Ok(None) };
            let sql = "SELECT body FROM silence WHERE owner = $1";
            let silence = one(session, sql, name)?.unwrap_or_default();
            Change::Silence(owner, silence)
        }
        "outbox" => Change::Outbox,
        // A newer release's; it is nothing this one would know what to do with.
        _ => return Ok(None),
    }))
}

/// Groups and maintainers first, so that rules are compiled once.
fn everything(session: &mut dyn Session) -> Result<Vec<Change>, Error> {
    let mut all = Vec::new();
    for (subject, sql) in [
        ("group", "SELECT name FROM people_group"),
        ("maintainers", "SELECT package FROM maintainers"),
        ("destination", "SELECT DISTINCT owner FROM destination"),
        ("silence", "SELECT owner FROM silence"),
    ] {
        for row in session.rows(sql, &[])? {
            let Some(name) = row.first() else { continue };
            all.extend(readable(change(session, subject, name))?);
        }
    }
    for row in session.rows("SELECT body, id FROM rule", &[])? {
        all.extend(readable(super::parse(&row, "rule").map(|rule| Some(Change::Rule(rule))))?);
    }
    Ok(all)
}

/// One value that cannot be read keeps nobody from the others.
fn readable(change: Result<Option<Change>, Error>) -> Result<Option<Change>, Error> {
    match change {
        Err(error @ Error::Kept { .. }) => {
            tracing::warn!("left out: {error}");
            Ok(None)
        }
        change => change,
    }
}

/// So many changes can be missed before everything is read again.
const KEPT: u64 = if cfg!(test) { 100 } else { 10_000 };
