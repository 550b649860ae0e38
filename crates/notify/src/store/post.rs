//! The post office's books: notices that wait, by lane, until they are told; what was told; what
//! was parked. One [`Round`] is one transaction: it notes how tries ended, keeps what came, and
//! hands out what is due.
//!
//! A lane is what goes to one place in one order: all that goes there at once, or what one outlet
//! of a rule gathers. A notifier leases lanes, not notices, so that order holds with several of
//! them; the lease of one that is gone is free at once where that can be seen, else when it ends.

pub(super) mod bounce;
mod claim;
mod direct;
mod history;
mod parked;
mod settle;
mod told_to;

use std::{collections::BTreeMap, sync::Arc};

use event::Event;
use jiff::Timestamp;
use uuid::Uuid;

pub use self::{bounce::Bounced, history::Told, parked::Parked, told_to::ToldTo};
use super::{Error, Store, database::Session};
use crate::{
    Kind, Place, Reason,
    holder::Holder,
    limits::LEASE,
    rule::{Due, Owner, When, next_due},
};

/// One notice to keep.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) event: Arc<Event>,
    pub(crate) to: Place,
    pub(crate) reasons: Vec<Reason>,
    /// Whose rules they are, for the history.
    pub(crate) owners: Vec<String>,
    pub(crate) received_at: Timestamp,
    pub(crate) plan: Plan,
}

/// When a notice goes, and with what it gathers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The lane.
    pub(crate) lane: String,
    pub(crate) when: When,
    /// Where `when.fallback` is.
    pub(crate) fallback: Option<Place>,
}

/// What one transaction does.
#[derive(Debug, Default)]
pub(crate) struct Round {
    pub(crate) settlements: Vec<Settlement>,
    pub(crate) letters: Vec<Letter>,
    /// What goes by these kinds, and has a fall-back, takes that: they have been away too long.
    pub(crate) divert: Vec<Kind>,
    /// How many lanes of each kind may be handed out.
    pub(crate) room: BTreeMap<Kind, usize>,
    /// Look for leases of who is gone, and forget what is too old.
    pub(crate) sweep: bool,
    /// Give all leases back; hand out nothing.
    pub(crate) close: bool,
}

/// How the head of a lane ended.
#[derive(Debug, Clone)]
pub(crate) struct Settlement {
    pub(crate) lane: String,
    /// The last notice of it, by number.
    pub(crate) upto: u64,
    pub(crate) end: End,
    /// What that says of the address.
    pub(crate) address: Address,
    /// Nothing more of the lane is in memory.
    pub(crate) last: bool,
}

/// What a try says of the address it went to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// Nothing.
    Unknown,
    /// It takes what it gets.
    Good,
    /// It is none any more, in the other side's words.
    Bounced(String),
    /// So much in vain was tried that nothing more will be.
    Dead(String),
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    Told,
    /// Its owner wants to be left alone now.
    Silenced,
    Parked(String),
    /// Goes to the fall-back instead.
    Diverted(String),
    Deferred {
        until: Timestamp,
        reason: String,
    },
}

/// What a round gave.
#[derive(Debug, Default)]
pub(crate) struct Handed {
    pub(crate) lanes: Vec<Claimed>,
    /// When something more is due.
    pub(crate) next_due: Option<Timestamp>,
}

/// A lane that is leased, and the first of what waits in it.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) id: String,
    pub(crate) to: Place,
    pub(crate) parcels: Vec<Parcel>,
    pub(crate) has_fallback: bool,
    /// Failures in a row, and since when.
    pub(crate) tries: u32,
    pub(crate) put_off_since: Option<Timestamp>,
}

/// What becomes one notice.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) upto: u64,
    /// At least one; the reason when what is kept cannot be read.
    pub(crate) items: Result<Vec<Item>, String>,
    /// Older ones of a digest that is too long.
    pub(crate) left_out: u64,
}

/// One event of it.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) event: Arc<Event>,
    pub(crate) reasons: Vec<Reason>,
    pub(crate) received_at: Timestamp,
}

impl Letter {
    /// A notice to an owner that none of their rules asked for; `why` stands in a rule's place.
    pub(crate) fn unasked(
        event: Event,
        to: &Place,
        why: &str,
        owner: &Owner,
        now: Timestamp,
    ) -> Letter {
        let reason =
            Reason { subscription: why.to_owned(), pattern: event.topic.to_string(), rule: None };
        Letter {
            event: Arc::new(event),
            to: to.clone(),
            reasons: vec![reason],
            owners: vec![owner.to_string()],
            received_at: now,
            plan: Plan::at_once(to),
        }
    }
}

impl Plan {
    /// To a place at once, with all that goes there at once.
    pub(crate) fn at_once(to: &Place) -> Plan {
        Plan { lane: to.key(), when: When::default(), fallback: None }
    }
}

impl Store {
    /// Does a round at the time `now`. All of it holds, or nothing.
    ///
    /// # Errors
    /// The database's.
    pub(crate) fn round(
        &self,
        round: &Round,
        holder: &Holder,
        now: Timestamp,
    ) -> Result<Handed, Error> {
        self.change(|session| {
            if round.sweep {
                settle::free_the_gone(session, holder)?;
                history::trim(session, now)?;
            }
            for settlement in &round.settlements {
                settle::settle(session, self.rules.as_deref(), settlement, now)?;
            }
            for kind in &round.divert {
                settle::divert_all(session, *kind, now)?;
            }
            keep(session, &round.letters, now)?;
            if round.close {
                let sql = "UPDATE post_lane SET holder = '' WHERE holder = $1";
                session.run(sql, &[holder.name()])?;
                return Ok(Handed::default());
            }
            let sql = "UPDATE post_lane SET lease = $1 WHERE holder = $2";
            session.run(sql, &[&moment(after(now, LEASE)), holder.name()])?;
            claim::claim(session, &round.room, holder, now)
        })
    }
}

fn keep(session: &mut dyn Session, letters: &[Letter], now: Timestamp) -> Result<(), Error> {
    let mut last: Option<(&Arc<Event>, String)> = None;
    for letter in letters {
        let event = match &last {
            Some((event, key)) if Arc::ptr_eq(event, &letter.event) => key.clone(),
            _ => keep_event(session, &letter.event)?,
        };
        last = Some((&letter.event, event.clone()));
        let key = Uuid::new_v5(&KEYS, format!("{}\n{event}", letter.to.key()).as_bytes());
        let kept = session.run(
            "INSERT INTO post_waiting (key, lane, event, event_id, owners, reasons, received) \
             SELECT $1, $2, $3, $4, $5, $6, $7 \
             WHERE NOT EXISTS (SELECT 1 FROM post_told WHERE key = $1) \
             ON CONFLICT (key) DO NOTHING",
            &[
                &key.to_string(),
                &letter.plan.lane,
                &event,
                &letter.event.id,
                &json(&letter.owners)?,
                &json(&letter.reasons)?,
                &moment(letter.received_at),
            ],
        )?;
        match kept {
            // It waits, or was told: the bus gave it again.
            0 => forget_event(session, &event)?,
            _ => into_lane(session, &letter.to, &letter.plan, now)?,
        }
    }
    Ok(())
}

fn keep_event(session: &mut dyn Session, event: &Event) -> Result<String, Error> {
    let body = event.to_dump();
    // Ids are the publisher's: only the same id on the same event is the same event.
    let key = Uuid::new_v5(&KEYS, body.as_bytes()).to_string();
    let sql = "INSERT INTO post_event (id, body) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
    session.run(sql, &[&key, &body])?;
    Ok(key)
}

/// Nobody waits for it any more, unless somebody does.
fn forget_event(session: &mut dyn Session, event: &str) -> Result<(), Error> {
    let sql = "DELETE FROM post_event WHERE id = $1 \
               AND NOT EXISTS (SELECT 1 FROM post_waiting WHERE event = $1) \
               AND NOT EXISTS (SELECT 1 FROM post_parked WHERE event = $1)";
    session.run(sql, &[event]).map(drop)
}

/// The lane has one more; makes it when there is none.
fn into_lane(
    session: &mut dyn Session,
    to: &Place,
    plan: &Plan,
    now: Timestamp,
) -> Result<(), Error> {
    let text = match plan.when.is_at_once() {
        true => String::new(),
        false => json(&plan.when)?,
    };
    let fallback = plan.fallback.as_ref().map(ToString::to_string).unwrap_or_default();
    session.run(
        "INSERT INTO post_lane (id, kind, place, plan, fallback, first, held, due, tries, since, \
         reason, holder, lease, spent) \
         VALUES ($1, $2, $3, $4, $5, $6, 0, $6, 0, '', '', '', '', '') \
         ON CONFLICT (id) DO UPDATE SET plan = excluded.plan, fallback = excluded.fallback",
        &[&plan.lane, to.kind().name(), &to.to_string(), &text, &fallback, &moment(now)],
    )?;
    if plan.when.is_at_once() {
        return Ok(());
    }
    let sql = "UPDATE post_lane SET held = held + 1, first = CASE held WHEN 0 THEN $1 ELSE first \
               END WHERE id = $2";
    session.run(sql, &[&moment(now), &plan.lane])?;
    schedule(session, &plan.lane, &plan.when, now)
}

/// Works out when a lane goes that is nobody's and was not put off.
fn schedule(
    session: &mut dyn Session,
    lane: &str,
    when: &When,
    now: Timestamp,
) -> Result<(), Error> {
    let sql = "SELECT first, CAST(held AS TEXT), spent FROM post_lane WHERE id = $1";
    let rows = session.rows(sql, &[lane])?;
    let Some([first, held, spent]) = rows.first().map(Vec::as_slice) else { return Ok(()) };
    let held = held.parse().unwrap_or(1);
    let due = due(when, read_moment(first).unwrap_or(now), held, spent, now);
    let sql = "UPDATE post_lane SET due = $1 WHERE id = $2 AND holder = '' AND tries = 0";
    session.run(sql, &[&moment(due), lane]).map(drop)
}

/// When what a lane holds goes: its times, and how much went already.
fn due(when: &When, first: Timestamp, held: u32, spent: &str, now: Timestamp) -> Timestamp {
    let at = |now| match next_due(when, first, held, now) {
        Due::Now => now,
        Due::At(moment) => moment,
    };
    let due = at(now);
    match (when.rate, Spent::read(spent)) {
        (Some(rate), Some(spent)) if spent.count >= rate.max => due.max(at(spent.ends(rate))),
        _ => due,
    }
}

/// What a lane with a rate told since the stretch began.
#[derive(Debug, Clone, Copy)]
struct Spent {
    since: Timestamp,
    count: u32,
}

impl Spent {
    fn read(text: &str) -> Option<Spent> {
        let (since, count) = text.split_once(' ')?;
        Some(Spent { since: read_moment(since)?, count: count.parse().ok()? })
    }

    fn text(self) -> String {
        format!("{} {}", moment(self.since), self.count)
    }

    fn ends(self, rate: crate::rule::Rate) -> Timestamp {
        after(self.since, std::time::Duration::from_secs(u64::from(rate.per_minutes) * 60))
    }
}

fn after(now: Timestamp, duration: std::time::Duration) -> Timestamp {
    now.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// As moments are kept.
fn moment(at: Timestamp) -> String {
    format!("{:015}", at.as_millisecond().max(0))
}

fn read_moment(text: &str) -> Option<Timestamp> {
    text.parse().ok().and_then(|millis| Timestamp::from_millisecond(millis).ok())
}

fn json(value: &impl serde::Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Database(error.to_string()))
}

/// Of what is kept: never another, or what was told is told again after an upgrade.
const KEYS: Uuid = Uuid::from_u128(0x3f0e_9a51_6c27_4b8d_8e14_b1d2_70c5_9aa3);
