//! Where somebody can be told.

use serde::{Deserialize, Serialize};

use super::{Error, Store, change, database::Session, feed, post::bounce};
use crate::{
    Kind, Place,
    rule::{Owner, Rule},
};

/// One of an owner's destinations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// How rules name it, `KIND:ADDRESS`: `mail:ada@example.org`.
    pub id: String,
    /// Events stay away while it is not.
    #[serde(default = "yes")]
    pub enabled: bool,
}

impl Destination {
    /// One by its id.
    ///
    /// # Errors
    /// It is of no kind that is known, or its address is none.
    pub fn new(id: &str) -> Result<Destination, Error> {
        let refused = |problem| {
            // What is no address may have a secret in it all the same.
            let shown = match id.split_once(':') {
                Some((kind @ ("webhook" | "ntfy" | "push" | "feed"), _)) => format!("{kind}:…"),
                _ => id.to_owned(),
            };
            Error::Refused(format!("destination '{shown}' {problem}"))
        };
        id.parse::<Place>().map_err(refused)?;
        Ok(Destination { id: id.to_owned(), enabled: true })
    }

    /// `mail`, `webhook`, `ntfy`.
    pub fn kind(&self) -> &str {
        self.id.split_once(':').map_or("", |(kind, _)| kind)
    }

    /// Its id without what lets others write there, for lists and logs.
    pub fn shown(&self) -> String {
        match self.id.parse::<Place>() {
            Ok(place) if place.kind() != Kind::Mail => place.shown(),
            _ => self.id.clone(),
        }
    }

    /// Where that is, when it is enabled.
    pub(crate) fn place(&self) -> Option<Place> {
        self.enabled.then(|| self.id.parse().ok())?
    }
}

impl Store {
    /// Keeps a destination, in the place of the one with its id.
    ///
    /// # Errors
    /// Too many; the database's.
    pub fn put_destination(&self, owner: &Owner, destination: &Destination) -> Result<(), Error> {
        self.change(|session| keep(session, owner, destination))
    }

    /// Removes a destination; false when there is none. Rules that name it tell nobody there.
    ///
    /// # Errors
    /// The database's.
    pub fn remove_destination(&self, owner: &Owner, id: &str) -> Result<bool, Error> {
        self.change(|session| {
            let key = owner.to_string();
            let sql = "DELETE FROM destination WHERE owner = $1 AND id = $2";
            let removed = session.run(sql, &[&key, id])? > 0;
            if removed {
                feed::forget(session, id)?;
                change::note(session, "destination", &key)?;
            }
            Ok(removed)
        })
    }

    /// An owner's destinations, by id.
    ///
    /// # Errors
    /// The database's.
    pub fn destinations(&self, owner: &Owner) -> Result<Vec<Destination>, Error> {
        self.read(|session| of_owner(session, owner))
    }
}

/// Disables a place of an owner's, within a transaction. Gives whether it was not, and another that
/// is not.
pub(super) fn disable(
    session: &mut dyn Session,
    owner: &Owner,
    place: &Place,
) -> Result<(bool, Option<Place>), Error> {
    let (mut was_enabled, mut another) = (false, None);
    for one in of_owner(session, owner)? {
        match one.place() {
            Some(other) if other.key() == place.key() => {
                write(session, owner, &Destination { enabled: false, ..one })?;
                change::note(session, "destination", &owner.to_string())?;
                was_enabled = true;
            }
            other => another = another.or(other),
        }
    }
    Ok((was_enabled, another))
}

/// Within a transaction.
pub(super) fn of_owner(
    session: &mut dyn Session,
    owner: &Owner,
) -> Result<Vec<Destination>, Error> {
    let sql = "SELECT body, id FROM destination WHERE owner = $1 ORDER BY id";
    let rows = session.rows(sql, &[&owner.to_string()])?;
    rows.iter().map(|row| super::parse(row, "destination")).collect()
}

/// Within a transaction, if it may be kept.
pub(super) fn keep(
    session: &mut dyn Session,
    owner: &Owner,
    destination: &Destination,
) -> Result<(), Error> {
    Destination::new(&destination.id)?;
    let there = of_owner(session, owner)?;
    let before = there.iter().find(|one| one.id == destination.id);
    if before.is_none() && there.len() >= DESTINATIONS_MAX {
        let problem = format!("{owner} has {DESTINATIONS_MAX} destinations; remove one");
        return Err(Error::Refused(problem));
    }
    let is_feed = destination.kind() == Kind::Feed.name();
    if is_feed && before.is_none() && !feed::is_of(session, owner, &destination.id)? {
        return Err(Error::Refused(format!(
            "destination '{}' is no feed of {owner}'s; make one with tubepost notify destination \
             add {owner} feed:",
            destination.id
        )));
    }
    if let Some(place) = destination.place() {
        // Said to be good again, it has all its chances.
        bounce::forget(session, &place)?;
    }
    if before == Some(destination) {
        return Ok(());
    }
    write(session, owner, destination)?;
    change::note(session, "destination", &owner.to_string())
}

/// Within a transaction.
fn write(session: &mut dyn Session, owner: &Owner, destination: &Destination) -> Result<(), Error> {
    let body =
        serde_json::to_string(destination).map_err(|error| Error::Database(error.to_string()))?;
    session
        .run(
            "INSERT INTO destination (owner, id, body) VALUES ($1, $2, $3) \
             ON CONFLICT (owner, id) DO UPDATE SET body = excluded.body",
            &[&owner.to_string(), &destination.id, &body],
        )
        .map(drop)
}

/// Whether all that a rule names is its owner's. `@mail` is all there is of a kind, if only later.
pub(super) fn check(session: &mut dyn Session, rule: &Rule) -> Result<(), Error> {
    let there = of_owner(session, &rule.owner)?;
    let named =
        rule.outlets.iter().flat_map(|outlet| outlet.to.iter().chain(&outlet.when.fallback));
    for id in named {
        let is_known = match id.strip_prefix('@') {
            Some(kind) => Kind::named(kind).is_some(),
            None => there.iter().any(|one| one.id == *id),
        };
        if !is_known {
            return Err(Error::Refused(format!(
                "destination '{id}' is not {owner}'s; add it with tubepost notify destination add \
                 {owner} {id}",
                owner = rule.owner
            )));
        }
    }
    Ok(())
}

fn yes() -> bool {
    true
}

const DESTINATIONS_MAX: usize = 50;
