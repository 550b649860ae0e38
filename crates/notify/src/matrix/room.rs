//! The room in which an address is told: the direct one with a user, found or made; one that is
//! named, joined. Never one that is encrypted: what is said there would not be.

use http_door::call::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::{
    address::Sigil,
    homeserver::{Answer, Homeserver},
};
use crate::Failure;

/// Finds rooms, and makes them.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    /// The list of direct rooms is read, changed and written: by one at a time.
    turn: Mutex<()>,
}

/// Why there is no room. A limit is in its answer.
#[derive(Debug)]
pub(crate) enum NoRoom {
    Failed(Failure),
    Answered(&'static str, Answer),
}

impl From<Failure> for NoRoom {
    fn from(failure: Failure) -> NoRoom {
        NoRoom::Failed(failure)
    }
}

impl Rooms {
    /// The room of an address.
    pub(crate) async fn find(
        &self,
        home: &Homeserver,
        sigil: Sigil,
        address: &str,
    ) -> Result<String, NoRoom> {
        match sigil {
            Sigil::User => self.direct(home, address).await,
            Sigil::Room | Sigil::Alias => {
                let empty = json!({});
                let answer = home.ask(Method::POST, &["join", address], Some(&empty)).await?;
                match room_id(&answer) {
                    Some(room) => Ok(room),
                    None => Err(NoRoom::Answered("joining", answer)),
                }
            }
        }
    }

    async fn direct(&self, home: &Homeserver, user: &str) -> Result<String, NoRoom> {
        let _turn = self.turn.lock().await;
        let me = home.user().await?;
        let path = ["user", &me, "account_data", "m.direct"];
        let answer = home.ask(Method::GET, &path, None).await?;
        let mut directs = match (answer.status, &answer.body) {
            (404, _) => json!({}),
            (200, Value::Object(_)) => answer.body,
            // Written anew, it would lose what could not be read.
            _ => return Err(NoRoom::Answered("the list of direct rooms", answer)),
        };
        let mut encrypted = None;
        let rooms = directs[user].as_array().cloned().unwrap_or_default();
        let newest = rooms.iter().rev().filter_map(Value::as_str).filter(|id| id.starts_with('!'));
        for room in newest.take(LOOKED_AT_MAX) {
            if !(is_in(home, room, &me).await? && is_in_or_invited(home, room, user).await?) {
                continue;
            }
            match is_encrypted(home, room).await? {
                false => return Ok(room.to_owned()),
                true => encrypted = Some(room.to_owned()),
            }
        }
        // They chose to read it encrypted; another room would go behind their back.
        if let Some(room) = encrypted {
            return Err(NoRoom::Failed(refused_encrypted(&room)));
        }
        let answer = home.ask(Method::GET, &["profile", user], None).await?;
        if answer.status == 404 {
            return Err(NoRoom::Answered("the profile", answer));
        }
        let wanted = json!({"preset": "trusted_private_chat", "is_direct": true, "invite": [user]});
        let answer = home.ask(Method::POST, &["createRoom"], Some(&wanted)).await?;
        let Some(room) = room_id(&answer) else {
            return Err(NoRoom::Answered("making a room", answer));
        };
        match directs[user].as_array_mut() {
            Some(rooms) => rooms.push(room.as_str().into()),
            None => directs[user] = json!([room]),
        }
        let answer = home.ask(Method::PUT, &path, Some(&directs)).await?;
        if !answer.is_good() {
            // Told all the same; it is made again when this process has forgotten it.
            tracing::warn!("Matrix: a direct room is not in the list: {}", answer.said());
        }
        Ok(room)
    }
}

/// Whether somebody reads along.
///
/// # Errors
/// It cannot be known now.
pub(crate) async fn is_in_or_invited(
    home: &Homeserver,
    room: &str,
    user: &str,
) -> Result<bool, Failure> {
    Ok(matches!(membership(home, room, user).await?.as_str(), "join" | "invite"))
}

async fn is_in(home: &Homeserver, room: &str, user: &str) -> Result<bool, Failure> {
    Ok(membership(home, room, user).await? == "join")
}

async fn membership(home: &Homeserver, room: &str, user: &str) -> Result<String, Failure> {
    let answer = state(home, room, &["m.room.member", user]).await?;
    Ok(answer.body["membership"].as_str().unwrap_or_default().to_owned())
}

/// Whether what is said in a room has to be encrypted. Once so, always so.
///
/// # Errors
/// It cannot be known now.
pub(crate) async fn is_encrypted(home: &Homeserver, room: &str) -> Result<bool, Failure> {
    let answer = state(home, room, &["m.room.encryption", ""]).await?;
    Ok(answer.is_good())
}

/// A piece of a room's state; good, not there, or not for us (403). Anything else is no answer:
/// what a proxy does not find may be there.
async fn state(home: &Homeserver, room: &str, key: &[&str]) -> Result<Answer, Failure> {
    let path: Vec<&str> = ["rooms", room, "state"].iter().chain(key).copied().collect();
    let answer = home.ask(Method::GET, &path, None).await?;
    match (answer.status, answer.code()) {
        (200, _) | (403, "M_FORBIDDEN") | (404, "M_NOT_FOUND") => Ok(answer),
        _ => Err(Failure::Away(format!("the homeserver {}", answer.said()))),
    }
}

/// What is said instead of telling it there.
pub(crate) fn refused_encrypted(room: &str) -> Failure {
    Failure::Refused(format!(
        "room {room} is encrypted, and Tubepost does not encrypt; leave it, or name a room that is \
         not"
    ))
}

fn room_id(answer: &Answer) -> Option<String> {
    let id = answer.body["room_id"].as_str()?;
    (answer.is_good() && id.starts_with('!') && id.len() <= 255).then(|| id.to_owned())
}

const LOOKED_AT_MAX: usize = 5;
