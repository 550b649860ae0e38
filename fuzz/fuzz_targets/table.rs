//! A field table, and a list of properties with one in it: both readers agree on what is
//! well-formed.
#![no_main]

use amqp091::{FieldTable, PropertyList};
use bytes::{Bytes, BytesMut};

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let fields = Bytes::copy_from_slice(octets);
    let table = bounded::bounded(octets.len(), || FieldTable::decode(&fields));
    let length = (octets.len() as u32).to_be_bytes();
    let list = [&[0x20, 0][..], &length, octets].concat();
    let list = PropertyList::parse(list.into());
    assert_eq!(table.is_ok(), list.is_ok(), "decoding and walking differ");
    let (Ok(table), Ok(list)) = (table, list) else { return };
    assert_eq!(list.headers(), Some(table.clone()));
    for (name, _) in table.iter().take(8) {
        assert!(list.has_header(&[name]));
    }
    let mut written = BytesMut::new();
    table.encode(&mut written);
    assert_eq!(FieldTable::decode(&written.freeze().slice(4..)), Ok(table));
});
