//! What a verifier thinks of an event, for people and for programs.

use event::Verdict;
use serde_json::{Value, json};

/// `valid`, `unsigned` or `invalid`.
pub(crate) fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Valid { .. } => "valid",
        Verdict::Unsigned => "unsigned",
        Verdict::Invalid { .. } => "invalid",
    }
}

/// The key it is by, or says it is by.
pub(crate) fn key(verdict: &Verdict) -> Option<&str> {
    match verdict {
        Verdict::Valid { key } => Some(key),
        Verdict::Unsigned => None,
        Verdict::Invalid { key, .. } => key.as_deref(),
    }
}

/// Why it is not believed.
pub(crate) fn reason(verdict: &Verdict) -> Option<String> {
    match verdict {
        Verdict::Valid { .. } | Verdict::Unsigned => None,
        Verdict::Invalid { doubt, .. } => Some(doubt.to_string()),
    }
}

/// `{"verdict": "valid", "key": "hall", "reason": null}`.
pub(crate) fn json(verdict: &Verdict) -> Value {
    json!({"verdict": word(verdict), "key": key(verdict), "reason": reason(verdict)})
}
