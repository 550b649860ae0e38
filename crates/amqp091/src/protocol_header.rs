//! The first eight octets of a connection (AMQP 0-9-1 §4.2.2).

/// What a client of AMQP 0-9-1 sends first, and what a server answers to anything else before it
/// closes.
pub const PROTOCOL_HEADER: [u8; 8] = *b"AMQP\0\0\x09\x01";

/// How many octets decide.
pub const PROTOCOL_HEADER_SIZE: usize = 8;
