//! What a changed body schema means for those who have the old one. Reasons over JSON Schemas as
//! sets of bodies (`subset`), and says so where it cannot.

mod keywords;
mod subset;

use serde_json::Value;

use self::subset::{Finding, Side, Subset};

/// How two versions of one body schema go together. A key that a schema does not name counts as
/// not sent, so that adding an optional one is compatible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compatibility {
    /// Whether every old event fits the new schema: archives and slow publishers.
    pub backward: Answer,
    /// Whether every new event fits the old schema: subscribers that were not updated.
    pub forward: Answer,
}

/// An answer with its reasons, one line each: JSON path, then what is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It holds.
    Yes,
    /// It does not: each reason alone breaks it.
    No(Vec<String>),
    /// It could not be decided, for what these rules say (patterns, `not`, `if`).
    CannotTell(Vec<String>),
}

impl Compatibility {
    /// Compares two body schemas, of any drafts.
    pub fn of(old: &Value, new: &Value) -> Compatibility {
        let (before, after) = (Side { label: "old", root: old }, Side { label: "new", root: new });
        let mut backward = Subset::new(before, after);
        backward.compare(old, new);
        let mut forward = Subset::new(after, before);
        forward.compare(new, old);
        forward.removed_keys(old, new);
        Compatibility { backward: verdict(backward), forward: verdict(forward) }
    }

    /// Both at once: `No` before `CannotTell` before `Yes`.
    pub fn full(&self) -> Answer {
        let no: Vec<String> = [&self.backward, &self.forward]
            .into_iter()
            .filter(|verdict| matches!(verdict, Answer::No(_)))
            .flat_map(|verdict| verdict.reasons().iter().cloned())
            .collect();
        if !no.is_empty() {
            return Answer::No(no);
        }
        let open: Vec<String> = [&self.backward, &self.forward]
            .into_iter()
            .flat_map(|verdict| verdict.reasons().iter().cloned())
            .collect();
        if open.is_empty() { Answer::Yes } else { Answer::CannotTell(open) }
    }
}

impl Answer {
    /// The reasons; none for `Yes`.
    pub fn reasons(&self) -> &[String] {
        match self {
            Answer::Yes => &[],
            Answer::No(reasons) | Answer::CannotTell(reasons) => reasons,
        }
    }

    /// `yes`, `no`, `cannot tell`.
    pub fn word(&self) -> &'static str {
        match self {
            Answer::Yes => "yes",
            Answer::No(_) => "no",
            Answer::CannotTell(_) => "cannot tell",
        }
    }
}

fn verdict(subset: Subset<'_>) -> Answer {
    let findings = subset.findings();
    let lines = |breaks: bool| {
        let mut lines: Vec<String> = Vec::new();
        for finding in findings.iter().filter(|finding| finding.breaks == breaks) {
            let Finding { path, reason, .. } = finding;
            let line = format!("{path}: {reason}");
            if lines.len() < REASONS_MAX && !lines.contains(&line) {
                lines.push(line);
            }
        }
        lines
    };
    match (lines(true), lines(false)) {
        (no, _) if !no.is_empty() => Answer::No(no),
        (_, open) if !open.is_empty() => Answer::CannotTell(open),
        _ => Answer::Yes,
    }
}

const REASONS_MAX: usize = 50;

#[cfg(test)]
#[path = "compatibility/tests.rs"]
mod tests;
