//! Rules of an owner.

use notify::{
    rule::{Condition, Fault, Outlet, Owner, Rule, VERSION},
    store::Store,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    call::{Answer, Call, Outcome},
    owner::Act,
    reference,
    refusal::Refusal,
};

/// A rule as it is sent: what the address says need not be in it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    #[serde(default = "version")]
    version: u32,
    #[serde(default)]
    id: String,
    owner: Option<Owner>,
    #[serde(default)]
    name: String,
    #[serde(default = "yes")]
    enabled: bool,
    what: Condition,
    #[serde(default)]
    outlets: Vec<Outlet>,
}

impl Document {
    /// Reads one.
    ///
    /// # Errors
    /// It is no JSON, or not of this form: with line and column.
    pub(crate) fn read(body: &[u8]) -> Result<Document, Refusal> {
        serde_json::from_slice(body)
            .map_err(|error| Refusal::of_faults(vec![Fault::syntax(&error)]))
    }

    /// The rule of an owner, under this id.
    pub(crate) fn rule(self, owner: Owner, id: &str) -> Result<Rule, Refusal> {
        let Document { version, id: said, owner: of, name, enabled, what, outlets } = self;
        if of.is_some_and(|of| of != owner) || (!said.is_empty() && said != id) {
            let said = "The rule says another owner or id than the address; leave them out.";
            return Err(Refusal::unfit(said));
        }
        Ok(Rule { version, id: id.to_owned(), owner, name, enabled, what, outlets })
    }
}

fn version() -> u32 {
    VERSION
}

fn yes() -> bool {
    true
}

/// A rule as it is given: secrets of its destinations by reference.
pub(crate) fn shown(rule: Rule) -> Value {
    serde_json::to_value(reference::named(rule)).unwrap_or_default()
}

pub(crate) fn list(call: &Call) -> Outcome {
    let store = call.people.stores.look()?;
    let owner = call.authorized(&store, Act::See)?;
    let rules: Vec<Value> = store.rules(Some(&owner))?.into_iter().map(shown).collect();
    Ok(Answer::Json(json!({ "rules": rules })))
}

/// Everybody's, for operators.
pub(crate) fn list_all(call: &Call) -> Outcome {
    call.operator("all rules")?;
    let after = call.parameter("after").unwrap_or_default().to_owned();
    let limit = call.number("limit")?.unwrap_or(PAGE).min(PAGE);
    let mut rules = call.people.stores.look()?.rules(None)?;
    rules.retain(|rule| key(rule) > after);
    rules.sort_by_cached_key(key);
    let has_more = rules.len() as u64 > limit;
    rules.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = rules.last().filter(|_| has_more).map(key);
    let rules: Vec<Value> = rules.into_iter().map(shown).collect();
    Ok(Answer::Json(json!({ "rules": rules, "next": next })))
}

fn key(rule: &Rule) -> String {
    format!("{} {}", rule.owner, rule.id)
}

pub(crate) fn get(call: &Call) -> Outcome {
    let store = call.people.stores.look()?;
    let owner = call.authorized(&store, Act::See)?;
    Ok(Answer::Json(shown(find(&store, &owner, call.place("id"))?)))
}

pub(crate) fn add(call: &Call) -> Outcome {
    let store = call.people.stores.change()?;
    let owner = call.authorized(&store, Act::Change)?;
    let rule = Document::read(&call.body)?.rule(owner, "")?;
    Ok(Answer::Made(shown(keep(call, &store, rule)?)))
}

pub(crate) fn put(call: &Call) -> Outcome {
    let store = call.people.stores.change()?;
    let owner = call.authorized(&store, Act::Change)?;
    let before = find(&store, &owner, call.place("id"))?;
    let rule = Document::read(&call.body)?.rule(owner, &before.id)?;
    Ok(Answer::Json(shown(keep(call, &store, rule)?)))
}

/// Checks a rule and keeps it.
pub(crate) fn keep(call: &Call, store: &Store, rule: Rule) -> Result<Rule, Refusal> {
    let destinations = store.destinations(&rule.owner)?;
    let rule = reference::resolved(rule, &destinations).map_err(Refusal::of_faults)?;
    if let Owner::Person(name) = &rule.owner {
        store.add_person(name)?;
    }
    let rule = store.put_rule(rule)?;
    tracing::info!(rule = rule.id, owner = %rule.owner, by = call.visitor.account.name, "rule kept");
    Ok(rule)
}

pub(crate) fn remove(call: &Call) -> Outcome {
    let store = call.people.stores.change()?;
    let owner = call.authorized(&store, Act::Change)?;
    let rule = find(&store, &owner, call.place("id"))?;
    store.remove_rule(&rule.id)?;
    tracing::info!(rule = rule.id, %owner, by = call.visitor.account.name, "rule removed");
    Ok(Answer::Done)
}

pub(crate) fn enable(call: &Call) -> Outcome {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        enabled: bool,
    }
    let store = call.people.stores.change()?;
    let owner = call.authorized(&store, Act::Change)?;
    let rule = find(&store, &owner, call.place("id"))?;
    let Wanted { enabled } = call.json()?;
    Ok(Answer::Json(shown(keep(call, &store, Rule { enabled, ..rule })?)))
}

/// The rule of an id, if it is this owner's.
pub(crate) fn find(store: &Store, owner: &Owner, id: &str) -> Result<Rule, Refusal> {
    let rule = store.rule(id)?.filter(|rule| rule.owner == *owner);
    rule.ok_or_else(|| Refusal::not_found(format!("{owner} has no rule of this id.")))
}

/// Rules in one answer to an operator.
const PAGE: u64 = 1000;
