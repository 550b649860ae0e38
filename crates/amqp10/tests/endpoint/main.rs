//! Endpoints by what they say: each alone against frames, and two of them by octets.
#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

mod deliveries;
mod flow_control;
mod idle;
mod links;
mod pair;
mod random;
mod random_link;
mod random_owner;
mod resume;
mod states;
mod watch;
mod whole;
mod wrong;
