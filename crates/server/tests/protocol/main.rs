//! AMQP over real sockets, 0-9-1 octet by octet: a server in this process, and a client that says
//! whatever a test wants to be said. Every wait has a deadline of a second.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may fail by panic")]

mod amqp10;
mod client;
mod extensions;
mod frames;
mod limits;
mod malformed;
mod openings;
mod server;
mod state_matrix;
mod transactions;
mod websockets;
mod wire;
