//! How a try ended is noted, and the lane goes on.

use jiff::Timestamp;

use super::{Address, End, Plan, Settlement, bounce, history, into_lane, moment, parked, schedule};
use crate::{
    Kind, Place,
    holder::Holder,
    rule::When,
    store::{Error, Store, database::Session},
};

pub(super) fn settle(
    session: &mut dyn Session,
    rules: Option<&Store>,
    settlement: &Settlement,
    now: Timestamp,
) -> Result<(), Error> {
    let Settlement { lane, upto, end, address, last } = settlement;
    let upto = upto.to_string();
    let place = place_of(session, lane)?;
    let closing = match address {
        Address::Unknown => None,
        Address::Good => {
            bounce::forgive(session, lane)?;
            None
        }
        Address::Bounced(reason) => bounce::count(session, lane, &upto, reason, false, now)?,
        Address::Dead(reason) => bounce::count(session, lane, &upto, reason, true, now)?,
    };
    match end {
        End::Deferred { until, reason } => {
            let sql = "UPDATE post_lane SET due = $1, reason = $2, holder = '', \
                       tries = tries + 1, since = CASE since WHEN '' THEN $3 ELSE since END \
                       WHERE id = $4";
            let reason = crate::mail::one_line(reason, history::ANSWER_CHARS_MAX);
            session.run(sql, &[&moment(*until), &reason, &moment(now), lane])?;
            return Ok(());
        }
        End::Told => {
            history::note(session, lane, &upto, &place, now, "taken")?;
            let sql = "UPDATE post_lane SET tries = 0, since = '', reason = '' \
                       WHERE id = $1 AND tries > 0";
            session.run(sql, &[lane])?;
        }
        End::Silenced => {
            let answer = "not told: its owner wants to be left alone, or has no such rule now";
            history::note(session, lane, &upto, &place, now, answer)?;
        }
        End::Parked(reason) => {
            history::note(session, lane, &upto, &place, now, &format!("parked: {reason}"))?;
            parked::park(session, lane, &upto, reason, now)?;
        }
        End::Diverted(reason) => match fallback_of(session, lane)? {
            Some(fallback) => divert(session, lane, &upto, &fallback, now)?,
            None => parked::park(session, lane, &upto, reason, now)?,
        },
    }
    remove(session, lane, &upto)?;
    if let Some(closing) = closing {
        bounce::close(session, rules, &closing, now)?;
    }
    if *last {
        release(session, lane, now)?;
    }
    Ok(())
}

/// The notices up to one are no longer waiting.
pub(super) fn remove(session: &mut dyn Session, lane: &str, upto: &str) -> Result<(), Error> {
    let sql = "SELECT DISTINCT event FROM post_waiting \
               WHERE lane = $1 AND seq <= CAST(CAST($2 AS TEXT) AS BIGINT)";
    let events = session.rows(sql, &[lane, upto])?;
    let sql = "DELETE FROM post_waiting \
               WHERE lane = $1 AND seq <= CAST(CAST($2 AS TEXT) AS BIGINT)";
    let removed = session.run(sql, &[lane, upto])?;
    let sql = "UPDATE post_lane SET held = CASE WHEN held > CAST(CAST($1 AS TEXT) AS BIGINT) \
               THEN held - CAST(CAST($1 AS TEXT) AS BIGINT) ELSE 0 END WHERE id = $2";
    session.run(sql, &[&removed.to_string(), lane])?;
    events.iter().flatten().try_for_each(|event| super::forget_event(session, event))
}

/// Nobody holds the lane any more. What still waits in it is due as its plan says; an empty one is
/// forgotten, unless it has to remember how much went.
fn release(session: &mut dyn Session, lane: &str, now: Timestamp) -> Result<(), Error> {
    let sql = "SELECT plan FROM post_lane WHERE id = $1";
    let rows = session.rows(sql, &[lane])?;
    let Some(plan) = rows.first().and_then(|row| row.first()) else { return Ok(()) };
    let when: When = serde_json::from_str(plan).unwrap_or_default();
    let sql = "SELECT received FROM post_waiting WHERE lane = $1 ORDER BY seq LIMIT 1";
    let waits = session.rows(sql, &[lane])?;
    match waits.first().and_then(|row| row.first()) {
        None if when.rate.is_none() => {
            session.run("DELETE FROM post_lane WHERE id = $1", &[lane]).map(drop)
        }
        None => {
            let sql = "UPDATE post_lane SET holder = '', due = $1 WHERE id = $2";
            session.run(sql, &[NEVER, lane]).map(drop)
        }
        Some(first) => {
            let sql = "UPDATE post_lane SET holder = '', due = $1, first = $2 WHERE id = $3";
            session.run(sql, &[&moment(now), first, lane])?;
            match when.is_at_once() {
                true => Ok(()),
                false => schedule(session, lane, &when, now),
            }
        }
    }
}

/// Moves notices to the lane of their fall-back, behind what is there: whoever sends from that lane
/// now settles by number.
fn divert(
    session: &mut dyn Session,
    lane: &str,
    upto: &str,
    fallback: &Place,
    now: Timestamp,
) -> Result<(), Error> {
    let plan = Plan::at_once(fallback);
    let sql = "SELECT key, event, event_id, owners, reasons, received FROM post_waiting \
               WHERE lane = $1 AND seq <= CAST(CAST($2 AS TEXT) AS BIGINT) \
               ORDER BY seq LIMIT 10000";
    for row in session.rows(sql, &[lane, upto])? {
        let [key, event, event_id, owners, reasons, received] = row.as_slice() else { continue };
        session.run("DELETE FROM post_waiting WHERE key = $1", &[key])?;
        let sql = "INSERT INTO post_waiting \
                   (key, lane, event, event_id, owners, reasons, received) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7)";
        session.run(sql, &[key, &plan.lane, event, event_id, owners, reasons, received])?;
    }
    into_lane(session, fallback, &plan, now)
}

/// Everything of a kind that has a fall-back, and that nobody is sending now.
pub(super) fn divert_all(
    session: &mut dyn Session,
    kind: Kind,
    now: Timestamp,
) -> Result<(), Error> {
    let sql = "SELECT id FROM post_lane WHERE kind = $1 AND fallback <> '' AND holder = '' \
               AND held > 0 LIMIT 1000";
    for row in session.rows(sql, &[kind.name()])? {
        let Some(lane) = row.first() else { continue };
        if let Some(fallback) = fallback_of(session, lane)?.filter(|to| to.kind() != kind) {
            divert(session, lane, &i64::MAX.to_string(), &fallback, now)?;
            let sql = "UPDATE post_lane SET held = 0 WHERE id = $1";
            session.run(sql, &[lane])?;
            release(session, lane, now)?;
        }
    }
    Ok(())
}

/// Leases of who is seen to be gone are free.
pub(super) fn free_the_gone(session: &mut dyn Session, holder: &Holder) -> Result<(), Error> {
    let sql = "SELECT DISTINCT holder FROM post_lane WHERE holder <> ''";
    for row in session.rows(sql, &[])? {
        let Some(other) = row.first() else { continue };
        if holder.is_gone(other) {
            session.run("UPDATE post_lane SET holder = '' WHERE holder = $1", &[other])?;
        }
    }
    Ok(())
}

fn place_of(session: &mut dyn Session, lane: &str) -> Result<String, Error> {
    let rows = session.rows("SELECT place FROM post_lane WHERE id = $1", &[lane])?;
    let place = rows.first().and_then(|row| row.first()?.parse::<Place>().ok());
    Ok(place.map(|place| place.shown()).unwrap_or_default())
}

fn fallback_of(session: &mut dyn Session, lane: &str) -> Result<Option<Place>, Error> {
    let rows = session.rows("SELECT fallback FROM post_lane WHERE id = $1", &[lane])?;
    Ok(rows.first().and_then(|row| row.first()?.parse().ok()))
}

/// Until something is put into it.
const NEVER: &str = "999999999999999";
