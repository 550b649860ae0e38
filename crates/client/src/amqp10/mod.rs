//! AMQP 1.0 as a client speaks it.

mod conversation;
mod dialect;
mod handshake;
mod intake;
mod management;
mod outlets;
mod refusal;
mod sections;

pub(crate) use conversation::Amqp10;
pub(crate) use dialect::Dialect;
pub(crate) use handshake::open;
pub(crate) use sections::Sections;
