//! An open connection: the first octet says in pieces of what size the rest arrives. Whatever it
//! is, the server answers in whole frames and comes to rest.
#![no_main]

use server::Stepped;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let Some((&size, stream)) = octets.split_first() else { return };
    let mut stepped = Stepped::default();
    let _ = stream.chunks(usize::from(size).max(1)).all(|piece| stepped.say(piece));
    stepped.lose();
});
