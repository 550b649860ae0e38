//! The crate seen from outside: golden octets, every method there and back, every split of a
//! stream, malformed input, and another implementation's opinion.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may fail by panic")]

mod generated;
mod golden;
mod identity;
mod malformed;
mod peer;
mod splits;
mod values;
