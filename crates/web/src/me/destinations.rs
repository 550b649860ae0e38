//! The page of destinations: add one, type the code that came there, remove one.

use axum::http::StatusCode;
use minijinja::{Value as Rendered, context};

use super::{
    Shown,
    form::Form,
    frame::{self, suffix},
};
use crate::{
    people::{
        call::{Answer, Call},
        destinations,
        owner::Act,
        reference,
        refusal::Refusal,
    },
    shown,
};

pub(crate) fn list(call: &Call) -> Result<Shown, Refusal> {
    Ok(Shown::Page(page(call, &Said::default())?))
}

/// What is said above the list.
#[derive(Default)]
struct Said {
    problem: Option<String>,
    /// A webhook's, shown once, to who added it.
    secret: Option<String>,
    /// A feed's, shown once, too.
    addresses: Vec<String>,
    typed: String,
}

pub(crate) fn act(call: &Call, form: &Form) -> Result<Shown, Refusal> {
    let (id, kind, address) = (form.text("id"), form.text("kind"), form.text("address"));
    let typed = match kind {
        "" => id.to_owned(),
        kind => format!("{kind}:{address}"),
    };
    let done = match form.text("act") {
        "verify" => destinations::finish(call, id, form.text("code")),
        "remove" => destinations::take_away(call, id),
        "feed" => destinations::begin(call, "feed:"),
        "browser" => destinations::add_browser(call, form.text("subscription")),
        "again" => {
            // The page has references; who waits, or is there, is known here by its id.
            let owner = call.owner()?;
            let mut known = call.people.codes.waiting(&owner.to_string());
            let there = call.people.stores.look()?.destinations(&owner)?;
            known.extend(there.into_iter().map(|one| one.id));
            let meant = known.iter().find(|one| reference::name(one) == id);
            destinations::begin(call, meant.map_or(id, String::as_str))
        }
        _ => destinations::begin(call, &typed),
    };
    match done {
        Ok(Answer::Made(added))
            if ["secret", "addresses"].iter().any(|it| added.get(it).is_some()) =>
        {
            let secret = added["secret"].as_str().map(str::to_owned);
            let addresses = added["addresses"].as_array().into_iter().flatten();
            let addresses = addresses.filter_map(|it| it.as_str().map(str::to_owned)).collect();
            let said = Said { secret, addresses, ..Said::default() };
            Ok(Shown::Page(page(call, &said)?))
        }
        Ok(_) => Ok(Shown::Elsewhere(format!("/me/destinations{}", suffix(call)))),
        Err(refusal) => {
            let is_theirs = [
                StatusCode::UNPROCESSABLE_ENTITY,
                StatusCode::TOO_MANY_REQUESTS,
                StatusCode::NOT_FOUND,
            ];
            if !is_theirs.contains(&refusal.status) {
                return Err(refusal);
            }
            let problem = Some(shown::line(&refusal.reason, 600));
            let said = Said { problem, typed: address.to_owned(), ..Said::default() };
            Ok(Shown::Problem(refusal.status, page(call, &said)?))
        }
    }
}

fn page(call: &Call, said: &Said) -> Result<String, Refusal> {
    let store = call.people.stores.look()?;
    let owner = call.authorized(&store, Act::Change)?;
    let place = |id: &str| {
        context! { id => reference::name(id), shown => shown::line(&reference::shown(id), 200) }
    };
    let all: Vec<Rendered> = store
        .destinations(&owner)?
        .iter()
        .map(|one| context! { enabled => one.enabled, ..place(&one.id) })
        .collect();
    let waiting = call.people.codes.waiting(&owner.to_string());
    let waiting: Vec<Rendered> = waiting.iter().map(|id| place(id)).collect();
    let kinds: Vec<&str> = destinations::addable(call).map(notify::Kind::name).collect();
    let rest = context! {
        all, waiting, kinds,
        problem => said.problem.clone(),
        secret => said.secret.clone(),
        addresses => said.addresses.clone(),
        push_key => call.people.ways.push_key.clone(),
        has_feeds => call.people.ways.kinds.contains(&notify::Kind::Feed),
        typed => shown::line(&said.typed, 500),
    };
    frame::page(call, "destinations", rest)
}
