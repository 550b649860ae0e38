//! The page of silence: pause everything, snooze, mute an object.

use jiff::Timestamp;
use minijinja::{context, value::Serde};

use super::{
    Shown,
    form::Form,
    frame::{self, suffix},
};
use crate::{
    people::{
        call::Call,
        owner::Act,
        refusal::Refusal,
        silence::{self, Change},
    },
    shown,
    view::TimeView,
};

pub(crate) fn show(call: &Call) -> Result<Shown, Refusal> {
    Ok(Shown::Page(page(call, None)?))
}

pub(crate) fn act(call: &Call, form: &Form) -> Result<Shown, Refusal> {
    let mut wanted = Change::default();
    match form.text("act") {
        "pause" => wanted.paused = Some(true),
        "resume" => (wanted.paused, wanted.snooze_minutes) = (Some(false), Some(0)),
        "snooze" => {
            let minutes = form.text("minutes").parse();
            wanted.snooze_minutes =
                Some(minutes.map_err(|_| Refusal::unfit("Say for how many minutes."))?);
        }
        "mute" => wanted.mute = vec![form.text("object").to_owned()],
        "unmute" => wanted.unmute = vec![form.get("object").unwrap_or_default().to_owned()],
        _ => return Err(Refusal::bad_request("This form asks for nothing.")),
    }
    match silence::apply(call, wanted) {
        Ok(_) => Ok(Shown::Elsewhere(format!("/me/quiet{}", suffix(call)))),
        Err(refusal) if refusal.status == axum::http::StatusCode::UNPROCESSABLE_ENTITY => {
            Ok(Shown::Problem(refusal.status, page(call, Some(&refusal.reason))?))
        }
        Err(refusal) => Err(refusal),
    }
}

fn page(call: &Call, problem: Option<&str>) -> Result<String, Refusal> {
    let store = call.people.stores.look()?;
    let owner = call.authorized(&store, Act::See)?;
    let silence = store.silence(&owner)?;
    let now = Timestamp::now();
    let until = silence.snoozed_until.filter(|until| now < *until);
    let muted: Vec<String> = silence.muted.clone();
    let rest = context! {
        paused => silence.paused,
        until => until.map(|until| Serde(TimeView::new(until, now))),
        muted,
        problem => problem.map(|problem| shown::line(problem, 600)),
    };
    frame::page(call, "quiet", rest)
}
