//! What people want to hear of, kept: rules, destinations, silences, groups, maintainers and
//! default rules; and notices until they are told (`post`). In a SQLite file or in PostgreSQL;
//! `database` is the seam between, and the SQL is the same.
//!
//! Every change is a row in a journal, in the transaction that makes it. Notifiers follow it
//! ([`Store::follow`]), so several processes see a change within a second. Values are JSON in text
//! columns: they are read whole, and never searched by what is in them.

mod change;
mod database;
mod defaults;
mod destination;
mod directory;
mod error;
mod feed;
mod location;
mod migration;
mod post;
mod postgres;
mod silence;
mod sqlite;
mod unsubscribe;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use change::{Change, Cursor, News};
pub use defaults::{DefaultRule, Defaults, Scope};
pub use destination::Destination;
pub use error::Error;
pub(crate) use feed::{ENTRIES_MAX as FEED_ENTRIES_MAX, NAME_BYTES as FEED_NAME_BYTES};
pub use feed::{FeedContent, FeedEntry};
pub use location::Location;
pub(crate) use post::{
    Address, Claimed, End, Handed, Item, Letter, Parcel, Plan, Round, Settlement,
};
pub use post::{Bounced, Parked, Told, ToldTo};
pub use silence::Silence;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use self::database::{Database, Session};
use crate::{
    Imported,
    rule::{Maintainers, Owner, Rule},
};

/// People who may do something together, and hear of things together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Who may change it and its rules.
    #[serde(default)]
    pub owners: Vec<String>,
    /// Who is in it.
    #[serde(default)]
    pub members: Vec<String>,
}

/// The store. Each call is a transaction, and may wait for the disk or the database server: not for
/// a thread that must not.
#[derive(Debug)]
pub struct Store {
    database: Mutex<Box<dyn Database>>,
    /// Where people's destinations are, if not here.
    rules: Option<Box<Store>>,
}

impl Store {
    /// A store that is gone when it is dropped.
    ///
    /// # Errors
    /// There is no memory.
    pub fn in_memory() -> Result<Store, Error> {
        Store::with(Box::new(sqlite::Sqlite::in_memory()?))
    }

    fn with(mut database: Box<dyn Database>) -> Result<Store, Error> {
        migration::migrate(&mut *database)?;
        Ok(Store { database: Mutex::new(database), rules: None })
    }

    /// An outbox beside a store of rules: a destination that is none any more is disabled there.
    #[must_use]
    pub fn beside(self, rules: Store) -> Store {
        Store { rules: Some(Box::new(rules)), ..self }
    }

    /// Keeps a rule, in the place of the one with its id; without an id it is new and gets one.
    /// Gives it as it is kept.
    ///
    /// # Errors
    /// [`Error::Rule`] with all that is wrong; a destination that is not its owner's.
    pub fn put_rule(&self, mut rule: Rule) -> Result<Rule, Error> {
        if rule.id.is_empty() {
            rule.id = uuid::Uuid::now_v7().to_string();
        }
        self.change(|session| keep_rule(session, &rule))?;
        Ok(rule)
    }

    /// Keeps many rules and their owners' destinations, each as [`Store::put_rule`] would; those
    /// that cannot be kept are left out, with the reason. Gives the outcome of each, in order.
    ///
    /// # Errors
    /// The database's: then the rest is not kept.
    pub fn import(&self, all: &[Imported]) -> Result<Vec<Result<(), Error>>, Error> {
        let mut outcomes = Vec::with_capacity(all.len());
        // One transaction for some: one for each would wait for the disk each time, one for all
        // would keep everybody else waiting.
        for some in all.chunks(IMPORTED_AT_ONCE) {
            let kept: Vec<_> = self.change(|session| {
                some.iter().map(|imported| or_nothing(session, imported)).collect()
            })?;
            outcomes.extend(kept);
        }
        Ok(outcomes)
    }

    /// Removes a rule; false when there is none.
    ///
    /// # Errors
    /// The database's.
    pub fn remove_rule(&self, id: &str) -> Result<bool, Error> {
        self.change(|session| {
            let removed = session.run("DELETE FROM rule WHERE id = $1", &[id])? > 0;
            if removed {
                change::note(session, "rule", id)?;
            }
            Ok(removed)
        })
    }

    /// The rule of an id.
    ///
    /// # Errors
    /// The database's; [`Error::Kept`] when it cannot be read any more.
    pub fn rule(&self, id: &str) -> Result<Option<Rule>, Error> {
        self.read(|session| one(session, "SELECT body FROM rule WHERE id = $1", id))
    }

    /// The rules of an owner, or all; by owner, then as they were made.
    ///
    /// # Errors
    /// As [`Store::rule`].
    pub fn rules(&self, owner: Option<&Owner>) -> Result<Vec<Rule>, Error> {
        self.read(|session| {
            let rows = match owner {
                Some(owner) => session.rows(
                    "SELECT body, id FROM rule WHERE owner = $1 ORDER BY id",
                    &[&owner.to_string()],
                )?,
                None => session.rows("SELECT body, id FROM rule ORDER BY owner, id", &[])?,
            };
            rows.iter().map(|row| parse(row, "rule")).collect()
        })
    }

    /// Says who is in a group; nobody, owners neither: it is removed. Members who are new get the
    /// group's default rules.
    ///
    /// # Errors
    /// A name that is none, too many; the database's.
    pub fn put_group(&self, name: &str, group: &Group) -> Result<(), Error> {
        let owner = named(&format!("group:{name}"))?;
        if group.members.len() > MEMBERS_MAX {
            let problem = format!("group {name}: has more than {MEMBERS_MAX} members");
            return Err(Error::Refused(problem));
        }
        group.members.iter().chain(&group.owners).try_for_each(|name| named(name).map(drop))?;
        self.change(|session| {
            if *group == Group::default() {
                session.run("DELETE FROM people_group WHERE name = $1", &[name])?;
            } else {
                put(session, "people_group", "name", name, group)?;
            }
            change::note(session, "group", name)?;
            let scope = Scope::Group(owner.name().to_owned());
            group.members.iter().try_for_each(|member| defaults::give(session, member, &scope))
        })
    }

    /// All groups, by name.
    ///
    /// # Errors
    /// The database's.
    pub fn groups(&self) -> Result<Vec<(String, Group)>, Error> {
        self.read(|session| all(session, "SELECT body, name FROM people_group ORDER BY name"))
    }

    /// Says who maintains a package; nobody: it is forgotten.
    ///
    /// # Errors
    /// A name that is none; the database's.
    pub fn put_maintainers(&self, package: &str, maintainers: &Maintainers) -> Result<(), Error> {
        let names = maintainers.people.iter().chain(&maintainers.groups).map(String::as_str);
        names.chain([package]).try_for_each(|name| named(name).map(drop))?;
        if maintainers.people.len() + maintainers.groups.len() > MAINTAINERS_MAX {
            let problem = format!("package {package}: has more than {MAINTAINERS_MAX} maintainers");
            return Err(Error::Refused(problem));
        }
        self.change(|session| {
            match *maintainers == Maintainers::default() {
                true => {
                    session.run("DELETE FROM maintainers WHERE package = $1", &[package])?;
                }
                false => put(session, "maintainers", "package", package, maintainers)?,
            }
            change::note(session, "maintainers", package)
        })
    }

    /// A transaction that only reads.
    fn read<T>(&self, work: impl FnMut(&mut dyn Session) -> Result<T, Error>) -> Result<T, Error> {
        self.transact(false, work)
    }

    /// A transaction that writes: all of it, or nothing.
    fn change<T>(
        &self,
        work: impl FnMut(&mut dyn Session) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.transact(true, work)
    }

    fn transact<T>(
        &self,
        writes: bool,
        mut work: impl FnMut(&mut dyn Session) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut result = None;
        self.lock().transact(writes, &mut |session| {
            result = Some(work(session)?);
            Ok(())
        })?;
        result.ok_or_else(|| Error::Database("a transaction ended without a result".to_owned()))
    }

    fn lock(&self) -> MutexGuard<'_, Box<dyn Database>> {
        // What panicked was rolled back when its transaction was dropped.
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of many; what cannot be kept leaves nothing behind.
fn or_nothing(session: &mut dyn Session, imported: &Imported) -> Result<Result<(), Error>, Error> {
    session.run("SAVEPOINT imported", &[])?;
    let Imported { rule, destinations } = imported;
    let kept = destinations
        .iter()
        .try_for_each(|one| destination::keep(session, &rule.owner, one))
        .and_then(|()| keep_rule(session, rule));
    match kept {
        Err(error @ (Error::Rule(_) | Error::Refused(_))) => {
            session.run("ROLLBACK TO SAVEPOINT imported", &[])?;
            Ok(Err(error))
        }
        kept => kept.map(Ok),
    }
}

/// Keeps a rule that has an id, if it may be kept.
fn keep_rule(session: &mut dyn Session, rule: &Rule) -> Result<(), Error> {
    rule.check().map_err(Error::Rule)?;
    let id = rule.id.as_str();
    if id.starts_with(crate::subscription::FILE_ID) {
        return Err(Error::Refused(format!("rule id {id}: is the configuration file's")));
    }
    let owner = rule.owner.to_string();
    let before = session.rows("SELECT owner FROM rule WHERE id = $1", &[id])?;
    if let Some([other]) = before.first().map(Vec::as_slice)
        && *other != owner
    {
        return Err(Error::Refused(format!("rule {id}: is {other}'s, not {owner}'s")));
    }
    let count = "SELECT CAST(COUNT(*) AS TEXT) FROM rule WHERE owner = $1";
    let count = session.rows(count, &[&owner])?;
    let count = count.first().and_then(|row| row.first()?.parse().ok()).unwrap_or(0);
    if before.is_empty() && count >= RULES_MAX {
        let problem = format!("{owner} has {count} rules, and no more are kept for one");
        return Err(Error::Refused(problem));
    }
    destination::check(session, rule)?;
    write_rule(session, rule)
}

fn write_rule(session: &mut dyn Session, rule: &Rule) -> Result<(), Error> {
    session.run(
        "INSERT INTO rule (id, owner, body) VALUES ($1, $2, $3) \
         ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, body = excluded.body",
        &[&rule.id, &rule.owner.to_string(), &rule.to_json()],
    )?;
    change::note(session, "rule", &rule.id)
}

/// Keeps a value under its key. Table and column are ours, never somebody's text.
fn put(
    session: &mut dyn Session,
    table: &str,
    column: &str,
    key: &str,
    value: &impl Serialize,
) -> Result<(), Error> {
    let body = serde_json::to_string(value).map_err(|error| Error::Database(error.to_string()))?;
    let sql = format!(
        "INSERT INTO {table} ({column}, body) VALUES ($1, $2) \
         ON CONFLICT ({column}) DO UPDATE SET body = excluded.body"
    );
    session.run(&sql, &[key, &body]).map(drop)
}

/// The one value of a query for `key`.
fn one<T: DeserializeOwned>(
    session: &mut dyn Session,
    sql: &str,
    key: &str,
) -> Result<Option<T>, Error> {
    let rows = session.rows(sql, &[key])?;
    let Some(body) = rows.first().and_then(|row| row.first()) else { return Ok(None) };
    let value = serde_json::from_str(body);
    value.map(Some).map_err(|error| Error::Kept { what: key.to_owned(), reason: error.to_string() })
}

/// Bodies with their keys behind them.
fn all<T: DeserializeOwned>(
    session: &mut dyn Session,
    sql: &str,
) -> Result<Vec<(String, T)>, Error> {
    let rows = session.rows(sql, &[])?;
    let keyed = |row: &[String]| Ok((row.get(1).cloned().unwrap_or_default(), parse(row, "")?));
    rows.iter().map(|row| keyed(row)).collect()
}

fn parse<T: DeserializeOwned>(row: &[String], kind: &str) -> Result<T, Error> {
    let [body, key] = row else { return Err(Error::Database("a row without its key".to_owned())) };
    serde_json::from_str(body).map_err(|error| Error::Kept {
        what: format!("{kind} {key}").trim().to_owned(),
        reason: error.to_string(),
    })
}

fn named(name: &str) -> Result<Owner, Error> {
    name.parse().map_err(Error::Refused)
}

const IMPORTED_AT_ONCE: usize = 500;

/// Rules of one person or group.
const RULES_MAX: u64 = 500;
const MEMBERS_MAX: usize = 10_000;
const MAINTAINERS_MAX: usize = 1000;

#[cfg(test)]
mod tests;
