//! What was told, when, with which answer. Bounded by count and by age.

use jiff::Timestamp;

use super::{moment, read_moment};
use crate::{
    limits::{TOLD_AGE_MAX, TOLD_MAX},
    store::{Error, Store, database::Session},
};

/// What became of one notice, or what it waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Where, without what is secret in it.
    pub place: String,
    /// Whose rules asked for it; none for the configuration file's.
    pub owners: Vec<String>,
    /// When it ended; when it is tried next, of one that waits.
    pub at: Timestamp,
    /// `taken`, or what else the other side said.
    pub answer: String,
    /// Still on its way.
    pub waits: bool,
}

impl Store {
    /// What became of an event, by its id: what ended, in order, then what waits.
    ///
    /// # Errors
    /// The database's.
    pub fn told(&self, event_id: &str) -> Result<Vec<Told>, Error> {
        self.read(|session| {
            let sql = "SELECT place, owners, at, answer FROM post_told WHERE event_id = $1 \
                       ORDER BY seq";
            let ended = session.rows(sql, &[event_id])?;
            let sql = "SELECT l.place, w.owners, l.due, l.reason FROM post_waiting w \
                       JOIN post_lane l ON l.id = w.lane WHERE w.event_id = $1 ORDER BY w.seq";
            let waiting = session.rows(sql, &[event_id])?;
            let ended = ended.iter().filter_map(|row| read(row, false));
            Ok(ended.chain(waiting.iter().filter_map(|row| read(row, true))).collect())
        })
    }
}

pub(super) fn read(row: &[String], waits: bool) -> Option<Told> {
    let [place, owners, at, answer] = row else { return None };
    let place = match place.parse::<crate::Place>() {
        Ok(place) if waits => place.shown(),
        _ => place.clone(),
    };
    let owners = serde_json::from_str(owners).unwrap_or_default();
    let at = read_moment(at).unwrap_or(Timestamp::UNIX_EPOCH);
    Some(Told { place, owners, at, answer: answer.clone(), waits })
}

/// The notices of a lane up to one ended so.
pub(super) fn note(
    session: &mut dyn Session,
    lane: &str,
    upto: &str,
    place: &str,
    now: Timestamp,
    answer: &str,
) -> Result<(), Error> {
    let answer = crate::mail::one_line(answer, ANSWER_CHARS_MAX);
    let sql = "INSERT INTO post_told (key, event_id, place, owners, at, answer) \
               SELECT key, event_id, $1, owners, $2, $3 FROM post_waiting \
               WHERE lane = $4 AND seq <= CAST(CAST($5 AS TEXT) AS BIGINT) ORDER BY seq";
    session.run(sql, &[place, &moment(now), &answer, lane, upto]).map(drop)
}

pub(super) fn trim(session: &mut dyn Session, now: Timestamp) -> Result<(), Error> {
    let sql =
        format!("DELETE FROM post_told WHERE seq <= (SELECT MAX(seq) FROM post_told) - {TOLD_MAX}");
    session.run(&sql, &[])?;
    let age = i64::try_from(TOLD_AGE_MAX.as_millis()).unwrap_or(i64::MAX);
    let oldest = Timestamp::from_millisecond(now.as_millisecond().saturating_sub(age));
    let oldest = oldest.unwrap_or(Timestamp::UNIX_EPOCH);
    session.run("DELETE FROM post_told WHERE at < $1", &[&moment(oldest)]).map(drop)
}

pub(super) const ANSWER_CHARS_MAX: usize = 1000;
