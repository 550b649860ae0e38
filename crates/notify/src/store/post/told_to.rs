//! What somebody was told: the history, from the other end.

use super::history::read;
use crate::{
    rule::Owner,
    store::{Error, Store, Told},
};

/// One line of somebody's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldTo {
    /// Where the next page begins.
    pub seq: u64,
    /// The event's id, as its publisher gave it.
    pub event_id: String,
    /// What became of it.
    pub told: Told,
}

impl Store {
    /// What an owner's rules told, newest first: at most `limit`, older than `before` if that is
    /// given.
    ///
    /// # Errors
    /// The database's.
    pub fn told_to(
        &self,
        owner: &Owner,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<ToldTo>, Error> {
        let name = owner.to_string();
        let alone =
            serde_json::to_string(&[&name]).map_err(|error| Error::Database(error.to_string()))?;
        let before = before.unwrap_or(i64::MAX as u64).min(i64::MAX as u64);
        let columns =
            "SELECT place, owners, at, answer, event_id, CAST(seq AS TEXT) FROM post_told";
        self.read(|session| {
            // Nearly all are one owner's, and found by their index.
            let sql = format!(
                "{columns} WHERE owners = $1 AND seq < {before} ORDER BY seq DESC LIMIT {limit}"
            );
            let mut rows = session.rows(&sql, &[&alone])?;
            // Those that several share are in an index of their own; of them the newest are looked
            // at, so that this has an end.
            let sql = format!(
                "{columns} WHERE owners LIKE '%,%' AND seq < {before} \
                 ORDER BY seq DESC LIMIT {SHARED_MAX}"
            );
            rows.extend(session.rows(&sql, &[])?);
            let mut told: Vec<ToldTo> = rows.iter().filter_map(|row| line(row)).collect();
            told.retain(|line| line.told.owners.contains(&name));
            told.sort_by_key(|line| std::cmp::Reverse(line.seq));
            told.dedup_by_key(|line| line.seq);
            told.truncate(limit);
            Ok(told)
        })
    }
}

fn line(row: &[String]) -> Option<ToldTo> {
    let (of_told, [event_id, seq]) = row.split_at_checked(4)? else { return None };
    let (told, seq) = (read(of_told, false)?, seq.parse().ok()?);
    Some(ToldTo { seq, event_id: event_id.clone(), told })
}

const SHARED_MAX: usize = 5000;
