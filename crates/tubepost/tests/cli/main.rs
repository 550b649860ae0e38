//! The binary as its users meet it: exit codes, what is said where, and what is left on disk.

#![allow(clippy::unwrap_used, reason = "what cannot be set up fails its test")]

mod configuration;
mod home;
mod hook;
mod journal;
mod management;
mod notify;
mod schema;
mod serve;
mod usage;
mod user;
mod verify;
