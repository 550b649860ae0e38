//! The journal on a simulated disk that fails, loses power and lies, and on a real one.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "all of it is tests")]

mod attachments;
mod checkpoint;
mod damage;
mod failing_disk;
mod filling;
mod format;
mod golden;
mod holes;
mod interval;
mod model;
mod power_loss;
mod prepare;
mod read_ahead;
mod real_disk;
mod reclaim;
mod rewrite;
mod slow_disk;
mod survey;
mod threads;
mod withdraw;
