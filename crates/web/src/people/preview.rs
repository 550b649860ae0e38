//! What a rule would have told of the events that the pages keep.

use notify::{
    Preview,
    rule::{Outlet, Rule, When},
};
use serde_json::Value;
use std::time::Instant;

use super::{
    call::{Answer, Call, Outcome, PREVIEW_WAIT},
    owner::Act,
    refusal::Refusal,
    rules::Document,
};

pub(crate) fn preview(call: &Call) -> Outcome {
    let store = call.people.stores.look()?;
    let owner = call.authorized(&store, Act::See)?;
    let mut rule = Document::read(&call.body)?.rule(owner, "")?;
    complete(&mut rule);
    let preview = of(call, rule)?;
    Ok(Answer::Json(serde_json::to_value(&preview).unwrap_or(Value::Null)))
}

/// What a rule that is not finished needs to be asked.
pub(crate) fn complete(rule: &mut Rule) {
    if rule.name.is_empty() {
        "preview".clone_into(&mut rule.name);
    }
    if rule.outlets.is_empty() {
        let to = vec!["@mail".to_owned()];
        rule.outlets.push(Outlet { severities: Vec::new(), to, when: When::default() });
    }
}

/// Looks at the kept events, the oldest first; as many as there is time for.
pub(crate) fn of(call: &Call, rule: Rule) -> Result<Preview, Refusal> {
    rule.check().map_err(Refusal::of_faults)?;
    let directory = call.people.stores.look()?.directory()?;
    let mut preview = Preview::new(rule, SHOWN, &directory).map_err(Refusal::unfit)?;
    let began = Instant::now();
    let (mut events, _) = call.feed.newest(&crate::filter::Filter::default(), usize::MAX);
    events.reverse();
    for entry in events {
        if began.elapsed() > PREVIEW_WAIT {
            break;
        }
        preview.look(&entry.event, &entry.description, &directory);
    }
    Ok(preview)
}

const SHOWN: usize = 10;
