//! Connections to the bus for those who publish by HTTP: each user's own, with their own login, so
//! that the bus decides what they may. Kept for a while, as a login takes its time.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use client::{BusUrl, Error, Publisher};
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use crate::limits::PUBLISHERS_MAX;

/// A name and a password, as a request has them.
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: String,
}

/// The connections there are.
#[derive(Debug)]
pub(crate) struct Publishers {
    bus: BusUrl,
    kept: Mutex<Vec<Kept>>,
}

#[derive(Debug)]
struct Kept {
    /// With the login it was made with.
    bus: BusUrl,
    publisher: Publisher,
    since: Instant,
}

impl Publishers {
    pub(crate) fn new(bus: BusUrl) -> Publishers {
        Publishers { bus, kept: Mutex::default() }
    }

    /// The connection of a user, made if there is none.
    ///
    /// # Errors
    /// The bus is away, or refuses the login.
    pub(crate) async fn of(&self, who: &Credentials) -> Result<Publisher, Error> {
        if let Some(publisher) = self.kept(who) {
            return Ok(publisher);
        }
        let bus = self.bus.with_login(&who.user, &who.password);
        let publisher = Publisher::connect(&bus, APP).await?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|kept| kept.bus.user() != who.user);
        if kept.len() >= PUBLISHERS_MAX {
            // The oldest: they stand in the order in which they were made. Who publishes by it at
            // this moment has a clone.
            kept.remove(0);
        }
        kept.push(Kept { bus, publisher: publisher.clone(), since: Instant::now() });
        Ok(publisher)
    }

    /// Lets go of a user's connection: what it was good for is over.
    pub(crate) fn forget(&self, who: &Credentials) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|kept| kept.bus.user() != who.user);
    }

    fn kept(&self, who: &Credentials) -> Option<Publisher> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|kept| kept.since.elapsed() < KEPT_FOR);
        let is_theirs = |kept: &&Kept| {
            let password = kept.bus.password().as_bytes();
            kept.bus.user() == who.user && bool::from(password.ct_eq(who.password.as_bytes()))
        };
        kept.iter().find(is_theirs).map(|kept| kept.publisher.clone())
    }
}

/// How long a login is believed: a password that was changed is good for so long.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// How the connections are called in the broker's list.
const APP: &str = "tubepost http";
