//! An event's message from a stranger, as octets: the first chooses the clothes and the encoding,
//! lines before an empty one are headers (`name value`, the value being short JSON, or else text),
//! the rest is the body. Also what `fuzz/fuzz_targets/event.rs` runs.

use event::{Body, Clothing, Encoding, Event, HttpMode, Verdict, Verifier, Wire};
use serde_json::Value;

/// Reads it, if it can be read, and puts it on and off again in every clothing.
///
/// # Panics
/// It comes out as another, or its signature is believed.
pub(crate) fn take(octets: &[u8]) -> Option<Event> {
    let (&choice, message) = octets.split_first()?;
    let end = message.windows(2).position(|two| two == b"\n\n");
    let (head, body) = end.map_or((&[][..], message), |at| (&message[..at], &message[at + 2..]));
    let encoding = Encoding::ALL[usize::from(choice) % 3];
    drop(Body::decode(body.to_vec(), encoding));
    let event = read(choice / 3 % 3, encoding, &String::from_utf8_lossy(head), body)?;
    let verdict = Verifier::default().verify(&event);
    assert!(!matches!(verdict, Verdict::Valid { .. }), "{event:?}");
    drop(event.to_wire_as(Clothing::FedoraMessaging));
    // Not fedora-messaging's: a CloudEvent may have other things under the names of its headers.
    for clothing in [Clothing::CloudEventsBinary, Clothing::CloudEventsStructured] {
        let again = Event::from_wire(event.to_wire_as(clothing)).expect("it was read once");
        assert_eq!(again, event, "{clothing}");
    }
    for mode in [HttpMode::Binary, HttpMode::Structured] {
        let http = event.to_http(mode);
        let headers = http.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let again = Event::from_http(headers, http.body.clone()).expect("it was read once");
        assert_eq!(again, std::slice::from_ref(&event), "{mode:?}");
    }
    Some(event)
}

fn read(clothes: u8, encoding: Encoding, head: &str, body: &[u8]) -> Option<Event> {
    let headers = head.lines().filter_map(|line| line.split_once(' '));
    if clothes == 0 {
        let headers = headers.map(|(name, value)| (name, value.as_bytes()));
        return Event::from_http(headers, body.to_vec().into()).ok()?.into_iter().next();
    }
    let value = |text: &str| match text.len() {
        // As deep as the client reads them.
        0..32 => serde_json::from_str(text).unwrap_or(Value::from(text)),
        _ => Value::from(text),
    };
    let content_type = match clothes {
        1 => "application/cloudevents+json",
        _ => encoding.content_type(),
    };
    let wire = Wire {
        routing_key: "a.b".to_owned(),
        content_type: Some(content_type.to_owned()),
        headers: headers.map(|(name, text)| (name.to_owned(), value(text))).collect(),
        body: body.to_vec().into(),
        ..Wire::default()
    };
    Event::from_wire(wire).ok()
}
