//! The crate seen from outside: what another implementation wrote, every type there and back, every
//! split of a stream and of a message, malformed input.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may fail by panic")]

mod generated;
mod identity;
mod malformed;
mod samples;
mod splits;
mod tables;
mod values;
