//! The pages of what was told, and of why.

use jiff::Timestamp;
use minijinja::{Value as Rendered, context, value::Serde};
use notify::store::Told;
use serde_json::Value;

use super::{Shown, frame};
use crate::{
    people::{
        call::Call,
        history::{self, Line, Why},
        refusal::Refusal,
    },
    shown,
    view::{TimeView, encoded, event_href},
};

pub(crate) fn list(call: &Call) -> Result<Shown, Refusal> {
    let (lines, next) = history::lines(call)?;
    let rows: Vec<Rendered> = lines.iter().map(line).collect();
    let rest = context! { rows, next };
    Ok(Shown::Page(frame::page(call, "history", rest)?))
}

fn line(Line { told, entry }: &Line) -> Rendered {
    let key = entry.as_ref().map(|entry| entry.key.clone());
    context! {
        summary => entry.as_ref().map(|it| shown::line(it.description.summary.trim(), 400)),
        event_href => key.as_deref().map(event_href),
        why_href => format!("/me/why/{}", encoded(key.as_deref().unwrap_or(&told.event_id))),
        event_id => shown::line(&told.event_id, 255),
        ..ended(&told.told)
    }
}

fn ended(told: &Told) -> Rendered {
    context! {
        place => shown::line(&told.place, 200),
        owners => told.owners.iter().take(8).map(|one| shown::line(one, 100)).collect::<Vec<_>>(),
        at => Serde(TimeView::new(told.at, Timestamp::now())),
        answer => shown::line(&told.answer, 400),
        waits => told.waits,
    }
}

pub(crate) fn why(call: &Call) -> Result<Shown, Refusal> {
    let Why { entry, event_id, rules, told } = history::look(call, call.place("event"))?;
    let (wanting, others): (Vec<&Value>, Vec<&Value>) =
        rules.iter().partition(|rule| rule["matches"] == true);
    let text = |rule: &Value, key: &str, max: usize| {
        shown::line(rule[key].as_str().unwrap_or_default(), max)
    };
    let verdict = |rule: &&Value| {
        let to = rule["to"].as_array().into_iter().flatten().filter_map(Value::as_str);
        context! {
            id => text(rule, "rule", 64),
            name => text(rule, "name", 100),
            owner => text(rule, "owner", 260),
            to => to.map(|to| shown::line(to, 200)).collect::<Vec<_>>(),
            path => text(rule, "path", 300),
            reason => text(rule, "reason", 400),
        }
    };
    let rest = context! {
        summary => entry.as_ref().map(|it| shown::line(it.description.summary.trim(), 400)),
        event_href => entry.as_ref().map(|it| event_href(&it.key)),
        event_id => shown::line(&event_id, 255),
        wanting => wanting.iter().map(verdict).collect::<Vec<_>>(),
        others => others.iter().map(verdict).collect::<Vec<_>>(),
        is_kept => entry.is_some(),
        told => told.iter().map(ended).collect::<Vec<_>>(),
    };
    Ok(Shown::Page(frame::page(call, "why", rest)?))
}
