//! Addresses that say that they are none. After so many in a row nothing goes there any more: the
//! destination is disabled, what waits for it is parked, and its owners hear of it elsewhere.

use event::Event;
use jiff::Timestamp;

use super::{Letter, history, keep, moment, parked, read_moment, settle};
use crate::{
    Place,
    limits::BOUNCES_MAX,
    rule::Owner,
    store::{Destination, Error, Store, database::Session, destination},
};

/// What an address said the last time it did not take a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounced {
    /// How often in a row.
    pub count: u64,
    /// In the other side's words.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// An address that nothing goes to any more.
pub(super) struct Closing {
    place: Place,
    bounced: Bounced,
    /// What bounces after that was on its way then.
    is_first: bool,
    owners: Vec<Owner>,
}

impl Store {
    /// What a destination said when it bounced, if its last notice did.
    ///
    /// # Errors
    /// The database's.
    pub fn bounced(&self, destination: &Destination) -> Result<Option<Bounced>, Error> {
        let Ok(place) = destination.id.parse::<Place>() else { return Ok(None) };
        self.read(|session| of_place(session, &place))
    }

    /// Gives a destination all its chances again: its owner says that it is good.
    ///
    /// # Errors
    /// The database's.
    pub fn forgive(&self, destination: &Destination) -> Result<(), Error> {
        let Ok(place) = destination.id.parse::<Place>() else { return Ok(()) };
        self.change(|session| forget(session, &place))
    }
}

fn of_place(session: &mut dyn Session, place: &Place) -> Result<Option<Bounced>, Error> {
    let sql = "SELECT CAST(count AS TEXT), reason, at FROM post_bounced WHERE place = $1";
    let rows = session.rows(sql, &[&place.key()])?;
    let Some([count, reason, at]) = rows.first().map(Vec::as_slice) else { return Ok(None) };
    Ok(Some(Bounced {
        count: count.parse().unwrap_or(0),
        reason: reason.clone(),
        at: read_moment(at).unwrap_or(Timestamp::UNIX_EPOCH),
    }))
}

/// It takes notices, or its owner says that it does.
pub(in crate::store) fn forget(session: &mut dyn Session, place: &Place) -> Result<(), Error> {
    let sql = "DELETE FROM post_bounced WHERE place = $1";
    session.run(sql, &[&place.key()]).map(drop)
}

/// The place of a lane takes notices.
pub(super) fn forgive(session: &mut dyn Session, lane: &str) -> Result<(), Error> {
    // A lane is called after its place, and what else it is stands on a second line.
    let place = lane.lines().next().unwrap_or_default();
    session.run("DELETE FROM post_bounced WHERE place = $1", &[place]).map(drop)
}

/// The notices of a lane up to one, which still wait, bounced. What has to be closed for it.
pub(super) fn count(
    session: &mut dyn Session,
    lane: &str,
    upto: &str,
    reason: &str,
    is_dead: bool,
    now: Timestamp,
) -> Result<Option<Closing>, Error> {
    let rows = session.rows("SELECT place FROM post_lane WHERE id = $1", &[lane])?;
    let place = rows.first().and_then(|row| row.first()?.parse::<Place>().ok());
    let Some(place) = place else { return Ok(None) };
    let before = of_place(session, &place)?.map_or(0, |bounced| bounced.count);
    let count = match is_dead {
        true => (before + 1).max(BOUNCES_MAX),
        false => before + 1,
    };
    let reason = crate::mail::one_line(reason, history::ANSWER_CHARS_MAX);
    let sql = "INSERT INTO post_bounced (place, count, reason, at) \
               VALUES ($1, CAST(CAST($2 AS TEXT) AS BIGINT), $3, $4) \
               ON CONFLICT (place) DO UPDATE SET count = excluded.count, \
               reason = excluded.reason, at = excluded.at";
    session.run(sql, &[&place.key(), &count.to_string(), &reason, &moment(now)])?;
    if count < BOUNCES_MAX {
        return Ok(None);
    }
    let (bounced, is_first) = (Bounced { count, reason, at: now }, before < BOUNCES_MAX);
    let sql = "SELECT DISTINCT owners FROM post_waiting \
               WHERE lane = $1 AND seq <= CAST(CAST($2 AS TEXT) AS BIGINT)";
    let mut owners: Vec<Owner> = Vec::new();
    for row in session.rows(sql, &[lane, upto])? {
        let of_one: Vec<String> =
            row.first().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        for owner in of_one.iter().filter_map(|owner| owner.parse().ok()) {
            if !owners.contains(&owner) {
                owners.push(owner);
            }
        }
    }
    Ok(Some(Closing { place, bounced, is_first, owners }))
}

/// Nothing goes to the place any more: what waits for it and is not in anybody's hands is parked,
/// the destination is disabled, and its owners are told by another one.
pub(super) fn close(
    session: &mut dyn Session,
    rules: Option<&Store>,
    closing: &Closing,
    now: Timestamp,
) -> Result<(), Error> {
    let Closing { place, bounced, is_first, owners } = closing;
    let (shown, reason) = (place.shown(), bounced.reason.as_str());
    if owners.is_empty() {
        tracing::warn!(
            to = shown,
            "bounced {} times in a row; take it out of notify.subscription: {reason}",
            bounced.count
        );
        return Ok(());
    }
    tracing::warn!(to = shown, "bounced {} times in a row, disabled: {reason}", bounced.count);
    let because = format!("its address is disabled: {reason}");
    let all = i64::MAX.to_string();
    for row in session.rows("SELECT id FROM post_lane WHERE place = $1", &[&place.to_string()])? {
        let Some(lane) = row.first() else { continue };
        history::note(session, lane, &all, &shown, now, &format!("parked: {because}"))?;
        parked::park(session, lane, &all, &because, now)?;
        settle::remove(session, lane, &all)?;
    }
    for owner in owners {
        let (was_enabled, another) = match rules {
            Some(rules) => rules.change(|session| destination::disable(session, owner, place))?,
            None => destination::disable(session, owner, place)?,
        };
        // The first time also when it was disabled: by a round that came to nothing after that.
        if !was_enabled && !is_first {
            continue;
        }
        let Some(to) = another else {
            tracing::warn!(%owner, to = shown, "has no other destination to hear that by");
            continue;
        };
        let event = event(owner, &shown, bounced)?;
        keep(session, &[Letter::unasked(event, &to, WHY, owner, now)], now)?;
    }
    Ok(())
}

/// What the owner hears: an event as any other, with a schema.
fn event(owner: &Owner, shown: &str, bounced: &Bounced) -> Result<Event, Error> {
    let body = serde_json::json!({
        "owner": owner.to_string(),
        "destination": shown,
        "reason": bounced.reason,
        "count": bounced.count,
    });
    let failed = |error: event::Error| Error::Database(error.to_string());
    Event::new(TOPIC.parse().map_err(failed)?, body).map_err(failed)
}

const TOPIC: &str = "tubepost.notify.destination.disabled";
/// What stands in the place of a rule's name.
const WHY: &str = "how you can be told";
