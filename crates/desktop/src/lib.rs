//! A person's notices in their session: from their queue on the bus to the notification daemon.
//!
//! [`run`] takes slips from the person's queue ([`notify::desktop_inbox`]), has [`Board`] decide
//! what is worth a bubble of its own, and shows it by the daemon that the session has (dunst,
//! GNOME, KDE: `org.freedesktop.Notifications`). A slip is acknowledged when the daemon has it.
//!
//! ```text
//! queue ─► Slip ─► board (bursts, catch-up, replacing) ─► Bubble ─► daemon ─► ack
//!                                                          └─ clicked ─► browser
//! ```
//!
//! The board is told the time and does no I/O; only `daemon` knows D-Bus.

mod board;
mod browser;
mod daemon;
mod error;
mod session;

pub use board::{Board, Bubble, Urgency};
pub use error::Error;
pub use session::{Options, run};
