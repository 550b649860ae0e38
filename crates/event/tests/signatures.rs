//! What a verifier must not believe.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, which is what it should do")]

use event::{Body, Clothing, Doubt, Error, Event, Severity, SigningKey, Verdict, Verifier};
use rcgen::{CertificateParams, KeyPair, KeyUsagePurpose, PKCS_ED25519, date_time_ymd};
use serde_json::json;

fn event() -> Event {
    let topic = "org.example.door.open".parse().unwrap();
    let mut event = Event::new(topic, json!({"door": "north", "list": [1, {"a": null}]})).unwrap();
    event.sent_at = Some("2026-06-01T12:00:00Z".parse().unwrap());
    event.source = Some("//hall/doors".to_owned());
    (event.schema, event.schema_version) = (Some("door.open".to_owned()), Some(2));
    event.object = Some("door/north".to_owned());
    event.headers.insert("fedora_messaging_user_ada".to_owned(), json!(true));
    event
}

fn key() -> (SigningKey, Verifier) {
    let key = SigningKey::generate("hall").unwrap();
    let mut verifier = Verifier::default();
    verifier.add("hall", &key.public_pem()).unwrap();
    (key, verifier)
}

fn signed(key: &SigningKey) -> Event {
    let mut event = event();
    key.sign(&mut event).unwrap();
    event
}

fn doubt(verifier: &Verifier, event: &Event) -> Option<Doubt> {
    match verifier.verify(event) {
        Verdict::Invalid { doubt, .. } => Some(doubt),
        Verdict::Valid { .. } | Verdict::Unsigned => None,
    }
}

#[test]
fn every_field_that_is_altered_makes_it_invalid() {
    let (key, verifier) = key();
    let signed = signed(&key);
    assert_eq!(verifier.verify(&signed), Verdict::Valid { key: "hall".to_owned() });
    type Change = fn(&mut Event);
    let changes: [(&str, Change); 13] = [
        ("id", |it| it.id.push('x')),
        // The same signature replayed on another topic.
        ("topic", |it| it.topic = "org.example.gate.open".parse().unwrap()),
        ("body", |it| it.body = Body::parse("{\"door\": \"south\"}").unwrap()),
        ("time", |it| it.sent_at = Some("2026-06-01T12:00:01Z".parse().unwrap())),
        ("no time", |it| it.sent_at = None),
        ("source", |it| it.source = None),
        ("severity", |it| it.severity = Severity::Error),
        ("schema", |it| it.schema = Some("door.closed".to_owned())),
        ("version", |it| it.schema_version = Some(3)),
        ("object", |it| it.object = Some("door/south".to_owned())),
        ("person added", |it| {
            it.headers.insert("fedora_messaging_user_bob".to_owned(), json!(true));
        }),
        ("person removed", |it| {
            it.headers.remove("fedora_messaging_user_ada");
        }),
        ("signature", |it| {
            let text = it.signature.take().unwrap();
            let (head, last) = text.split_at(text.len() - 4);
            it.signature = Some(format!("{head}{}", last.chars().rev().collect::<String>()));
        }),
    ];
    for (what, change) in changes {
        let mut altered = signed.clone();
        change(&mut altered);
        let found = doubt(&verifier, &altered);
        // The last byte's spare bits make some reversals no base64 at all.
        let expected = matches!(found, Some(Doubt::Altered))
            || (what == "signature" && found == Some(Doubt::Malformed));
        assert!(expected, "{what}: {found:?}");
    }
}

#[test]
fn a_replay_on_another_topic_is_found_in_every_clothing() {
    let (key, verifier) = key();
    let signed = signed(&key);
    for clothing in Clothing::ALL {
        let mut wire = signed.to_wire_as(clothing);
        assert!(doubt(&verifier, &Event::from_wire(wire.clone()).unwrap()).is_none());
        wire.routing_key = "org.example.vault.open".to_owned();
        let replayed = Event::from_wire(wire).unwrap();
        assert_eq!(doubt(&verifier, &replayed), Some(Doubt::Altered), "{clothing}");
    }
}

#[test]
fn only_the_key_that_signed_it_verifies_it() {
    let (key, _) = key();
    let signed = signed(&key);
    assert_eq!(doubt(&Verifier::default(), &signed), Some(Doubt::UnknownKey));
    // Another key of the same name, and the same signature under the other key's name.
    let other = SigningKey::generate("hall").unwrap();
    let mut verifier = Verifier::default();
    verifier.add("hall", &other.public_pem()).unwrap();
    assert_eq!(doubt(&verifier, &signed), Some(Doubt::Altered));
    verifier.add("lobby", &key.public_pem()).unwrap();
    let text = signed.signature.as_ref().unwrap().replace(":hall:", ":lobby:");
    let renamed = Event { signature: Some(text), ..signed };
    assert_eq!(doubt(&verifier, &renamed), Some(Doubt::Altered));
}

#[test]
fn a_key_is_believed_on_its_topics_only() {
    let (key, mut verifier) = key();
    let signed = signed(&key);
    verifier.limit("hall", vec!["#.door.*".parse().unwrap()]).unwrap();
    assert_eq!(verifier.verify(&signed), Verdict::Valid { key: "hall".to_owned() });
    verifier.limit("hall", vec!["#.gate.*".parse().unwrap()]).unwrap();
    assert_eq!(doubt(&verifier, &signed), Some(Doubt::Topic));
    assert!(matches!(verifier.limit("lobby", Vec::new()), Err(Error::Key { .. })));
}

#[test]
fn a_certificate_is_held_against_the_time_of_the_event() {
    let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let key = SigningKey::from_pem("hall", &pair.serialize_pem()).unwrap();
    let signed = signed(&key);
    let certificate = |from, to| {
        let mut params = CertificateParams::new(vec!["hall.example.org".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (from, to);
        params.self_signed(&pair).unwrap().pem()
    };
    let day = date_time_ymd;
    for (pem, valid) in [
        (certificate(day(2026, 1, 1), day(2027, 1, 1)), true),
        // Expired before it was sent, and not valid yet when it was.
        (certificate(day(2025, 1, 1), day(2026, 6, 1)), false),
        (certificate(day(2026, 6, 2), day(2027, 1, 1)), false),
    ] {
        let mut verifier = Verifier::default();
        verifier.add("hall", &pem).unwrap();
        let doubt = doubt(&verifier, &signed);
        assert_eq!(doubt.is_none(), valid, "{doubt:?}");
        assert!(valid || matches!(doubt, Some(Doubt::Certificate { .. })), "{doubt:?}");
    }
}

#[test]
fn what_is_no_key_is_refused_with_the_reason() {
    let mut verifier = Verifier::default();
    let rsa_like = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["hall".to_owned()]).unwrap();
    let other_kind = params.clone().self_signed(&rsa_like).unwrap().pem();
    params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
    let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let other_use = params.self_signed(&pair).unwrap().pem();
    for (id, pem, reason) in [
        ("../hall", "", "a key's name is 1 to 64 letters"),
        ("hall", "", "there is neither"),
        ("hall", "-----BEGIN PUBLIC KEY-----\n???\n-----END PUBLIC KEY-----\n", "its PEM: "),
        ("hall", "-----BEGIN PUBLIC KEY-----\nMCo=\n-----END PUBLIC KEY-----\n", "cannot be read"),
        (
            "hall",
            "-----BEGIN CERTIFICATE-----\nMCo=\n-----END CERTIFICATE-----\n",
            "cannot be read",
        ),
        ("hall", &rsa_like.public_key_pem(), "it is no Ed25519 key, but 1.2.840.10045.2.1"),
        ("hall", &other_kind, "it is no Ed25519 key"),
        ("hall", &other_use, "not for digital signatures"),
    ] {
        let error = verifier.add(id, pem).unwrap_err().to_string();
        assert!(error.contains(reason), "{reason}: {error}");
    }
    assert!(verifier.is_empty());
}

#[test]
fn a_signature_that_is_none_is_doubted_and_an_event_without_one_is_not() {
    let (_, verifier) = key();
    assert_eq!(verifier.verify(&event()), Verdict::Unsigned);
    let long = format!("ed25519:hall:{}", "A".repeat(500));
    for text in ["x", "ed25519:hall:", "ed25519:../hall:AA", "ed448:hall:AA", &long] {
        let event = Event { signature: Some(text.to_owned()), ..event() };
        assert_eq!(doubt(&verifier, &event), Some(Doubt::Malformed), "{text}");
    }
}

/// Readers differ in which of the two they take, so nobody can have vouched for either.
#[test]
fn a_body_with_a_name_twice_is_not_believed() {
    let (key, verifier) = key();
    let mut signed = signed(&key);
    signed.body =
        Body::parse("{\"door\":\"south\",\"door\":\"north\",\"list\":[1,{\"a\":null}]}").unwrap();
    let doubt = doubt(&verifier, &signed).unwrap().to_string();
    assert!(doubt.starts_with("body: 'door' is there twice"), "{doubt}");
}
