//! AMQP 0-9-1 to the broker's model: the one adapter that knows both.
//!
//! `driver` owns the socket and the clock; `handshake` brings a peer from its first octet to an
//! open connection; `connection` is the state, stepped by frames, with its methods by theme in
//! `declare`, `publish`, `consume`, `settle`, `transaction` and `reply_to`; `recheck` takes back
//! what is not allowed any more.

mod annotations;
mod arguments;
mod channel;
mod connection;
mod consume;
mod consumer_timeout;
mod content;
mod declare;
mod driver;
mod expiration;
mod handshake;
mod name;
mod plaintext;
mod properties;
mod publish;
mod publish_cache;
mod recheck;
mod refusal;
mod reply_to;
mod sender_selected;
mod settle;
mod single;
mod stencil;
#[cfg(any(test, feature = "fuzzing"))]
mod stepped;
mod transaction;

pub(crate) use arguments::arguments;
pub(crate) use driver::serve;
pub use handshake::PRODUCT_VERSION;
pub use properties::ContentProperties;
pub use single::{properties_shown, publish_one};
#[cfg(feature = "fuzzing")]
pub use stepped::Stepped;
