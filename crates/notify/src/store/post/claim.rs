//! What is due is handed out, lane by lane, with a lease.

use std::{collections::BTreeMap, sync::Arc};

use event::Event;
use jiff::Timestamp;

use super::{Claimed, Handed, Item, Parcel, Spent, after, due, moment, read_moment};
use crate::{
    Kind, Place,
    holder::Holder,
    limits::{DIGEST_BYTES_MAX, DIGEST_MAX, LANE_BATCH, LEASE},
    rule::When,
    store::{Error, database::Session},
};

/// A lane as it is kept.
struct Row {
    id: String,
    kind: Kind,
    to: Place,
    when: When,
    first: Timestamp,
    held: u32,
    spent: String,
    has_fallback: bool,
    tries: u32,
    since: Option<Timestamp>,
}

/// Leases lanes that are due, as far as there is room.
pub(super) fn claim(
    session: &mut dyn Session,
    room: &BTreeMap<Kind, usize>,
    holder: &Holder,
    now: Timestamp,
) -> Result<Handed, Error> {
    let mut room: BTreeMap<Kind, usize> =
        room.iter().filter(|(_, room)| **room > 0).map(|(kind, room)| (*kind, *room)).collect();
    if room.is_empty() {
        return Ok(Handed::default());
    }
    let sql = format!(
        "SELECT id, kind, place, plan, first, CAST(held AS TEXT), spent, fallback, \
         CAST(tries AS TEXT), since FROM post_lane \
         WHERE due <= $1 AND (holder = '' OR lease < $1) AND kind IN ({}) ORDER BY due LIMIT {}",
        names(&room),
        LOOK_AT
    );
    let mut claimed = Vec::new();
    for row in session.rows(&sql, &[&moment(now)])? {
        let Some(row) = read(&row, now) else { continue };
        let Some(left) = room.get_mut(&row.kind).filter(|left| **left > 0) else { continue };
        let parcels = parcels(session, &row, now)?;
        if parcels.is_empty() {
            continue;
        }
        *left -= 1;
        let sql = "UPDATE post_lane SET holder = $1, lease = $2 WHERE id = $3";
        session.run(sql, &[holder.name(), &moment(after(now, LEASE)), &row.id])?;
        claimed.push(Claimed {
            id: row.id,
            to: row.to,
            parcels,
            has_fallback: row.has_fallback,
            tries: row.tries,
            put_off_since: row.since,
        });
    }
    // What there is no room for is looked at again when there is.
    room.retain(|_, left| *left > 0);
    let next_due = match room.is_empty() {
        true => None,
        false => {
            let sql = format!(
                "SELECT COALESCE(MIN(due), '') FROM post_lane WHERE holder = '' AND kind IN ({})",
                names(&room)
            );
            session.rows(&sql, &[])?.first().and_then(|row| read_moment(row.first()?))
        }
    };
    Ok(Handed { lanes: claimed, next_due })
}

/// They are ours, and no text of anybody's.
fn names(kinds: &BTreeMap<Kind, usize>) -> String {
    kinds.keys().map(|kind| format!("'{kind}'")).collect::<Vec<_>>().join(", ")
}

fn read(row: &[String], now: Timestamp) -> Option<Row> {
    let [id, kind, place, plan, first, held, spent, fallback, tries, since] = row else {
        return None;
    };
    Some(Row {
        id: id.clone(),
        kind: Kind::named(kind)?,
        to: place.parse().ok()?,
        // A newer release's plan goes at once rather than never.
        when: serde_json::from_str(plan).unwrap_or_default(),
        first: read_moment(first).unwrap_or(now),
        held: held.parse().unwrap_or(1),
        spent: spent.clone(),
        has_fallback: !fallback.is_empty(),
        tries: tries.parse().unwrap_or(0),
        since: read_moment(since),
    })
}

/// What goes now. Nothing when it turns out that the lane waits, or is empty.
fn parcels(session: &mut dyn Session, lane: &Row, now: Timestamp) -> Result<Vec<Parcel>, Error> {
    if lane.when.is_at_once() {
        return singles(session, &lane.id, LANE_BATCH);
    }
    let due = due(&lane.when, lane.first, lane.held, &lane.spent, now);
    if due > now {
        let sql = "UPDATE post_lane SET due = $1, holder = '' WHERE id = $2";
        session.run(sql, &[&moment(due), &lane.id])?;
        return Ok(Vec::new());
    }
    let spent = Spent::read(&lane.spent);
    let (spent, held_back, allowed) = match (lane.when.rate, spent) {
        (None, _) => (None, false, LANE_BATCH),
        (Some(rate), Some(spent)) if spent.ends(rate) > now => {
            (Some(spent), false, rate.max.saturating_sub(spent.count) as usize)
        }
        (Some(rate), spent) => {
            let was_full = spent.is_some_and(|spent| spent.count >= rate.max);
            (Some(Spent { since: now, count: 0 }), was_full, rate.max as usize)
        }
    };
    let parcels = match lane.when.digest.is_some() || (held_back && lane.held > 1) {
        true => digest(session, &lane.id)?,
        false => singles(session, &lane.id, LANE_BATCH.min(allowed))?,
    };
    if let Some(spent) = spent {
        let count = spent.count.saturating_add(parcels.len() as u32);
        let sql = "UPDATE post_lane SET spent = $1 WHERE id = $2";
        session.run(sql, &[&Spent { count, ..spent }.text(), &lane.id])?;
    }
    Ok(parcels)
}

fn singles(session: &mut dyn Session, lane: &str, most: usize) -> Result<Vec<Parcel>, Error> {
    let sql = format!("{SELECT} WHERE w.lane = $1 ORDER BY w.seq LIMIT {most}");
    let rows = session.rows(&sql, &[lane])?;
    let one = |row: &Vec<String>| {
        let (upto, item) = item(row);
        Parcel { upto, items: item.map(|item| vec![item]), left_out: 0 }
    };
    Ok(rows.iter().map(one).collect())
}

/// All that waits in one, the newest if that is too much.
fn digest(session: &mut dyn Session, lane: &str) -> Result<Vec<Parcel>, Error> {
    let sql = "SELECT CAST(COUNT(*) AS TEXT), CAST(COALESCE(SUM(LENGTH(e.body)), 0) AS TEXT) \
               FROM post_waiting w JOIN post_event e ON e.id = w.event WHERE w.lane = $1";
    let sums = session.rows(sql, &[lane])?;
    let sum = |column: usize| {
        sums.first().and_then(|row| row.get(column)?.parse::<u64>().ok()).unwrap_or(0)
    };
    let (count, bytes) = (sum(0), sum(1));
    let most = match bytes > DIGEST_BYTES_MAX {
        true => (count * DIGEST_BYTES_MAX / bytes).max(1),
        false => count,
    };
    let most = most.min(DIGEST_MAX);
    let sql = format!(
        "{SELECT} WHERE w.lane = $1 ORDER BY w.seq DESC \
         LIMIT CAST(CAST($2 AS TEXT) AS BIGINT)"
    );
    let mut rows = session.rows(&sql, &[lane, &most.to_string()])?;
    rows.reverse();
    let (mut upto, mut items, mut wrong) = (0, Vec::with_capacity(rows.len()), None);
    for row in &rows {
        let (seq, item) = item(row);
        upto = upto.max(seq);
        match item {
            Ok(item) => items.push(item),
            // One that cannot be read keeps nobody from the others.
            Err(reason) => {
                tracing::warn!("left out of a digest: {reason}");
                wrong = Some(reason);
            }
        }
    }
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let left_out = count.saturating_sub(items.len() as u64);
    let items = match (items.is_empty(), wrong) {
        (true, Some(reason)) => Err(reason),
        _ => Ok(items),
    };
    Ok(vec![Parcel { upto, items, left_out }])
}

fn item(row: &[String]) -> (u64, Result<Item, String>) {
    let [seq, reasons, received, body] = row else {
        return (0, Err("a row is not what it was".to_owned()));
    };
    let item = || {
        Ok(Item {
            event: Arc::new(Event::from_dump(body).map_err(|error| error.to_string())?),
            reasons: serde_json::from_str(reasons).map_err(|error| error.to_string())?,
            received_at: read_moment(received).unwrap_or(Timestamp::UNIX_EPOCH),
        })
    };
    let unreadable = |error: String| format!("as it is kept it cannot be read: {error}");
    (seq.parse().unwrap_or(0), item().map_err(unreadable))
}

const SELECT: &str = "SELECT CAST(w.seq AS TEXT), w.reasons, w.received, e.body \
                      FROM post_waiting w JOIN post_event e ON e.id = w.event";
/// Lanes looked at in one round; more are looked at in the next.
const LOOK_AT: usize = 64;
