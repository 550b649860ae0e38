//! The type system (AMQP 1.0 part 1): every primitive type, and values of any type.

mod array;
mod compound;
mod kind;
mod map;
mod message_id;
mod multiple;
mod primitive;
mod scalar;
mod secret;
mod serial;
mod skip;
mod symbol;
mod value;

pub use array::Array;
pub(crate) use compound::encode_compound;
pub use kind::Kind;
pub(crate) use map::is_wide;
pub use map::{Map, MapWriter};
pub use message_id::MessageId;
pub use multiple::Multiple;
pub use scalar::{Decimal32, Decimal64, Decimal128, Timestamp, Uuid};
pub use secret::Secret;
pub(crate) use serial::serial_number;
pub use skip::skip;
pub use symbol::Symbol;
pub use value::{Described, Value};
