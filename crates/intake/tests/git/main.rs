//! Real pushes into real repositories: what `git push` hands to the hook becomes the right events.

mod hook;
mod push;
mod refs;
mod size;
mod workshop;
