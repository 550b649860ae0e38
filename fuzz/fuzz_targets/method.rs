//! A method's payload: what is read is written as it was, but for spare bits and one spelling of a
//! type.
#![no_main]

use amqp091::Method;
use bytes::{Bytes, BytesMut};

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let payload = Bytes::copy_from_slice(octets);
    let Ok(method) = bounded::bounded(octets.len(), || Method::decode(&payload)) else { return };
    let mut written = BytesMut::new();
    method.encode(&mut written);
    assert_eq!(written.len(), octets.len(), "{method:?}");
    assert_eq!(Method::decode(&written.freeze()), Ok(method));
});
