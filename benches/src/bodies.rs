//! An event's body in its encodings: read and written, and the table of docs/events.md.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use event::{Body, Encoding, Event, Registry, SigningKey, Verdict, Verifier};
use serde_json::{Value, json};

/// Bodies as services have them: a reading of a sensor, and the examples of two shipped schemas.
fn samples() -> [(&'static str, Value); 3] {
    let shipped = |name: &str| {
        let registry = Registry::builtin();
        let schema = registry.schema(name).expect("it ships");
        let (_, body) = schema.examples().next().expect("it has an example");
        body.clone()
    };
    let reading = json!({"sensor": "hall-3", "celsius": 21.4, "humidity": 48, "battery": true,
        "at": 1_764_000_000, "samples": [21.3, 21.4, 21.4, 21.5, 21.4, 21.4, 21.3, 21.4]});
    [
        ("sensor reading", reading),
        ("git.branch.create", shipped("git.branch.create")),
        ("git.receive", shipped("git.receive")),
    ]
}

fn body(encoding: Encoding) -> Body {
    let [.., (_, value)] = samples();
    let body = Body::try_from(value).expect("it is an object");
    body.encoded(encoding).expect("it has no large integers")
}

fn read(encoding: Encoding, messages: u64) {
    let bytes = body(encoding).bytes().clone();
    for _ in 0..messages {
        black_box(Body::decode(black_box(bytes.clone()), encoding).expect("it was written so"));
    }
}

pub(crate) fn read_json(messages: u64) {
    read(Encoding::Json, messages);
}

pub(crate) fn read_cbor(messages: u64) {
    read(Encoding::Cbor, messages);
}

pub(crate) fn read_protobuf(messages: u64) {
    read(Encoding::Protobuf, messages);
}

fn signed() -> (SigningKey, Event) {
    let key = SigningKey::generate("key").expect("the system has randomness");
    let topic = "org.example.git.receive".parse().expect("it is one");
    let mut event = Event::with_body(topic, body(Encoding::Json));
    key.sign(&mut event).expect("it has a time");
    (key, event)
}

pub(crate) fn sign(messages: u64) {
    let (key, mut event) = signed();
    for _ in 0..messages {
        key.sign(black_box(&mut event)).expect("it has a time");
    }
}

pub(crate) fn verify(messages: u64) {
    let (key, event) = signed();
    let mut verifier = Verifier::default();
    verifier.add("key", &key.public_pem()).expect("it is a key");
    for _ in 0..messages {
        let verdict = verifier.verify(black_box(&event));
        assert!(matches!(verdict, Verdict::Valid { .. }), "{verdict:?}");
    }
}

/// The table: bytes, and microseconds on one core, the best of several rounds.
pub(crate) fn table() {
    println!("| body | encoding | bytes | read, µs | write, µs |");
    println!("| --- | --- | ---: | ---: | ---: |");
    for (name, value) in samples() {
        let json = Body::try_from(value).expect("it is an object");
        for encoding in Encoding::ALL {
            let body = json.encoded(encoding).expect("it has no large integers");
            let bytes = body.bytes();
            let read = best(|| {
                black_box(Body::decode(black_box(bytes.clone()), encoding).expect("it was read"));
            });
            // Whatever it is written from, it is not copied as it is.
            let from = if encoding == Encoding::Json { Encoding::Cbor } else { Encoding::Json };
            let other = json.encoded(from).expect("it has no large integers");
            let write = best(|| {
                black_box(black_box(&other).encoded(encoding).expect("it was written"));
            });
            let (read, write) = (micros(read), micros(write));
            println!("| {name} | {encoding} | {} | {read:.2} | {write:.2} |", bytes.len());
        }
    }
    let (key, mut event) = signed();
    let mut verifier = Verifier::default();
    verifier.add("key", &key.public_pem()).expect("it is a key");
    let signing = best(|| key.sign(black_box(&mut event)).expect("it has a time"));
    let verifying = best(|| {
        black_box(verifier.verify(black_box(&event)));
    });
    let (signing, verifying) = (micros(signing), micros(verifying));
    println!("\ngit.receive: signing takes {signing:.0} µs, verifying {verifying:.0} µs");
}

fn best(mut work: impl FnMut()) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        (0..TIMES).for_each(|_| work());
        best = best.min(begun.elapsed() / TIMES);
    }
    best
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

const ROUNDS: u32 = 20;
const TIMES: u32 = 500;
