//! Frames of a WebSocket's client: the first octet says in pieces of what size the rest arrives.
//! They hold the same as when all comes at once, and never more than there was.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let Some((&size, octets)) = octets.split_first() else { return };
    let whole = bounded::bounded(octets.len(), || server::unframed(octets, octets.len()));
    assert_eq!(server::unframed(octets, size.into()), whole);
    if let Ok((data, ..)) = whole {
        assert!(data.len() <= octets.len());
    }
});
