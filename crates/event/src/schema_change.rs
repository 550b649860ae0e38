//! What became of a schema between two versions of its file: its body's compatibility, and the
//! topics and names by which events find it.

use crate::{Answer, Compatibility, Schema};

/// A schema that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaChange {
    /// The old and the new version number.
    pub versions: (u32, u32),
    /// How the two bodies go together.
    pub body: Compatibility,
    /// Topics and names that events had and that do not lead to the schema any more, one line
    /// each: `$.topics: #.door.open is gone`.
    pub lost: Vec<String>,
    /// Whether the body says anything else than before.
    pub is_body_changed: bool,
}

impl SchemaChange {
    /// Compares two files of one schema.
    pub fn between(old: &Schema, new: &Schema) -> SchemaChange {
        let mut lost = Vec::new();
        for topic in old.topics().iter().filter(|topic| !new.topics().contains(topic)) {
            lost.push(format!(
                "$.topics: {} is gone, and its events find no schema",
                topic.as_str()
            ));
        }
        for name in old.all_names().filter(|name| !new.all_names().any(|other| other == *name)) {
            lost.push(format!("$.names: {name} is gone, and events that name it find no schema"));
        }
        lost.dedup();
        SchemaChange {
            versions: (old.version(), new.version()),
            body: Compatibility::of(old.body(), new.body()),
            lost,
            is_body_changed: old.body() != new.body(),
        }
    }

    /// What breaks who has the old one: none for a compatible change.
    pub fn breaks(&self) -> Vec<String> {
        let mut breaks = self.lost.clone();
        for (verdict, who) in [
            (&self.body.backward, "old events do not fit"),
            (&self.body.forward, "who knows the old form cannot take new events"),
        ] {
            if let Answer::No(reasons) = verdict {
                breaks.extend(reasons.iter().map(|reason| format!("{reason} ({who})")));
            }
        }
        breaks
    }

    /// Why the change may not be made as it is: it breaks somebody and keeps the version, or the
    /// version goes back.
    pub fn refusals(&self) -> Vec<String> {
        let (before, after) = self.versions;
        if after < before {
            return vec![format!("$.version: {after} after {before}; a version only goes up")];
        }
        if after > before {
            return Vec::new();
        }
        self.breaks()
    }
}
