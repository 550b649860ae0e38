//! When somebody does not want to hear of anything, or of something.

use event::Description;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Error, Store, change, one, put};
use crate::rule::{Owner, texts};

/// What an owner's rules do not tell for now. What is not told because of it is not told later.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Silence {
    /// Nothing is told, until that is taken back.
    #[serde(default)]
    pub paused: bool,
    /// Nothing is told before.
    #[serde(default, with = "texts::optional", skip_serializing_if = "Option::is_none")]
    pub snoozed_until: Option<Timestamp>,
    /// Nothing is told of these objects.
    #[serde(default)]
    pub muted: Vec<String>,
}

impl Silence {
    /// Whether an event is not told at this time. An event that touches several objects is muted
    /// when all are, or the one it is about.
    pub fn covers(&self, told: &Description, now: Timestamp) -> bool {
        let is_muted = |object: &String| self.muted.contains(object);
        self.paused
            || self.snoozed_until.is_some_and(|until| now < until)
            || told.object.as_ref().is_some_and(is_muted)
            || (!told.objects.is_empty() && told.objects.iter().all(is_muted))
    }
}

impl Store {
    /// Says what an owner does not want to hear of now.
    ///
    /// # Errors
    /// Too many objects; the database's.
    pub fn put_silence(&self, owner: &Owner, silence: &Silence) -> Result<(), Error> {
        if silence.muted.len() > MUTED_MAX {
            let problem = format!("{owner}: more than {MUTED_MAX} objects are muted; unmute some");
            return Err(Error::Refused(problem));
        }
        self.change(|session| {
            let owner = owner.to_string();
            put(session, "silence", "owner", &owner, silence)?;
            change::note(session, "silence", &owner)
        })
    }

    /// What an owner does not want to hear of now.
    ///
    /// # Errors
    /// The database's.
    pub fn silence(&self, owner: &Owner) -> Result<Silence, Error> {
        let owner = owner.to_string();
        let sql = "SELECT body FROM silence WHERE owner = $1";
        self.read(|session| Ok(one(session, sql, &owner)?.unwrap_or_default()))
    }
}

const MUTED_MAX: usize = 1000;
