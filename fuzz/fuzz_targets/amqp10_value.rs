//! AMQP 1.0: a value of any type: reading and walking agree on what is well-formed, and what is
//! read is written as the same.
#![no_main]

use amqp10::{
    Decode as _, Encode as _, Reader,
    limits::ZERO_WIDTH_ELEMENTS_MAX,
    types::{Value, skip},
};
use bytes::{Bytes, BytesMut};

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let octets = Bytes::copy_from_slice(octets);
    let bound = octets.len() + ZERO_WIDTH_ELEMENTS_MAX;
    let value = bounded::bounded(bound, || Value::decode(&mut Reader::new(&octets)));
    let walked = bounded::bounded(0, || skip(&mut Reader::new(&octets)));
    assert_eq!(walked, value.clone().map(drop), "decoding and walking differ");
    let Ok(value) = value else { return };
    let mut written = BytesMut::new();
    value.encode(&mut written);
    let written = written.freeze();
    assert_eq!(Value::decode(&mut Reader::new(&written)), Ok(value));
});
