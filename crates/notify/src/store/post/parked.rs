//! Notices that will never be taken, with the reason: an operator looks at them.

use jiff::Timestamp;

use super::{moment, read_moment};
use crate::{
    Place,
    limits::PARKED_MAX,
    store::{Error, Store, database::Session},
};

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// Its number.
    pub number: u64,
    /// The event.
    pub event_id: String,
    /// Where it should have gone, without what is secret in it.
    pub place: String,
    /// Why it did not, in the other side's words.
    pub reason: String,
    /// When it was given up.
    pub at: Timestamp,
}

impl Store {
    /// What is parked, oldest first, at most `most`.
    ///
    /// # Errors
    /// The database's.
    pub fn parked(&self, most: usize) -> Result<Vec<Parked>, Error> {
        self.read(|session| {
            let sql = format!(
                "SELECT CAST(seq AS TEXT), event_id, place, reason, at FROM post_parked \
                 ORDER BY seq LIMIT {most}"
            );
            Ok(session.rows(&sql, &[])?.iter().filter_map(|row| read(row)).collect())
        })
    }

    /// Has parked notices tried again, one or all; how many.
    ///
    /// # Errors
    /// The database's.
    pub fn retry_parked(&self, number: Option<u64>) -> Result<u64, Error> {
        // Due at once, by whatever clock.
        let now = Timestamp::UNIX_EPOCH;
        self.change(|session| {
            let which = which(number);
            let told = format!(
                "DELETE FROM post_told WHERE key IN (SELECT key FROM post_parked {which}) \
                 AND answer LIKE 'parked: %'"
            );
            session.run(&told, &[])?;
            let sql = format!("SELECT DISTINCT place FROM post_parked {which}");
            for row in session.rows(&sql, &[])? {
                let Some(Ok(to)) = row.first().map(|place| place.parse::<Place>()) else {
                    continue;
                };
                super::into_lane(session, &to, &super::Plan::at_once(&to), now)?;
            }
            let sql = format!(
                "INSERT INTO post_waiting (key, lane, event, event_id, owners, reasons, received) \
                 SELECT key, lane, event, event_id, owners, reasons, received FROM post_parked \
                 {which} ORDER BY seq ON CONFLICT (key) DO NOTHING"
            );
            session.run(&sql, &[])?;
            session.run(&format!("DELETE FROM post_parked {which}"), &[])
        })
    }

    /// Forgets parked notices, one or all; how many.
    ///
    /// # Errors
    /// The database's.
    pub fn drop_parked(&self, number: Option<u64>) -> Result<u64, Error> {
        self.change(|session| {
            let which = which(number);
            let events =
                session.rows(&format!("SELECT DISTINCT event FROM post_parked {which}"), &[])?;
            let dropped = session.run(&format!("DELETE FROM post_parked {which}"), &[])?;
            events.iter().flatten().try_for_each(|event| super::forget_event(session, event))?;
            Ok(dropped)
        })
    }
}

fn which(number: Option<u64>) -> String {
    number.map_or("WHERE seq > 0".to_owned(), |number| format!("WHERE seq = {number}"))
}

fn read(row: &[String]) -> Option<Parked> {
    let [number, event_id, place, reason, at] = row else { return None };
    Some(Parked {
        number: number.parse().ok()?,
        event_id: event_id.clone(),
        place: place.parse::<Place>().map(|place| place.shown()).unwrap_or_default(),
        reason: reason.clone(),
        at: read_moment(at).unwrap_or(Timestamp::UNIX_EPOCH),
    })
}

/// Parks the notices of a lane up to one. They are taken out of it by the caller.
pub(super) fn park(
    session: &mut dyn Session,
    lane: &str,
    upto: &str,
    reason: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let reason = crate::mail::one_line(reason, REASON_CHARS_MAX);
    // Tried again it goes at once, and does not wait for another digest.
    let rows = session.rows("SELECT place FROM post_lane WHERE id = $1", &[lane])?;
    let place = rows.first().and_then(|row| row.first()?.parse::<Place>().ok());
    let lane_then = place.map_or(lane.to_owned(), |place| place.key());
    let sql = "INSERT INTO post_parked (key, lane, kind, place, event, event_id, owners, reasons, \
               received, reason, at) \
               SELECT w.key, $1, l.kind, l.place, w.event, w.event_id, w.owners, w.reasons, \
               w.received, $2, $3 FROM post_waiting w JOIN post_lane l ON l.id = w.lane \
               WHERE w.lane = $4 AND w.seq <= CAST(CAST($5 AS TEXT) AS BIGINT) ORDER BY w.seq \
               ON CONFLICT (key) DO NOTHING";
    session.run(sql, &[&lane_then, &reason, &moment(now), lane, upto])?;
    let sql = format!(
        "SELECT event FROM post_parked WHERE seq <= \
                       (SELECT MAX(seq) FROM post_parked) - {PARKED_MAX}"
    );
    let oldest = session.rows(&sql, &[])?;
    if !oldest.is_empty() {
        tracing::warn!(count = oldest.len(), "the oldest parked notices are dropped: too many");
        session.run(
            &format!(
                "DELETE FROM post_parked WHERE seq <= \
                      (SELECT MAX(seq) FROM post_parked) - {PARKED_MAX}"
            ),
            &[],
        )?;
        oldest.iter().flatten().try_for_each(|event| super::forget_event(session, event))?;
    }
    Ok(())
}

const REASON_CHARS_MAX: usize = 1000;
