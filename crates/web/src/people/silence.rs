//! What an owner does not want to hear of now: pause, snooze, mutes.

use jiff::{SignedDuration, Timestamp};
use notify::store::Silence;
use serde::Deserialize;
use serde_json::Value;

use super::{
    call::{Answer, Call, Outcome},
    owner::Act,
    refusal::Refusal,
};

/// What is to change; what is left out stays.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Change {
    /// Tell nothing, until this is taken back.
    pub(crate) paused: Option<bool>,
    /// Tell nothing for so long; 0: tell again.
    pub(crate) snooze_minutes: Option<u32>,
    /// Tell nothing of these objects.
    pub(crate) mute: Vec<String>,
    /// Tell of them again.
    pub(crate) unmute: Vec<String>,
}

pub(crate) fn get(call: &Call) -> Outcome {
    let store = call.people.stores.look()?;
    let owner = call.authorized(&store, Act::See)?;
    Ok(Answer::Json(shown(&store.silence(&owner)?)))
}

pub(crate) fn change(call: &Call) -> Outcome {
    let wanted = call.json()?;
    Ok(Answer::Json(shown(&apply(call, wanted)?)))
}

/// Changes it; what holds then.
pub(crate) fn apply(call: &Call, wanted: Change) -> Result<Silence, Refusal> {
    let store = call.people.stores.change()?;
    let owner = call.authorized(&store, Act::Change)?;
    let mut silence = store.silence(&owner)?;
    if let Some(paused) = wanted.paused {
        silence.paused = paused;
    }
    match wanted.snooze_minutes {
        None => {}
        Some(0) => silence.snoozed_until = None,
        Some(minutes) if minutes > SNOOZE_MINUTES_MAX => {
            let said = "A snooze is 31 days at most; for longer, pause.";
            return Err(Refusal::unfit(said));
        }
        Some(minutes) => {
            let time = SignedDuration::from_mins(i64::from(minutes));
            silence.snoozed_until = Timestamp::now().checked_add(time).ok();
        }
    }
    for object in wanted.mute {
        let object = object.trim();
        if object.is_empty() || object.len() > 1000 || object.contains(char::is_control) {
            let said = "An object is a line of up to 1000 bytes: git/kernel.";
            return Err(Refusal::unfit(said));
        }
        if silence.muted.iter().all(|muted| muted != object) {
            silence.muted.push(object.to_owned());
        }
    }
    silence.muted.retain(|muted| !wanted.unmute.contains(muted));
    store.put_silence(&owner, &silence)?;
    Ok(silence)
}

fn shown(silence: &Silence) -> Value {
    let mut said = serde_json::to_value(silence).unwrap_or_default();
    said["snoozed_until"] = silence.snoozed_until.map(|until| until.to_string()).into();
    said
}

const SNOOZE_MINUTES_MAX: u32 = 31 * 24 * 60;
