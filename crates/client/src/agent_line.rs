//! What is said on an agent's socket: a line for an event, a line for the answer. `docs/agent.md`
//! has it for users. Pure.

use event::{Event, Registry, SigningKey};
use jiff::Timestamp;

/// Who is at the other end of a socket, by the kernel's word, and on which machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) uid: u32,
    pub(crate) pid: i32,
    pub(crate) host: String,
}

/// The event of a line: fedora-messaging's dump format, in which only `topic` and `body` have to
/// be there. A missing id and time are filled in, and so is what the event's schema knows, unless
/// the publisher did that. Who published it is written over whatever the line says of it. What
/// nobody signed is signed, where there is a key.
///
/// # Errors
/// What is wrong with it, as it is answered.
pub(crate) fn event_of(
    line: &[u8],
    peer: &Peer,
    registry: &Registry,
    key: Option<&SigningKey>,
) -> Result<Event, String> {
    let text = std::str::from_utf8(line).map_err(|error| format!("line: is not UTF-8: {error}"))?;
    let mut event = Event::from_dump(text).map_err(|error| error.to_string())?;
    if event.sent_at.is_none() {
        event.sent_at = Timestamp::from_second(Timestamp::now().as_second()).ok();
    }
    // What is signed is as its publisher wants it.
    if event.schema.is_none() && event.signature.is_none() {
        registry.complete(&mut event).map_err(|error| error.to_string())?;
    }
    event.headers.insert(PUBLISHER_UID.to_owned(), peer.uid.into());
    event.headers.insert(PUBLISHER_PID.to_owned(), peer.pid.into());
    event.headers.insert(PUBLISHER_HOST.to_owned(), peer.host.as_str().into());
    if let Some(key) = key.filter(|_| event.signature.is_none()) {
        key.sign(&mut event).map_err(|error| error.to_string())?;
    }
    Ok(event)
}

/// The answer to a line: `ok ID`, or `error REASON`, on one line whatever the reason has in it.
pub(crate) fn answer(outcome: Result<&str, &str>) -> String {
    let one_line = |text: &str| text.replace(char::is_control, " ");
    match outcome {
        Ok(id) => format!("ok {}\n", one_line(id)),
        Err(reason) => format!("error {}\n", one_line(reason)),
    }
}

/// What an answer says.
///
/// # Errors
/// It is none: what answers there is no agent.
pub(crate) fn outcome_of(answer: &str) -> Result<Result<(), String>, String> {
    match answer.trim_end().split_once(' ') {
        Some(("ok", _)) => Ok(Ok(())),
        Some(("error", reason)) => Ok(Err(reason.to_owned())),
        _ => Err(format!("it answered '{}'", answer.trim_end().escape_debug())),
    }
}

const PUBLISHER_UID: &str = "tubepost_publisher_uid";
const PUBLISHER_PID: &str = "tubepost_publisher_pid";
const PUBLISHER_HOST: &str = "tubepost_publisher_host";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn peer() -> Peer {
        Peer { uid: 1000, pid: 42, host: "host.example".to_owned() }
    }

    fn event(line: &str) -> Result<Event, String> {
        event_of(line.as_bytes(), &peer(), &Registry::default(), None)
    }

    #[test]
    fn topic_and_body_are_enough_and_nobody_else_can_be_said_to_have_published_it() {
        let line =
            r#"{"topic": "a.b", "body": {"n": 1}, "headers": {"tubepost_publisher_uid": 0}}"#;
        let event = event(line).unwrap();
        assert_eq!(event.topic.as_str(), "a.b");
        assert!(!event.id.is_empty() && event.sent_at.is_some());
        assert_eq!(event.headers.get("tubepost_publisher_uid"), Some(&json!(1000)));
        assert_eq!(event.headers.get("tubepost_publisher_pid"), Some(&json!(42)));
        assert_eq!(event.headers.get("tubepost_publisher_host"), Some(&json!("host.example")));
    }

    #[test]
    fn what_is_no_event_is_answered_with_the_reason_on_one_line() {
        for (line, wanted) in [
            ("hello", "line: is not JSON"),
            ("{\"topic\": \"a b\", \"body\": {}}", "white space"),
            ("{\"topic\": \"a\", \"body\": 3}", "a number"),
            ("{\"body\": {}}", "topic: is missing"),
        ] {
            let reason = event(line).unwrap_err();
            assert!(reason.contains(wanted), "{line}: {reason}");
        }
        assert!(event_of(b"\xff", &peer(), &Registry::default(), None).is_err());
        assert_eq!(answer(Err("two\nlines")), "error two lines\n");
    }

    #[test]
    fn what_nobody_signed_is_signed_with_all_that_was_filled_in() {
        let key = SigningKey::generate("hall").unwrap();
        let mut verifier = event::Verifier::default();
        verifier.add("hall", &key.public_pem()).unwrap();
        let of = |line: &str| {
            event_of(line.as_bytes(), &peer(), &Registry::builtin(), Some(&key)).unwrap()
        };
        let signed = of(r#"{"topic": "a.b", "body": {"n": 1}}"#);
        let valid = event::Verdict::Valid { key: "hall".to_owned() };
        assert_eq!(verifier.verify(&signed), valid);
        // A line that is signed already, by whomever, stays as its publisher signed it.
        let other = SigningKey::generate("other").unwrap();
        let mut theirs = signed.clone();
        other.sign(&mut theirs).unwrap();
        assert_eq!(of(&theirs.to_dump()).signature, theirs.signature);
        let big = r#"{"topic": "a.b", "body": {"n": 9007199254740993}}"#;
        let refused = event_of(big.as_bytes(), &peer(), &Registry::default(), Some(&key));
        assert!(refused.as_ref().unwrap_err().contains("cannot be signed: "), "{refused:?}");
    }

    #[test]
    fn answers_are_read_as_they_were_written() {
        assert_eq!(outcome_of(&answer(Ok("id"))), Ok(Ok(())));
        assert_eq!(outcome_of(&answer(Err("full"))), Ok(Err("full".to_owned())));
        assert!(outcome_of("HTTP/1.1 400 Bad Request\r\n").is_err());
        assert!(outcome_of("").is_err());
    }
}
