//! A notice that no rule asked for: what a person has to be told to add an address.

use std::collections::BTreeMap;

use event::Event;
use jiff::Timestamp;

use super::{Letter, Round};
use crate::{
    Place,
    holder::Holder,
    rule::Owner,
    store::{Error, Store},
};

impl Store {
    /// Keeps a notice in this outbox, to be told at once by any notifier on it. `why` stands where
    /// a rule's name would; `owner` finds it in their history.
    ///
    /// # Errors
    /// The database's.
    pub fn tell(&self, event: Event, to: &Place, why: &str, owner: &Owner) -> Result<(), Error> {
        let now = Timestamp::now();
        let letter = Letter::unasked(event, to, why, owner, now);
        // It is handed out to nobody here: there is room for nothing.
        let round = Round { letters: vec![letter], room: BTreeMap::new(), ..Round::default() };
        self.round(&round, &Holder::new(), now).map(drop)
    }
}
