//! Every bound of this crate in one place, with where it comes from.

/// How deep lists, maps, arrays and described values may lie in each other. The protocol has no
/// limit; the deepest in use is 5 (an attach's source's filter-set's described filter's list).
pub const VALUE_DEPTH_MAX: usize = 32;

/// How many elements without any octets (nulls in an array) one reading takes in all: their number
/// costs a peer nothing.
pub const ZERO_WIDTH_ELEMENTS_MAX: usize = 1024;

/// Octets of a frame header (AMQP 1.0 §2.3.1).
pub const FRAME_HEADER_SIZE: usize = 8;

/// The smallest limit to frames that a peer may ask for (AMQP 1.0 §2.8.19, MIN-MAX-FRAME-SIZE).
pub const MIN_MAX_FRAME_SIZE: u32 = 512;

/// Largest frame accepted before the limit is negotiated. The protocol has 512; tokens in a SASL
/// response need more (RabbitMQ: `initial_frame_max`).
pub const INITIAL_FRAME_MAX: u32 = 8192;

/// Largest delivery tag in octets (AMQP 1.0 §2.8.7).
pub const DELIVERY_TAG_MAX: usize = 32;

/// Largest message in octets: offsets in it are kept in 32 bits.
pub const MESSAGE_SIZE_MAX: usize = u32::MAX as usize;
