//! Feeds: the newest notices of somebody, kept until who knows the feed's secret fetches them.
//!
//! Of a secret only the digest is kept, and a feed is looked up by it: what a look-up's time
//! tells is of a digest that nobody can steer, and who reads the store cannot read feeds.

use aws_lc_rs::digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Destination, Error, Store, change, database::Session, destination, one, parse, put};
use crate::{Kind, Secret, rule::Owner, rule::texts};

/// What a feed has of one notice. Every text is a stranger's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedEntry {
    /// The notice's key, a UUID.
    pub key: String,
    /// One line.
    pub title: String,
    /// HTTP or HTTPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Lines, not HTML.
    pub text: String,
    /// Who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Names of the rules that asked for it.
    pub reasons: Vec<String>,
    /// When the notifier heard of it.
    #[serde(with = "texts::text")]
    pub at: Timestamp,
}

/// A feed as it is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedContent {
    /// The public name, which is part of the destination's: `feed:3f9a0b12c4d5`.
    pub id: String,
    /// Whose it is.
    pub owner: Owner,
    /// When it was made.
    pub made_at: Timestamp,
    /// The newest first.
    pub entries: Vec<FeedEntry>,
}

/// How a feed is kept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    owner: String,
    #[serde(with = "texts::text")]
    made_at: Timestamp,
}

impl Store {
    /// Makes a feed for somebody: the destination, and the secret, which is to be had only now.
    ///
    /// # Errors
    /// The owner has too many destinations; the database's.
    pub fn make_feed(&self, owner: &Owner) -> Result<(Destination, Secret), Error> {
        let id = random::<NAME_BYTES>()?;
        let destination = Destination { id: format!("{}:{id}", Kind::Feed), enabled: true };
        let secret = random::<16>()?;
        let kept = Kept { owner: owner.to_string(), made_at: Timestamp::now() };
        self.change(|session| {
            put(session, "feed", "id", &id, &kept)?;
            destination::keep(session, owner, &destination)?;
            lock(session, &id, &secret)
        })?;
        Ok((destination, secret.into()))
    }

    /// Gives a feed another secret; the one it had opens nothing any more.
    ///
    /// # Errors
    /// The owner has no such feed; the database's.
    pub fn rotate_feed(&self, owner: &Owner, id: &str) -> Result<Secret, Error> {
        let secret = random::<16>()?;
        self.change(|session| {
            let name = name_of(id);
            let is_theirs = destination::of_owner(session, owner)?.iter().any(|it| it.id == id);
            match name {
                Some(name) if is_theirs => lock(session, name, &secret),
                _ => Err(Error::Refused(format!(
                    "destination '{id}' is no feed of {owner}'s; see tubepost notify destination \
                     list {owner}"
                ))),
            }
        })?;
        Ok(secret.into())
    }

    /// Keeps a notice in the feed of this name, once, and of all the newest [`ENTRIES_MAX`]. False
    /// when there is no such feed.
    ///
    /// # Errors
    /// The database's.
    pub fn keep_entry(&self, feed: &str, entry: &FeedEntry) -> Result<bool, Error> {
        let body =
            serde_json::to_string(entry).map_err(|error| Error::Database(error.to_string()))?;
        self.change(|session| {
            let kept: Option<Kept> = one(session, "SELECT body FROM feed WHERE id = $1", feed)?;
            if kept.is_none() {
                return Ok(false);
            }
            session.run(
                "INSERT INTO feed_entry (feed, entry, body) VALUES ($1, $2, $3) \
                 ON CONFLICT (feed, entry) DO NOTHING",
                &[feed, &entry.key, &body],
            )?;
            let sql = format!(
                "DELETE FROM feed_entry WHERE feed = $1 AND seq NOT IN (SELECT seq FROM \
                 feed_entry WHERE feed = $1 ORDER BY seq DESC LIMIT {ENTRIES_MAX})"
            );
            session.run(&sql, &[feed])?;
            Ok(true)
        })
    }

    /// The feed that a secret opens.
    ///
    /// # Errors
    /// The database's.
    pub fn feed(&self, secret: &str) -> Result<Option<FeedContent>, Error> {
        let door = digest_of(secret);
        self.read(|session| {
            let sql = "SELECT body, id FROM feed WHERE id = (SELECT feed FROM feed_door WHERE \
                       door = $1)";
            let Some(row) = session.rows(sql, &[&door])?.into_iter().next() else {
                return Ok(None);
            };
            let kept: Kept = parse(&row, "feed")?;
            let id = row.into_iter().nth(1).unwrap_or_default();
            let sql = "SELECT body, entry FROM feed_entry WHERE feed = $1 ORDER BY seq DESC";
            let rows = session.rows(sql, &[&id])?;
            let entries = rows.iter().map(|row| parse(row, "entry")).collect::<Result<_, _>>()?;
            let owner = super::named(&kept.owner)?;
            Ok(Some(FeedContent { id, owner, made_at: kept.made_at, entries }))
        })
    }
}

/// The name in a destination's id.
fn name_of(id: &str) -> Option<&str> {
    id.strip_prefix(Kind::Feed.name())?.strip_prefix(':')
}

/// Whether a destination is a feed of this owner's.
pub(super) fn is_of(
    session: &mut dyn Session,
    owner: &Owner,
    destination: &str,
) -> Result<bool, Error> {
    let Some(name) = name_of(destination) else { return Ok(false) };
    let kept: Option<Kept> = one(session, "SELECT body FROM feed WHERE id = $1", name)?;
    Ok(kept.is_some_and(|kept| kept.owner == owner.to_string()))
}

/// Forgets a feed whose destination was removed.
pub(super) fn forget(session: &mut dyn Session, destination: &str) -> Result<(), Error> {
    let Some(name) = name_of(destination) else { return Ok(()) };
    session.run("DELETE FROM feed_entry WHERE feed = $1", &[name])?;
    session.run("DELETE FROM feed_door WHERE feed = $1", &[name])?;
    session.run("DELETE FROM feed WHERE id = $1", &[name]).map(drop)
}

/// Lets this secret open the feed, and no other.
fn lock(session: &mut dyn Session, feed: &str, secret: &str) -> Result<(), Error> {
    session.run(
        "INSERT INTO feed_door (feed, door) VALUES ($1, $2) \
         ON CONFLICT (feed) DO UPDATE SET door = excluded.door",
        &[feed, &digest_of(secret)],
    )?;
    // Nobody follows feeds; but a reader of the journal sees that something was done.
    change::note(session, "feed", feed)
}

fn digest_of(secret: &str) -> String {
    hex(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref())
}

/// So many bytes nobody can guess, in hexadecimal.
fn random<const BYTES: usize>() -> Result<String, Error> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Database(format!("the system gives no randomness: {error}")))?;
    Ok(hex(&bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Of a feed's name, twice as many hexadecimal digits.
pub(crate) const NAME_BYTES: usize = 6;
/// Notices that a feed has at most: more than a reader shows, less than what would be slow.
pub(crate) const ENTRIES_MAX: usize = 100;
