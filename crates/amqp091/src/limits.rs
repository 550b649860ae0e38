//! Every bound of this crate in one place, with where it comes from.

/// Octets a short string can hold: its length is one octet (AMQP 0-9-1 §4.2.5.3).
pub const SHORT_STRING_MAX: usize = 255;

/// How deep tables and arrays may lie in each other. RabbitMQ has no limit; its deepest own use is
/// 3 (`x-death`).
pub const FIELD_DEPTH_MAX: usize = 32;

/// Largest frame accepted before the limit is negotiated (RabbitMQ: `initial_frame_max`).
pub const INITIAL_FRAME_MAX: u32 = 8192;

/// Octets of a frame that are not payload: type, channel, size and the end octet.
pub const FRAME_OVERHEAD: u32 = 8;

/// Octets a frame may exceed the negotiated limit by: "quite a few \[clients\] get it wrong"
/// (RabbitMQ: `FRAME_SIZE_FUDGE`).
pub const FRAME_SIZE_FUDGE: u32 = 8;

/// Largest body a content header may announce: 512 MiB (RabbitMQ: `MAX_MSG_SIZE`).
pub const BODY_SIZE_MAX: u64 = 512 * 1024 * 1024;

/// A body slice below this is copied together with its neighbours, so that a body sent in tiny
/// frames costs its size in memory and not a slice for each.
pub const BODY_SLICE_MIN: usize = 1024;
