//! Matrix as a destination: the client-server API of the one homeserver of the configuration. An
//! address is a user, told in the direct room with them, or a room. Nothing is said in encrypted
//! ones.

mod address;
mod body;
mod homeserver;
mod room;
mod settings;

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use http_door::call::Method;

pub(crate) use address::check as check_address;
pub use settings::{Matrix, MatrixSettings};

use crate::{
    Destination, Error, Failure, Notice, Templates,
    answer::{Meaning, Waits},
};
use address::Sigil;
use homeserver::{Answer, Homeserver};
use room::{NoRoom, Rooms, is_encrypted, is_in_or_invited, refused_encrypted};

/// Tells notices in rooms of Matrix.
#[derive(Debug)]
pub struct MatrixMessenger {
    home: Homeserver,
    rooms: Rooms,
    /// Where addresses were told before.
    known: Mutex<HashMap<String, String>>,
    waits: Waits,
    templates: Templates,
}

impl MatrixMessenger {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// [`Error::Settings`] when there is no authority to trust.
    pub fn new(matrix: &Matrix) -> Result<MatrixMessenger, Error> {
        Ok(MatrixMessenger {
            home: Homeserver::new(matrix)?,
            rooms: Rooms::default(),
            known: Mutex::default(),
            waits: Waits::default(),
            templates: matrix.templates.clone(),
        })
    }

    /// The room of an address, in which somebody reads what is said.
    async fn room(&self, sigil: Sigil, address: &str, shown: &str) -> Result<String, Failure> {
        let known = self.known().get(address).cloned();
        if let Some(room) = known {
            if sigil != Sigil::User || is_in_or_invited(&self.home, &room, address).await? {
                return Ok(room);
            }
            self.known().remove(address);
        }
        let room = match self.rooms.find(&self.home, sigil, address).await {
            Ok(room) => room,
            Err(NoRoom::Failed(failure)) => return Err(failure),
            Err(NoRoom::Answered(what, answer)) => {
                return Err(self.no_room(address, shown, what, &answer));
            }
        };
        let mut known = self.known();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(address.to_owned(), room.clone());
        Ok(room)
    }

    /// Limits of joining and inviting are for this address, and others' servers may be away.
    fn no_room(&self, address: &str, shown: &str, what: &str, answer: &Answer) -> Failure {
        let why = format!("{shown}: {what}: the homeserver {}", answer.said());
        if let Some(wait) = answer.wait {
            self.waits.begin(address, wait);
        }
        match (answer.status, answer.code()) {
            (403, _) => Failure::Deferred(format!("{why}; invite it to the room")),
            (400..=499, "") => {
                Failure::Away(format!("{why}; check notify.matrix.url, the homeserver's root"))
            }
            (404, _) => Failure::Bounced(why),
            (status, _) => match Meaning::of(status) {
                Meaning::Never => Failure::Refused(why),
                _ => Failure::Deferred(why),
            },
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Destination for MatrixMessenger {
    async fn deliver(&self, notice: &Notice) -> Result<(), Failure> {
        let (address, shown) = (notice.to.address(), notice.to.shown());
        let sigil =
            address::check(address).map_err(|why| Failure::Refused(format!("{shown} {why}")))?;
        // How much may be said is limited for the user, whatever the room.
        let away = |failure: Failure| Failure::Away(failure.to_string());
        self.waits.check("", "the homeserver").map_err(away)?;
        self.waits.check(address, &shown)?;
        let room = self.room(sigil, address, &shown).await?;
        // Each time: it may be so since a moment ago, and never ends.
        if is_encrypted(&self.home, &room).await? {
            return Err(refused_encrypted(&room));
        }
        let key = notice.key().to_string();
        let path = ["rooms", &room, "send", "m.room.message", &key];
        let answer = self
            .home
            .ask(Method::PUT, &path, Some(&body::message(notice, &self.templates)))
            .await?;
        if answer.is_good() {
            return Ok(());
        }
        let why = format!("{shown}: the homeserver {}", answer.said());
        match (answer.status, answer.code()) {
            // Thrown out of the room, or silenced in it.
            (403, _) => {
                self.known().remove(address);
                Err(Failure::Deferred(format!("{why}; let it into the room, and speak there")))
            }
            (404, _) => {
                self.known().remove(address);
                Err(Failure::Deferred(why))
            }
            (status, _) => match Meaning::of(status) {
                Meaning::Never => Err(Failure::Refused(why)),
                _ => {
                    if let Some(wait) = answer.wait {
                        self.waits.begin("", wait);
                    }
                    Err(Failure::Away(why))
                }
            },
        }
    }
}

const KNOWN_MAX: usize = 10_000;
