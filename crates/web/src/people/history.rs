//! What an owner was told, and why: or why not.

use jiff::Timestamp;
use notify::{
    rule::{Facts, Owner},
    store::{Told, ToldTo},
};
use serde_json::{Value, json};

use super::{
    call::{Answer, Call, Outcome},
    owner::Act,
    reference,
    refusal::Refusal,
};
use crate::{entry::Entry, shown, view::event_href};
use std::sync::Arc;

/// One line of the history, with what is still known of its event.
pub(crate) struct Line {
    pub(crate) told: ToldTo,
    pub(crate) entry: Option<Arc<Entry>>,
}

pub(crate) fn list(call: &Call) -> Outcome {
    let (lines, next) = lines(call)?;
    let notices: Vec<Value> = lines
        .iter()
        .map(|Line { told, entry }| {
            let mut said = json!({
                "event": told.event_id,
                "place": told.told.place,
                "owners": told.told.owners,
                "at": told.told.at.to_string(),
                "answer": told.told.answer,
            });
            if let Some(entry) = entry {
                said["summary"] = shown::line(&entry.description.summary, 400).into();
                said["path"] = event_href(&entry.key).into();
            }
            said
        })
        .collect();
    Ok(Answer::Json(json!({"notices": notices, "next": next})))
}

/// The newest first; and where the next page begins.
pub(crate) fn lines(call: &Call) -> Result<(Vec<Line>, Option<u64>), Refusal> {
    let owner = call.authorized(&*call.people.stores.look()?, Act::Change)?;
    let limit = call.number("limit")?.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let Some(outbox) = call.people.stores.look_at_outbox()? else { return Ok((Vec::new(), None)) };
    let told = outbox.told_to(&owner, call.number("before")?, limit)?;
    let next = told.last().filter(|_| told.len() == limit).map(|last| last.seq);
    let line = |told: ToldTo| Line { entry: find(call, &told.event_id), told };
    Ok((told.into_iter().map(line).collect(), next))
}

/// The kept event of an id, or of a page's key.
fn find(call: &Call, event: &str) -> Option<Arc<Entry>> {
    call.feed.get(event).or_else(|| call.feed.by_id(event))
}

/// What somebody's rules say of an event, and what became of it.
pub(crate) struct Why {
    pub(crate) entry: Option<Arc<Entry>>,
    pub(crate) event_id: String,
    /// A rule's id, name and owner, and its verdict; those that want it first.
    pub(crate) rules: Vec<Value>,
    pub(crate) told: Vec<Told>,
}

pub(crate) fn why(call: &Call) -> Outcome {
    let Why { entry, event_id, rules, told } = look(call, call.place("event"))?;
    let told: Vec<Value> = told
        .iter()
        .map(|told| {
            json!({
                "place": told.place,
                "owners": told.owners,
                "at": told.at.to_string(),
                "answer": told.answer,
                "waits": told.waits,
            })
        })
        .collect();
    let event = match entry {
        None => json!({"id": event_id}),
        Some(entry) => json!({
            "id": event_id,
            "topic": entry.event.topic.as_str(),
            "summary": shown::line(&entry.description.summary, 400),
            "path": event_href(&entry.key),
        }),
    };
    Ok(Answer::Json(json!({"event": event, "rules": rules, "told": told})))
}

/// Asks the rules of the owner and of their groups.
///
/// # Errors
/// The event is not kept any more, and nothing of it was told.
pub(crate) fn look(call: &Call, event: &str) -> Result<Why, Refusal> {
    let store = call.people.stores.look()?;
    let owner = call.authorized(&store, Act::See)?;
    let entry = find(call, event);
    let event_id = entry.as_ref().map_or(event, |entry| entry.event.id.as_str()).to_owned();
    let directory = store.directory()?;
    let mut owners = vec![owner.clone()];
    if let Owner::Person(name) = &owner {
        let groups = directory.groups_of(name).iter();
        owners.extend(groups.map(|group| Owner::Group(group.to_string())));
    }
    let mut rules = Vec::new();
    if let Some(entry) = &entry {
        let facts = Facts::new(&entry.event, &entry.description);
        for owner in &owners {
            let silence = store.silence(owner)?;
            for rule in store.rules(Some(owner))? {
                if rules.len() >= WHY_RULES_MAX {
                    break;
                }
                let verdict = rule.judge(&facts, &directory, &silence, Timestamp::now());
                let mut verdict = verdict.map_err(Refusal::unfit)?;
                for to in &mut verdict.to {
                    *to = reference::shown(to);
                }
                let mut said = serde_json::to_value(&verdict).unwrap_or_default();
                said["rule"] = rule.id.as_str().into();
                said["name"] = rule.name.as_str().into();
                said["owner"] = owner.to_string().into();
                rules.push(said);
            }
        }
        rules.sort_by_key(|rule| rule["matches"] == false);
    }
    let names: Vec<String> = owners.iter().map(ToString::to_string).collect();
    let outbox = call.people.stores.look_at_outbox()?;
    let mut told = outbox.map_or(Ok(Vec::new()), |outbox| outbox.told(&event_id))?;
    told.retain(|told| told.owners.iter().any(|owner| names.contains(owner)));
    if entry.is_none() && told.is_empty() {
        return Err(Refusal::not_found(
            "This event is not kept here any more, and nothing of it was told.",
        ));
    }
    Ok(Why { entry, event_id, rules, told })
}

/// Rules that are asked for one event; each is compiled for it.
const WHY_RULES_MAX: usize = 1000;
const PAGE_DEFAULT: u64 = 50;
const PAGE_MAX: u64 = 200;
