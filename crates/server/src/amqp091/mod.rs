//! AMQP 0-9-1 to the broker's model: the one adapter that knows both.
//!
//! `driver` owns the socket and the clock; `handshake` brings a peer from its first octet to an
//! open connection; `connection` is the state, stepped by frames, with its methods by theme in
//! `declare`, `publish` and `consume`; `recheck` takes back what is not allowed any more.

mod arguments;
mod channel;
mod connection;
mod consume;
mod declare;
mod driver;
mod handshake;
mod plaintext;
mod publish;
mod recheck;
mod refusal;

pub(crate) use driver::serve;
