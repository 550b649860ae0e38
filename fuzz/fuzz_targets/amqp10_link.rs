//! AMQP 1.0: two links of an endpoint, and a peer that says on them what the octets make of it.
#![no_main]

#[path = "../../crates/amqp10/tests/endpoint/random_link.rs"]
mod random_link;
#[path = "../../crates/amqp10/tests/endpoint/random_owner.rs"]
mod random_owner;
#[path = "../../crates/amqp10/tests/endpoint/watch.rs"]
mod watch;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| random_link::run(octets));
