//! An event's message from a stranger, in any clothes and encoding: it is read or refused, and what
//! is read comes out of every clothing as it is. The octets' form is told beside `take`.
#![no_main]

use event::{Body, Encoding};

#[path = "../../crates/event/tests/stranger/mod.rs"]
mod stranger;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    for encoding in [Encoding::Cbor, Encoding::Protobuf] {
        // A name and a value in memory are three times what they are in the protocols.
        bounded::bounded(octets.len() * 3, || drop(Body::decode(octets.to_vec(), encoding)));
    }
    stranger::take(octets);
});
