//! Real pushes into real repositories: what `git push` hands to the hook becomes the right events.

#![allow(clippy::unwrap_used, reason = "what cannot be set up fails its test")]

mod hook;
mod push;
mod refs;
mod size;
mod workshop;
