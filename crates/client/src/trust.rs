//! What a subscriber makes of signatures: each event is judged by the keys that are trusted, and
//! flagged, or refused where a valid signature is required.

use std::{
    fmt,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use event::{Event, Verdict, Verifier};
use tracing::warn;

use crate::Undecodable;

/// What becomes of an event that no trusted key signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SignaturePolicy {
    /// It is received, and its header `tubepost_verdict` says so.
    #[default]
    Flag,
    /// It is refused: received as what cannot be read is, with the reason.
    Require,
}

impl FromStr for SignaturePolicy {
    type Err = String;

    // Reads behind the quoted text.
    fn from_str(text: &str) -> Result<SignaturePolicy, String> {
        match text {
            "flag" => Ok(SignaturePolicy::Flag),
            "require" => Ok(SignaturePolicy::Require),
            _ => Err("is not a policy: expected flag or require".to_owned()),
        }
    }
}

/// Trusted keys, what is done by them, and how often. Clones count together.
#[derive(Debug, Clone)]
pub struct Trust(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    verifier: Verifier,
    policy: SignaturePolicy,
    valid: AtomicU64,
    unsigned: AtomicU64,
    invalid: AtomicU64,
}

/// How many events were found to be what, since the process began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrustCounts {
    /// Signed by a trusted key, and unchanged.
    pub valid: u64,
    /// Not signed.
    pub unsigned: u64,
    /// Signed by nobody who is trusted, or changed since.
    pub invalid: u64,
    /// Of the last two, those that were refused: all or none.
    pub refused: u64,
}

impl Trust {
    /// These keys, with that policy.
    pub fn new(verifier: Verifier, policy: SignaturePolicy) -> Trust {
        let (valid, unsigned, invalid) = Default::default();
        Trust(Arc::new(Inner { verifier, policy, valid, unsigned, invalid }))
    }

    /// What was found so far.
    pub fn counts(&self) -> TrustCounts {
        let Inner { policy, valid, unsigned, invalid, .. } = &*self.0;
        let (valid, unsigned, invalid) =
            (valid.load(Relaxed), unsigned.load(Relaxed), invalid.load(Relaxed));
        let refused = match policy {
            SignaturePolicy::Flag => 0,
            SignaturePolicy::Require => unsigned + invalid,
        };
        TrustCounts { valid, unsigned, invalid, refused }
    }

    /// Judges an event as it was received; also gives the verdict.
    fn judge(&self, mut event: Event) -> (Result<Event, Undecodable>, Verdict) {
        let verdict = self.0.verifier.verify(&event);
        let (count, said) = match &verdict {
            Verdict::Valid { key } => (&self.0.valid, format!("valid {key}")),
            Verdict::Unsigned => (&self.0.unsigned, "unsigned".to_owned()),
            Verdict::Invalid { key, doubt } => {
                let by = key.as_ref().map_or(String::new(), |key| format!(" {key}"));
                (&self.0.invalid, format!("invalid{by}: {doubt}"))
            }
        };
        count.fetch_add(1, Relaxed);
        let is_good = matches!(verdict, Verdict::Valid { .. });
        if is_good || self.0.policy == SignaturePolicy::Flag {
            event.headers.insert(VERDICT_HEADER.to_owned(), said.into());
            return (Ok(event), verdict);
        }
        warn!(event = %event.id, topic = %event.topic, verdict = said, "an event is refused: a trusted signature is required");
        let undecodable = Undecodable {
            topic: event.topic.to_string(),
            body: event.body.bytes().to_vec(),
            reason: format!("event {}: a trusted signature is required: {said}", event.id),
            refused: Some(Box::new(event)),
        };
        (Err(undecodable), verdict)
    }
}

/// What is received, judged where there is somebody to judge it. Nobody else's word on that is
/// passed on.
pub(crate) fn received(
    trust: Option<&Trust>,
    event: Result<Event, Undecodable>,
) -> (Result<Event, Undecodable>, Option<Verdict>) {
    let Ok(mut event) = event else { return (event, None) };
    event.headers.remove(VERDICT_HEADER);
    match trust {
        None => (Ok(event), None),
        Some(trust) => {
            let (event, verdict) = trust.judge(event);
            (event, Some(verdict))
        }
    }
}

impl fmt::Display for SignaturePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SignaturePolicy::Flag => "flag",
            SignaturePolicy::Require => "require",
        })
    }
}

/// The header that says what was found: `valid KEY`, `unsigned`, or `invalid KEY: reason`.
pub const VERDICT_HEADER: &str = "tubepost_verdict";

#[cfg(test)]
mod tests {
    use event::SigningKey;
    use serde_json::json;

    use super::*;

    fn event() -> Event {
        let mut event = Event::new("a.b".parse().unwrap(), json!({"n": 1})).unwrap();
        // As a stranger may write it.
        event.headers.insert(VERDICT_HEADER.to_owned(), "valid hall".into());
        event
    }

    #[test]
    fn what_is_not_signed_by_a_trusted_key_is_flagged_or_refused_and_counted() {
        let (hall, stranger) =
            (SigningKey::generate("hall").unwrap(), SigningKey::generate("stranger").unwrap());
        let mut verifier = Verifier::default();
        verifier.add("hall", &hall.public_pem()).unwrap();
        for policy in [SignaturePolicy::Flag, SignaturePolicy::Require] {
            let trust = Trust::new(verifier.clone(), policy);
            let of = |event: Event| received(Some(&trust), Ok(event)).0;
            let signed = |key: &SigningKey| {
                let mut event = event();
                key.sign(&mut event).unwrap();
                event
            };
            let mut altered = signed(&hall);
            altered.severity = event::Severity::Error;
            let said = |received: Result<Event, Undecodable>| match received {
                Ok(event) => event.headers[VERDICT_HEADER].as_str().unwrap().to_owned(),
                Err(refused) => {
                    assert!(refused.refused.is_some());
                    refused.to_string()
                }
            };
            assert_eq!(said(of(signed(&hall))), "valid hall");
            for (event, wanted) in [
                (event(), "unsigned"),
                (signed(&stranger), "invalid stranger: its key is not among the trusted ones"),
                (altered, "invalid hall: its signature is not by this key"),
            ] {
                let found = said(of(event));
                assert!(found.contains(wanted), "{policy}: {found}");
                let is_refused = found.contains("a trusted signature is required");
                assert_eq!(is_refused, policy == SignaturePolicy::Require, "{found}");
            }
            let refused = if policy == SignaturePolicy::Require { 3 } else { 0 };
            let expected = TrustCounts { valid: 1, unsigned: 1, invalid: 2, refused };
            assert_eq!(trust.counts(), expected);
        }
    }

    #[test]
    fn without_keys_nobodys_word_on_a_signature_is_passed_on() {
        let (received, verdict) = received(None, Ok(event()));
        assert!(verdict.is_none() && received.unwrap().headers.get(VERDICT_HEADER).is_none());
    }
}
