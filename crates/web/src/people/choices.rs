//! What there is to choose from when a rule is made: seen lately, or declared by schemas.

use std::collections::BTreeMap;

use serde_json::json;

use super::{
    call::{Answer, Call, Outcome},
    refusal::Refusal,
};

/// A kind of name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Topics,
    Apps,
    People,
    Packages,
    Objects,
    Schemas,
}

impl Known {
    pub(crate) const ALL: [(&'static str, Known); 6] = [
        ("topics", Known::Topics),
        ("apps", Known::Apps),
        ("people", Known::People),
        ("packages", Known::Packages),
        ("objects", Known::Objects),
        ("schemas", Known::Schemas),
    ];

    fn named(name: &str) -> Option<Known> {
        Known::ALL.into_iter().find(|(this, _)| *this == name).map(|(_, kind)| kind)
    }
}

pub(crate) fn list(call: &Call) -> Outcome {
    let kind = call.parameter("kind").unwrap_or_default();
    let Some(kind) = Known::named(kind) else {
        let known: Vec<&str> = Known::ALL.iter().map(|(name, _)| *name).collect();
        return Err(Refusal::bad_request(format!("kind is one of {}.", known.join(", "))));
    };
    let text = call.parameter("text").unwrap_or_default();
    let choices = find(call, kind, text, CHOICES)?;
    Ok(Answer::Json(json!({ "choices": choices })))
}

/// Those with `text` in them, upper and lower case alike; what begins so and what is seen most
/// first.
fn find(call: &Call, kind: Known, text: &str, limit: usize) -> Result<Vec<String>, Refusal> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut see = |name: &str, weight: usize| {
        if !name.is_empty() && name.len() <= NAME_BYTES_MAX {
            *seen.entry(name.to_owned()).or_default() += weight;
        }
    };
    let (entries, _) = call.feed.newest(&crate::filter::Filter::default(), usize::MAX);
    for entry in &entries {
        let told = &entry.description;
        match kind {
            Known::Topics => see(entry.event.topic.as_str(), 1),
            Known::Apps => see(&told.app, 1),
            Known::People => told.people.iter().for_each(|name| see(name, 1)),
            Known::Packages => told.packages.iter().for_each(|name| see(name, 1)),
            Known::Objects => {
                told.objects.iter().chain(&told.object).for_each(|name| see(name, 1));
            }
            Known::Schemas => told.schema.iter().for_each(|name| see(name, 1)),
        }
    }
    match kind {
        Known::Topics => {
            for schema in call.schemas.schemas() {
                schema.topics().iter().for_each(|topic| see(topic.as_str(), 0));
            }
        }
        Known::Schemas => {
            call.schemas.schemas().iter().for_each(|schema| see(schema.name(), 0));
        }
        Known::People => {
            // What a rule means by them changes with who owns it.
            ["@me", "@my-groups"].iter().for_each(|name| see(name, 1));
            for (name, _) in call.groups(&*call.people.stores.look()?)? {
                see(&format!("@group:{name}"), 1);
            }
        }
        _ => {}
    }
    let text = text.trim().to_lowercase();
    let mut found: Vec<(String, String, usize)> = seen
        .into_iter()
        .map(|(name, weight)| (name.to_lowercase(), name, weight))
        .filter(|(lower, ..)| lower.contains(&text))
        .collect();
    found.sort_by(|(a, _, of_a), (b, _, of_b)| {
        (!a.starts_with(&text), std::cmp::Reverse(of_a), a).cmp(&(
            !b.starts_with(&text),
            std::cmp::Reverse(of_b),
            b,
        ))
    });
    Ok(found.into_iter().take(limit).map(|(_, name, _)| name).collect())
}

const CHOICES: usize = 20;
const NAME_BYTES_MAX: usize = 255;
