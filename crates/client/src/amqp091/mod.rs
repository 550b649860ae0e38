//! AMQP 0-9-1 as a client speaks it.

mod consume;
mod conversation;
mod handshake;
mod properties;

pub(crate) use ::amqp091::PropertyList;
pub(crate) use conversation::Amqp091;
pub(crate) use handshake::open;
pub(crate) use properties::{properties, too_big, wire};
