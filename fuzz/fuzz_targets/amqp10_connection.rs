//! AMQP 1.0: an endpoint under an owner whose decisions come from the first four octets; the first
//! says in pieces of what size the rest arrives. Whatever it is, what the endpoint says is whole
//! frames that keep to the protocol.
#![no_main]

#[path = "../../crates/amqp10/tests/endpoint/random_owner.rs"]
mod random_owner;
#[path = "../../crates/amqp10/tests/endpoint/watch.rs"]
mod watch;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let Some((dice, stream)) = octets.split_first_chunk::<4>() else { return };
    let mut owner = random_owner::RandomOwner::new(u32::from_le_bytes(*dice));
    let mut watch = watch::Watch::default();
    for piece in stream.chunks(usize::from(dice[0]).max(16)) {
        owner.hear(piece);
        watch.read(&mut owner.out);
    }
});
