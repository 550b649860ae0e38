//! The pages of rules: the list, and one rule as a form or as JSON, with its preview.

use axum::http::StatusCode;
use minijinja::{Value as Rendered, context};
use notify::{
    Preview,
    rule::{Owner, Rule},
};
use serde_json::json;

use super::{
    Shown,
    form::Form,
    frame::{self, suffix},
    rule_form::{OutletForm, RuleForm},
    words,
};
use crate::{
    people::{
        call::Call,
        owner::Act,
        preview, reference,
        refusal::Refusal,
        rules::{self, Document},
    },
    shown,
};

pub(crate) fn list(call: &Call) -> Result<Shown, Refusal> {
    let store = call.people.stores.look()?;
    let owner = call.authorized(&store, Act::See)?;
    let rows: Vec<Rendered> = store
        .rules(Some(&owner))?
        .iter()
        .map(|rule| {
            context! {
                id => rule.id.clone(),
                name => shown::line(&rule.name, 100),
                enabled => rule.enabled,
                what => shown::line(&words::what(&rule.what), 300),
                outlets => rule.outlets.iter().take(8).map(|outlet| {
                    shown::line(&words::outlet(outlet), 300)
                }).collect::<Vec<_>>(),
            }
        })
        .collect();
    let silence = store.silence(&owner)?;
    let is_silent =
        silence.paused || silence.snoozed_until.is_some_and(|until| jiff::Timestamp::now() < until);
    let has_places = !store.destinations(&owner)?.is_empty();
    let rest = context! { rows, is_silent, has_places };
    Ok(Shown::Page(frame::page(call, "rules", rest)?))
}

/// A button of the list.
pub(crate) fn act(call: &Call, form: &Form) -> Result<Shown, Refusal> {
    let store = call.people.stores.change()?;
    let owner = call.authorized(&store, Act::Change)?;
    let rule = rules::find(&store, &owner, form.text("id"))?;
    match form.text("act") {
        "remove" => drop(store.remove_rule(&rule.id)?),
        act => drop(rules::keep(call, &store, Rule { enabled: act == "enable", ..rule })?),
    }
    Ok(Shown::Elsewhere(format!("/me/rules{}", suffix(call))))
}

/// What a rule's page shows.
struct Sheet {
    id: String,
    form: RuleForm,
    /// As JSON, when it is edited so.
    json: Option<String>,
    /// A form cannot say it.
    only_json: bool,
    faults: Vec<String>,
    preview: Option<Preview>,
}

impl Sheet {
    fn of(id: &str, form: RuleForm) -> Sheet {
        let (faults, id) = (Vec::new(), id.to_owned());
        Sheet { id, form, json: None, only_json: false, faults, preview: None }
    }

    fn page(self, call: &Call) -> Result<String, Refusal> {
        let store = call.people.stores.look()?;
        let owner = call.authorized(&store, Act::See)?;
        let mut places: Vec<(String, String)> = Vec::new();
        for one in store.destinations(&owner)? {
            let all = format!("@{}", one.kind());
            // All addresses of a kind are one choice, too: also those that are added later.
            if places.iter().all(|(name, _)| *name != all) {
                places.push((all.clone(), words::place(&all)));
            }
            places.push((reference::name(&one.id), shown::line(&one.shown(), 200)));
        }
        let rest = context! {
            id => self.id,
            form => self.form.shown(&places),
            json => self.json,
            only_json => self.only_json,
            faults => self.faults,
            has_places => !places.is_empty(),
            preview => self.preview.as_ref().map(previewed),
        };
        frame::page(call, "rule", rest)
    }
}

fn previewed(preview: &Preview) -> Rendered {
    let most = preview.days.values().copied().max().unwrap_or(1).max(1);
    let days: Vec<Rendered> = preview
        .days
        .iter()
        .map(|(day, count)| context! { day => day, count => count, most => most })
        .collect();
    let last: Vec<Rendered> = preview
        .last
        .iter()
        .rev()
        .map(|past| {
            context! {
                summary => shown::line(&past.summary, 300),
                topic => shown::line(&past.topic, 255),
                at => past.sent_at.clone(),
                href => crate::entry::key_of_id(&past.id).map(|key| format!("/events/{key}")),
            }
        })
        .collect();
    context! {
        events => preview.events,
        matched => preview.matched,
        days, last,
        failed => preview.failed,
        failure => preview.failure.as_deref().map(|why| shown::line(why, 400)),
    }
}

pub(crate) fn new(call: &Call) -> Result<Shown, Refusal> {
    let store = call.people.stores.look()?;
    let owner = call.authorized(&store, Act::Change)?;
    // Where most want it; who does not takes it out.
    let has_mail = store.destinations(&owner)?.iter().any(|one| one.kind() == "mail");
    let to = if has_mail { vec!["@mail".to_owned()] } else { Vec::new() };
    let mut sheet = Sheet::of("", RuleForm::blank(to));
    if call.parameter("as") == Some("json") {
        let what = json!({"all": [{"people": ["@me"]}]});
        let example = json!({"name": "about me", "what": what, "outlets": [{"to": ["@mail"]}]});
        sheet.json = serde_json::to_string_pretty(&example).ok();
    }
    Ok(Shown::Page(sheet.page(call)?))
}

pub(crate) fn edit(call: &Call) -> Result<Shown, Refusal> {
    let store = call.people.stores.look()?;
    let owner = call.authorized(&store, Act::See)?;
    let rule = reference::named(rules::find(&store, &owner, call.place("id"))?);
    let form = RuleForm::of(&rule);
    let mut sheet = Sheet::of(&rule.id, form.clone().unwrap_or_default());
    sheet.only_json = form.is_none();
    if form.is_none() || call.parameter("as") == Some("json") {
        sheet.json = Some(as_text(&rule));
    }
    Ok(Shown::Page(sheet.page(call)?))
}

/// What somebody edits: without what the address says.
fn as_text(rule: &Rule) -> String {
    let mut json = serde_json::to_value(rule).unwrap_or_default();
    if let Some(fields) = json.as_object_mut() {
        ["id", "owner", "version"].iter().for_each(|key| drop(fields.remove(*key)));
    }
    serde_json::to_string_pretty(&json).unwrap_or_default()
}

pub(crate) fn save_new(call: &Call, form: &Form) -> Result<Shown, Refusal> {
    let owner = call.authorized(&*call.people.stores.look()?, Act::Change)?;
    sent(call, form, owner, "", true)
}

pub(crate) fn save(call: &Call, form: &Form) -> Result<Shown, Refusal> {
    let store = call.people.stores.look()?;
    let owner = call.authorized(&store, Act::Change)?;
    let rule = rules::find(&store, &owner, call.place("id"))?;
    sent(call, form, owner, &rule.id, rule.enabled)
}

/// What a rule's form asks for: another outlet, a preview, or to be kept.
fn sent(call: &Call, form: &Form, owner: Owner, id: &str, enabled: bool) -> Result<Shown, Refusal> {
    let json = form.get("json").map(str::to_owned);
    let mut sheet = Sheet::of(id, RuleForm::read(form));
    let said = match &json {
        Some(json) => json.clone(),
        None => sheet.form.to_json(enabled).to_string(),
    };
    sheet.json = json;
    sheet.only_json = form.get("only_json").is_some();
    let read = Document::read(said.as_bytes()).and_then(|rule| rule.rule(owner, id));
    match form.text("act") {
        "more" => {
            sheet.form.outlets.push(OutletForm::default());
            Ok(Shown::Page(sheet.page(call)?))
        }
        "live" => Ok(Shown::Json(match read.and_then(|rule| looked(call, rule)) {
            Ok(preview) => serde_json::to_value(&preview).unwrap_or_default(),
            Err(refusal) => json!({ "problems": problems(&refusal) }),
        })),
        "preview" => {
            match read.and_then(|rule| looked(call, rule)) {
                Ok(preview) => sheet.preview = Some(preview),
                Err(refusal) => sheet.faults = problems(&refusal),
            }
            Ok(Shown::Page(sheet.page(call)?))
        }
        _ => match read.and_then(|rule| kept(call, rule)) {
            Ok(()) => Ok(Shown::Elsewhere(format!("/me/rules{}", suffix(call)))),
            Err(refusal) if refusal.status == StatusCode::UNPROCESSABLE_ENTITY => {
                sheet.faults = problems(&refusal);
                Ok(Shown::Problem(refusal.status, sheet.page(call)?))
            }
            Err(refusal) => Err(refusal),
        },
    }
}

fn kept(call: &Call, rule: Rule) -> Result<(), Refusal> {
    let store = call.people.stores.change()?;
    rules::keep(call, &store, rule).map(drop)
}

fn looked(call: &Call, mut rule: Rule) -> Result<Preview, Refusal> {
    preview::complete(&mut rule);
    preview::of(call, rule)
}

fn problems(refusal: &Refusal) -> Vec<String> {
    refusal.reason.lines().map(|line| shown::line(line, 600)).collect()
}
