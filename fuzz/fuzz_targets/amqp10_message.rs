//! AMQP 1.0: a message in two pieces; the first octet says where the cut is. It is the same message
//! as in one piece, and a key looked up is the same as in the whole map.
#![no_main]

use amqp10::{Message, limits::ZERO_WIDTH_ELEMENTS_MAX, section::Pieces};
use bytes::Bytes;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let Some((&cut, message)) = octets.split_first() else { return };
    let (first, second) = message.split_at(usize::from(cut).min(message.len()));
    let pieces = [first, second].map(Bytes::copy_from_slice);
    let whole = Pieces::from_iter([Bytes::copy_from_slice(message)]);
    let one = bounded::bounded(0, || Message::parse(whole));
    let two = Message::parse(Pieces::from_iter(pieces));
    assert_eq!(one.clone().map(drop), two.clone().map(drop), "pieces make a difference");
    let (Ok(one), Ok(two)) = (one, two) else { return };
    let bound = octets.len() + ZERO_WIDTH_ELEMENTS_MAX;
    bounded::bounded(3 * bound, || {
        assert_eq!(one.header(), two.header());
        assert_eq!(one.properties(), two.properties());
        assert_eq!(one.value(), two.value());
    });
    let data = |it: &Message| it.data().flatten().flatten().collect::<Vec<u8>>();
    assert_eq!(data(&one), data(&two));
    for map in [one.message_annotations(), one.application_properties()].into_iter().flatten() {
        let Ok(whole) = map.to_map() else { continue };
        assert_eq!(map.get("key"), Ok(whole.get("key").cloned()));
    }
});
